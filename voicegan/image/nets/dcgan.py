"""Strided convolutions (Radford et al. 2015, arXiv:1511.06434): no pooling, no hidden fully connected layers.

A picture is halved while its sides are even and stay at 4 or more, twice at least: 64 comes down to 4 in four
steps as in the paper, 32 in three, 28 to 7 and 8 to 2 in two. Channels double with each step.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor, nn

from ...core.blocks import initialise
from ...errors import VoiceganError
from .judging import Judgement, LayeredDiscriminator


def halvings(shape: Sequence[int]) -> int:
    """How often a picture ``(C, H, W)`` is halved. Raises VoiceganError where it cannot be."""
    if len(shape) != 3:
        raise VoiceganError(
            f"convolutions need pictures (channels, height, width), not the shape {tuple(shape)}",
            "Set net = 'mlp' for points.",
        )
    height, width = shape[1:]
    count = 0
    while height % 2 == 0 and width % 2 == 0 and (count < 2 or min(height, width) >= 8):
        height, width, count = height // 2, width // 2, count + 1
    if count < 2:
        raise VoiceganError(
            f"pictures of {shape[1]} x {shape[2]} cannot be halved twice",
            "Choose a size that 4 divides, or set net = 'mlp'.",
        )
    return count


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
        steps = halvings(shape)
        sizes = [width * min(8, 2**step) for step in reversed(range(steps))]
        self.coarse = (sizes[0], shape[1] >> steps, shape[2] >> steps)
        self.project = nn.Linear(inputs, self.coarse[0] * self.coarse[1] * self.coarse[2], bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(sizes[0]), nn.ReLU()]
        for before, after in itertools.pairwise(sizes):
            layers += [
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        layers += [
            nn.ConvTranspose2d(sizes[-1], shape[0], 4, 2, 1),
            nn.Tanh() if bounded else nn.Identity(),
        ]
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
        steps = halvings(shape)
        sizes = [width * min(8, 2**step) for step in range(steps)]
        layers = []
        for index, (before, after) in enumerate(zip([shape[0] + conditions, *sizes], sizes, strict=False)):
            kind = "none" if index == 0 else norm
            conv = nn.Conv2d(before, after, 4, 2, 1, bias=kind == "none")
            layers.append(nn.Sequential(conv, norm_of(kind, after), nn.LeakyReLU(0.2), nn.Dropout(dropout)))
        judgement = Judgement(sizes[-1] * (shape[1] >> steps) * (shape[2] >> steps), heads, score)
        super().__init__(layers, judgement, conditions)
        initialise(self)


def norm_of(kind: str, channels: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.GroupNorm(1, channels)
