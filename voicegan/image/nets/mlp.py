"""Fully connected networks (Goodfellow et al. 2014), for pictures and for points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ...core.system import Logits
from .judging import Judgement, require_condition


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


class MLPDiscriminator(nn.Module):
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
        super().__init__()
        self.conditions = conditions
        norms = {"none": lambda: nn.Identity(), "layer": lambda: nn.LayerNorm(width)}
        make = norms.get(norm, lambda: nn.BatchNorm1d(width))
        sizes = (math.prod(shape) + conditions, width)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(size, width), make(), nn.LeakyReLU(0.2), nn.Dropout(dropout))
            for size in sizes
        )
        self.judgement = Judgement(width, heads, score)

    def forward(self, samples: Tensor, condition: Tensor | None = None) -> Logits:
        """Samples (B, \\*shape) and conditions (B, conditions) to a judgement."""
        require_condition(condition, self.conditions)
        x = samples.flatten(1)
        if condition is not None:
            x = torch.cat([x, condition.to(x.dtype)], dim=1)
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        judged: Logits = self.judgement(*features)
        return judged
