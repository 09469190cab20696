"""What any-to-one training takes from its material once, and what of it a voice keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..audio.source_filter import SourceFilter
from .corpus import Speaker
from .speech_tape import SpeechTape

_UNKNOWN_PITCH = math.log(150.0), 0.2
_LEAST_DEVIATION = 0.03  # nepers: who whispers, or hums on one note, has none


@dataclass(frozen=True)
class Statistics:
    """What training takes from the material once; all of it is in the voice.

    Attributes
    ----------
    source_mean, source_std : Tensor
        ``(M,)``: of the pool's envelopes, the mean over speakers and the deviation within a speaker.
    source_log_f0, target_log_f0 : float
        Mean natural logarithm of the pitch in Hz.
    source_pitch_deviation, target_pitch_deviation : float
        Its deviation; of the pool, within a speaker.
    target_mean, target_std : Tensor
        ``(M,)``: of the target's log-mel.
    target_envelope : Tensor
        ``(M,)``: mean of the target's envelope over speech.
    harmonics : Tensor
        ``(M,)``: how strongly the pitch's ripple shows in the target's log-mel.
    """

    source_mean: Tensor
    source_std: Tensor
    source_log_f0: float
    source_pitch_deviation: float
    target_mean: Tensor
    target_std: Tensor
    target_log_f0: float
    target_pitch_deviation: float
    target_envelope: Tensor
    harmonics: Tensor

    def kept(self) -> dict[str, Tensor]:
        """What a voice needs of them, by the names that its pack has."""
        return {
            "source.mean": self.source_mean,
            "source.std": self.source_std,
            "source.pitch": torch.tensor([self.source_log_f0]),
            "source.pitch.std": torch.tensor([self.source_pitch_deviation]),
            "target.mean": self.target_mean,
            "target.std": self.target_std,
            "target.pitch": torch.tensor([self.target_log_f0]),
            "target.pitch.std": torch.tensor([self.target_pitch_deviation]),
        }


def of_pool(pool: SpeechTape) -> tuple[Tensor, Tensor, float, float]:
    """Mean over speakers and deviation within a speaker (M,) of a pool's envelopes, and the same of its log-pitch."""
    means, variances, pitches = [], [], []
    for index in range(len(pool.begins)):
        said = pool.speech_of(index)
        means.append(said.mean(dim=1))
        variances.append(said.var(dim=1, correction=0))
        pitches.append(pool.pitch_of(index))
    log_f0, deviation = _mean_pitch([pitch for pitch in pitches if pitch is not None])
    return (
        torch.stack(means).mean(dim=0),
        torch.stack(variances).mean(dim=0).sqrt().clamp(min=1e-2),
        log_f0,
        deviation,
    )


def _mean_pitch(pitches: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean of means, and root of the mean square of deviations."""
    if not pitches:
        return _UNKNOWN_PITCH
    means, deviations = zip(*pitches, strict=True)
    return float(np.mean(means)), float(np.sqrt(np.mean(np.square(deviations))))


def statistics(
    target: Speaker,
    pool: SpeechTape,
    own: SpeechTape,
    mel: Tensor,
    filter_: SourceFilter,
    earlier: Mapping[str, Tensor] | None = None,
) -> Statistics:
    """Take the statistics of the material. mel: the target's, normalised, frame for frame own's."""
    target_log_f0, target_pitch_deviation = own.pitch_of(0) or _UNKNOWN_PITCH
    mean, std = torch.from_numpy(target.mean), torch.from_numpy(target.std)
    # How much of the ripple shows in each band of the target's voiced frames: least squares, band by band.
    voiced = torch.from_numpy(own.f0 > 0)
    ripple = filter_.harmonics(torch.from_numpy(own.f0)[None])[0][:, voiced]
    shown = (mel * std[:, None] + mean[:, None] - own.envelope)[:, voiced]
    strength = (shown * ripple).sum(dim=1) / ((ripple**2).sum(dim=1) + 1e-3)
    if len(pool.begins) or earlier is None:
        source = of_pool(pool)
    else:
        source = (
            earlier["source.mean"],
            earlier["source.std"],
            float(earlier["source.pitch"]),
            float(earlier["source.pitch.std"]),
        )
    return Statistics(
        source_mean=source[0],
        source_std=source[1],
        source_log_f0=source[2],
        source_pitch_deviation=max(source[3], _LEAST_DEVIATION),
        target_mean=mean,
        target_std=std,
        target_log_f0=target_log_f0,
        target_pitch_deviation=max(target_pitch_deviation, _LEAST_DEVIATION),
        target_envelope=own.speech_of(0).mean(dim=1),
        harmonics=strength.clamp(0.0, 2.0),
    )
