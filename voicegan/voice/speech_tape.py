"""Speakers end to end, as any-to-one training sees them: envelopes, pitch, and what is known of whom at which frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ..audio.source_filter import SourceFilter
from .corpus import Utterance
from .source_picture import held, speech_frames
from .throat import Sounds

if TYPE_CHECKING:
    from .pool_statistics import Statistics

_PAUSE_DEPTH = 5.0  # nepers under a speaker's loud frames


class SpeechTape:
    """Speakers end to end: envelopes, pitch, and what is known of each speaker up to any frame.

    Parameters
    ----------
    speakers : sequence of sequence of Utterance
        The utterances of each.
    source_filter : SourceFilter
        Of the mel contract.
    """

    def __init__(self, speakers: Sequence[Sequence[Utterance]], source_filter: SourceFilter) -> None:
        self.filter = source_filter
        said = [u for utterances in speakers for u in utterances]
        nothing = torch.zeros(source_filter.spec.mels, 0)
        self.envelope = torch.cat([nothing, *(envelope_of(u.mel, u.f0, source_filter) for u in said)], dim=1)
        self.f0 = np.concatenate([np.zeros(0, np.float32), *(u.f0 for u in said)])
        lengths = [sum(u.frames for u in utterances) for utterances in speakers]
        self.ends = np.cumsum(lengths, dtype=np.int64)
        self.begins = self.ends - np.array(lengths)

    def finish(self, known: Statistics) -> None:
        """Note which frames are speech, by the pool's statistics, each speaker's mean pitch, and the throat."""
        loud = speech_frames(self.envelope, known.source_mean, known.source_std)
        self.sums = nn.functional.pad((self.envelope.double() * loud).cumsum(dim=1), (1, 0))
        self.counts = nn.functional.pad(loud.double().cumsum(dim=0), (1, 0))
        self.log_f0 = np.zeros(len(self.begins))
        self.stretch = np.zeros(len(self.begins))
        sounds = Sounds(known.sounds, self.filter)
        self.held_hz = torch.empty(len(self.f0))
        for index in range(len(self.begins)):
            found = self.log_f0_of(index)
            self.log_f0[index] = known.source_log_f0 if found is None else found
            expected = known.expected(self.log_f0[index])
            self.stretch[index] = sounds.told(self.frames_of(index, loud), expected)
            kept = held(self.f0[self.span(index)], math.exp(self.log_f0[index]))
            self.held_hz[self.span(index)] = torch.from_numpy(kept)
        self.voiced = torch.from_numpy((self.f0 > 0).astype(np.float32))

    def starts(self, frames: int, most: int | None = None) -> Tensor:
        """Where crops of so many frames may begin: within one speaker, at so many places of each at most."""
        spans = [np.arange(b, e - frames + 1) for b, e in zip(self.begins, self.ends, strict=True)]
        if most is not None:  # evenly over what there is of the speaker
            spans = [s[np.arange(min(len(s), most)) * len(s) // min(len(s), most)] for s in spans]
        return torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *spans]))

    def mean_around(self, starts: Tensor, frames: int, past: Tensor, future: Tensor, prior: Tensor,
                    weight: float) -> Tensor:  # fmt: skip
        """What would be known of each speaker's mean envelope, ``(B, M, 1)``, from the frames about a crop."""
        speaker = self._speaker_at(starts)
        begin, end = torch.from_numpy(self.begins[speaker]), torch.from_numpy(self.ends[speaker])
        first = torch.maximum(starts - past, begin)
        last = torch.minimum(starts + frames + future, end)
        total = (self.sums[:, last] - self.sums[:, first]).T + weight * prior.double()
        count = self.counts[last] - self.counts[first] + weight
        return (total / count[:, None]).float()[:, :, None]

    def stretch_at(self, starts: Tensor) -> Tensor:
        """By which factors the formants of the speakers at these frames move to the target's, ``(B,)``."""
        return torch.from_numpy(self.stretch[self._speaker_at(starts)]).float().exp()

    def speech_of(self, index: int) -> Tensor:
        """A speaker's frames of speech (M, F), as they are told before any pool is known."""
        said = self.envelope[:, self.span(index)]
        level = said.mean(dim=0)
        return said[:, level > torch.quantile(level, 0.95) - _PAUSE_DEPTH]

    def frames_of(self, index: int, loud: Tensor | None = None) -> Tensor:
        """A speaker's frames of speech (M, F), the mean taken off. loud: which of all frames are speech, if known."""
        span = self.span(index)
        said = self.speech_of(index) if loud is None else self.envelope[:, span][:, loud[span]]
        return said - said.mean(dim=1, keepdim=True)

    def log_f0_at(self, starts: Tensor) -> Tensor:
        """Mean log-pitch of the speakers at these frames, ``(B, 1)``."""
        return torch.from_numpy(self.log_f0[self._speaker_at(starts)]).float()[:, None]

    def span(self, index: int) -> slice:
        """The frames of a speaker."""
        return slice(self.begins[index], self.ends[index])

    def log_f0_of(self, index: int) -> float | None:
        """A speaker's mean log-pitch; None where nothing is voiced."""
        return mean_log_f0(self.f0[self.span(index)])

    def _speaker_at(self, starts: Tensor) -> np.ndarray:
        return np.searchsorted(self.ends, starts.numpy(), side="right")


def envelope_of(mel: np.ndarray, f0: np.ndarray, source_filter: SourceFilter) -> Tensor:
    """The envelope (M, F) of a log-mel (M, F) with the pitch (F,)."""
    tensors = (torch.from_numpy(np.ascontiguousarray(x, np.float32))[None] for x in (mel, f0))
    return source_filter.envelope(*tensors)[0]


def mean_log_f0(f0_hz: np.ndarray) -> float | None:
    """The mean natural logarithm of a pitch track (F,), 0 where unvoiced; None where nothing is voiced."""
    voiced = f0_hz[f0_hz > 0]
    return float(np.log(voiced).mean()) if len(voiced) else None
