"""What the discriminators of the table end in."""

from __future__ import annotations

from collections.abc import Mapping

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


def require_condition(condition: Tensor | None, size: int) -> None:
    """Raise ValueError where a condition is missing, not wanted or of another size."""
    given = 0 if condition is None else condition.shape[1]
    if given != size:
        raise ValueError(f"this discriminator takes conditions of size {size}, not {given}")
