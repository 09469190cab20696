"""How loud speech is while somebody speaks: pauses do not count.

Voices are trained on, and fed with, speech of one active level. A plain RMS would make a recording with long
pauses too loud.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from ..errors import VoiceganError

# That may be asked for: what is lower is hardly heard, and what is higher leaves no room for peaks.
LEVELS_DB = (-60.0, -10.0)
FRAME_S = 0.02
GATE_DB = 30.0
FLOOR_DB = -70.0
_STEP_DB = 0.25
_LOWEST_DB = -120.0
_HIGHEST_DB = 20.0


@dataclass(frozen=True)
class Level:
    """active_db: RMS over active frames; peak_db: the largest sample. Both dBFS, -inf for silence."""

    active_db: float
    peak_db: float


class LevelMeter:
    """The active level of a sound that arrives in blocks of any size, in bounded memory.

    The sound is cut into frames of 20 ms; their energies (without a DC offset) go into a histogram of 0.25 dB
    steps that also sums the exact energies. Active are the frames within 30 dB of the loud ones (those at the
    95th percentile of what is above -70 dBFS). `samples` counts what was pushed.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._frame = max(1, round(FRAME_S * sample_rate_hz))
        bins = round((_HIGHEST_DB - _LOWEST_DB) / _STEP_DB) + 1
        self._counts = np.zeros(bins, np.int64)
        self._energies = np.zeros(bins)
        self._held = np.zeros(0, np.float32)
        self._lowest, self._highest = math.inf, -math.inf
        self.samples = 0

    def push(self, block: np.ndarray) -> None:
        """Take note of samples (T,)."""
        if len(block) == 0:
            return
        self.samples += len(block)
        self._lowest = min(self._lowest, float(block.min()))
        self._highest = max(self._highest, float(block.max()))
        joined = np.concatenate([self._held, np.asarray(block, np.float32)])
        whole = len(joined) // self._frame * self._frame
        self._held = joined[whole:]
        self._note(joined[:whole].reshape(-1, self._frame), self._counts, self._energies)

    @staticmethod
    def _note(frames: np.ndarray, counts: np.ndarray, energies: np.ndarray) -> None:
        if frames.size == 0:
            return
        energy = frames.var(axis=1, dtype=np.float64)
        level_db = 10 * np.log10(np.maximum(energy, 1e-30))
        place = np.clip(np.floor((level_db - _LOWEST_DB) / _STEP_DB), 0, len(counts) - 1).astype(np.int64)
        np.add.at(counts, place, 1)
        np.add.at(energies, place, energy)

    @property
    def peak_db(self) -> float:
        """The largest sample so far, dBFS."""
        return _to_db(max(self._highest, -self._lowest, 0.0))

    @property
    def swing_db(self) -> float:
        """Half the way from the lowest to the highest sample so far, dBFS: the peak without a constant offset."""
        return _to_db(max(self._highest - self._lowest, 0.0) / 2)

    @property
    def active_db(self) -> float:
        """RMS of the active frames so far, dBFS; -inf where nothing is above -70 dBFS."""
        counts, energies = self._counts, self._energies
        if counts.sum() == 0 and len(self._held):  # shorter than a frame: it is the frame
            counts, energies = counts.copy(), energies.copy()
            self._note(self._held[None], counts, energies)
        floor = round((FLOOR_DB - _LOWEST_DB) / _STEP_DB)
        heard = counts[floor:].cumsum()
        if heard[-1] == 0:
            return -math.inf
        loud = int(np.searchsorted(heard, 0.95 * heard[-1]))
        first = floor + max(0, loud - round(GATE_DB / _STEP_DB))
        return 10 * math.log10(energies[first:].sum() / counts[first:].sum())

    @property
    def level(self) -> Level:
        """Both figures."""
        return Level(self.active_db, self.peak_db)


def active_level_db(wav: np.ndarray, sample_rate_hz: int) -> float:
    """RMS of samples (T,) over the frames in which somebody speaks, dBFS; -inf for silence."""
    meter = LevelMeter(sample_rate_hz)
    meter.push(wav)
    return meter.active_db


def _to_db(size: float) -> float:
    return 20 * math.log10(size) if size > 0 else -math.inf


def check_level(level_db: float | None) -> float | None:
    """An active level in dBFS to bring speech to, or None; VoiceganError for one outside `LEVELS_DB`."""
    lowest, highest = LEVELS_DB
    if level_db is not None and not lowest <= level_db <= highest:
        message = f"the level {level_db:g} dBFS is not within {lowest:g} and {highest:g}"
        raise VoiceganError(message, "Recordings of speech usually have -26 to -16.")
    return level_db


def gain(from_db: float, to_db: float) -> float:
    """The factor between two levels; 1 where the first is silence."""
    return 1.0 if math.isinf(from_db) else 10 ** ((to_db - from_db) / 20)


class RunningGain:
    """A causal gain that brings live speech to a level, without knowing what comes.

    Every 20 ms the level of the last 3 s of speech is taken again, and the gain moves there on a straight line
    over the next 20 ms. Speech is what is within 30 dB of the loudest so far; so pauses do not count, and the hiss
    before the first word is forgotten with that word. It depends only on whole frames counted from the start, so
    block sizes do not matter.

    What has been heard for a moment only is trusted in part: a gain that is too high makes the next word overflow,
    so it rises slowly and falls at once.

    start_db: the active level to begin with, where something is known of it; `target_db` by default, a gain of 1.
    """

    MEMORY_S = 3.0
    LIMIT_DB = 30.0
    RISE_DB_S = 15.0
    TRUST_S = 0.5  # of speech until the gain rises all the way; to fall it takes a fifth
    # How fast the loudest is forgotten: a cough must not close the gate for ever. Before the first word it is a
    # guess, and somebody who whispers has to be heard within seconds.
    FORGET_DB_S, FORGET_GUESS_DB_S = 0.25, 2.0

    def __init__(self, target_db: float, sample_rate_hz: int, start_db: float | None = None) -> None:
        self.target_db = target_db
        self._frame = max(1, round(FRAME_S * sample_rate_hz))
        self._held = np.zeros(0, np.float32)  # the part of the current frame that has passed
        self._recent: deque[float] = deque(
            maxlen=round(self.MEMORY_S / FRAME_S)
        )  # energies of frames of speech
        self._loudest_db = target_db if start_db is None else start_db
        self._start_db = self._limited(target_db - self._loudest_db)
        self._gain_db = self._start_db
        self._from = self._to = 10 ** (self._gain_db / 20)

    @property
    def gain(self) -> float:
        """The gain that is being moved to."""
        return self._to

    def push(self, block: np.ndarray) -> np.ndarray:
        """Samples (T,) to as many, louder or softer."""
        return (np.asarray(block, np.float32) * self.curve(block)).astype(np.float32)

    def curve(self, block: np.ndarray) -> np.ndarray:
        """The gain (T,) for each sample of a block; moves on by that block."""
        block = np.asarray(block, np.float32)
        curves = []
        while len(block):
            passed = len(self._held)
            part, block = block[: self._frame - passed], block[self._frame - passed :]
            slope = np.arange(passed, passed + len(part)) / self._frame
            curves.append(self._from + (self._to - self._from) * slope)
            self._held = np.concatenate([self._held, part])
            if len(self._held) == self._frame:
                self._learn(float(self._held.var(dtype=np.float64)))
                self._held = np.zeros(0, np.float32)
        return np.concatenate(curves) if curves else np.zeros(0)

    def _learn(self, energy: float) -> None:
        level_db = 10 * math.log10(max(energy, 1e-30))
        self._from = self._to
        forget = self.FORGET_DB_S if self._recent else self.FORGET_GUESS_DB_S
        self._loudest_db = max(self._loudest_db - forget * FRAME_S, level_db)
        gate_db = max(FLOOR_DB, self._loudest_db - GATE_DB)
        if level_db < gate_db:
            return
        self._recent.append(energy)
        recent = np.array(self._recent)
        speech = recent[recent >= 10 ** (gate_db / 10)]
        wanted_db = self._limited(self.target_db - 10 * math.log10(speech.mean()))
        trust_s = self.TRUST_S if wanted_db > self._start_db else self.TRUST_S / 5
        trust = min(1.0, len(speech) * FRAME_S / trust_s)
        wanted_db = self._start_db + (wanted_db - self._start_db) * trust
        self._gain_db = min(wanted_db, self._gain_db + self.RISE_DB_S * FRAME_S)
        self._to = 10 ** (self._gain_db / 20)

    def _limited(self, gain_db: float) -> float:
        return min(max(gain_db, -self.LIMIT_DB), self.LIMIT_DB)
