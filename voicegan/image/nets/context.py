"""The network that fills a hole from what is around it (Pathak et al. 2016, arXiv:1604.07379, section 3.1)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...core.blocks import initialise
from .halving import double, halve, sides


class ChannelwiseLinear(nn.Module):
    """A fully connected layer of each channel by itself, from all places to all places, then a 1 × 1 convolution.

    What is left of the hole can reach its right side in one layer, for m n² weights instead of m² n⁴.

    Parameters
    ----------
    channels, places : int
        Of the maps ``(B, channels, H, W)``; H · W places.
    """

    def __init__(self, channels: int, places: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, places, places) / places**0.5)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        spread = torch.einsum("bci,cij->bcj", x.flatten(2), self.weight.to(x.dtype)).view_as(x)
        mixed: Tensor = self.mix(spread)
        return mixed


class ContextNet(nn.Module):
    """Strided convolutions, a channel-wise fully connected layer, and transposed convolutions.

    Parameters
    ----------
    shape : sequence of int
        ``(C, H, W)``, in and out.
    width : int
        Channels at half the size; twice as many at each coarser size, eight times at most.
    """

    def __init__(self, shape: Sequence[int], width: int) -> None:
        super().__init__()
        *finer, coarsest = sides(shape)
        sizes = [width * min(8, 2**step) for step in range(len(finer))]
        layers: list[nn.Module] = [halve(finer[0], shape[0], sizes[0], bias=True), nn.LeakyReLU(0.2)]
        for side, (before, after) in zip(finer[1:], itertools.pairwise(sizes), strict=True):
            layers += [halve(side, before, after), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        places = math.prod(coarsest)
        layers += [ChannelwiseLinear(sizes[-1], places), nn.BatchNorm2d(sizes[-1]), nn.ReLU()]
        for side, (before, after) in zip(finer[:0:-1], itertools.pairwise(sizes[::-1]), strict=True):
            layers += [double(side, before, after), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [double(finer[0], sizes[0], shape[0], bias=True), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        initialise(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures with a hole (B, C, H, W) to whole pictures in [-1, 1]."""
        made: Tensor = self.layers(pictures)
        return made
