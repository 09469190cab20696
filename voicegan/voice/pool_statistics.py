"""What any-to-one training takes from its material once, and what of it a voice keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..audio.source_filter import SourceFilter
from .corpus import Speaker
from .pack import ORDER, THROAT
from .speech_tape import SpeechTape
from .throat import SLOPE, Sounds, by_pitch

_UNKNOWN_LOG_F0 = math.log(150.0)


@dataclass(frozen=True)
class Known:
    """What is known of sources and target when a picture is drawn.

    Attributes
    ----------
    source_mean, source_std : Tensor
        ``(M,)``: of the pool's envelopes, the mean over speakers and the deviation within a speaker.
    source_log_f0, target_log_f0 : float
        Mean natural logarithm of the pitch in Hz.
    throat : float
        How much higher the target's formants are than a speaker's of its pitch, on average, in nepers.
    sounds : Tensor
        ``(K, ORDER)``: see `throat.Sounds`.
    """

    source_mean: Tensor
    source_std: Tensor
    source_log_f0: float
    target_log_f0: float
    throat: float
    sounds: Tensor

    @staticmethod
    def by_voice(kept: Mapping[str, Tensor]) -> Known:
        """What a voice has kept of it: the statistics that its pack builds."""
        nothing = torch.zeros(1), torch.zeros(0, ORDER)
        throat, sounds = (kept.get(name, default) for name, default in zip(THROAT, nothing, strict=True))
        return Known(
            source_mean=kept["source.mean"],
            source_std=kept["source.std"],
            source_log_f0=float(kept["source.pitch"]),
            target_log_f0=float(kept["target.pitch"]),
            throat=float(throat),
            sounds=sounds,
        )

    def expected(self, log_f0: float) -> float:
        """By which factor, as a logarithm, the formants of a speaker of this mean pitch are to move."""
        return float(by_pitch(log_f0, self.target_log_f0, self.throat))


@dataclass(frozen=True)
class Statistics(Known):
    """What training takes from the material once; all of it is in the voice.

    Attributes
    ----------
    target_mean, target_std : Tensor
        ``(M,)``: of the target's log-mel.
    target_envelope : Tensor
        ``(M,)``: mean of the target's envelope over speech.
    harmonics : Tensor
        ``(M,)``: how strongly the pitch's ripple shows in the target's log-mel.
    """

    target_mean: Tensor
    target_std: Tensor
    target_envelope: Tensor
    harmonics: Tensor

    def kept(self) -> dict[str, Tensor]:
        """What a voice needs of them, by the names that its pack has."""
        return {
            "source.mean": self.source_mean,
            "source.std": self.source_std,
            "source.pitch": torch.tensor([self.source_log_f0]),
            "target.mean": self.target_mean,
            "target.std": self.target_std,
            "target.pitch": torch.tensor([self.target_log_f0]),
            "target.throat": torch.tensor([self.throat]),
            "target.sounds": self.sounds,
        }


def of_pool(pool: SpeechTape) -> tuple[Tensor, Tensor, float]:
    """Mean over speakers and deviation within a speaker (M,) of a pool's envelopes, and its mean log-pitch."""
    means, variances, pitches = [], [], []
    for index in range(len(pool.begins)):
        said = pool.speech_of(index)
        means.append(said.mean(dim=1))
        variances.append(said.var(dim=1, correction=0))
        if (pitch := pool.log_f0_of(index)) is not None:
            pitches.append(pitch)
    return (
        torch.stack(means).mean(dim=0),
        torch.stack(variances).mean(dim=0).sqrt().clamp(min=1e-2),
        float(np.mean(pitches)) if pitches else _UNKNOWN_LOG_F0,
    )


def statistics(
    target: Speaker,
    pool: SpeechTape,
    own: SpeechTape,
    mel: Tensor,
    filter_: SourceFilter,
    earlier: Mapping[str, Tensor] | None = None,
    *,
    heard: bool = False,
) -> Statistics:
    """Take the statistics of the material. mel: the target's, normalised, frame for frame own's.

    heard: whether the throat is told by frames, or by the pitch alone.
    """
    found = own.log_f0_of(0)
    target_log_f0 = _UNKNOWN_LOG_F0 if found is None else found
    mean, std = torch.from_numpy(target.mean), torch.from_numpy(target.std)
    # How much of the ripple shows in each band of the target's voiced frames: least squares, band by band.
    voiced = torch.from_numpy(own.f0 > 0)
    ripple = filter_.harmonics(torch.from_numpy(own.f0)[None])[0][:, voiced]
    shown = (mel * std[:, None] + mean[:, None] - own.envelope)[:, voiced]
    strength = (shown * ripple).sum(dim=1) / ((ripple**2).sum(dim=1) + 1e-3)
    # Without any frames of the target nothing is heard, and the pitch alone tells.
    sounds = Sounds.of(own.frames_of(0) if heard else own.envelope[:, :0], filter_)
    throat = 0.0
    if len(pool.begins) or earlier is None:
        source = of_pool(pool)
        if heard:
            throat = _offset(pool, sounds, target_log_f0)
    else:
        source = earlier["source.mean"], earlier["source.std"], float(earlier["source.pitch"])
        if heard:
            throat = _offset_beside(earlier, own, target_log_f0, filter_)
    return Statistics(
        source_mean=source[0],
        source_std=source[1],
        source_log_f0=source[2],
        target_mean=mean,
        target_std=std,
        target_log_f0=target_log_f0,
        target_envelope=own.speech_of(0).mean(dim=1),
        harmonics=strength.clamp(0.0, 2.0),
        throat=throat,
        sounds=sounds.centres,
    )


def _offset(pool: SpeechTape, sounds: Sounds, target_log_f0: float) -> float:
    """How much higher the target's formants are than the pool's, beyond what the pitch tells: the median speaker's."""
    beyond = []
    for index in range(len(pool.begins)):
        if (pitch := pool.log_f0_of(index)) is not None:
            by_pitch_alone = SLOPE * (target_log_f0 - pitch)
            beyond.append(sounds.told(pool.frames_of(index)) - by_pitch_alone)
    return float(np.median(beyond)) if beyond else 0.0


def _offset_beside(
    earlier: Mapping[str, Tensor], own: SpeechTape, target_log_f0: float, filter_: SourceFilter
) -> float:
    """The same without a pool: by how much the target differs from another whose offset from a pool is known."""
    if "target.sounds" not in earlier:
        return 0.0
    to_other = Sounds(earlier["target.sounds"], filter_).told(own.frames_of(0))
    by_pitch_alone = SLOPE * (float(earlier["target.pitch"]) - target_log_f0)
    return float(earlier["target.throat"]) - (to_other - by_pitch_alone)
