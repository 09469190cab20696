"""Strided convolutions (Radford et al. 2015, arXiv:1511.06434): no pooling, no hidden fully connected layers.

Channels double with each halving; :mod:`.halving` tells how many there are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor, nn

from ...core.blocks import initialise
from .halving import double, halve, sides
from .judging import Judgement, LayeredDiscriminator


class ConvGenerator(nn.Module):
    """Transposed convolutions with batch norm and rectifiers.

    Parameters
    ----------
    inputs : int
        Size of the latent vectors.
    shape : sequence of int
        ``(C, H, W)``.
    width : int
        Channels before the last layer; twice as many at each coarser size, eight times at most.
    bounded : bool
        End in tanh.
    """

    def __init__(self, inputs: int, shape: Sequence[int], width: int, bounded: bool = True) -> None:
        super().__init__()
        *finer, coarsest = sides(shape)
        sizes = [width * min(8, 2**step) for step in reversed(range(len(finer)))]
        self.coarse = (sizes[0], *coarsest)
        self.project = nn.Linear(inputs, self.coarse[0] * self.coarse[1] * self.coarse[2], bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(sizes[0]), nn.ReLU()]
        for side, (before, after) in zip(finer[:0:-1], itertools.pairwise(sizes), strict=True):
            layers += [double(side, before, after), nn.BatchNorm2d(after), nn.ReLU()]
        last = double(finer[0], sizes[-1], shape[0], bias=True)
        layers += [last, nn.Tanh() if bounded else nn.Identity()]
        self.layers = nn.Sequential(*layers)
        initialise(self)

    def forward(self, latent: Tensor) -> Tensor:
        """latent (B, inputs) to pictures (B, C, H, W)."""
        pictures: Tensor = self.layers(self.project(latent).unflatten(1, self.coarse))
        return pictures


class ConvDiscriminator(LayeredDiscriminator):
    """Strided convolutions with leaky rectifiers; no norm on the first, as in the paper.

    Parameters
    ----------
    shape : sequence of int
        ``(C, H, W)``.
    width : int
        Channels of the first layer; twice as many at each coarser size, eight times at most.
    norm : str
        ``"batch"`` as in the paper; ``"layer"`` or ``"none"`` where samples must not be mixed.
    conditions : int
        Size of the conditions, which are appended as constant channels; 0 for none.
    heads : mapping of str to int, optional
        Further outputs.
    dropout : float
        Share of the activations of each layer that training leaves out.
    score : bool
        Whether there is a score besides the heads.
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int,
        norm: Literal["none", "layer", "batch"] = "batch",
        conditions: int = 0,
        heads: Mapping[str, int] | None = None,
        dropout: float = 0.0,
        score: bool = True,
    ) -> None:
        *finer, coarsest = sides(shape)
        sizes = [shape[0] + conditions, *(width * min(8, 2**step) for step in range(len(finer)))]
        layers = []
        for index, (side, (before, after)) in enumerate(zip(finer, itertools.pairwise(sizes), strict=True)):
            kind = "none" if index == 0 else norm
            conv = halve(side, before, after, bias=kind == "none")
            layers.append(nn.Sequential(conv, norm_of(kind, after), nn.LeakyReLU(0.2), nn.Dropout(dropout)))
        judgement = Judgement(sizes[-1] * math.prod(coarsest), heads, score)
        super().__init__(layers, judgement, conditions)
        initialise(self)


def norm_of(kind: str, channels: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.GroupNorm(1, channels)
