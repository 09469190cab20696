"""What a trained model is worth: figures on data kept aside, each beside its floor and its ceiling.

Nothing here looks at a system's own losses. The Fréchet distance is biased by the number of samples, so that of real
to real pictures and that of an untrained system are measured with as many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import __version__
from ..errors import VoiceganError
from .data import Pictures, Points
from .domains import Domains
from .figures import Figure, of_abilities, of_pairs, of_points, of_samples, of_translations
from .judge import KIND, Judge, where_judges_are
from .systems.base import ImageSystem

FORMAT = 1


def evaluate(
    system: ImageSystem,
    data: Pictures | Points | Domains,
    judge: Judge | None,
    *,
    untrained: Callable[[], ImageSystem],
    count: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure a model.

    Parameters
    ----------
    system
        The model.
    data
        With a held-out part, on which is measured; where there is none, on the whole.
    judge
        In whose features and by whose opinions samples are measured; None where there is none.
    untrained
        Builds the same system without training.
    count
        How many samples; as many as there are held-out pictures where left out.
    seed
        Of the samples.

    Returns
    -------
    dict
        Plain values: ``figures``, a list of name, value, real, naive and note, and how they came about.

    Raises
    ------
    VoiceganError
        Nothing can be measured.
    """
    figures, count = _measured(system, data, judge, untrained, count, seed)
    if not figures:
        raise _nothing(data)
    return {
        "format": FORMAT,
        "voicegan": __version__,
        "data": data.name,
        "judge": {"name": judge.name, "accuracy": judge.accuracy} if judge else None,
        "samples": count,
        "seed": seed,
        "figures": [vars(figure) for figure in figures],
    }


def _nothing(data: Pictures | Points | Domains) -> VoiceganError:
    message = f"nothing about this model can be measured on {data.name} without a judge"
    if isinstance(data, Domains):
        return VoiceganError(message, "Judge it on digits-styles, whose judges are there.")
    known = ", ".join(KIND.find(where_judges_are()))
    return VoiceganError(
        message, f"Name one with --judge (there are {known}); tools/train_judge.py makes more."
    )


def _measured(
    system: ImageSystem,
    data: Pictures | Points | Domains,
    judge: Judge | None,
    untrained: Callable[[], ImageSystem],
    count: int | None,
    seed: int,
) -> tuple[list[Figure], int]:
    """All figures that there are for such a system on such data, and of how many samples."""
    if isinstance(data, Points):
        count = count or len(data.test)
        return of_points(system, data, count, seed), count
    if isinstance(data, Domains):
        side = data.test if len(data.test) else data
        count = min(count or len(side.a), len(side.a), len(side.b))
        if system.can("translate"):
            return of_translations(system, untrained(), data, side, count, judge), count
        if system.can("pairs"):
            return of_pairs(system, untrained(), data, side, count, judge, seed), count
        return [], count
    pictures = data.test if len(data.test) else data
    count = count or len(pictures)
    figures, start = [], untrained()
    if system.can("sample") and judge is not None:
        figures += of_samples(system, start, data, pictures, judge, count, seed)
    return figures + of_abilities(system, start, data, pictures, judge), count
