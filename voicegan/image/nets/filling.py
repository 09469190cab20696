"""A network that fills holes: down to a quarter of the size, and up again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...core.blocks import initialise
from .halving import double, halve, sides


class HoleFiller(nn.Module):
    """An encoder and a decoder of strided convolutions (Denton et al. 2016, arXiv:1611.06430, section 3.1).

    The decoder sees what the encoder saw at each size (Ronneberger et al. 2015), so that edges go on where they were
    cut off; and it is told by a channel of its own where the hole is.

    Parameters
    ----------
    shape : sequence of int
        ``(C, H, W)``.
    width : int
        Channels at the finest size; twice as many after each halving, eight times at most.
    """

    def __init__(self, shape: Sequence[int], width: int) -> None:
        super().__init__()
        finer = sides(shape)[:-1]
        steps = len(finer)
        sizes = [width * min(8, 2**step) for step in range(steps + 1)]
        self.first = _layer(nn.Conv2d(shape[0] + 1, width, 3, 1, 1, bias=False), width)
        self.down = nn.ModuleList(
            _layer(halve(finer[i], sizes[i], sizes[i + 1]), sizes[i + 1]) for i in range(steps)
        )
        # What comes up is joined by what the encoder had at that size; the coarsest has nobody to join.
        self.up = nn.ModuleList(
            _layer(double(finer[i], sizes[i + 1] * (1 if i == steps - 1 else 2), sizes[i]), sizes[i])
            for i in reversed(range(steps))
        )
        self.last = nn.Conv2d(2 * width, shape[0], 3, 1, 1)
        initialise(self)

    def forward(self, pictures: Tensor, hole: Tensor) -> Tensor:
        """Pictures (B, C, H, W), whose values in the hole do not count, and holes (B, 1, H, W), True where to fill.

        Returns whole pictures (B, C, H, W) in [-1, 1], of which the caller takes what lies in the hole.
        """
        x = self.first(torch.cat([pictures.masked_fill(hole, 0.0), hole.to(pictures.dtype)], dim=1))
        seen = []
        for layer in self.down:
            seen.append(x)
            x = layer(x)
        for layer in self.up:
            x = torch.cat([layer(x), seen.pop()], dim=1)
        filled: Tensor = self.last(x).tanh()
        return filled


def _layer(conv: nn.Module, channels: int) -> nn.Module:
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.LeakyReLU(0.2))
