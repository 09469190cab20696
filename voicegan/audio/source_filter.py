"""A log-mel taken apart: the envelope, which the mouth shapes, and the ripple, which the pitch makes.

Narrow bands show harmonics where the pitch is high and none where it is low, so two speakers differ there although
their mouths agree. What is left without them is the envelope; and where the pitch is known, they can be put back.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from .mel import MelSpec, filterbank

LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0  # pitches outside are taken for the nearest inside
PITCHES = 128  # of a grid with steps of 1.7 %
UNVOICED_WIDTH_HZ = 200.0
FLOOR = 0.05  # of the comb: breath and the window's leakage fill what is between harmonics


class SourceFilter(nn.Module):
    """The envelope of log-mels whose pitch is known, and the ripple that any pitch would put upon it.

    Every frame is worked on by itself: what is found for it does not depend on the frames beside it.
    """

    nearby: Tensor
    ripples: Tensor
    density: Tensor
    bands_hz: Tensor

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec
        pitches_hz = np.geomspace(LOWEST_HZ, HIGHEST_HZ, PITCHES)
        filters = filterbank(spec).double().numpy()
        widths = _widths(spec, pitches_hz, filters)
        # Filters of height 1 hear more the wider they are; what is averaged over bands is the power per hertz.
        areas_hz = np.ones(spec.mels)
        if spec.norm is None:
            areas_hz = filters.sum(1).clip(1e-6) * spec.sample_rate_hz / spec.n_fft
        self._reach = max(abs(there - here) for _, here, there in np.argwhere(widths))
        padded = np.pad(widths, ((0, 0), (0, 0), (self._reach, self._reach)))
        bands = np.arange(spec.mels)
        nearby = [padded[:, bands, bands + step] for step in range(2 * self._reach + 1)]
        combs = comb_magnitudes(spec, pitches_hz).clip(FLOOR) ** spec.power @ filters.T / areas_hz
        power = combs ** (2 / spec.power)
        smooth = np.einsum("pij,pj->pi", widths, power)
        heard = filters.sum(1) > 0
        ripples = np.where(heard, np.log(power.clip(1e-30) / smooth), 0.0) * (spec.power / 2)
        self.register_buffer("nearby", _float(np.stack(nearby)), persistent=False)
        self.register_buffer("ripples", _float(ripples), persistent=False)
        self.register_buffer("bands_hz", _float(_middles(spec, filters)), persistent=False)
        self.register_buffer("density", _float(areas_hz[:, None]), persistent=False)

    def envelope(self, log_mel: Tensor, f0_hz: Tensor) -> Tensor:
        """log_mel (B, M, F) and its pitch in Hz (B, F), 0 where unvoiced, to the log-mel without harmonics (B, M, F).

        Around every band the power is averaged over the width of one pitch period, in Hz, which takes in one harmonic
        wherever it lies: the first step of CheapTrick (Morise, "CheapTrick, a spectral envelope estimator for
        high-quality speech synthesis", Speech Communication 2015, section 3.1). Unvoiced frames: over 200 Hz.
        """
        place = _place(torch.where(f0_hz > 0, f0_hz, UNVOICED_WIDTH_HZ)).round().long()
        power = (self.spec.expand(log_mel) / self.density) ** (2 / self.spec.power)
        power = nn.functional.pad(power.transpose(1, 2), (self._reach, self._reach))
        mean = torch.zeros_like(log_mel).transpose(1, 2)
        for step, weights in enumerate(self.nearby):
            mean = mean + weights[place] * power[..., step : step + self.spec.mels]
        # Where a mel is at its floor the power is zero, and a root has no gradient there.
        mean = mean.transpose(1, 2).clamp(min=1e-30)
        return self.spec.compress(mean ** (self.spec.power / 2) * self.density)

    def stretched(self, bands: Tensor, factors: Tensor) -> Tensor:
        """Move what lies at a frequency to a factor times it, as a shorter throat (over 1) or a longer one does.

        bands (B, M, F) and factors (B, F) to (B, M, F). What comes from outside the bands has the edge's value.
        """
        wanted_hz = self.bands_hz / factors[..., None]
        upper = torch.searchsorted(self.bands_hz, wanted_hz.contiguous()).clamp(1, len(self.bands_hz) - 1)
        low_hz, high_hz = self.bands_hz[upper - 1], self.bands_hz[upper]
        apart_hz = (high_hz - low_hz).clamp(
            min=1e-3
        )  # bands that hear nothing lie with the first or last that does
        part = ((wanted_hz - low_hz) / apart_hz).clamp(0, 1).transpose(1, 2)
        at = upper.transpose(1, 2)
        return bands.gather(1, at - 1) * (1 - part) + bands.gather(1, at) * part

    def harmonics(self, f0_hz: Tensor) -> Tensor:
        """A pitch in Hz (B, F) to what its harmonics add to an envelope (B, M, F), in nepers; 0 where the pitch is 0.

        Harmonics are equally strong here. A mel in decimal logarithms gets what is given here over ln 10.
        """
        place = _place(f0_hz)
        below = place.floor().clamp(max=PITCHES - 2)
        part = (place - below)[..., None]
        at = below.long()
        ripple = self.ripples[at] * (1 - part) + self.ripples[at + 1] * part
        return (ripple * (f0_hz > 0)[..., None]).transpose(1, 2)


def comb_magnitudes(spec: MelSpec, pitches_hz: np.ndarray) -> np.ndarray:
    """Magnitudes (pitches, bins) of equally strong harmonics of these pitches (pitches,) under a Hann window."""
    pitches_hz = np.asarray(pitches_hz)[:, None]
    bins_hz = np.arange(spec.bins) * spec.sample_rate_hz / spec.n_fft
    nearest = np.maximum(1, np.round(bins_hz / pitches_hz))
    away = np.abs(bins_hz - pitches_hz * nearest) * spec.win / spec.sample_rate_hz
    # The window's transform, sinc(x) / (1 - x²), has its first zero two bins from the middle.
    at_pole = np.abs(away - 1) < 1e-4
    lobe = np.where(at_pole, 0.5, np.sinc(away) / np.where(at_pole, 1.0, 1 - away**2))
    return np.where(away < 2, np.abs(lobe), 0.0)


def _widths(spec: MelSpec, pitches_hz: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Weights (pitches, M, M): for each band the share of each band in a width of one pitch period around it."""
    heard = np.flatnonzero(filters.sum(1))
    bands_hz = _middles(spec, filters)
    heard_hz = bands_hz[heard]
    edges_hz = np.concatenate([[spec.fmin_hz], (heard_hz[1:] + heard_hz[:-1]) / 2, [spec.fmax_hz]])
    half_hz = pitches_hz[:, None, None] / 2
    low = np.maximum(bands_hz[:, None] - half_hz, edges_hz[:-1])
    high = np.minimum(bands_hz[:, None] + half_hz, edges_hz[1:])
    widths = np.zeros((len(pitches_hz), spec.mels, spec.mels))
    widths[..., heard] = (high - low).clip(0)
    return widths / widths.sum(2, keepdims=True)


def _middles(spec: MelSpec, filters: np.ndarray) -> np.ndarray:
    """The middle of each band in Hz (M,), rising."""
    heard = np.flatnonzero(filters.sum(1))  # a band may be narrower than a bin and lie between two
    bins_hz = np.arange(spec.bins) * spec.sample_rate_hz / spec.n_fft
    return np.interp(np.arange(spec.mels), heard, filters[heard] @ bins_hz / filters[heard].sum(1))


def _place(f0_hz: Tensor) -> Tensor:
    """Where on the grid of pitches, from 0 to PITCHES - 1, a pitch lies."""
    octaves = (f0_hz.clamp(LOWEST_HZ, HIGHEST_HZ) / LOWEST_HZ).log()
    return octaves * ((PITCHES - 1) / math.log(HIGHEST_HZ / LOWEST_HZ))


def _float(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
