"""From data to a trained image system: the plan, the material, the run, and the model that it releases."""

from __future__ import annotations

import json
import logging
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import torch

from .. import config, storage
from ..config import Config
from ..core import runs
from ..core.random import derive
from ..core.system import Progress, System
from ..core.trainer import Trainer, TrainerConfig
from ..errors import VoiceganError
from . import own, pack
from .data import Points
from .domains import Domains
from .monitor import AUTO, Monitor, judge_for
from .sources import DEFAULTS, DataConfig, Material
from .systems import SYSTEMS
from .systems.base import ImageSystem

log = logging.getLogger(__name__)


class TrainingConfig(Config):
    """Everything that an image training can be told."""

    system: str = "dcgan"  # a name of the table, or a class of one's own: my_gan.py:MyGAN
    model: dict[str, Any] = {}  # the system's own settings
    data: DataConfig = DataConfig()
    judge: str = AUTO  # in whose features samples are compared: auto (the data's own), none, a name or a path
    trainer: TrainerConfig = TrainerConfig()
    licences: tuple[str, ...] = ()  # of the pictures; written into the model

    @pydantic.field_validator("system")
    @classmethod
    def _known_system(cls, name: str) -> str:
        if not own.is_own(name):
            SYSTEMS.describe(name)  # raises for an unknown name, listing the near ones
        return own.spelled(name)


def resolve(values: Mapping[str, Any], source: str = "") -> TrainingConfig:
    """Fill in what was not said: the system's own step count and batch, its settings' defaults, its data.

    Raises
    ------
    VoiceganError
        A key is unknown or a value wrong.
    """
    settings = runs.resolve(TrainingConfig, own.ALL, values, source)
    if settings.data.names:
        return settings
    kind = own.ALL.get(settings.system)
    data = settings.data.model_copy(update={"names": (DEFAULTS[kind.data],)})
    return settings.model_copy(update={"data": data})


def default_name(settings: TrainingConfig) -> str:
    """What a model is called where nobody says: after its system and its data."""
    system = settings.system.rpartition(":")[2].lower()
    data = "-".join(Path(name).name for name in settings.data.names)
    return re.sub(r"[^\w-]+", "-", f"{system}-{data}").strip("-")[:90]


@dataclass(frozen=True)
class Places:
    """Where a run keeps its state and its model."""

    run: Path
    model: Path

    @classmethod
    def of(cls, name: str, out: Path | None) -> Places:
        """Under ``out`` where one is given, else under the user's data folder."""
        if out is not None:
            return cls(out / "run", out / name)
        return cls(storage.home() / "runs" / f"image-{name}", pack.user_folder() / name)


def make_system(settings: TrainingConfig, shape: tuple[int, int, int], classes: int) -> ImageSystem:
    """Build the system with weights that depend on the seed alone.

    Raises VoiceganError where it cannot be built for pictures of this shape, or needs labels that are not there.
    """
    kind = own.ALL.get(settings.system)
    torch.manual_seed(derive(settings.trainer.seed, "weights"))
    try:
        system: ImageSystem = kind(shape, classes, config.build(kind.Config, settings.model))  # type: ignore[call-arg]
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError) as error:
        raise VoiceganError(
            f"the system {settings.system} cannot be built for {shape}: {error}",
            "Correct its settings (model. ...).",
        ) from error
    return system


class Training(runs.Run):
    """An image training: made from its plan, begun or resumed, run to its end.

    Parameters
    ----------
    material : Material
        What :func:`voicegan.image.sources.gather` loaded.
    settings : TrainingConfig
        What :func:`resolve` resolved.
    name : str
        What the model is called.
    places : Places
        Where everything goes.
    command : str
        The command line, for the model's card.
    say : callable
        Prints one line to the user.
    """

    def __init__(
        self,
        material: Material,
        settings: TrainingConfig,
        name: str,
        places: Places,
        *,
        command: str = "",
        say: Callable[[str], None] = log.info,
    ) -> None:
        self.material, self.settings, self.name, self.places = material, settings, name, places
        self.command, self.title = command, name
        self.say = runs.said_once(say)
        self.judge = judge_for(settings.judge, material.data)
        self.system = make_system(settings, material.shape, len(material.classes))
        _require_kind(self.system, material)
        self.monitor = Monitor(material, self.judge, places.run, name)
        self.trainer = Trainer(
            self.system,
            material.source,
            settings.trainer,
            places.run,
            validate=self.monitor.validate,
            on_best=self._release,
        )

    def rehearse(self) -> object:
        """Do what a check does, and leave no trace."""
        return self.monitor.validate(self.system, self.trainer.progress, rehearsal=True)

    def plan(self) -> dict[str, Any]:
        """What the run was started with, besides its settings."""
        return {
            "name": self.name,
            "folders": list(self.settings.data.names),
            "pictures": self.material.fingerprint,
            "command": self.command,
        }

    @property
    def chooses(self) -> bool:
        """Whether checkpoints are compared by a score, so that the best is released; otherwise the newest is."""
        points = isinstance(self.material.data, Points)
        return points or (
            self.judge is not None and self.system.data == "images" and self.system.can("sample")
        )

    def describe(self) -> list[str]:
        """Say in a few lines what is trained on what."""
        data, trainer = self.material.data, self.settings.trainer
        channels, height, width = data.shape
        if isinstance(data, Points):
            what = f"{len(data.train)} points of {data.name}"
        else:
            sides = (data.train.a, data.train.b) if isinstance(data, Domains) else (data.train,)
            counted = " and ".join(str(len(side)) for side in sides)
            kind = "pairs of pictures" if isinstance(data, Domains) and data.paired else "pictures"
            counted = str(len(sides[0])) if kind != "pictures" else counted
            what = f"{counted} {kind} of {data.name} to train on, {len(data.test)} held out, {width}×{height}"
            what += " in grey" if channels == 1 else " in colour"
        if self.material.few is not None:
            what += f"; {len(self.material.few)} of them have a label"
        sizes = [f"{name} of {sum(p.numel() for p in net.parameters()) / 1e6:.2f} M" for name, net in
                 self.system.named_children() if net is not self.system.averages]  # fmt: skip
        if isinstance(data, Points):
            chosen = "the modes that are reached choose the checkpoint"
        elif self.chooses and self.judge is not None:
            chosen = (
                f"the judge of {self.judge.name} chooses the checkpoint (accuracy {self.judge.accuracy:.3f})"
            )
        else:
            chosen = "nothing judges the checkpoints: the newest counts"
        return [
            what,
            f"system {self.settings.system}: {', '.join(sizes)} parameters",
            f"{trainer.steps} steps of {trainer.batch}, seed {trainer.seed}; {chosen}",
        ]

    def _release(self, system: System, progress: Progress, values: Mapping[str, float]) -> None:
        settings, data = self.settings, self.material.data
        facts = {
            **self.facts(values),
            "pictures": len(data.train),
            "held_out": len(data.test),
            "judge": self.judge.name if self.judge else "",
            "licences": list(settings.licences),
        }
        pack.save_model(
            self.places.model,
            name=self.name,
            system=self.system,
            called=settings.system,
            settings=json.loads(json.dumps(settings.model)),
            classes=self.material.classes,
            data=_data_facts(settings.data),
            card=_card(self.name, facts, self.system, settings),
            training=facts,
        )


def _data_facts(data: DataConfig) -> dict[str, Any]:
    # Without the folders of this machine: a model may be passed on.
    return {**data.model_dump(mode="json"), "names": [Path(name).name for name in data.names]}


def _require_kind(system: ImageSystem, material: Material) -> None:
    if isinstance(material.data, Points) and not system.can("sample"):
        raise VoiceganError(
            f"{material.data.name} holds points, which this system cannot make", "Choose pictures."
        )


def require_same_settings(plan: Mapping[str, Any], settings: TrainingConfig) -> None:
    """Raise VoiceganError where a run would go on as another one, whose card would tell of a run that never was.

    What may change: how long, where and how often, and the learning rates, which a run that diverged needs lower.
    """
    if not plan:
        return
    before = resolve(plan["settings"]).model_dump(mode="json")
    now = settings.model_dump(mode="json")
    names = sorted({*before["model"], *now["model"]})
    fixed = [f"model.{name}" for name in names if not re.fullmatch(r"lr(_\w+)?", name)]
    runs.require_same(dict.fromkeys(("trainer.batch", *fixed, *_LOOKED_AT, "judge"), ""), before, now)


_LOOKED_AT = ("data.flip", "data.jitter", "data.labels_per_class")
# What decides which pictures there are, and the option for it.
_CHOSEN = {"data.names": "--data", "data.size": "--size", "data.channels": "--channels", "data.reverse": ""}


def require_same(plan: Mapping[str, Any], material: Material, settings: TrainingConfig) -> None:
    """Raise VoiceganError when the data are no longer those that the run was begun with.

    They may have moved; what is learnt from has to be the same.
    """
    if not plan or plan.get("pictures") == material.fingerprint:
        return
    before = resolve(plan["settings"]).model_dump(mode="json")
    runs.require_same(_CHOSEN, before, settings.model_dump(mode="json"))
    raise VoiceganError(
        f"the pictures of {material.data.name} have changed since this run was begun",
        "Restore them, or start anew with --force.",
    )


def require_free(places: Places) -> None:
    """Raise VoiceganError where the model would have to replace something that is none."""
    folder = places.model
    if folder == places.run or (
        folder.exists() and not pack.KIND.is_in(folder) and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise VoiceganError(
            f"the model would go to {folder}, which holds something else", "Choose another --out or --name."
        )


_USES = (
    ("sample", "sample NAME --out samples.png"),
    ("decode", "interpolate NAME --out between.png"),
    ("translate", "translate NAME PICTURES --out translated/"),
    ("inpaint", "inpaint NAME PICTURES --out filled/"),
)


def _card(name: str, facts: Mapping[str, Any], system: ImageSystem, settings: TrainingConfig) -> str:
    """The model's README."""
    figures = "\n".join(f"- {key}: {value:g}" for key, value in facts["validation"].items()) or "- none"
    licences = "\n".join(f"- {line}" for line in settings.licences) or "- not stated"
    place, attribute = own.parts(settings.system)
    called = f"{Path(place).name}:{attribute}" if own.is_own(settings.system) else settings.system
    model = shlex.quote(name) + own.option(called)
    uses = "\n".join(
        f"    voicegan image {use.replace('NAME', model)}" for able, use in _USES if system.can(able)
    )
    judged = f" Judge: {facts['judge']}." if facts["judge"] else ""
    channels, height, width = system.image_shape
    data = ", ".join(Path(part).name for part in settings.data.names)
    return f"""# {name}

A model of the system `{called}`, for pictures of {width}×{height} with {channels} channels.

{uses}

## Training
{facts["pictures"]} pictures of {data}; {facts["held_out"]} held out. {facts["steps"]} of {facts["planned_steps"]} steps
of {facts["batch"]}, {facts["minutes"]} minutes, seed {facts["seed"]}, {facts["date"]}, voicegan {facts["voicegan"]}.

Command:

    {facts["command"] or "(from Python)"}

## At this checkpoint
{figures}

{"`score`, lower is better, chose the checkpoint." if "score" in facts["validation"] else "It is the newest."}{judged}

## Licences of the pictures
{licences}
"""
