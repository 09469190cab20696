"""From mel bands to the full spectrum's magnitudes: half of a vocoder, whose phases are found by iteration.

Griffin-Lim from the true magnitudes is nearly transparent; what makes it sound bad is that 80 bands say little about
513 bins. So the bands are what is learnt here. The backbone is that of Vocos (Siuzdak 2023), which predicts phases
too; leaving these to an algorithm makes the task a plain regression.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ...audio.mel import MelSpec, filterbank
from .vocos import KERNEL, ConvNeXtBlock, FrameConv, initialise

_LOUDEST = 8.0  # natural logarithm of a magnitude; full scale under a window of 1024 is 5.5


class Magnitudes(nn.Module):
    """Log-mels to magnitudes.

    Parameters
    ----------
    mels, bins : int
        Mel bins, bins of the spectrum.
    dim, intermediate, layers : int
        Channels of the blocks, channels within them, and how many there are.
    reach : int
        Frames that each layer looks ahead, 0 to 6; 3 is symmetric. Less is less latency.
    floor : float
        What is added to a magnitude before its logarithm is taken: nothing much below it is learnt.
    mean, deviation : float
        Of the log-mels of speech, roughly; they come in by these units.
    """

    makes = "magnitudes"

    def __init__(
        self,
        mels: int = 80,
        bins: int = 513,
        dim: int = 256,
        intermediate: int = 768,
        layers: int = 8,
        reach: int = KERNEL // 2,
        floor: float = 1e-4,
        mean: float = -5.0,
        deviation: float = 2.0,
    ) -> None:
        super().__init__()
        self.floor, self.mean, self.deviation = floor, mean, deviation
        self.embed = FrameConv(mels, dim, reach)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.blocks = nn.Sequential(
            *(ConvNeXtBlock(dim, intermediate, reach, scale=1 / layers) for _ in range(layers))
        )
        self.final_norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, bins)
        self.direct = nn.Linear(mels, bins)
        initialise(self)
        nn.init.zeros_(self.direct.weight)
        self.context_frames = ((layers + 1) * self.embed.past, (layers + 1) * self.embed.future)

    @staticmethod
    def arguments(spec: MelSpec) -> dict[str, Any]:
        """Those arguments that a mel contract decides."""
        unit = spec.power / (math.log(10.0) if spec.log_base == "10" else 1.0)  # of a natural log-magnitude
        return {
            "mels": spec.mels,
            "bins": spec.bins,
            "floor": 1e-4 * spec.n_fft / 1024,
            "mean": -5.0 * unit,
            "deviation": 2.0 * unit,
        }

    @torch.no_grad()
    def begin_at(self, spec: MelSpec) -> None:
        """Start from the bands interpolated over the bins, in logarithms, rather than from nothing."""
        filters = filterbank(spec)  # (M, bins)
        area = filters.sum(1, keepdim=True).clamp(min=1e-12)
        # A bin's logarithm is a mean of those of the bands over it, each less what its filter adds up to.
        share = filters / filters.sum(0, keepdim=True).clamp(min=1e-12)
        unit = spec.power / (math.log(10.0) if spec.log_base == "10" else 1.0)
        self.direct.weight.copy_(share.T * (self.deviation / unit))
        self.direct.bias.copy_(share.T @ (self.mean / unit - area.log() / spec.power)[:, 0])

    def log_magnitudes(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to the natural logarithms of magnitudes + floor, (B, F, bins), in float32."""
        mel = (mel.float() - self.mean) / self.deviation
        x = self.norm(self.embed(mel).transpose(1, 2))
        x = self.final_norm(self.blocks(x.transpose(1, 2)).transpose(1, 2))
        with torch.autocast(mel.device.type, enabled=False):
            y: Tensor = self.direct(mel.transpose(1, 2)) + nn.functional.linear(
                x.float(), self.head.weight, self.head.bias
            )
        return y

    def forward(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to magnitudes (B, bins, F) >= 0; any F >= 1."""
        logarithms = self.log_magnitudes(mel).clamp(max=_LOUDEST)
        return (logarithms.exp() - self.floor).clamp(min=0).transpose(1, 2)
