"""The picture of anyone's speech that an any-to-one voice is given: what is said, and the pitch it is to have."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..audio.source_filter import SourceFilter

PRIOR_S = 1.0  # how much speech the pool's mean weighs against what is heard of a speaker
LOWEST_HZ, HIGHEST_HZ = 62.0, 480.0  # a moved pitch stays within
_PITCH_SCALE = 3.0  # a third of a neper, five semitones, is one
_SPEECH = -1.5  # deviations, on average over the bands, under the pool's mean: what lies lower is a pause


def held(f0_hz: np.ndarray, before_hz: float) -> np.ndarray:
    """A pitch track (F,), 0 where unvoiced, with the last pitch held through unvoiced frames, (F,) float32.

    before_hz: the pitch of the frames before the first voiced one.
    """
    place = np.maximum.accumulate(np.where(f0_hz > 0, np.arange(len(f0_hz)), -1))
    return np.where(place < 0, before_hz, f0_hz[place.clip(0)]).astype(np.float32)


def speech_frames(envelope: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Which frames of an envelope (M, F) are no pauses, boolean (F,), by a pool's mean and deviation (M,)."""
    return is_speech((envelope - mean[:, None])[None] / std[:, None])[0]


def is_speech(normalised: Tensor) -> Tensor:
    """Which frames of envelopes as in pictures (B, M, F) are no pauses, boolean (B, F)."""
    return normalised.mean(dim=1) > _SPEECH


def moved(held_hz: Tensor, from_log: Tensor | float, to_log: Tensor | float) -> Tensor:
    """A pitch in Hz shifted by the ratio of two means, given as natural logarithms, and kept within bounds."""
    shift = torch.as_tensor(to_log, dtype=held_hz.dtype) - torch.as_tensor(from_log, dtype=held_hz.dtype)
    return (held_hz * shift.exp()).clamp(LOWEST_HZ, HIGHEST_HZ)


def picture(
    envelope: Tensor, moved_hz: Tensor, voiced: Tensor, target_log: float, source_filter: SourceFilter
) -> Tensor:
    """Lay out what a generator sees.

    Parameters
    ----------
    envelope : Tensor
        ``(B, M, F)``, without the speaker's mean, over the pool's deviation, stretched to the target's throat.
    moved_hz, voiced : Tensor
        ``(B, F)``: the pitch wanted, also where there is no voice; and 1 where there is, else 0.
    target_log : float
        Mean natural logarithm of the target's pitch in Hz.
    source_filter : SourceFilter
        Of the voice's mel contract.

    Returns
    -------
    Tensor
        ``(B, 2M + 2, F)``: envelope, the pitch's ripple, voiced, and the pitch about the target's mean.
    """
    ripple = source_filter.harmonics(moved_hz)
    pitch = _PITCH_SCALE * (moved_hz.log() - target_log)
    return torch.cat([envelope, ripple, voiced[:, None], pitch[:, None]], dim=1)


def pitch_of(picture: Tensor, target_log: Tensor | float) -> Tensor:
    """The pitch in Hz, (B, F), that a picture (B, 2M + 2, F) asks for."""
    return (picture[:, -1].float() / _PITCH_SCALE + target_log).exp()
