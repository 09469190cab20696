"""A discriminator whose every answer is known beforehand, so that the losses of a game are numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from voicegan.core.system import Logits

Shown = Tensor | Sequence[Tensor]
"""What a discriminator is shown in one call: pictures, and where it takes them, conditions or codes."""


class ByHeart(nn.Module):
    """A discriminator that knows by heart what it may be shown, and says NaN of all else.

    It goes by the pixels, not by the order of calls: one pass may hold several kinds, in any order.

    Parameters
    ----------
    kinds : tuple of Shown, float and mapping
        What is of one kind, (B, ...) each; the score of all of it; and further heads, if there are any: (K,) for all
        of it or (B, K). All kinds have the same heads.

    Attributes
    ----------
    scores : nn.Parameter
        One for each kind: what it learns.
    """

    def __init__(self, *kinds: tuple[Shown, float] | tuple[Shown, float, Mapping[str, Tensor]]) -> None:
        super().__init__()
        rows = [side_by_side(shown).detach() for shown, *_ in kinds]
        self.scores = nn.Parameter(torch.tensor([score for _, score, *_ in kinds] + [math.nan]))
        self.rows = torch.cat(rows)
        self.kind = torch.cat([torch.full((len(each),), number) for number, each in enumerate(rows)])
        told = [heads[0] if heads else {} for _, _, *heads in kinds]
        self.heads = {
            name: torch.cat(
                [heads[name].expand(len(each), -1) for heads, each in zip(told, rows, strict=True)]
            )
            for name in told[0]
        }

    def forward(self, *shown: Tensor) -> Logits:
        asked = side_by_side(shown)
        same = (asked[:, None] == self.rows).all(dim=2)
        known, place = same.any(dim=1), same.int().argmax(dim=1)
        score = self.scores[torch.where(known, self.kind[place], -1)][:, None]
        heads = {name: head[place].where(known[:, None], math.nan) for name, head in self.heads.items()}
        return Logits(
            (score + 0.0 * asked.sum(dim=1, keepdim=True),), heads=heads
        )  # penalties differentiate by x


class Coupled(nn.Module):
    """The discriminators of two domains as one, as those with weights in common are."""

    def __init__(self, a: nn.Module, b: nn.Module) -> None:
        super().__init__()
        self.a, self.b = a, b

    def forward(self, a: Tensor, b: Tensor) -> tuple[Logits, Logits]:
        return self.a(a), self.b(b)


def side_by_side(shown: Shown) -> Tensor:
    """All that is shown of a sample as one vector, (B, N)."""
    parts = [shown] if isinstance(shown, Tensor) else shown
    return torch.cat([part.flatten(1) for part in parts], dim=1)
