"""How long the throat of a speaker is beside the target's, told by pitch at first and then by what is heard.

Vocal tract length normalisation (Lee & Rose, "A frequency warping approach to speaker normalization", IEEE Trans.
Speech and Audio Processing 1998): of several stretches of the frequency axis that one is taken under which a speaker's
frames look most like the target's. What the target's frames look like is a handful of centres.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from torch import Tensor

from ..audio.source_filter import SourceFilter
from .pack import ORDER

STRETCHES = torch.linspace(-0.30, 0.30, 21)  # natural logarithms of the factors that formants are moved by
SLOPE = 0.25  # between speakers, formants differ by a quarter of what the pitch does, in nepers
_SPREAD = 0.07  # deviation of speakers from that line
_MOST = 0.3
CENTRES = 128
_FRAMES = 4000  # of the target, evenly chosen, that the centres are found from
# Frames of speech after which they count as much as the pitch does: from 60 frames the likeliest stretch has an error
# of 0.065, about the spread of speakers about the line; from 240, of 0.028.
_EQUAL_FRAMES = 60
_HEARD_FRAMES = 1000  # of a speaker, evenly chosen, are enough to tell
_BEND = 20.0  # of the mean distance about its least, per neper²
_WEIGHT = 1 / (_SPREAD**2 * _EQUAL_FRAMES * _BEND)


def by_pitch(from_log: Tensor | float, to_log: Tensor | float, offset: float) -> Tensor:
    """What the pitch tells: the logarithm of the factor, from two mean pitches in ln Hz and the target's offset."""
    shift = torch.as_tensor(to_log, dtype=torch.float64) - torch.as_tensor(from_log, dtype=torch.float64)
    return (SLOPE * shift + offset).clamp(-_MOST, _MOST)


def likeliest(distances: Tensor, frames: float, expected: float) -> float:
    """The logarithm of the factor that fits best.

    Parameters
    ----------
    distances : Tensor
        ``(A,)``: mean over frames of the distance under each of `STRETCHES`.
    frames : float
        How many frames of speech these are of.
    expected : float
        What the pitch tells.
    """
    stretches = STRETCHES.double()
    unlikely = 0.5 * ((stretches - expected) / _SPREAD) ** 2
    if frames > 0:
        unlikely = unlikely + frames * _WEIGHT * distances.double().cpu()
    best = int(unlikely.argmin())
    if 0 < best < len(stretches) - 1:  # a parabola through it and its neighbours
        before, least, after = (float(unlikely[best + step]) for step in (-1, 0, 1))
        bend = before - 2 * least + after
        part = 0.5 * (before - after) / bend if bend > 0 else 0.0
        return float(stretches[best]) + part * float(stretches[1] - stretches[0])
    return float(stretches[best])


class Sounds:
    """The target's sounds, as centres of its frames, and how far others' frames are from them under every stretch.

    Parameters
    ----------
    centres : Tensor
        ``(K, ORDER)``: cepstra of envelopes without their mean.
    source_filter : SourceFilter
        Of the mel contract.
    """

    def __init__(self, centres: Tensor, source_filter: SourceFilter) -> None:
        self.centres, self.filter = centres, source_filter
        bands = source_filter.spec.mels
        places = torch.arange(bands, device=centres.device) + 0.5
        orders = torch.arange(1, ORDER + 1, device=centres.device)
        self._cosines = torch.cos(math.pi * orders[:, None] * places / bands) / math.sqrt(bands)

    @classmethod
    def of(cls, without_mean: Tensor, source_filter: SourceFilter) -> Sounds:
        """From the target's frames of speech (M, F), the mean taken off."""
        from scipy.cluster.vq import kmeans2

        sounds = cls(torch.zeros(0, ORDER), source_filter)
        chosen = np.linspace(0, without_mean.shape[1] - 1, min(_FRAMES, without_mean.shape[1])).astype(int)
        frames = (sounds._cosines @ without_mean[:, torch.from_numpy(chosen)]).T.double().numpy()
        if not len(frames):
            return sounds
        first = frames[np.linspace(0, len(frames) - 1, min(CENTRES, len(frames))).astype(int)]
        with warnings.catch_warnings():  # centres that nothing is near to do no harm
            warnings.simplefilter("ignore", UserWarning)
            centres, _ = kmeans2(frames, first, minit="matrix", missing="warn")
        sounds.centres = torch.from_numpy(np.ascontiguousarray(centres, np.float32))
        return sounds

    def distances(self, without_mean: Tensor) -> Tensor:
        """Frames (M, F) to their distance from the nearest centre under every stretch, (A, F)."""
        frames = without_mean.shape[1]
        out = without_mean.new_zeros(len(STRETCHES), frames)
        if not len(self.centres):
            return out
        for index, stretch in enumerate(STRETCHES):
            factors = without_mean.new_full((1, frames), math.exp(float(stretch)))
            cepstra = (self._cosines @ self.filter.stretched(without_mean[None], factors)[0]).T
            out[index] = torch.cdist(cepstra, self.centres).amin(dim=1)
        return out

    def told(self, without_mean: Tensor, expected: float | None = None) -> float:
        """The logarithm of the factor that frames of speech (M, F) tell; `expected`: what the pitch tells, if used."""
        frames = without_mean.shape[1]
        if frames > _HEARD_FRAMES:
            without_mean = without_mean[:, torch.linspace(0, frames - 1, _HEARD_FRAMES).long()]
        if not frames:
            return expected or 0.0
        distances = self.distances(without_mean).mean(dim=1)
        if expected is None:
            return likeliest(distances, 1e6, 0.0)
        return likeliest(distances, frames, expected)


class FollowedThroat:
    """What a stream makes of a speaker's throat as more is heard: forgetting over half a minute, as other means do."""

    def __init__(self, sounds: Sounds, memory_frames: float) -> None:
        self._sounds, self._keep = sounds, 1.0 - 1.0 / memory_frames
        self._sum = torch.zeros(len(STRETCHES), dtype=torch.float64)
        self._frames = 0.0
        self._last: float | None = None

    def follow(self, without_mean: Tensor, counted: Tensor, expected: float) -> Tensor:
        """A window's frames (M, f), those that are speech (f,) bool, to the factors (f,) by which each is stretched.

        expected: what the pitch tells by now. From the factor after the window before to that after this one in a line;
        in the first window this one's.
        """
        heard = self._sounds.distances(without_mean[:, counted]).double().cpu()
        self._sum = self._sum * self._keep ** heard.shape[1] + heard.sum(dim=1)
        self._frames = self._frames * self._keep ** heard.shape[1] + heard.shape[1]
        now = likeliest(self._sum / max(self._frames, 1.0), self._frames, expected)
        before = now if self._last is None else self._last
        self._last = now
        part = torch.arange(1, without_mean.shape[1] + 1, dtype=torch.float64) / without_mean.shape[1]
        return (before + (now - before) * part).exp().to(without_mean)
