"""The generator of Johnson et al. 2016 as CycleGAN uses it (Zhu et al. 2017, arXiv:1703.10593, appendix 7.2)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from ...core.blocks import InstanceNorm, initialise


class ResidualBlock(nn.Module):
    """``x + norm(conv(relu(norm(conv(x)))))``: two convolutions of 3 × 3, padded by reflection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_block(channels, channels, 3), nn.ReLU(),
            *_block(channels, channels, 3),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.layers(x)
        return x + branch


class ResNetGenerator(nn.Module):
    """c7s1-64, d128, d256, residual blocks, u128, u64, c7s1-3: pictures of any size that the strides divide.

    Parameters
    ----------
    shape : sequence of int
        ``(C, H, W)``, in and out. Its size decides what is left open; the network takes other sizes too.
    width : int
        Channels at the full size.
    blocks : int, optional
        Residual blocks: 9 from 256 pixels on and 6 below (the paper's), where left out.
    strides : int, optional
        How often the picture is halved: twice, or as often as 4 pixels are left of the shorter side.
    """

    def __init__(
        self, shape: Sequence[int], width: int, blocks: int | None = None, strides: int | None = None
    ) -> None:
        super().__init__()
        channels, height, across = shape
        if strides is None:
            strides = sum(
                height % 2**n == 0 and across % 2**n == 0 and min(height, across) >= 4 * 2**n for n in (1, 2)
            )
        if blocks is None:
            blocks = 9 if min(height, across) >= 256 else 6
        sizes = [width * 2**step for step in range(strides + 1)]
        layers: list[nn.Module] = [*_block(channels, width, 7), nn.ReLU()]
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Conv2d(before, after, 3, 2, 1), InstanceNorm(after), nn.ReLU()]
        layers += [ResidualBlock(sizes[-1]) for _ in range(blocks)]
        for before, after in itertools.pairwise(sizes[::-1]):
            up = nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1)
            layers += [up, InstanceNorm(after), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, channels, 7), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        initialise(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to pictures of the same shape in [-1, 1]."""
        made: Tensor = self.layers(pictures)
        return made


def _block(before: int, after: int, kernel: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(before, after, kernel), InstanceNorm(after)]
