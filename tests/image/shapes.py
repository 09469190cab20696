"""Made-up pictures for systems that only have to run: a bright bar, its row the label."""

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
    """``image`` (B, 1, 8, 8) in [-1, 1] and ``label`` (B,), by the draws alone."""

    def batch(self, draws: Draws) -> dict[str, Tensor]:
        label = draws.integers("bar", CLASSES)
        image = 0.1 * draws.uniform("image", *SHAPE) - 1.0
        image[torch.arange(len(label)), :, 2 * label] += 1.8
        return {"image": image, "label": label}


def made(name: str, seed: int = 0, **config: Any) -> Any:
    """A small system of the table; the same weights for the same seed."""
    kind = SYSTEMS.get(name)
    torch.manual_seed(seed)
    return kind(SHAPE, CLASSES, kind.Config(**SMALL | config))


def trainer(system: Any, folder: Path, steps: int = 4, batch: int = 6, precision: str = "fp32") -> Trainer:
    config = TrainerConfig(
        steps=steps, batch=batch, device="cpu", precision=precision, log_every=1, check_every=steps
    )
    return Trainer(system, Bars(), config, folder)


def a_batch(size: int = 6, draw: int = 0) -> tuple[dict[str, Tensor], Scratch]:
    """One batch and its scratch, as the trainer makes them."""
    draws = Draws(0, 0, draw, range(size))
    return Bars().batch(draws), Scratch(draws)
