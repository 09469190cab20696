"""What the learning tests have in common: train what a recipe on digits says, and judge it as the commands do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from voicegan import config
from voicegan.core.trainer import Source, Trainer, Validate
from voicegan.image.data import Pictures, load_pictures
from voicegan.image.evaluate import evaluate
from voicegan.image.figures import Figure
from voicegan.image.judge import load_judge
from voicegan.image.own import ALL
from voicegan.image.sources import Material, gather
from voicegan.image.training import TrainingConfig, resolve

RECIPES = Path(__file__).parents[2] / "recipes" / "image" / "digits"

# About 20 seconds of two free cores each, and several times as much where other work runs beside it.
SLOW = [pytest.mark.slow, pytest.mark.timeout(900)]


def digits() -> Pictures:
    return load_pictures("digits")


class Lesson:
    """A recipe on digits, changed here and there: `changes` are settings as on the command line, ``model.width=4``.

    The recipe alone says which system learns from what, with which settings and for how long.
    """

    def __init__(self, recipe: str, *changes: str, seed: int = 0) -> None:
        path = RECIPES / f"{recipe}.toml"
        values = config.merge(
            config.read_toml(path), [f"trainer.seed={seed}", "trainer.device='cpu'", *changes]
        )
        self.name = recipe
        self.settings: TrainingConfig = resolve(values, str(path))
        self.material: Material = gather(ALL.get(self.settings.system).data, self.settings.data, seed)

    def untrained(self) -> Any:
        """The system, the same for the same seed; another start than the command has, whose runs are in the table."""
        kind = ALL.get(self.settings.system)
        torch.manual_seed(self.settings.trainer.seed)
        chosen = config.build(kind.Config, self.settings.model)
        return kind(self.material.shape, len(self.material.classes), chosen)  # type: ignore[call-arg]

    def learn(
        self, folder: Path, system: Any = None, source: Source | None = None, validate: Validate | None = None
    ) -> Any:
        """Train to the end, and take what is there then. Without `validate` nothing looks at it meanwhile.

        A trainer ends early and in order where a signal asks it to. A lesson that was cut short, by `timeout` say, is
        none: raises VoiceganError.
        """
        system = self.untrained() if system is None else system
        trainer = self.settings.trainer
        if validate is None:
            trainer = trainer.model_copy(update={"check_every": trainer.steps})
        self.trainer = Trainer(system, source or self.material.source, trainer, folder, validate=validate)
        self.trainer.fit(quiet=True).require_whole()
        return system

    def figures(self, system: Any) -> dict[str, Figure]:
        """What `voicegan image eval` measures, by name; printed, so that -s shows it."""
        judge = None if self.settings.data.names[0] in ("ring-8", "grid-25") else load_judge("digits")
        told = evaluate(system, self.material.data, judge, untrained=lambda: self.untrained().eval())
        figures = {values["name"]: Figure(**values) for values in told["figures"]}
        print(f"{self.name}: " + ", ".join(f"{figure.name} {shown(figure)}" for figure in figures.values()))
        return figures


def shown(figure: Figure) -> str:
    beside = ["-" if value is None else f"{value:.3f}" for value in (figure.real, figure.naive)]
    return f"{figure.value:.3f} ({beside[0]}, {beside[1]})"


def taught(recipe: str, folder: Path, *changes: str, seed: int = 0) -> tuple[Any, dict[str, Figure]]:
    """Train what a recipe says; the system and its figures."""
    lesson = Lesson(recipe, *changes, seed=seed)
    system = lesson.learn(folder)
    return system, lesson.figures(system)
