"""Made-up pictures for systems that only have to run: a bright bar, its row the label; upright in a second domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voicegan.core.random import Draws
from voicegan.core.system import Scratch
from voicegan.core.trainer import Trainer, TrainerConfig
from voicegan.image.systems import SYSTEMS

SHAPE, CLASSES = (1, 8, 8), 4
SMALL: dict[str, Any] = {"latent": 4, "width": 4}


class Bars:
    """Batches of each kind that `ImageSystem.data` names, (B, 1, 8, 8) in [-1, 1], by the draws alone."""

    def __init__(self, data: str = "images") -> None:
        self.data = data

    def batch(self, draws: Draws) -> dict[str, Tensor]:
        label, image = _bars(draws, "")
        if self.data == "few-labels":
            few_label, few_image = _bars(draws, "few ")
            return {"image": image, "few_image": few_image, "few_label": few_label}
        if self.data == "two-domains":
            return {"a": image, "b": _bars(draws, "other ")[1].mT}
        if self.data == "pairs":
            return {"a": image, "b": image.mT}
        return {"image": image, "label": label}


def _bars(draws: Draws, which: str) -> tuple[Tensor, Tensor]:
    label = draws.integers(f"{which}bar", CLASSES)
    image = 0.1 * draws.uniform(f"{which}image", *SHAPE) - 1.0
    image[torch.arange(len(label)), :, 2 * label] += 1.8
    return label, image


def made(name: str, seed: int = 0, **config: Any) -> Any:
    """A small system of the table; the same weights for the same seed."""
    kind = SYSTEMS.get(name)
    small = {key: value for key, value in SMALL.items() if key in kind.Config.model_fields}
    torch.manual_seed(seed)
    return kind(SHAPE, CLASSES, kind.Config(**small | config))


def trainer(system: Any, folder: Path, steps: int = 4, batch: int = 6, precision: str = "fp32") -> Trainer:
    config = TrainerConfig(
        steps=steps, batch=batch, device="cpu", precision=precision, log_every=1, check_every=steps
    )
    return Trainer(system, Bars(system.data), config, folder)


def a_batch(
    size: int = 6, draw: int = 0, data: str = "images", repeat: int = 0
) -> tuple[dict[str, Tensor], Scratch]:
    """One batch and its scratch, as the trainer makes them."""
    draws = Draws(0, 0, draw, range(size))
    return Bars(data).batch(draws), Scratch(draws, repeat)
