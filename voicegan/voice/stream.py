"""Conversion as a stream: samples of any block size in, converted samples out, in bounded memory.

input → no offset → the voice's rate → level → analysis (a log-mel, normalised) → generator → vocoder → loudness
→ output's rate

The samples that arrive are cut into quanta of one hop, and mel frames into windows on the absolute frame grid, so every
part is called in the same way whatever the sizes of the blocks that are pushed: equality of the output bit for bit
needs no promise from any part. For the same reason converting a file is nothing but a stream.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from ..audio.files import LOUDEST
from ..audio.loudness import RunningGain
from ..audio.resample import StreamResampler
from ..errors import VoiceganError
from .level import EdgeFades, LevelFollower, OffsetRemover, soft_limit
from .windows import Windows

if TYPE_CHECKING:
    from ..audio.mel import MelSpec
    from ..vocoder import Vocoder
    from .analysis import Analysis

_FADE_S = 0.005
_MOST_GAIN_DB = 50.0  # a recording further under the voice's level than this is not brought up any more


@dataclass(frozen=True)
class Timing:
    """How far a stream looks ahead: in each chunk of frames, and in following loudness."""

    chunk_frames: int
    level_lookahead_s: float
    level_memory_s: float
    level_prior_s: float


# A measured level says that a recording is at hand, and nobody waits for its first word: larger chunks are faster, and
# a look-ahead of seconds lets even that word have the right loudness. Live, every hop of waiting is heard.
MEASURED = Timing(chunk_frames=512, level_lookahead_s=4.0, level_memory_s=8.0, level_prior_s=0.005)
LIVE = Timing(chunk_frames=16, level_lookahead_s=0.0, level_memory_s=3.0, level_prior_s=0.5)


class Gain(Protocol):
    """What brings the input to the voice's level."""

    def push(self, block: np.ndarray) -> np.ndarray:
        """Samples (t,) to samples (t,)."""


class FixedGain:
    """The gain of a recording whose level was measured beforehand; silence (-inf) stays as it is."""

    def __init__(self, level_db: float, target_db: float) -> None:
        gain_db = (
            min(max(target_db - level_db, -_MOST_GAIN_DB), _MOST_GAIN_DB) if math.isfinite(level_db) else 0.0
        )
        self.gain = np.float32(10 ** (gain_db / 20))

    def push(self, block: np.ndarray) -> np.ndarray:
        return block * self.gain


class Stream:
    """One conversion under way. Made by `Converter.stream`; not to be shared between threads.

    Parameters
    ----------
    spec
        The voice's mel contract.
    analysis
        Samples at the voice's rate to what the generator is given.
    denormalise
        What the generator makes to the log-mel (M, f).
    level
        "running" (a causal gain), or the active level of the input in dBFS where it was measured.
    begin_db
        The level that a causal gain begins with.
    level_out
        Active level of the output in dBFS; None for the input's.
    """

    def __init__(
        self,
        *,
        spec: MelSpec,
        analysis: Analysis,
        windows: Windows,
        denormalise: Callable[[Tensor], Tensor],
        vocoder: Vocoder,
        level_db: float,
        rate: int,
        rate_out: int,
        level: float | str,
        begin_db: float | None,
        level_out: float | None,
        timing: Timing,
    ) -> None:
        self.rate, self.rate_out, self.model_rate = rate, rate_out, spec.sample_rate_hz
        self.spec = spec
        self._quantum = max(1, round(spec.hop * rate / self.model_rate))
        self._waiting: list[np.ndarray] = []  # pushed samples that are not yet a whole quantum
        self._waiting_samples = 0
        self._pushed = self._emitted = 0
        self._finished = False

        self._offset = OffsetRemover(rate)
        self._to_model = StreamResampler(rate, self.model_rate)
        self._gain: Gain = (
            RunningGain(level_db, self.model_rate, begin_db)
            if isinstance(level, str)
            else FixedGain(level, level_db)
        )
        self._analysis, self._windows, self._denormalise = analysis, windows, denormalise
        self._vocoder = vocoder
        self._voice = vocoder.stream()
        frames_per_s = self.model_rate / spec.hop
        self._chunk_frames = timing.chunk_frames
        self._level = LevelFollower(
            spec.hop,
            frames_per_s,
            level_db,
            lookahead_frames=round(timing.level_lookahead_s * frames_per_s),
            memory_s=timing.level_memory_s,
            prior_s=timing.level_prior_s,
            out_db=level_out,
        )
        self._fades = EdgeFades(round(_FADE_S * self.model_rate))
        self._to_output = StreamResampler(self.model_rate, rate_out)

        self._window = 0
        self._levelled: list[np.ndarray] = []  # samples at the voice's rate that no window has taken
        self._model_samples = 0

    @property
    def latency_s(self) -> float:
        """Stated look-ahead: a sample of the output is there once this much more of the input was pushed.

        The sum over the parts: quantum, both resamplers, analysis and window of frames, vocoder, loudness, fade.
        """
        hop_s = self.spec.hop / self.model_rate
        frames = self._vocoder.lookahead_frames + self._level.lookahead_frames + 1
        samples = self._window_lookahead_samples() + self._fades.samples
        resampling_s = resampler_delay_s(self.rate, self.model_rate)
        resampling_s += resampler_delay_s(self.model_rate, self.rate_out)
        return self._quantum / self.rate + frames * hop_s + samples / self.model_rate + resampling_s

    def push(self, samples: np.ndarray | Tensor) -> np.ndarray:
        """Take samples (t,) at `rate`, any t >= 0, and return those (t',) float32 at `rate_out` that became ready.

        Raises VoiceganError for what is not finite, not one channel, or pushed after `flush`.
        """
        if self._finished:
            raise VoiceganError("this stream was flushed, so it takes no more samples", "Start another.")
        block = as_samples(samples)
        self._pushed += len(block)
        if self._waiting_samples + len(block) < self._quantum:  # kept apart: samples may come one by one
            self._waiting.append(block.copy())
            self._waiting_samples += len(block)
            return block[:0]
        block = np.concatenate([*self._waiting, block])
        whole = len(block) // self._quantum * self._quantum
        self._waiting, self._waiting_samples = [block[whole:].copy()], len(block) - whole
        quanta = (block[at : at + self._quantum] for at in range(0, whole, self._quantum))
        return self._joined([self._feed(quantum) for quantum in quanta])

    def flush(self) -> np.ndarray:
        """The rest: after it exactly as many samples as were pushed have come out (rounded, at another `rate_out`)."""
        if self._finished:
            return np.zeros(0, np.float32)
        self._finished = True
        if self._pushed == 0:
            return np.zeros(0, np.float32)
        ready = [self._feed(np.concatenate(self._waiting))] if self._waiting_samples else []
        ready.append(self._hear(self._to_model.flush()))
        if self._model_samples:  # a lone sample at a high rate may be nothing at the voice's
            ready.append(self._finish())
        rest = self._joined(ready, count=False)
        missing = _rounded_ratio(self._pushed, self.rate_out, self.rate) - self._emitted
        # Rounding to whole samples at the voice's rate may leave a few too many or too few; they are silent.
        rest = np.concatenate([rest[:missing], np.zeros(max(0, missing - len(rest)), np.float32)])
        self._emitted += len(rest)
        return rest

    def _joined(self, blocks: list[np.ndarray], count: bool = True) -> np.ndarray:
        joined = np.concatenate([np.zeros(0, np.float32), *blocks])
        if count:
            self._emitted += len(joined)
        return joined

    def _feed(self, quantum: np.ndarray) -> np.ndarray:
        return self._hear(self._to_model.push(self._offset.push(quantum)))

    def _hear(self, original: np.ndarray) -> np.ndarray:
        """Input at the voice's rate (t,) to output at the output's rate."""
        levelled = self._gain.push(original)
        self._level.hear(original, levelled)
        self._levelled.append(levelled)
        self._model_samples += len(levelled)
        ready = []
        while (needed := self._samples_for_next_window()) <= self._model_samples:
            held = np.concatenate(self._levelled)
            taken = needed - (self._model_samples - len(held))
            self._levelled = [held[taken:]]
            ready.append(self._convert(held[:taken]))
        return np.concatenate([np.zeros(0, np.float32), *ready])

    def _samples_for_next_window(self) -> int:
        """How many samples complete the frames that the next window needs."""
        return self._analysis.samples_for(self._windows.frames_for(self._window))

    def _window_lookahead_samples(self) -> int:
        """The most samples after the start of a window's first frame that have to be known before it comes out.

        The analysis may have windows of its own, of chunk_frames. How the two lie to each other comes again after at
        most as many.
        """
        aheads = []
        for window in range(self._chunk_frames):
            frames = self._windows.frames_for(window)
            first = frames - 1 - self._windows.lookahead_frames
            aheads.append(self._analysis.samples_for(frames) - first * self.spec.hop)
        return max(aheads)

    def _convert(self, levelled: np.ndarray) -> np.ndarray:
        """The samples that complete one window."""
        self._window += 1
        with torch.inference_mode():
            mel = self._windows.push(self._analysis.push(levelled))
            if not mel.shape[1]:
                return levelled[:0]
            wav = self._voice.push(self._denormalise(mel))
        return self._sound(self._fades.push(self._level.push(_to_numpy(wav))))

    def _finish(self) -> np.ndarray:
        with torch.inference_mode():
            held = np.concatenate([np.zeros(0, np.float32), *self._levelled])
            frames = torch.cat([self._analysis.push(held), self._analysis.flush()], dim=1)
            made = [self._windows.push(frames), self._windows.flush()]
            mel = torch.cat([part for part in made if part.shape[1]], dim=1)
            wav = torch.cat(
                [self._voice.push(self._denormalise(mel)), self._voice.flush(self._model_samples)]
            )
        levelled = np.concatenate([self._level.push(_to_numpy(wav)), self._level.flush()])
        faded = np.concatenate([self._fades.push(levelled), self._fades.flush()])
        return np.concatenate([self._sound(faded), soft_limit(self._to_output.flush())])

    def _sound(self, wav: np.ndarray) -> np.ndarray:
        return soft_limit(self._to_output.push(wav)) if len(wav) else wav


def as_samples(samples: np.ndarray | Tensor) -> np.ndarray:
    """One channel of sound as float32 (T,): whole numbers are scaled to ±1, a channel axis of length 1 is dropped.

    Raises VoiceganError for several channels, other shapes and kinds, and values that are not finite or no sound.
    """
    if isinstance(samples, Tensor):
        samples = samples.detach().cpu().numpy()
    array = np.asarray(samples)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim != 1:
        raise VoiceganError(
            f"samples have the shape {array.shape}, and one channel (T,) is expected",
            "Mix the channels first: wav.mean(axis=0) for (channels, T).",
        )
    if array.dtype.kind in "iu":
        limits = np.iinfo(array.dtype)
        middle = 0 if array.dtype.kind == "i" else limits.max // 2 + 1
        return ((array.astype(np.float64) - middle) / (limits.max // (1 if middle == 0 else 2) + 1)).astype(
            np.float32
        )
    if array.dtype.kind != "f":
        raise VoiceganError(
            f"samples are {array.dtype}, not numbers", "Give floats within -1 and 1, or whole numbers."
        )
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise VoiceganError("samples hold NaN or infinity", "Look at where they come from.")
    if len(array) and (loudest := float(np.abs(array).max())) > LOUDEST:
        raise VoiceganError(
            f"samples reach {loudest:.3g} times full scale",
            "Floats belong within -1 and 1: divide by 32768 what was 16 bits wide.",
        )
    return array


@lru_cache(maxsize=64)
def resampler_delay_s(in_hz: int, out_hz: int) -> float:
    """How long a resampler keeps back what it was given, at worst: measured on 2 s, to which one piece is added."""
    if in_hz == out_hz:
        return 0.0
    resampler, piece = StreamResampler(in_hz, out_hz), np.zeros(max(1, in_hz // 100), np.float32)
    given = got = 0
    worst = 0.0
    for _ in range(200):
        got += len(resampler.push(piece))
        given += len(piece)
        worst = max(worst, given / in_hz - got / out_hz)
    return worst + len(piece) / in_hz


def _rounded_ratio(value: int, up: int, down: int) -> int:
    return (2 * value * up + down) // (2 * down)


def _to_numpy(wav: Tensor) -> np.ndarray:
    return wav.detach().float().cpu().numpy()
