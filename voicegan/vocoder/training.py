"""From folders of recordings to a vocoder: the plan, the material, the run, and the vocoder that it releases."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pydantic
import torch

from .. import __version__, config, storage
from ..config import Config
from ..core import runs
from ..core.log import clock
from ..core.random import derive
from ..core.system import Progress, System
from ..core.trainer import Outcome, Trainer, TrainerConfig
from ..errors import VoiceganError
from . import library, pack
from .corpus import Corpus, CorpusConfig, Crops
from .monitor import Monitor
from .systems import SYSTEMS
from .systems.base import VocoderSystem

log = logging.getLogger(__name__)


class TrainingConfig(Config):
    """Everything that a vocoder training can be told."""

    system: str = "magnitudes"
    model: dict[str, Any] = {}  # the system's own settings
    corpus: CorpusConfig = CorpusConfig()
    trainer: TrainerConfig = TrainerConfig()
    start_from: str = ""  # name or path of a vocoder whose weights training begins with
    licences: tuple[str, ...] = ()  # of the recordings; written into the vocoder

    @pydantic.field_validator("system")
    @classmethod
    def _known_system(cls, name: str) -> str:
        SYSTEMS.describe(name)  # raises for an unknown name, listing the near ones
        return name


def resolve(values: Mapping[str, Any], source: str = "") -> TrainingConfig:
    """Fill in what was not said: the system's own step count and batch, its settings' defaults, the cadence.

    Raises
    ------
    VoiceganError
        A key is unknown or a value wrong.
    """
    return runs.resolve(TrainingConfig, SYSTEMS, values, source)


@dataclass(frozen=True)
class Places:
    """Where a run keeps its state and its vocoder."""

    run: Path
    vocoder: Path

    @classmethod
    def of(cls, name: str, out: Path | None) -> Places:
        """Under ``out`` where one is given, else under the user's data folder."""
        if out is not None:
            return cls(out / "run", out / name)
        return cls(storage.home() / "runs" / f"vocoder-{name}", library.user_folder() / name)


def make_system(settings: TrainingConfig, corpus: Corpus) -> VocoderSystem:
    """Build the system with weights that depend on the seed alone, or those of the vocoder to start from.

    Raises
    ------
    VoiceganError
        That vocoder has another network or another mel contract.
    """
    kind = SYSTEMS.get(settings.system)
    torch.manual_seed(derive(settings.trainer.seed, "weights"))
    try:
        system: VocoderSystem = kind(corpus.spec, config.build(kind.Config, settings.model))
    except (TypeError, ValueError) as error:
        raise VoiceganError(
            f"the system {settings.system} cannot be built: {error}", "Correct model.network."
        ) from error
    if settings.start_from:
        _begin_with(system, library.find_vocoder(settings.start_from))
    return system


def _begin_with(system: VocoderSystem, start: pack.VocoderPack) -> None:
    if (start.net, dict(start.network)) != (system.net_name, system.net_arguments):
        differing = [
            f"{key} = {start.network.get(key)!r} where this run has {value!r}"
            for key, value in system.net_arguments.items()
            if start.network.get(key) != value
        ]
        raise VoiceganError(
            f"training cannot start from {start.name}, a {start.net} network"
            + (f" with {'; '.join(differing[:3])}" if differing else ""),
            "Choose the system and the model settings that it was trained with.",
        )
    system.spec.require_same(start.mel, "this training", f"the vocoder {start.name}")
    weights = start.build().state_dict()
    for network in (system.generator, system.best("generator")):
        network.load_state_dict(weights)


class Training:
    """A vocoder training: made from its plan, begun or resumed, run to its end.

    Parameters
    ----------
    corpus : Corpus
        What :func:`voicegan.vocoder.corpus.load_corpus` loaded.
    settings : TrainingConfig
        What :func:`resolve` resolved.
    name : str
        What the vocoder is called.
    places : Places
        Where everything goes.
    command : str
        The command line, for the vocoder's card.
    say : callable
        Prints one line to the user.
    """

    def __init__(
        self,
        corpus: Corpus,
        settings: TrainingConfig,
        name: str,
        places: Places,
        *,
        command: str = "",
        say: Callable[[str], None] = log.info,
    ) -> None:
        self.corpus, self.settings, self.name, self.places = corpus, settings, name, places
        self.command = command
        self.say = say if runs.first_rank() else lambda text: None
        self.system = make_system(settings, corpus)
        source = Crops(corpus.training, corpus.spec, self.system.crop_frames, self.system.gain_db)
        self.monitor = Monitor(corpus, places.run)
        self.trainer = Trainer(
            self.system,
            source,
            settings.trainer,
            places.run,
            validate=self.monitor.validate,
            on_best=self._release,
        )

    def choose_steps(self, minutes: float) -> int:
        """Turn minutes into steps, by measuring what a step and a check take here; saved with the plan."""
        step_s = self.trainer.measure()
        began = time.perf_counter()
        with torch.no_grad():
            self.monitor.validate(self.system.eval(), self.trainer.progress, rehearsal=True)
        check_s = time.perf_counter() - began
        chosen = runs.steps_in(minutes, self.trainer, step_s, check_s)
        trainer = config.build(TrainerConfig, {**self.settings.trainer.model_dump(), **chosen})
        self.settings = self.settings.model_copy(update={"trainer": trainer})
        self.trainer.config = trainer
        self.say(
            f"{minutes:g} minutes are {trainer.steps} steps here ({step_s:.2f} s each, a check {check_s:.1f} s)"
        )
        return trainer.steps

    def save_plan(self) -> None:
        """Write the plan, from which ``--resume`` continues."""
        if runs.first_rank():
            runs.save_plan(
                self.places.run,
                {
                    "name": self.name,
                    "folders": [str(place.resolve()) for place in self.corpus.places],
                    "recordings": self.corpus.fingerprint,
                    "command": self.command,
                    "settings": self.settings.model_dump(mode="json"),
                },
            )

    def resume(self) -> bool:
        """Take up the newest checkpoint; return whether there was one."""
        return self.trainer.resume()

    def run(self, *, quiet: bool = False) -> Outcome:
        """Train to the end, releasing the vocoder whenever it is better than before."""
        outcome = self.trainer.fit(quiet=quiet)
        if runs.first_rank():
            self.monitor.curves()
        return outcome

    def describe(self) -> list[str]:
        """Say in a few lines what is trained on what."""
        corpus, trainer = self.corpus, self.settings.trainer
        refused = f", {len(corpus.refused)} files left out" if corpus.refused else ""
        size = sum(p.numel() for p in self.system.generator.parameters())
        return [
            f"{len(corpus.training)} recordings, {corpus.minutes:.1f} min to train on; {len(corpus.held_out)} held out"
            + refused,
            f"system {self.settings.system}, network {self.system.net_name} of {size / 1e6:.2f} M parameters",
            f"{trainer.steps} steps of {trainer.batch}, seed {trainer.seed}",
        ]

    def estimate(self) -> str:
        """Say how long the run will take here, by measuring two steps."""
        return clock(self.trainer.measure(steps=2, warm_up=1) * self.settings.trainer.steps)

    def _release(self, system: System, progress: Progress, values: Mapping[str, float]) -> None:
        corpus, settings = self.corpus, self.settings
        facts = {
            "date": date.today().isoformat(),
            "voicegan": __version__,
            "system": settings.system,
            "steps": self.trainer.step,
            "planned_steps": settings.trainer.steps,
            "batch": settings.trainer.batch,
            "seed": settings.trainer.seed,
            "minutes": round(self.trainer.seconds / 60, 1),
            "command": self.command,
            "started_from": settings.start_from,
            "data": {
                "recordings": len(corpus.training),
                "minutes": round(corpus.minutes, 1),
                "held_out": len(corpus.held_out),
                "refused": len(corpus.refused),
            },
            "validation": {name: round(value, 4) for name, value in values.items()},
        }
        pack.save_vocoder(
            self.places.vocoder,
            name=self.name,
            net=self.system.net_name,
            network=self.system.net_arguments,
            generator=system.best("generator"),
            mel=corpus.spec,
            card=_card(self.name, facts, settings),
            training=facts,
            licences=settings.licences,
            source=self.command,
        )


def require_same(plan: Mapping[str, Any], corpus: Corpus) -> None:
    """Raise VoiceganError when the folders no longer hold the recordings that the run was begun with."""
    if plan and plan.get("recordings") != corpus.fingerprint:
        raise VoiceganError(
            f"the recordings in {', '.join(str(place) for place in corpus.places)} have changed since this run was "
            "begun",
            "Restore them, or start anew with --force.",
        )


def require_free(places: Places) -> None:
    """Raise VoiceganError where the vocoder would have to replace something that is none."""
    folder = places.vocoder
    if folder == places.run or (
        folder.exists() and not pack.KIND.is_in(folder) and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise VoiceganError(
            f"the vocoder would go to {folder}, which holds something else", "Choose another --out or --name."
        )


def _card(name: str, facts: Mapping[str, Any], settings: TrainingConfig) -> str:
    """The vocoder's README."""
    figures = "\n".join(f"- {key}: {value:g}" for key, value in facts["validation"].items())
    licences = "\n".join(f"- {line}" for line in settings.licences) or "- not stated"
    started = f", started from {facts['started_from']}" if facts["started_from"] else ""
    data = facts["data"]
    return f"""# {name}

A vocoder for log-mels of the contract `{settings.corpus.mel}`: `voicegan convert in.wav --to VOICE --vocoder {name}`.

## Training
{data["recordings"]} recordings, {data["minutes"]} minutes; {data["held_out"]} held out. System `{settings.system}`,
{facts["steps"]} of {facts["planned_steps"]} steps of {facts["batch"]}, {facts["minutes"]} minutes, seed
{facts["seed"]}, {facts["date"]}, voicegan {facts["voicegan"]}{started}.

Command:

    {facts["command"] or "(from Python)"}

## On held-out recordings, at this checkpoint
Distances of the copy to its recording, lower is better; `score` chose the checkpoint.

{figures}

## Licences of the recordings
{licences}
"""
