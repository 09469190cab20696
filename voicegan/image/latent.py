"""Walks and sums in the latent space of a trained system."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.random import Draws
from ..errors import VoiceganError
from .systems.base import ImageSystem

QUANTILES_OF = 4096  # vectors that say where a latent number lies
MEAN_OF = 256  # vectors whose mean stands for a class


def latents_of(system: ImageSystem, seeds: Sequence[int], label: int | None = None) -> Tensor:
    """The latent vectors (N, D) of single samples: those that ``sample(1, seed)`` decodes."""
    device = next(system.parameters()).device
    labels = None if label is None else torch.tensor([label], device=device)
    with torch.no_grad():
        return torch.cat([system.latents(Draws(seed, 0, 0, range(1), device), labels) for seed in seeds])


def between(ends: Tensor, steps: int) -> Tensor:
    """Vectors from each row of `ends` (N, D) to the next, `steps` in all for each pair: (N - 1, steps, D).

    Along the great circle where that is defined (White 2016): Gaussian vectors lie near a sphere, and straight lines
    leave it. Lengths go evenly from one to the other.
    """
    first, second = ends[:-1, None], ends[1:, None]
    share = torch.linspace(0, 1, steps, dtype=ends.dtype, device=ends.device)[None, :, None]
    lengths = [end.norm(dim=-1, keepdim=True).clamp_min(1e-12) for end in (first, second)]
    a, b = first / lengths[0], second / lengths[1]
    angle = torch.acos((a * b).sum(-1, keepdim=True).clamp(-1, 1))
    straight = angle.sin() < 1e-4
    divisor = torch.where(straight, torch.ones_like(angle), angle.sin())
    round_ = (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / divisor
    round_ = round_ * ((1 - share) * lengths[0] + share * lengths[1])
    walked: Tensor = torch.where(straight, (1 - share) * first + share * second, round_)
    return walked


def plane(system: ImageSystem, side: int) -> Tensor:
    """Latent vectors (side², 2) of two numbers at evenly probable places, row by row (Kingma & Welling 2013, fig. 4).

    Raises VoiceganError where there are not two numbers.
    """
    device = next(system.parameters()).device
    with torch.no_grad():
        drawn = system.latents(Draws(0, 0, 0, range(QUANTILES_OF), device))
    if drawn.shape[1] != 2:
        raise VoiceganError(
            f"a plane shows latent vectors of two numbers, not of {drawn.shape[1]}",
            "Train a model with --set model.latent=2, such as a vae.",
        )
    shares = (torch.arange(side, dtype=drawn.dtype, device=device) + 0.5) / side
    across, down = (drawn[:, axis].quantile(shares) for axis in (0, 1))
    return torch.cartesian_prod(down, across).flip(1)


# Sums ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Term:
    """A summand: + or -, and a seed or a class."""

    sign: int
    kind: str  # "seed" or "class"
    name: str


def parse(expression: str) -> list[Term]:
    """Read ``class:7 - class:1 + seed:3``; a bare number is a seed. Raises VoiceganError where it is no sum."""
    found = re.findall(r"([+-]?)\s*(?:(seed|class):)?(\"[^\"]+\"|[^\s+\-\"]+)", expression)
    rest = re.sub(r"([+-]?)\s*(?:(seed|class):)?(\"[^\"]+\"|[^\s+\-\"]+)", "", expression)
    terms = [Term(-1 if sign == "-" else 1, kind or "seed", name.strip('"')) for sign, kind, name in found]
    unsigned = [sign for sign, _, _ in found[1:] if not sign]
    if (
        not terms
        or rest.strip()
        or unsigned
        or any(t.kind == "seed" and not t.name.isdecimal() for t in terms)
    ):
        raise VoiceganError(
            f'"{expression}" is no sum of latent vectors', 'Write for example "seed:1 - seed:2 + seed:3".'
        )
    return terms


def vector_of(system: ImageSystem, term: Term, label: int | None, seed: int = 0) -> Tensor:
    """The latent vector (1, D) of a term; that of a class (label) is the mean of many.

    A system that can be asked for classes has it in what `latents` makes for the label; for others it is the mean over
    samples that a judge takes for the class (Radford 2015 averaged three, chosen by eye), which `vectors_by_judge`
    finds.
    """
    if term.kind == "seed":
        return latents_of(system, [int(term.name)], label)
    assert label is not None
    device = next(system.parameters()).device
    with torch.no_grad():
        labels = torch.full((MEAN_OF,), label, device=device)
        return system.latents(Draws(seed, 0, 0, range(MEAN_OF), device), labels).mean(0, keepdim=True)


def mean_of_class(latents: Tensor, logits: Tensor, label: int, name: str) -> Tensor:
    """The mean (1, D) of the latent vectors whose samples a judge takes for the class."""
    chosen = latents[(logits.argmax(1) == label).to(latents.device)]
    if len(chosen) < 3:
        raise VoiceganError(f"the model makes too few pictures of the class {name} to find its vector",
                            "Train it longer, or use seeds.")  # fmt: skip
    return chosen.mean(0, keepdim=True)
