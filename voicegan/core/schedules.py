"""Learning-rate factors as pure functions of progress: nothing to save, nothing to forget on resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .system import Progress

Schedule = Callable[["Progress"], float]


def constant(progress: Progress) -> float:
    """Keep the learning rate as it is."""
    return 1.0


def linear_decay(start: float, end: float = 1.0, floor: float = 0.0) -> Schedule:
    """Fall linearly from 1 to ``floor`` between two fractions of the run.

    Parameters
    ----------
    start, end : float
        Fractions of the run in [0, 1].
    floor : float
        Factor from ``end`` on.
    """

    def factor(progress: Progress) -> float:
        past = (progress.fraction - start) / max(end - start, 1e-12)
        return 1.0 - (1.0 - floor) * min(1.0, max(0.0, past))

    return factor


def warm_up(steps: int, then: Schedule = constant) -> Schedule:
    """Rise linearly over the first ``steps`` steps, then follow another schedule."""

    def factor(progress: Progress) -> float:
        return min(1.0, (progress.step + 1) / max(1, steps)) * then(progress)

    return factor
