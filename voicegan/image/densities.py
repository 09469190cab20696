"""Toy densities: mixtures of Gaussians in the plane, whose modes can be counted.

The ratios are the field's (Metz 2016; Srivastava 2017, VEEGAN; Lin 2018, PacGAN): a ring with a radius of 100
deviations, a grid with a spacing of 40. Both are shrunk so that a generator that ends in tanh can reach every mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..core.random import Draws

_EACH = 1000  # points a mode

Density = tuple[
    Tensor, Tensor, Tensor, float, int
]  # points, labels, centres, deviation, how many are held out


def ring_8() -> Density:
    """Eight modes on a circle of radius 0.8."""
    angle = torch.arange(8) * (2 * math.pi / 8)
    return _mixture("ring-8", 0.8 * torch.stack([angle.cos(), angle.sin()], dim=1), 0.008)


def grid_25() -> Density:
    """Five by five modes, 0.4 apart."""
    along = torch.arange(-2, 3) * 0.4
    return _mixture("grid-25", torch.cartesian_prod(along, along), 0.01)


def _mixture(name: str, centres: Tensor, deviation: float) -> Density:
    count = _EACH * len(centres)
    labels = torch.arange(count) % len(centres)  # in turn, so that the last fifth holds all modes too
    noise = Draws(0, 0, 0, range(count)).normal(name, 2)
    return centres[labels] + deviation * noise, labels, centres, deviation, count // 5


DENSITIES: dict[str, Callable[[], Density]] = {"ring-8": ring_8, "grid-25": grid_25}
