"""Pairs of networks that share layers (Liu & Tuzel 2016, arXiv:1606.07536): what decides on the meaning is common.

Generators share all but their last layer, discriminators all but their first (the paper's for digits, appendix A).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from ...core.blocks import initialise
from ...core.system import Logits
from .dcgan import ConvDiscriminator
from .halving import double, sides
from .judging import activations


class CoupledGenerator(nn.Module):
    """Transposed convolutions with batch norm and rectifiers, of which only the last differs between two domains.

    Parameters
    ----------
    inputs : int
        Size of the latent vectors.
    shape : sequence of int
        ``(C, H, W)`` of both domains.
    width : int
        Channels before the last layers; twice as many at each coarser size, eight times at most.
    """

    def __init__(self, inputs: int, shape: Sequence[int], width: int) -> None:
        super().__init__()
        *finer, coarsest = sides(shape)
        sizes = [width * min(8, 2**step) for step in reversed(range(len(finer)))]
        self.coarse = (sizes[0], *coarsest)
        self.project = nn.Linear(inputs, self.coarse[0] * self.coarse[1] * self.coarse[2], bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(sizes[0]), nn.ReLU()]
        for side, (before, after) in zip(finer[:0:-1], itertools.pairwise(sizes), strict=True):
            layers += [double(side, before, after), nn.BatchNorm2d(after), nn.ReLU()]
        self.shared = nn.Sequential(*layers)
        self.a, self.b = (
            nn.Sequential(double(finer[0], sizes[-1], shape[0], bias=True), nn.Tanh()) for _ in "ab"
        )
        initialise(self)

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """latent (B, inputs) to a pair of pictures, each (B, C, H, W)."""
        common = self.shared(self.project(latent).unflatten(1, self.coarse))
        return self.a(common), self.b(common)


class CoupledDiscriminator(nn.Module):
    """Strided convolutions with leaky rectifiers, of which only the first differs between two domains.

    Parameters
    ----------
    shape : sequence of int
        ``(C, H, W)`` of both domains.
    width : int
        Channels of the first layer; twice as many at each coarser size, eight times at most.
    norm : str
        ``"batch"``, ``"layer"`` or ``"none"``; the first layer has none.
    """

    def __init__(
        self, shape: Sequence[int], width: int, norm: Literal["none", "layer", "batch"] = "batch"
    ) -> None:
        super().__init__()
        whole = ConvDiscriminator(shape, width, norm)
        self.a, *shared = whole.layers
        (self.b, *_) = ConvDiscriminator(shape, width, norm).layers
        self.shared, self.judgement = nn.ModuleList(shared), whole.judgement

    def forward(self, a: Tensor, b: Tensor) -> tuple[Logits, Logits]:
        """Pictures of both domains (B, C, H, W), which need not belong together, to a judgement of each."""
        return self._judged(self.a(a)), self._judged(self.b(b))

    def _judged(self, x: Tensor) -> Logits:
        judged: Logits = self.judgement(x, *activations(self.shared, x))
        return judged
