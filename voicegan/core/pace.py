"""How long a step of a run takes, where different phases take their turn as it goes on."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .system import Phase, Progress

_POINTS = 50  # of a run at which it is asked for its phases


@dataclass(frozen=True)
class Stretch:
    """A part of a run that has the same phases.

    Attributes
    ----------
    middle : int
        The step in the middle of it.
    share : float
        Its share of the run.
    every : int
        The steps after which all of its phases have had their turn.
    """

    middle: int
    share: float
    every: int


def stretches(phases: Callable[[Progress], Sequence[Phase]], total: int, batch: int) -> Iterator[Stretch]:
    """The stretches of a run of `total` steps, `batch` samples each, in order."""
    at = [(2 * point + 1) * total // (2 * _POINTS) for point in range(_POINTS)]
    there = [phases(Progress(step, total, step * batch)) for step in at]
    kinds = [tuple((phase.name, phase.repeats, phase.every) for phase in these) for these in there]
    for kind, part in itertools.groupby(range(_POINTS), key=kinds.__getitem__):
        inside = list(part)
        every = math.lcm(*(every for _, _, every in kind))
        yield Stretch(at[inside[len(inside) // 2]], len(inside) / _POINTS, every)


def seconds_a_step(
    step: Callable[[], None], stretch: Stretch, steps: int, warm_up: int, wait: Callable[[], None]
) -> float:
    """Time steps of a stretch, and as many more as give lazy phases their due.

    wait: returns when the device has done what it was given.
    """
    counted = -(-steps // stretch.every) * stretch.every
    for _ in range(warm_up):
        step()
    wait()
    began = time.perf_counter()
    for _ in range(counted):
        step()
    wait()
    return (time.perf_counter() - began) / counted
