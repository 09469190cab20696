"""The figures by which systems are judged, by what they are able to do. `evaluate.evaluate` chooses among them.

Learning tests, the table of the recipes and `voicegan image eval` have them from here. Each is of data kept aside, and
stands beside what real data and what takes no learning reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..core.random import Draws
from ..errors import VoiceganError
from . import metrics
from .data import Pictures, Points, to_float
from .domains import Domains, load_domains
from .judge import Judge, train_judge
from .monitor import classify
from .show import hole, labels_at_random, translate
from .systems.base import ImageSystem

AT_MOST = 10_000  # pictures on which abilities are measured
KNOWN = 60_000  # pictures whose classes a nearest neighbour knows
FEWER = 5000  # pictures, where all of them against each other would take long
FAR = 12.0  # deviations from a centre, for densities learnt in seconds


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

    @property
    def left(self) -> float:
        """Of the way from what takes no learning to what real data reach, the share that is left to go."""
        assert self.real is not None and self.naive is not None
        return (self.value - self.real) / (self.naive - self.real)


# Samples ------------------------------------------------------------------------------------------------------


def of_samples(
    system: ImageSystem,
    untrained: ImageSystem,
    data: Pictures,
    side: Pictures,
    judge: Judge,
    count: int,
    seed: int,
) -> list[Figure]:
    """Samples beside held-out pictures (`side`), in the judge's features and by its opinions."""
    if side is data:  # nothing was held out
        half = len(data) // 2
        pictures = data.images[:half], data.images[half:]
    else:
        pictures = data.train.images, side.images
    # Equal numbers are compared: of the training part no more are judged than there are samples.
    pictures = pictures[0][:count], pictures[1]
    others, real = (judge(system.as_learnt(to_float(part)))[0] for part in pictures)
    labels = labels_at_random(system, count, seed)
    features, logits = judge(system.sample(count, seed, labels))
    raw, _ = judge(untrained.sample(count, seed, labels))
    if min(count, len(real), len(others)) < 4:
        raise VoiceganError(f"{min(count, len(real))} pictures are too few to be compared", "Give more.")
    some, *sets = (part[:FEWER] for part in (real, features, others, raw))
    (precision, recall), among_real, naive = (metrics.precision_recall(some, each) for each in sets)
    note = "other real pictures, an untrained system"
    found, _ = metrics.class_coverage(logits, at_least=max(1, count // 100))
    figures = [
        _distance("frechet", real, features, others[:count], raw),
        Figure("precision", precision, among_real[0], naive[0], note),
        Figure("recall", recall, among_real[1], naive[1], note),
        Figure(
            "classes", float(found), float(len(judge.classes)), 1.0, "classes with a hundredth of the samples"
        ),
    ]
    if labels is not None and len(judge.classes) == system.classes:
        agreed = metrics.label_accuracy(logits, labels.cpu())
        note = "the judge on real ones, chance"
        figures.append(Figure("label_accuracy", agreed, judge.accuracy, 1.0 / system.classes, note))
    return figures


def _distance(name: str, real: Tensor, made: Tensor, others: Tensor, raw: Tensor) -> Figure:
    """Fréchet distance of features to those of real pictures."""
    values = (metrics.frechet_distance(real, features) for features in (made, others, raw))
    return _beside(name, values, "other real pictures, an untrained system")


def of_points(system: ImageSystem, data: Points, count: int, seed: int) -> list[Figure]:
    """Modes of a toy density that samples reach, and the share of good ones.

    Points anywhere in the square reach most modes too, so that these alone say nothing: few of them are good.
    """
    anywhere = 2 * Draws(seed, 0, 0, range(count)).uniform("anywhere", 2) - 1
    sets = (system.sample(count, seed), data.test.points[:count], anywhere)
    near, far = (
        [metrics.count_modes(x.flatten(1).cpu(), data.centres, data.deviation, reach) for x in sets]
        for reach in (3.0, FAR)
    )
    note = "real points, points anywhere"
    wide = f"{note}; within {FAR:g} deviations"
    return [
        _beside("modes", (float(each.found) for each in near), note),
        _beside("high_quality", (each.high_quality for each in near), note),
        _beside("modes_far", (float(each.found) for each in far), wide),
        _beside("share_far", (each.high_quality for each in far), wide),
    ]


# Abilities ----------------------------------------------------------------------------------------------------


def of_abilities(
    system: ImageSystem, untrained: ImageSystem, data: Pictures, side: Pictures, judge: Judge | None
) -> list[Figure]:
    """What else a system is able to do, on held-out pictures (`side`)."""
    images = to_float(side.images[:AT_MOST])
    labels = None if side.labels is None else side.labels[: len(images)]
    mean = to_float(data.train.images[:20_000]).mean(0, keepdim=True).expand_as(images)
    figures = []
    if system.can("classify") and labels is not None:
        figures.append(_classes(system, data, images, labels))
    if system.can("encode"):
        figures += _codes(system, untrained, data, images, labels)
    if system.can("reconstruct"):
        made = _in_parts(system, system.reconstruct, images)  # type: ignore[arg-type]
        figures.append(
            Figure(
                "reconstruction_psnr", _psnr(made, images), None, _psnr(mean, images), "-, the mean picture"
            )
        )
        figures += _kept("reconstruction_class", judge, labels, made, images, mean, "the mean picture")
    if system.can("corrupt"):
        spoilt = system.corrupt(images, Draws(9, 0, 0, range(len(images))))  # type: ignore[operator]
        made = _in_parts(system, system.reconstruct, spoilt)  # type: ignore[arg-type]
        figures.append(
            Figure("denoised_psnr", _psnr(made, images), None, _psnr(spoilt, images), "-, as it was given")
        )
    if system.can("inpaint"):
        figures += _holes(system, images, labels, mean, judge)
    return figures


def _classes(system: ImageSystem, data: Pictures, images: Tensor, labels: Tensor) -> Figure:
    """Right names where a system was told some, otherwise clusters under their best naming."""
    logits = classify(system, images)
    if system.names_classes:
        share = float(labels.bincount().max()) / len(labels)
        return Figure(
            "accuracy", metrics.label_accuracy(logits, labels), 1.0, share, "all right, the commonest"
        )
    known = to_float(data.train.images[:FEWER])
    plain = metrics.cluster_accuracy(metrics.k_means(known, images, len(data.classes)), labels)
    found = metrics.cluster_accuracy(logits.argmax(1), labels)
    return Figure("cluster_accuracy", found, 1.0, plain, "all right, k-means of pixels")


def _codes(
    system: ImageSystem, untrained: ImageSystem, data: Pictures, images: Tensor, labels: Tensor | None
) -> list[Figure]:
    """How much of the class a code's neighbours tell, and how far codes are from what the decoder expects."""
    known = to_float(data.train.images[:KNOWN])
    sets = [
        tuple(_in_parts(each, each.encode, part) for part in (known, images))  # type: ignore[arg-type]
        for each in (system, untrained)
    ]
    figures = []
    if labels is not None and data.train.labels is not None:
        names = data.train.labels[: len(known)]
        values = [
            metrics.nearest_neighbour_accuracy(a, names, b, labels)
            for a, b in (sets[0], (known, images), sets[1])
        ]
        figures.append(_beside("code_neighbours", values, "pixels' neighbours, an untrained encoder's"))
    if system.can("decode"):
        own, raw = (codes[1][:FEWER] for codes in sets)
        prior = [system.latents(Draws(seed, 0, 0, range(len(own)))) for seed in (1, 2)]
        if prior[0].shape == own.shape:
            apart = [metrics.squared_mmd(x, prior[0]) for x in (own, prior[1], raw)]
            figures.append(_beside("code_mmd", apart, "of two draws of the prior, an untrained encoder"))
    return figures


def _holes(
    system: ImageSystem, images: Tensor, labels: Tensor | None, mean: Tensor, judge: Judge | None
) -> list[Figure]:
    """What is put into the middle of pictures."""
    device = next(system.parameters()).device
    mask = hole(images)
    made = torch.cat([
        system.inpaint(part.to(device), holes.to(device)).cpu().float()  # type: ignore[operator]
        for part, holes in zip(images.split(256), mask.split(256), strict=True)
    ])  # fmt: skip
    plain = torch.where(mask, mean, images)
    rows, columns = (mask[0, 0].any(dim) for dim in (1, 0))
    inside = [x[:, :, rows][..., columns] for x in (made, images, plain)]
    note = "the mean picture within the hole"
    return [
        Figure("hole_psnr", _psnr(inside[0], inside[1]), None, _psnr(inside[2], inside[1]), f"-, {note}"),
        _beside("hole_sharpness", (sharpness(x) for x in inside), f"the truth, {note}"),
        *_kept("hole_class", judge, labels, made, images, plain, note),
    ]


# Two domains --------------------------------------------------------------------------------------------------


def of_translations(
    system: ImageSystem, untrained: ImageSystem, data: Domains, side: Domains, count: int, judge: Judge | None
) -> list[Figure]:
    """Translations of held-out pictures, where the truth is known: of pairs, and of rendered domains."""
    if not (data.paired or data.name == "digits-styles"):
        return []
    device = next(system.parameters()).device
    a, b = (to_float(part.images[:count]) for part in (side.a, side.b))
    made = translate(system, a.to(device), "b").cpu()
    constant = to_float(data.train.b.images).mean(0, keepdim=True).expand_as(b)
    # Of all constants the median has the least absolute error, the mean the least squared one.
    median = to_float(data.train.b.images.median(0).values).expand_as(b)
    note = "-, one picture for all (the mean of b)"
    figures = [
        Figure("l1", _l1(made, b), 0.0, _l1(median, b), "-, one picture for all (the median of b)"),
        Figure("psnr", _psnr(made, b), None, _psnr(constant, b), note),
        _beside("ssim", (float(metrics.ssim(x, b).mean()) for x in (made, b, constant)), note),
        _beside("sharpness", (sharpness(x) for x in (made, b, constant)), note),
    ]
    labels = None if side.b.labels is None else side.b.labels[:count]
    if judge is None or labels is None:
        return figures
    if data.name == "digits-pairs":
        return figures + _kept("class_kept", judge, labels, made, b, constant, "the mean of b")
    judge_b = judge_of_styles()
    raw = translate(untrained, a.to(device), "b").cpu()
    # Held-out digits are translated, and their own translations known: near others is what they are asked to be.
    others = to_float(data.train.b.images[:count])
    real, *features = (judge_b(x)[0] for x in (others, made, b, raw))
    back = translate(system, b.to(device), "a").cpu()
    return [
        *figures,
        _distance("frechet", real, *features),
        *_kept("class_kept", judge_b, labels, made, b, constant, "the mean of b"),
        *_kept(
            "class_kept_towards_a",
            judge,
            labels,
            back,
            a,
            a.mean(0, keepdim=True).expand_as(a),
            "the mean of a",
        ),
    ]


def of_pairs(
    system: Any, untrained: Any, data: Domains, side: Domains, count: int, judge: Judge | None, seed: int
) -> list[Figure]:
    """Pairs that a system makes of rendered domains: do both show the same class, and is each of its domain?"""
    if judge is None or data.name != "digits-styles":
        return []
    judges = (judge, judge_of_styles())
    made, raw = system.pairs(count, seed), untrained.pairs(count, seed)
    told = [by(images)[1].argmax(1) for by, images in zip(judges, made, strict=True)]
    truth = [
        by(to_float(part.images[:count]))[1].argmax(1)
        for by, part in zip(judges, (side.a, side.b), strict=True)
    ]
    shared = [float((x == y).double().mean()) for x, y in (told, truth, (told[0], told[1].roll(1)))]
    figures = [_beside("shared_class", shared, "real pairs, pairs by chance")]
    for name, by, images, start, whole, held in zip(
        "ab", judges, made, raw, (data.train.a, data.train.b), (side.a, side.b), strict=True
    ):
        real, *rest = (
            by(x)[0] for x in (to_float(held.images), images, to_float(whole.images[:count]), start)
        )
        figures.append(_distance(f"frechet_{name}", real, *rest))
    return figures


@lru_cache(maxsize=1)
def judge_of_styles() -> Judge:
    """A judge of the second style of digits, always the same; it takes some seconds to train."""
    return train_judge(load_domains(("digits-styles",), paired=False).b, steps=200)


# Parts --------------------------------------------------------------------------------------------------------


def sharpness(images: Tensor) -> float:
    """How much neighbours differ: the mean absolute step from pixel to pixel."""
    return float((images.diff(dim=-1).abs().mean() + images.diff(dim=-2).abs().mean()) / 2)


def _kept(
    name: str,
    judge: Judge | None,
    labels: Tensor | None,
    made: Tensor,
    real: Tensor,
    naive: Tensor,
    what: str,
) -> list[Figure]:
    """Whether the judge still finds the class of the original."""
    if judge is None or labels is None:
        return []
    values = (metrics.label_accuracy(judge(images)[1], labels) for images in (made, real, naive))
    return [_beside(name, values, f"the judge on real ones, {what}")]


def _beside(name: str, values: Iterable[float], note: str) -> Figure:
    """A figure of its value, of what real data reach and of what takes no learning."""
    value, real, naive = values
    return Figure(name, value, real, naive, note)


def _in_parts(system: ImageSystem, ability: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    device = next(system.parameters()).device
    return torch.cat([ability(part.to(device)).cpu().float() for part in images.split(256)])


def _psnr(made: Tensor, wanted: Tensor) -> float:
    """The mean over pictures, in dB."""
    return float(metrics.psnr(made, wanted).mean())


def _l1(made: Tensor, wanted: Tensor) -> float:
    return float((made - wanted).abs().mean())
