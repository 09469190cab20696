"""Fully connected networks (Goodfellow et al. 2014), for pictures and for points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor, nn

from .judging import Judgement, LayeredDiscriminator


class MLPGenerator(nn.Module):
    """Two hidden layers of rectifiers.

    Parameters
    ----------
    inputs : int
        Size of the latent vectors.
    shape : sequence of int
        Shape of a sample.
    width : int
        Units of a hidden layer.
    bounded : bool
        End in tanh.
    """

    def __init__(self, inputs: int, shape: Sequence[int], width: int, bounded: bool = True) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.layers = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(),
            nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, math.prod(shape)),
            nn.Tanh() if bounded else nn.Identity(),
        )  # fmt: skip

    def forward(self, latent: Tensor) -> Tensor:
        """latent (B, inputs) to samples (B, \\*shape)."""
        samples: Tensor = self.layers(latent)
        return samples.unflatten(1, self.shape)


class NormalisedMLPGenerator(MLPGenerator):
    """`MLPGenerator` with batch norm before its rectifiers, as those of convolutions have it."""

    def __init__(self, inputs: int, shape: Sequence[int], width: int, bounded: bool = True) -> None:
        super().__init__(inputs, shape, width, bounded)
        self.layers = nn.Sequential(
            nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(),
            self.layers[-2], self.layers[-1],
        )  # fmt: skip


class MLPDiscriminator(LayeredDiscriminator):
    """Two hidden layers of leaky rectifiers.

    Parameters
    ----------
    shape : sequence of int
        Shape of a sample.
    width : int
        Units of a hidden layer.
    norm : str
        ``"none"``, ``"layer"`` or ``"batch"``, of each hidden layer.
    conditions : int
        Size of the conditions, which are appended to the sample; 0 for none.
    heads : mapping of str to int, optional
        Further outputs.
    dropout : float
        Share of the hidden units that training leaves out.
    score : bool
        Whether there is a score besides the heads.
    """

    flat = True
    hidden: ClassVar[tuple[float, ...]] = (1, 1)
    """Sizes of the hidden layers, in widths."""

    def __init__(
        self,
        shape: Sequence[int],
        width: int,
        norm: Literal["none", "layer", "batch"] = "none",
        conditions: int = 0,
        heads: Mapping[str, int] | None = None,
        dropout: float = 0.0,
        score: bool = True,
    ) -> None:
        norms = {"none": nn.Identity, "layer": nn.LayerNorm, "batch": nn.BatchNorm1d}
        sizes = [math.prod(shape) + conditions, *(max(1, int(width * each)) for each in self.hidden)]
        layers = [
            self.layer(nn.Linear(before, after), norms[norm](after), dropout, is_first=number == 0)
            for number, (before, after) in enumerate(pairwise(sizes))
        ]
        super().__init__(layers, Judgement(sizes[-1], heads, score), conditions)

    @staticmethod
    def layer(linear: nn.Module, norm: nn.Module, dropout: float, *, is_first: bool) -> nn.Module:
        """One hidden layer."""
        return nn.Sequential(linear, norm, nn.LeakyReLU(0.2), nn.Dropout(dropout))


class DeepMLPDiscriminator(MLPDiscriminator):
    """Five hidden layers, of ``width`` times 2, 1, ½, ½ and ½: of 500, those of Salimans et al. 2016 (section 5.1).

    Layer norm and dropout are in place of their weight norm and noise.
    """

    hidden = (2, 1, 0.5, 0.5, 0.5)

    @staticmethod
    def layer(linear: nn.Module, norm: nn.Module, dropout: float, *, is_first: bool) -> nn.Module:
        """Dropout comes first, so that features are matched whole; what is seen is left whole too."""
        return nn.Sequential(nn.Dropout(0.0 if is_first else dropout), linear, norm, nn.ReLU())
