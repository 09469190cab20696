"""The harmonics that a mel's wide bands have blurred, guessed from those that its narrow bands still show."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..audio.mel import MelSpec, filterbank
from ..audio.source_filter import comb_magnitudes

PITCHES_HZ = np.geomspace(
    65.0, 420.0, 480
)  # in steps of 0.4 %, so that the 30th harmonic is right to 6 % of a spacing
SHOWN_HZ = 1600.0  # below, the bands show harmonics
SMOOTHED_HZ = 333.0  # what is broader is the envelope
LEAST_GAIN = 0.1


class Harmonics(nn.Module):
    """Factors for blurred magnitudes that raise harmonics out of them, where the bands are too wide for these.

    For the phases, not for the magnitudes: their gradient needs to know where each harmonic is, and is then right
    through the whole spectrum. In each frame the pitch is that whose harmonics, seen through the filters, look most
    like the frame. Where there is no pitch, the one that is taken does no harm: noise has its phases by chance.
    """

    templates: Tensor
    gains: Tensor

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec
        filters = filterbank(spec).double().numpy()
        self._heard = np.flatnonzero(filters.sum(1))  # a band may be narrower than a bin and lie between two
        filters = filters[self._heard]
        bins_hz = np.arange(spec.bins) * spec.sample_rate_hz / spec.n_fft
        bands_hz = filters @ bins_hz / filters.sum(1)
        spacing_hz = np.gradient(bands_hz)
        self._bands = int((bands_hz < SHOWN_HZ).sum())
        middle_hz = spacing_hz[self._bands // 2]
        self._reach = max(1, round(SMOOTHED_HZ / middle_hz / 2 - 0.5))  # bands to either side
        combs = comb_magnitudes(spec, PITCHES_HZ)
        seen = torch.from_numpy(np.log((combs.clip(1e-3) @ filters.T).clip(1e-9)).astype(np.float32))
        templates = self._ripple(seen.T[None])[0].T
        templates = templates / templates.norm(dim=1, keepdim=True).clamp(min=1e-6)
        self.register_buffer("templates", templates, persistent=False)
        # Where two bands fit between harmonics the magnitudes show them already; further up the guess takes over.
        blurred = (np.interp(bins_hz, bands_hz, spacing_hz) / PITCHES_HZ[:, None] - 0.25) / 0.5
        gains = combs.clip(LEAST_GAIN) ** (0.5 * blurred.clip(0, 1))
        self.register_buffer("gains", torch.from_numpy(gains.astype(np.float32)), persistent=False)

    def forward(self, log_mel: Tensor) -> Tensor:
        """log_mel (B, M, F) to factors (B, bins, F) between 0 and 1."""
        likeness = self.templates @ self._ripple(self.spec.bounded(log_mel)[:, self._heard])
        return self.gains[likeness.argmax(dim=1)].transpose(1, 2)

    def _ripple(self, log_mel: Tensor) -> Tensor:
        """What is left (B, bands, F) of the lower bands without their envelope."""
        reach = self._reach
        padded = nn.functional.pad(log_mel.transpose(1, 2), (reach, reach), mode="replicate")
        envelope = nn.functional.avg_pool1d(padded, 2 * reach + 1, 1).transpose(1, 2)
        return (log_mel - envelope)[:, : self._bands]
