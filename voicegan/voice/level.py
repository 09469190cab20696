"""Give the generated sound the loudness of what was heard, or another: slowly, without clipping, silent in silence.

Everything happens on the absolute grid of frames (one hop each), so the sizes of blocks do not matter.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import islice

import numpy as np

_BOUND = 10 ** (12 / 20)  # the generator's own level is corrected by at most 12 dB
_ACTIVE_DB = (
    30.0  # frames further than this under the speech level are pauses, and say nothing about loudness
)
_OPEN_DB, _SHUT_DB = 34.0, 54.0  # under the speech level: from here on faded, from there on silent
_REACH = 2  # frames on both sides that a frame is heard in: a spectral frame is wider than a hop
# Networks put speech into pauses: what is further than this under the speech level is made no louder than it was, and
# what is nearer by so many dB for each.
_QUIET_DB, _MORE_PER_DB = 24.0, 2.0
_KNEE = 0.9


class OffsetRemover:
    """Takes a constant offset (DC) out of sound, which a network would hear as a deep hum; training does so too.

    The offset is the mean of what was heard: of everything for two seconds, of the last two seconds from then on. It
    is subtracted as a line that moves from quantum to quantum, so it makes no steps.
    """

    MEMORY_S = 2.0

    def __init__(self, sample_rate_hz: int) -> None:
        self._memory = self.MEMORY_S * sample_rate_hz
        self._weight = 0.0
        self._mean: float | None = None

    def push(self, quantum: np.ndarray) -> np.ndarray:
        """Samples (t,), t >= 1, always cut in the same way, to as many."""
        before = self._mean
        here = float(quantum.mean(dtype=np.float64))
        self._weight = min(self._weight + len(quantum), self._memory)
        share = min(1.0, len(quantum) / self._weight)
        self._mean = here if before is None else before + share * (here - before)
        line = np.linspace(self._mean if before is None else before, self._mean, len(quantum), endpoint=False)
        return (quantum - line).astype(np.float32)


class HopMeter:
    """Energy of each hop of a signal: its variance, so that an offset (DC) is not taken for sound."""

    def __init__(self, hop: int) -> None:
        self.hop = hop
        self._rest = np.zeros(0, np.float32)

    def push(self, wav: np.ndarray) -> np.ndarray:
        """wav (t,) to the energies (f,) of the hops that it completes."""
        wav = np.concatenate([self._rest, wav])
        whole = len(wav) // self.hop * self.hop
        self._rest = wav[whole:]
        return wav[:whole].reshape(-1, self.hop).var(axis=1, dtype=np.float64)

    def flush(self) -> np.ndarray:
        """The energy of the last, incomplete hop, if there is one: (0,) or (1,)."""
        rest, self._rest = self._rest, self._rest[:0]
        return rest.var(dtype=np.float64, keepdims=True) if len(rest) else np.zeros(0)


class LevelFollower:
    """Brings what was generated to the loudness of what was heard.

    The gain of a frame is the product of three:

    - a slow ratio (bounded to 12 dB) of the energies that were heard and generated while somebody spoke, with
      exponential forgetting over `memory_s`, starting from "equal" with the weight of `prior_s`, and seeing
      `lookahead_frames` of the future;
    - the inverse of the gain that the input was given before the generator saw it, or what brings that to `out_db`;
    - a gate: where the input is (nearly) digital silence, so is the output, and a pause becomes no louder than it was,
      whatever a network hums there.

    Between frames the gain is interpolated, so it has no steps.

    Parameters
    ----------
    level_db
        Active level to which the input was brought.
    out_db
        Active level of what comes out; None for that of the original.
    """

    def __init__(
        self,
        hop: int,
        frames_per_s: float,
        level_db: float,
        *,
        lookahead_frames: int,
        memory_s: float,
        prior_s: float,
        out_db: float | None = None,
    ) -> None:
        self.hop = hop
        self.lookahead_frames = max(lookahead_frames, _REACH)
        speech = 10 ** (level_db / 10)
        self._active = speech * 10 ** (-_ACTIVE_DB / 10)
        self._level_db = level_db
        self._keep = float(np.exp(-1.0 / (memory_s * frames_per_s)))
        self._heard = self._made = speech * prior_s * frames_per_s
        self._as_original = out_db is None
        self._undo = 1.0 if out_db is None else 10 ** ((out_db - level_db) / 20)
        self._meters = HopMeter(hop), HopMeter(hop), HopMeter(hop)
        self._energies: tuple[deque[float], ...] = (
            deque(),
            deque(),
            deque(),
        )  # original, levelled, generated
        # Of the frames whose samples are still held: the undoing gain, and how far above the speech level they were
        # generated and heard (the reach before them included).
        self._undoing: deque[float] = deque()
        self._made_db: deque[float] = deque()
        self._heard_db: deque[float] = deque([-_SHUT_DB] * _REACH)
        self._gain: float | None = None  # at the start of the first held sample
        self._wav = np.zeros(0, np.float32)

    def hear(self, original: np.ndarray, levelled: np.ndarray) -> None:
        """The input (t,) as it came, and as it was given to the generator."""
        self._energies[0].extend(self._meters[0].push(original))
        self._energies[1].extend(self._meters[1].push(levelled))

    def push(self, wav: np.ndarray) -> np.ndarray:
        """Generated samples (t,), on the same clock as what was heard, to those (t',) whose gain is known."""
        self._wav = np.concatenate([self._wav, wav])
        self._energies[2].extend(self._meters[2].push(wav))
        return self._emit(self._gains(self.lookahead_frames))

    def flush(self) -> np.ndarray:
        """The remaining samples."""
        for energies, meter in zip(self._energies, self._meters, strict=True):
            energies.extend(meter.flush())
        gains = self._gains(0)
        # The very last gain holds to the end.
        return self._emit(np.append(gains, gains[-1:] if len(gains) else self._gain or 1.0))

    def _gains(self, lookahead: int) -> np.ndarray:
        """Gains at the starts of the frames that became known."""
        gains = []
        original, levelled, generated = self._energies
        while original and levelled and generated:
            self._account(original.popleft(), levelled.popleft(), generated.popleft())
            if len(self._undoing) > lookahead:
                gains.append(self._next_gain())
        while not lookahead and self._undoing:
            gains.append(self._next_gain())
        return np.array(gains)

    def _account(self, original: float, levelled: float, generated: float) -> None:
        if levelled > self._active:
            self._heard = self._heard * self._keep + levelled
            self._made = self._made * self._keep + generated
        if self._as_original and original > 1e-14:
            self._undo = float(np.sqrt(original / max(levelled, 1e-14)))
        self._undoing.append(self._undo)
        self._heard_db.append(_db(levelled) - self._level_db)
        self._made_db.append(_db(generated) - self._level_db)

    def _next_gain(self) -> float:
        ratio = min(max(float(np.sqrt(self._heard / max(self._made, 1e-14))), 1 / _BOUND), _BOUND)
        heard_db = max(islice(self._heard_db, 2 * _REACH + 1))
        self._heard_db.popleft()
        made = 10 ** (self._made_db.popleft() / 20) * ratio
        open_ = min(max((heard_db + _SHUT_DB) / (_SHUT_DB - _OPEN_DB), 0.0), 1.0)
        most = 10 ** ((heard_db + _MORE_PER_DB * max(heard_db + _QUIET_DB, 0.0)) / 20)
        return ratio * self._undoing.popleft() * min(open_, most / max(made, 1e-7))

    def _emit(self, gains: np.ndarray) -> np.ndarray:
        """Apply gains at the starts of frames; the samples up to the last of them come out."""
        if self._gain is not None:
            gains = np.insert(gains, 0, self._gain)
        if not len(gains):
            return self._wav[:0]
        self._gain = float(gains[-1])
        ramp = np.arange(self.hop) / self.hop
        curve = (gains[:-1, None] + np.diff(gains)[:, None] * ramp).ravel()
        ready, self._wav = self._wav[: len(curve)], self._wav[len(curve) :]
        return (ready * curve[: len(ready)]).astype(np.float32)


def _db(energy: float) -> float:
    return 10 * math.log10(max(energy, 1e-14))


class EdgeFades:
    """Fade the first and the last `samples` of a signal of unknown length, so that neither end clicks."""

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self._seen = 0
        self._held = np.zeros(0, np.float32)

    def push(self, wav: np.ndarray) -> np.ndarray:
        if self._seen < self.samples:
            place = np.arange(self._seen, self._seen + len(wav))
            wav = (wav * np.minimum((place + 0.5) / self.samples, 1.0)).astype(np.float32)
        self._seen += len(wav)
        wav = np.concatenate([self._held, wav])
        ready = max(0, len(wav) - self.samples)
        self._held = wav[ready:]
        return wav[:ready]

    def flush(self) -> np.ndarray:
        place = np.arange(len(self._held))[::-1]
        held, self._held = self._held, self._held[:0]
        return (held * np.minimum((place + 0.5) / self.samples, 1.0)).astype(np.float32)


def soft_limit(wav: np.ndarray) -> np.ndarray:
    """Bend what exceeds 0.9 so that nothing reaches 1; what is under it stays as it is. Sample by sample."""
    size = np.abs(wav)
    if not len(wav) or size.max() <= _KNEE:
        return wav
    room = 1.0 - _KNEE
    bent = np.sign(wav) * (_KNEE + room * np.tanh((size - _KNEE) / room) * 0.999)
    return np.where(size > _KNEE, bent, wav).astype(np.float32)
