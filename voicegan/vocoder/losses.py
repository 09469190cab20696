"""Spectral losses between a generated sound and its recording."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

RESOLUTIONS = (256, 512, 1024, 2048)  # window lengths in samples; frames are a quarter of that apart
FLOOR = 1e-4  # magnitudes under this (of a windowed frame whose window adds up to 1) count as this


def multi_resolution_stft(real: Tensor, fake: Tensor, resolutions: Sequence[int] = RESOLUTIONS) -> Tensor:
    """Spectral convergence plus L1 of log-magnitudes, the mean over resolutions (Yamamoto et al. 2020, eqs. 4-6).

    real, fake: wav (B, T). Returns a scalar, float32.
    """
    distances = []
    for win in resolutions:
        a, b = magnitudes(real, win), magnitudes(fake, win)
        convergence = torch.linalg.vector_norm(a - b) / torch.linalg.vector_norm(a)
        distances.append(convergence + (a.log() - b.log()).abs().mean())
    return torch.stack(distances).mean()


def magnitudes(wav: Tensor, win: int) -> Tensor:
    """Floored magnitudes of wav (B, T) as (B, bins, F), a full-scale sine having about 0.5."""
    with torch.autocast(wav.device.type, enabled=False):
        window = torch.hann_window(win, device=wav.device)
        spectrum = torch.stft(
            wav.float(), win, win // 4, win, window / window.sum(), center=False, return_complex=True
        )
        # The square root's slope at zero is infinite, so the floor goes in before it.
        return (spectrum.real.square() + spectrum.imag.square() + FLOOR**2).sqrt()
