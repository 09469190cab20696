"""What the learning tests have in common: train a system on digits, and judge what it makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voicegan.core.trainer import Source, Trainer, TrainerConfig
from voicegan.image.data import ImageSource, Pictures, load_pictures
from voicegan.image.judge import load_judge
from voicegan.image.metrics import class_coverage, frechet_distance, label_accuracy
from voicegan.image.sources import FewLabels, few_labels
from voicegan.image.systems import SYSTEMS


def digits() -> Pictures:
    return load_pictures("digits")


def build(name: str, seed: int = 0, **changes: Any) -> Any:
    """The system for digits, the same for the same seed."""
    kind = SYSTEMS.get(name)
    torch.manual_seed(seed)
    return kind(digits().shape, 10, kind.Config(**changes))


def train(system: Any, steps: int, folder: Path, seed: int = 0, source: Source | None = None) -> Trainer:
    """Train on the training part of digits, of which ten a class have labels where these are to be few."""
    if source is None:
        pictures = digits().train
        few = system.data == "few-labels"
        source = FewLabels(pictures, few_labels(pictures, 10, seed)) if few else ImageSource(pictures)
    config = TrainerConfig(
        steps=steps, batch=64, seed=seed, device="cpu", precision="fp32", check_every=steps, log_every=50
    )
    trainer = Trainer(system, source, config, folder)
    trainer.fit(quiet=True)
    return trainer


@dataclass(frozen=True)
class Opinion:
    """What the judge says of 1,200 samples, as many as there are to train on.

    Attributes
    ----------
    distance : float
        Fréchet distance to the training part, in the judge's features.
    covered : int
        Classes of which at least one sample in a hundred is.
    counts : list of int
        Samples of each class.
    agreement : float
        The share that the judge finds to be of the class asked for; nan where nobody can ask.
    """

    distance: float
    covered: int
    counts: list[int]
    agreement: float


def judged(system: Any, real: Tensor | None = None) -> Opinion:
    """Sample and judge; `real` where it is not the training part as it stands."""
    judge, real = load_judge("digits"), digits().train.floats() if real is None else real
    asked = torch.arange(len(real)) % 10
    features, logits = judge(system.sample(len(real), 1, asked if system.conditional else None))
    covered, counts = class_coverage(logits, at_least=len(real) // 100)
    agreement = label_accuracy(logits, asked) if system.conditional else float("nan")
    return Opinion(frechet_distance(judge(real)[0], features), covered, counts.tolist(), agreement)
