"""MelGAN (Kumar et al. 2019): transposed convolutions, each followed by a stack of dilated residual blocks.

Layers are padded by reflection, so a sound does not begin and end with the artefacts of zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn
from torch.nn import functional as F

from .upsampling import Upsampling, bounded, context_of, mirrored, widths

SLOPE = 0.2


class ResidualBlock(nn.Module):
    """``shortcut(x) + mix(conv(x))``; (B, C, T) to the same."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.reach = dilation
        self.conv = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)
        self.shortcut = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(mirrored(F.leaky_relu(x, SLOPE), self.reach))
        mixed: Tensor = self.shortcut(x) + self.mix(F.leaky_relu(y, SLOPE))
        return mixed


class MelGan(nn.Module):
    """Log-mels to sound. The defaults are the published size: 4.3 M parameters.

    Parameters
    ----------
    mels : int
        Mel bins.
    channels : int
        Channels at the frame rate; halved by each upsampling.
    up_rates : sequence of int
        Strides of the transposed convolutions, whose kernels are twice as long; the hop is their product.
    layers : int
        Residual blocks after each upsampling, with dilations 1, 3, 9, ...
    centre, spread : float
        The network sees (mel - centre) / spread.
    """

    def __init__(
        self,
        mels: int = 80,
        channels: int = 512,
        up_rates: Sequence[int] = (8, 8, 2, 2),
        layers: int = 3,
        centre: float = 0.0,
        spread: float = 1.0,
    ) -> None:
        super().__init__()
        if spread == 0:
            raise ValueError("spread is not 0")
        sizes = widths(channels, len(up_rates))
        self.hop = prod(up_rates)
        self.centre, self.spread = centre, spread
        self.enter = nn.Conv1d(mels, channels, 7)
        self.ups = nn.ModuleList(
            Upsampling(before, after, 2 * rate, rate)
            for (before, after), rate in zip(pairwise(sizes), up_rates, strict=True)
        )
        self.stacks = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(size, 3**i) for i in range(layers))) for size in sizes[1:]
        )
        self.leave = nn.Conv1d(sizes[-1], 1, 7)
        reach = sum(3**i for i in range(layers))
        self.context_frames = context_of(self.hop, self.ups, [reach] * len(up_rates))

    def forward(self, mel: Tensor) -> Tensor:
        """Map ``mel (B, M, F)`` to wav ``(B, F·hop)``; any F ≥ 1."""
        x = self.enter(mirrored((mel - self.centre) / self.spread, 3))
        for up, stack in zip(self.ups, self.stacks, strict=True):
            x = stack(up(F.leaky_relu(x, SLOPE)))
        return bounded(self.leave(mirrored(F.leaky_relu(x, SLOPE), 3)))
