"""What the discriminators of the table have in common: a stack of layers, and a judgement at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...core.system import Logits


class Judgement(nn.Module):
    """Linear outputs on flat features: the score, where one is wanted, and one for each further head.

    Parameters
    ----------
    features : int
        Size of the features.
    heads : mapping of str to int, optional
        Names and sizes of further outputs.
    score : bool
        False where a head says all: the classes of Salimans 2016 or of Springenberg 2015.
    """

    def __init__(self, features: int, heads: Mapping[str, int] | None = None, score: bool = True) -> None:
        super().__init__()
        self.score = nn.Linear(features, 1) if score else None
        self.heads = nn.ModuleDict({name: nn.Linear(features, size) for name, size in (heads or {}).items()})

    def forward(self, *layers: Tensor) -> Logits:
        """Activations of the layers, the last of them read out."""
        last = layers[-1].flatten(1)
        heads = {name: head(last) for name, head in self.heads.items()}
        scores = () if self.score is None else (self.score(last),)
        return Logits(scores, (layers,), heads)


class LayeredDiscriminator(nn.Module):
    """A stack of layers, and a :class:`Judgement` that reads the activations of the last.

    Parameters
    ----------
    layers : sequence of nn.Module
        Each takes what the one before it gives; the first takes samples and conditions.
    judgement : Judgement
        What they end in.
    conditions : int
        Size of the conditions; 0 for none.

    Attributes
    ----------
    flat : bool
        Whether samples are vectors to it rather than pictures.
    """

    flat: ClassVar[bool] = False

    def __init__(self, layers: Sequence[nn.Module], judgement: Judgement, conditions: int = 0) -> None:
        super().__init__()
        self.conditions = conditions
        self.layers = nn.ModuleList(layers)
        self.judgement = judgement

    def forward(self, samples: Tensor, condition: Tensor | None = None) -> Logits:
        """Samples (B, C, H, W) and conditions (B, conditions) to a judgement."""
        require_condition(condition, self.conditions)
        x = samples.flatten(1) if self.flat else samples
        if condition is not None:
            told = condition.to(x.dtype)
            if not self.flat:  # one constant plane each
                told = told[:, :, None, None].expand(-1, -1, *x.shape[2:])
            x = torch.cat([x, told], dim=1)
        judged: Logits = self.judgement(*activations(self.layers, x))
        return judged


def activations(layers: Iterable[nn.Module], x: Tensor) -> tuple[Tensor, ...]:
    """What each of the layers makes of what the one before it gave."""
    made = []
    for layer in layers:
        x = layer(x)
        made.append(x)
    return tuple(made)


def require_condition(condition: Tensor | None, size: int) -> None:
    """Raise ValueError where a condition is missing, not wanted or of another size."""
    given = 0 if condition is None else condition.shape[1]
    if given != size:
        raise ValueError(f"this discriminator takes conditions of size {size}, not {given}")
