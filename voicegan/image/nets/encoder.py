"""Encoders: from samples to vectors of any size. The mirror images of the generators of the table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import Tensor, nn

from ...core.blocks import initialise
from .halving import halve, sides


class MLPEncoder(nn.Module):
    """Two hidden layers of rectifiers, as in `MLPGenerator`.

    Parameters
    ----------
    shape : sequence of int
        Shape of a sample.
    outputs : int
        Size of the vectors.
    width : int
        Units of a hidden layer.
    """

    def __init__(self, shape: Sequence[int], outputs: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(shape), width), nn.ReLU(),
            nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, outputs),
        )  # fmt: skip

    def forward(self, samples: Tensor) -> Tensor:
        """Samples (B, \\*shape) to vectors (B, outputs)."""
        vectors: Tensor = self.layers(samples)
        return vectors


class NormalisedMLPEncoder(MLPEncoder):
    """`MLPEncoder` with batch norm and leaky rectifiers, as `ConvEncoder` has them."""

    def __init__(self, shape: Sequence[int], outputs: int, width: int) -> None:
        super().__init__(shape, outputs, width)
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(shape), width, bias=False), nn.BatchNorm1d(width), nn.LeakyReLU(0.2),
            nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.LeakyReLU(0.2),
            self.layers[-1],
        )  # fmt: skip


class ConvEncoder(nn.Module):
    """Strided convolutions with batch norm (not on the first) and leaky rectifiers, then one linear layer.

    Parameters
    ----------
    shape : sequence of int
        ``(C, H, W)``.
    outputs : int
        Size of the vectors.
    width : int
        Channels of the first layer; twice as many at each coarser size, eight times at most.
    """

    def __init__(self, shape: Sequence[int], outputs: int, width: int) -> None:
        super().__init__()
        *finer, coarsest = sides(shape)
        sizes = [width * min(8, 2**step) for step in range(len(finer))]
        layers: list[nn.Module] = [halve(finer[0], shape[0], sizes[0], bias=True), nn.LeakyReLU(0.2)]
        for side, (before, after) in zip(finer[1:], itertools.pairwise(sizes), strict=True):
            layers += [halve(side, before, after), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        flat = sizes[-1] * math.prod(coarsest)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, outputs))
        initialise(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to vectors (B, outputs)."""
        vectors: Tensor = self.layers(pictures)
        return vectors
