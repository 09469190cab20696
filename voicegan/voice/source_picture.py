"""The picture of anyone's speech that an any-to-one voice is given: what is said, and the pitch it is to have."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..audio.source_filter import SourceFilter

PRIOR_S = 1.0  # how much speech the pool's mean weighs against what is heard of a speaker
LOWEST_HZ, HIGHEST_HZ = 62.0, 480.0  # a moved pitch stays within
# Between speakers, formants differ by about a quarter of what the pitch does, in nepers: women's pitch is 1.7 times
# men's, their formants are 1.15 to 1.2 times men's (Peterson and Barney 1952, table II).
SLOPE = 0.25
_MOST_MOVED = 0.3  # nepers
_WIDENING = (0.4, 1.25)
_PITCH_SCALE = 3.0  # a third of a neper, five semitones, is one
_FURTHEST = 0.5  # nepers from the mean that a pitch counts as at most: octaves mistaken are further
_SPEECH = -1.5  # deviations, on average over the bands, under the pool's mean: what lies lower is a pause


def held(f0_hz: np.ndarray, before_hz: float) -> np.ndarray:
    """A pitch track (F,), 0 where unvoiced, with the last pitch held through unvoiced frames, (F,) float32.

    before_hz: the pitch of the frames before the first voiced one.
    """
    place = np.maximum.accumulate(np.where(f0_hz > 0, np.arange(len(f0_hz)), -1))
    return np.where(place < 0, before_hz, f0_hz[place.clip(0)]).astype(np.float32)


def pitch_statistics(f0_hz: np.ndarray) -> tuple[float, float] | None:
    """Mean and deviation of the natural logarithm of a pitch track (F,), 0 where unvoiced; None where all of it is."""
    if not (f0_hz > 0).any():
        return None
    height = np.log(f0_hz[f0_hz > 0].astype(np.float64))
    mean = float(height.mean())
    return mean, math.sqrt(float(squared_height(torch.from_numpy(height), mean).mean()))


def squared_height(log_f0: Tensor, mean: Tensor | float) -> Tensor:
    """What of a pitch goes into its variance."""
    return (log_f0 - mean).clamp(-_FURTHEST, _FURTHEST) ** 2


def speech_frames(envelope: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Which frames of an envelope (M, F) are no pauses, boolean (F,), by a pool's mean and deviation (M,)."""
    return is_speech((envelope - mean[:, None])[None] / std[:, None])[0]


def is_speech(normalised: Tensor) -> Tensor:
    """Which frames of envelopes as in pictures (B, M, F) are no pauses, boolean (B, F)."""
    return normalised.mean(dim=1) > _SPEECH


def moved(
    held_hz: Tensor, from_log: Tensor | float, to_log: Tensor | float, widening: Tensor | float = 1.0
) -> Tensor:
    """A pitch in Hz brought from one mean to another, and kept within bounds.

    Means are natural logarithms of Hz; `widening` is by how much the height about the mean grows, see `range_factor`.
    """
    return (to_log + widening * (held_hz.log() - from_log)).exp().clamp(LOWEST_HZ, HIGHEST_HZ)


def range_factor(from_deviation: Tensor, to_deviation: Tensor | float) -> Tensor:
    """By how much the height of a melody about its mean grows on the way to a target, from two deviations in nepers.

    A target that reads evenly has never sung as high as a lively speaker's moved melody goes, and there is nothing to
    learn from it how it would.
    """
    return (to_deviation / from_deviation).clamp(*_WIDENING)


def formant_factor(from_log: Tensor, to_log: Tensor | float) -> Tensor:
    """The factor that a throat's formants are moved by, as far as two mean pitches, in ln Hz, tell of throats."""
    return (SLOPE * (to_log - from_log)).clamp(-_MOST_MOVED, _MOST_MOVED).exp()


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
        ``(B, 2M + 2, F)``: envelope, the pitch's ripple where there is voice, voiced, and the pitch about the target's
        mean. A ripple in unvoiced frames would only tempt a generator to sing in them.
    """
    ripple = source_filter.harmonics(moved_hz) * voiced[:, None]
    pitch = _PITCH_SCALE * (moved_hz.log() - target_log)
    return torch.cat([envelope, ripple, voiced[:, None], pitch[:, None]], dim=1)


def pitch_of(picture: Tensor, target_log: Tensor | float) -> Tensor:
    """The pitch in Hz, (B, F), that a picture (B, 2M + 2, F) asks for."""
    return (picture[:, -1].float() / _PITCH_SCALE + target_log).exp()
