"""What a trained model is worth: figures on data kept aside, each beside its floor and its ceiling.

Nothing here looks at a system's own losses. The Fréchet distance is biased by the number of samples, so that of real
to real pictures and that of an untrained system are measured with as many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .. import __version__
from ..errors import VoiceganError
from . import metrics
from .data import Pictures, Points, to_float
from .domains import Domains
from .judge import Judge
from .monitor import classify
from .show import hole, labels_at_random, translate
from .systems.base import ImageSystem

FORMAT = 1


@dataclass(frozen=True)
class Figure:
    """One measure.

    Attributes
    ----------
    name, value
        What it is called, and what it is.
    real : float or None
        What other real data reach; of a distance, its floor.
    naive : float or None
        What takes no learning: an untrained system, the mean picture, chance.
    note : str
        What both are, in a few words.
    """

    name: str
    value: float
    real: float | None = None
    naive: float | None = None
    note: str = ""


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
    if isinstance(data, Points):
        count = count or len(data.test)
        figures = _modes(system, untrained(), data, count, seed)
    elif isinstance(data, Domains):
        side = data.test if len(data.test) else data
        count = min(count or len(side.a), len(side.a), len(side.b))
        figures = _translations(system, data, side, count, judge)
    else:
        side_ = data.test if len(data.test) else data
        count = count or len(side_)
        figures = []
        if system.can("sample") and judge is not None:
            figures += _samples(system, untrained(), data, side_, judge, count, seed)
        figures += _abilities(system, data, side_)
    if not figures:
        raise VoiceganError("nothing about this model can be measured on these data",
                            "Choose data with a judge (tools/train_judge.py makes one), or with labels.")  # fmt: skip
    return {
        "format": FORMAT,
        "voicegan": __version__,
        "data": data.name,
        "judge": {"name": judge.name, "accuracy": judge.accuracy} if judge else None,
        "samples": count,
        "seed": seed,
        "figures": [vars(figure) for figure in figures],
    }


def _samples(
    system: ImageSystem,
    untrained: ImageSystem,
    data: Pictures,
    side: Pictures,
    judge: Judge,
    count: int,
    seed: int,
) -> list[Figure]:
    """Samples beside held-out pictures, in the judge's features and by its opinions."""
    if side is data:  # nothing was held out
        half = len(data) // 2
        others, real = judge(data.floats()[:half])[0], judge(data.floats()[half:])[0]
    else:
        others, real = judge(data.train.floats())[0], judge(side.floats())[0]
    labels = labels_at_random(system, count, seed)
    features, logits = judge(system.sample(count, seed, labels))
    raw, _ = judge(untrained.sample(count, seed, labels))
    if min(count, len(real), len(others)) < 4:
        raise VoiceganError(f"{min(count, len(real))} pictures are too few to be compared", "Give more.")
    floor = metrics.frechet_distance(real, others[:count])
    precision, recall = metrics.precision_recall(real, features)
    among_real = metrics.precision_recall(real, others[: len(features)])
    naive = metrics.precision_recall(real, raw)
    note = "other real pictures, an untrained system"
    found, _ = metrics.class_coverage(logits, at_least=max(1, count // 100))
    figures = [
        Figure(
            "frechet",
            metrics.frechet_distance(real, features),
            floor,
            metrics.frechet_distance(real, raw),
            note,
        ),
        Figure("precision", precision, among_real[0], naive[0], note),
        Figure("recall", recall, among_real[1], naive[1], note),
        Figure(
            "classes", float(found), float(len(judge.classes)), 1.0, "classes with a hundredth of the samples"
        ),
    ]
    if labels is not None and len(judge.classes) == system.classes:
        agreed = metrics.label_accuracy(logits, labels.cpu())
        figures.append(
            Figure(
                "label_accuracy",
                agreed,
                judge.accuracy,
                1.0 / system.classes,
                "the judge on real ones, chance",
            )
        )
    return figures


def _abilities(system: ImageSystem, data: Pictures, side: Pictures) -> list[Figure]:
    """What else a system is able to do, on held-out pictures."""
    device = next(system.parameters()).device
    figures = []
    images = to_float(side.images[:1000])
    if system.can("classify") and side.labels is not None:
        logits = classify(system, images)
        labels = side.labels[: len(images)]
        share = float(labels.bincount().max()) / len(labels)
        if system.data == "few-labels" or system.conditional:
            figures.append(
                Figure(
                    "accuracy", metrics.label_accuracy(logits, labels), 1.0, share, "all right, the commonest"
                )
            )
        else:  # nobody has told it the labels: its classes have no names
            found = metrics.cluster_accuracy(logits.argmax(1), labels)
            figures.append(Figure("cluster_accuracy", found, 1.0, share, "all right, the commonest"))
    mean = data.train.floats().mean(0, keepdim=True) if len(data.train) <= 20_000 else to_float(
        data.train.images[:20_000]).mean(0, keepdim=True)  # fmt: skip
    if system.can("reconstruct"):
        made = _in_parts(lambda part: system.reconstruct(part), images.to(device))  # type: ignore[operator]
        figures.append(Figure("reconstruction_psnr", _psnr(made, images), None, _psnr(mean.expand_as(images), images),
                              "-, the mean picture"))  # fmt: skip
    if system.can("inpaint"):
        mask = hole(images)
        made = torch.cat([
            system.inpaint(part.to(device), holes.to(device)).cpu().float()  # type: ignore[operator]
            for part, holes in zip(images.split(256), mask.split(256), strict=True)
        ])  # fmt: skip
        where = mask[0, 0]
        figures.append(Figure("hole_psnr", _psnr(made[..., where], images[..., where]), None,
                              _psnr(mean.expand_as(images)[..., where], images[..., where]),
                              "-, the mean picture, within the hole"))  # fmt: skip
    return figures


def _modes(system: ImageSystem, untrained: ImageSystem, data: Points, count: int, seed: int) -> list[Figure]:
    sets = (system.sample(count, seed), data.test.points[:count], untrained.sample(count, seed))
    found = [metrics.count_modes(points.flatten(1).cpu(), data.centres, data.deviation) for points in sets]
    made, real, raw = found
    note = "real points, an untrained system"
    return [
        Figure("modes", float(made.found), float(real.found), float(raw.found), note),
        Figure("high_quality", made.high_quality, real.high_quality, raw.high_quality, note),
    ]


def _translations(
    system: ImageSystem, data: Domains, side: Domains, count: int, judge: Judge | None
) -> list[Figure]:
    """Translations of held-out pictures, where the truth is known: of pairs, and of rendered domains."""
    if not system.can("translate"):
        return []
    device = next(system.parameters()).device
    a, b = (to_float(part.images[:count]) for part in (side.a, side.b))
    made = translate(system, a.to(device), "b").cpu()
    figures = []
    known = data.paired or data.name == "digits-styles"
    if known:
        constant = to_float(data.train.b.images).mean(0, keepdim=True).expand_as(b)
        note = "-, one picture for all (the mean of b)"
        figures += [
            Figure("l1", float((made - b).abs().mean()), 0.0, float((constant - b).abs().mean()), note),
            Figure("psnr", _psnr(made, b), None, _psnr(constant, b), note),
            Figure(
                "ssim",
                float(metrics.ssim(made, b).mean()),
                1.0,
                float(metrics.ssim(constant, b).mean()),
                note,
            ),
        ]
    labels = None if side.b.labels is None else side.b.labels[:count]
    if judge is not None and labels is not None and data.name == "digits-pairs":
        figures.append(_class_kept("class_kept", judge, labels, made, b))
    if judge is not None and labels is not None and data.name == "digits-styles":
        back = translate(system, b.to(device), "a").cpu()
        figures.append(_class_kept("class_kept_towards_a", judge, labels, back, a))
    return figures


def _class_kept(name: str, judge: Judge, labels: Tensor, made: Tensor, real: Tensor) -> Figure:
    kept, at_most = (metrics.label_accuracy(judge(images)[1], labels) for images in (made, real))
    return Figure(name, kept, at_most, 0.1, "the judge on real ones, chance")


def _in_parts(ability: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.cat([ability(part).cpu().float() for part in images.split(256)])


def _psnr(made: Tensor, wanted: Tensor) -> float:
    """The mean over pictures, in dB."""
    return float(metrics.psnr(made, wanted).mean())
