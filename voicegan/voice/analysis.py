"""What a voice hears of a sound: samples in, and frames of what its generator is given out.

Most voices are given the log-mel, normalised. One for any source is given pictures instead, in which little is left
of who speaks and through which microphone: the envelope without its mean over time, and the harmonics that the pitch
would have in the target's range, of sound without rumble.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..audio.mel import LogMel, MelSpec, StreamMel
from ..audio.pitch import StreamPitch
from ..audio.rumble import RumbleFilter
from ..audio.source_filter import SourceFilter
from ..audio.threads import one_thread
from .normaliser import MEMORY_S, FixedNormaliser, RunningNormaliser, normaliser_for
from .pack import ORDER, THROAT
from .source_picture import PRIOR_S, held, moved, picture, speech_frames
from .throat import FollowedThroat, Sounds, by_pitch

HEARING = 2  # counts the changes of what voices hear: what was made of them before is not what they make now
_PITCH_PRIOR_S = 0.1  # how much voiced speech the pool's mean pitch weighs
_FUTURE_S = 0.08  # of sound after a window in which its pitch is sought: every hop of it is waited for


class Analysis(Protocol):
    """One sound under way to the generator. Nothing depends on the sizes of the pieces."""

    def push(self, samples: np.ndarray | Tensor) -> Tensor:
        """Samples (t,) at the voice's rate to the frames (C, f) that they complete; f may be 0."""

    def flush(self) -> Tensor:
        """The rest (C, f): then as many frames have come out as the mel contract says of all the samples."""

    def samples_for(self, frames: int) -> int:
        """How many samples have to be known before the first `frames` >= 1 frames have come out."""


def analyses_for(kind: str, spec: MelSpec, statistics: Mapping[str, Tensor]) -> Callable[[int], Analysis]:
    """How to begin the analysis of a sound: what is returned takes the number of frames that are made at once.

    kind: "fixed", "running" or "envelope", as a voice's pack says; `statistics` are the pack's, and tell the device.
    What can be shared between sounds is made here, once.
    """
    log_mel = LogMel(spec).to(statistics["source.mean"].device)
    if kind == "envelope":
        parts = SourceFilter(spec).to(log_mel.filters.device)
        return lambda window_frames: PictureAnalysis(log_mel, parts, statistics, window_frames)
    frames_per_s = spec.sample_rate_hz / spec.hop
    return lambda window_frames: MelAnalysis(log_mel, normaliser_for(kind, statistics, frames_per_s))


class MelAnalysis:
    """The normalised log-mel (M, f)."""

    def __init__(self, log_mel: LogMel, normalise: FixedNormaliser | RunningNormaliser) -> None:
        self._mel, self._normalise = StreamMel(log_mel), normalise

    def push(self, samples: np.ndarray | Tensor) -> Tensor:
        return self._normalise(self._mel.push(samples))

    def flush(self) -> Tensor:
        return self._normalise(self._mel.flush())

    def samples_for(self, frames: int) -> int:
        return self._mel.samples_for(frames)


class PictureAnalysis:
    """Pictures (2M + 2, f) as `picture` makes them, whose means follow whoever is heard.

    Everything is found in windows on the absolute frame grid. A window's own frames count in the means that it is
    seen by, and from window to window these move in a line, so that nothing jumps.

    Parameters
    ----------
    statistics
        "source.mean" and "source.std" (M,) of envelopes; "source.pitch" and "target.pitch" (1,), means of ln Hz;
        and, where known, "target.throat" (1,) and "target.sounds" (K, ORDER): see `throat`.
    """

    def __init__(
        self, log_mel: LogMel, parts: SourceFilter, statistics: Mapping[str, Tensor], window_frames: int
    ) -> None:
        spec = log_mel.spec
        rate_hz, frames_per_s = spec.sample_rate_hz, spec.sample_rate_hz / spec.hop
        self._rumble = RumbleFilter(rate_hz)
        self._mel = StreamMel(log_mel)
        self._pitch = StreamPitch(rate_hz, spec.hop, window_frames, future_s=_FUTURE_S)
        self._parts, self._window_frames = parts, window_frames
        self._mean, self._std = statistics["source.mean"], statistics["source.std"]
        self._target_pitch = float(statistics["target.pitch"])
        self._before_hz = math.exp(statistics["source.pitch"])
        self._mean_envelope = FollowedMean(self._mean, PRIOR_S, frames_per_s)
        self._mean_pitch = FollowedMean(statistics["source.pitch"], _PITCH_PRIOR_S, frames_per_s)
        # A voice of which nothing is known of how its target sounds goes by the pitch alone.
        nothing = self._mean.new_zeros(1), self._mean.new_zeros(0, ORDER)
        throat, centres = (statistics.get(key, x) for key, x in zip(THROAT, nothing, strict=True))
        self._throat = float(throat)
        self._followed = FollowedThroat(Sounds(centres, parts), MEMORY_S * frames_per_s)
        self._frames = self._mean.new_zeros(spec.mels, 0)
        self._f0_hz = np.zeros(0, np.float32)

    def push(self, samples: np.ndarray | Tensor) -> Tensor:
        array = np.asarray(samples.cpu() if isinstance(samples, Tensor) else samples, np.float32)
        array = self._rumble.push(array)
        self._hear(self._mel.push(array), self._pitch.push(array))
        whole = min(self._frames.shape[1], len(self._f0_hz)) // self._window_frames * self._window_frames
        return self._until(whole)

    def flush(self) -> Tensor:
        self._hear(self._mel.flush(), self._pitch.flush())
        # Where a contract pads by less than half a window, the mel has one frame less than the pitch.
        return self._until(self._frames.shape[1])

    def samples_for(self, frames: int) -> int:
        whole = math.ceil(frames / self._window_frames) * self._window_frames
        return max(self._mel.samples_for(whole), self._pitch.samples_for(whole))

    def _hear(self, log_mel: Tensor, f0_hz: np.ndarray) -> None:
        self._frames = torch.cat([self._frames, log_mel], dim=1)
        self._f0_hz = np.concatenate([self._f0_hz, f0_hz])

    def _until(self, end: int) -> Tensor:
        """The pictures of the first `end` frames that wait, window by window."""
        made = [self._mean.new_zeros(2 * len(self._mean) + 2, 0)]
        for at in range(0, end, self._window_frames):
            until = min(at + self._window_frames, end)
            with one_thread():
                made.append(self._window(self._frames[:, at:until], self._f0_hz[at:until]))
        self._frames, self._f0_hz = self._frames[:, end:].clone(), self._f0_hz[end:].copy()
        return torch.cat(made, dim=1)

    def _window(self, log_mel: Tensor, found_hz: np.ndarray) -> Tensor:
        """One window's frames (M, f) and their pitch (f,) to pictures (2M + 2, f)."""
        envelope = self._parts.envelope(log_mel[None], torch.from_numpy(found_hz).to(log_mel)[None])[0]
        said = speech_frames(envelope, self._mean, self._std)
        found_hz = np.where(said.cpu().numpy(), found_hz, 0.0)  # what hums in a pause is no voice
        f0_hz = torch.from_numpy(found_hz).to(log_mel)
        held_hz = torch.from_numpy(held(found_hz, self._before_hz)).to(log_mel)
        self._before_hz = float(held_hz[-1])
        voiced = f0_hz > 0
        mean_envelope = self._mean_envelope.follow(envelope, said)
        mean_pitch = self._mean_pitch.follow(torch.where(voiced, f0_hz, 1.0).log()[None], voiced)
        moved_hz = moved(held_hz[None], mean_pitch, self._target_pitch)
        without_mean = envelope - mean_envelope
        expected = by_pitch(float(mean_pitch[0, -1]), self._target_pitch, self._throat)
        factors = self._followed.follow(without_mean, said, float(expected))
        seen = self._parts.stretched(without_mean[None], factors[None])[0] / self._std[:, None]
        return picture(seen[None], moved_hz, voiced[None].to(seen), self._target_pitch, self._parts)[0]


class FollowedMean:
    """A mean that sets out from what training found, and follows what is heard: exponential forgetting over 30 s."""

    def __init__(self, prior: Tensor, prior_s: float, frames_per_s: float) -> None:
        self._keep = 1.0 - 1.0 / (MEMORY_S * frames_per_s)
        self._weight = prior_s * frames_per_s
        self._sum = prior.double().cpu() * self._weight
        self._mean: Tensor | None = None

    def follow(self, values: Tensor, counted: Tensor) -> Tensor:
        """A window's values (C, f), those of which that count (f,) bool, to the mean by which each is seen (C, f).

        From the mean after the window before to that after this one in a line; in the first window this one's.
        """
        kept = values.double().cpu()[:, counted.cpu()]
        frames = kept.shape[1]
        fading = self._keep ** torch.arange(frames - 1, -1, -1, dtype=torch.float64)
        self._sum = self._sum * self._keep**frames + (kept * fading).sum(dim=1)
        self._weight = self._weight * self._keep**frames + float(fading.sum())
        mean = self._sum / self._weight
        before = mean if self._mean is None else self._mean
        self._mean = mean
        part = torch.arange(1, values.shape[1] + 1, dtype=torch.float64) / values.shape[1]
        return (before[:, None] + (mean - before)[:, None] * part).to(values)
