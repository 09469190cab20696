"""From folders of recordings to a vocoder: the plan, the material, the run, and the vocoder that it releases."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import torch

from .. import config, storage
from ..audio.mel import MelSpec
from ..config import Config
from ..core import runs
from ..core.random import derive
from ..core.system import Progress, System
from ..core.trainer import Trainer, TrainerConfig
from ..errors import VoiceganError
from ..packs import inherited, licences_in
from . import library, pack
from .corpus import Corpus, CorpusConfig, Crops
from .given import Through
from .monitor import Monitor
from .neural import require_fit
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
    through: tuple[str, ...] = ()  # names or paths of voices that the log-mels have passed through
    licences: tuple[str, ...] = ()  # of the recordings; written into the vocoder

    @pydantic.field_validator("system")
    @classmethod
    def _known_system(cls, name: str) -> str:
        SYSTEMS.describe(name)  # raises for an unknown name, listing the near ones
        return name

    @pydantic.field_validator("start_from")
    @classmethod
    def _from_any_folder(cls, name: str) -> str:
        folder = pack.KIND.folder_at(name) if name else None
        return str(folder.absolute()) if folder else name


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


def make_system(settings: TrainingConfig, spec: MelSpec, *, resumes: bool = False) -> VocoderSystem:
    """Build the system with weights that depend on the seed alone, or those of the vocoder to start from.

    That vocoder is not looked for where the run ``resumes``: the weights then come from a checkpoint.

    Raises
    ------
    VoiceganError
        The network cannot be built or does not fit the mel contract, or the vocoder to start from has another
        network or another mel contract.
    """
    kind = SYSTEMS.get(settings.system)
    torch.manual_seed(derive(settings.trainer.seed, "weights"))
    try:
        system: VocoderSystem = kind(spec, config.build(kind.Config, settings.model))
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError) as error:
        raise VoiceganError(
            f"the system {settings.system} cannot be built: {error}", "Correct model.network."
        ) from error
    require_fit(system.generator, spec, f"the network {system.net_name}")
    if settings.start_from and not resumes:
        _begin_with(system, library.find_vocoder(settings.start_from))
    return system


def _begin_with(system: VocoderSystem, start: pack.VocoderPack) -> None:
    system.spec.require_same(start.mel, "this training", f"the vocoder {start.name}")
    if start.net != system.net_name:
        differing = [f"its network is {start.net}, that of this run {system.net_name}"]
    else:
        theirs, ours = (_in_full(start.net, given) for given in (start.network, system.net_arguments))
        differing = [
            f"{key} is {theirs.get(key)!r} there and {ours.get(key)!r} in this run"
            for key in sorted(theirs.keys() | ours.keys())
            if theirs.get(key) != ours.get(key)
        ]
    if differing:
        raise VoiceganError(
            f"training cannot start from the vocoder {start.name}: {'; '.join(differing[:3])}",
            "Choose the system and the model settings that it was trained with.",
        )
    weights = start.build().state_dict()
    for network in (system.generator, system.best("generator")):
        network.load_state_dict(weights)


def _in_full(net: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a network with the defaults of those that are not given, as JSON would give them back."""
    known = inspect.signature(pack.network_class(net)).parameters.values()
    defaults = {each.name: each.default for each in known if each.default is not each.empty}
    arguments: dict[str, Any] = json.loads(json.dumps({**defaults, **given}))
    return arguments


class Training(runs.Run):
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
    resumes : bool
        Whether a checkpoint will be taken up.
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
        resumes: bool = False,
    ) -> None:
        if settings.start_from and not resumes:  # a run that goes on has them in its settings
            start = library.find_vocoder(settings.start_from)
            licences = inherited(settings.licences, licences_in(pack.KIND, [start]))
            settings = settings.model_copy(update={"licences": licences})
        self.corpus, self.settings, self.name, self.places = corpus, settings, name, places
        self.command, self.title = command, name
        self.say = runs.said_once(say)
        self.system = make_system(settings, corpus.spec, resumes=resumes)
        source = Crops(corpus.training, corpus.spec, self.system.crop_frames, self.system.variety)
        self.monitor = Monitor(corpus, places.run)
        self.trainer = Trainer(
            self.system,
            source,
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
            "folders": [str(place.resolve()) for place in self.corpus.places],
            "recordings": self.corpus.fingerprint,
            "through": [list(part) for part in self.corpus.through],
            "command": self.command,
        }

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
            *self._passed(),
        ]

    def _passed(self) -> list[str]:
        names = ", ".join(name for name, _ in self.corpus.through)
        told = f"log-mels that have passed through {names}; speed and colour of the crops are not varied"
        return [told] if names else []

    def _release(self, system: System, progress: Progress, values: Mapping[str, float]) -> None:
        corpus, settings = self.corpus, self.settings
        facts = {
            **self.facts(values),
            "system": settings.system,
            "started_from": Path(settings.start_from).name,
            "through": [name for name, _ in corpus.through],
            "data": {
                "recordings": len(corpus.training),
                "minutes": round(corpus.minutes, 1),
                "held_out": len(corpus.held_out),
                "refused": len(corpus.refused),
            },
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


def require_same_parts(plan: Mapping[str, Any], through: Through | None) -> None:
    """Raise VoiceganError when the log-mels of a run would no longer pass through the same voices."""
    before = [tuple(part) for part in plan.get("through", [])]
    now = list(through.parts) if through else []
    if not plan or before == now:
        return
    if [name for name, _ in before] != [name for name, _ in now]:
        raise VoiceganError(
            f"this run has begun with mels through {', '.join(name for name, _ in before) or 'no voice'}",
            "Leave --through out, or start a new run.",
        )
    changed = next(name for (name, old), (_, new) in zip(before, now, strict=True) if old != new)
    raise VoiceganError(
        f"the voice {changed} has changed since this run was begun", "Restore it, or start anew with --force."
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
    if facts["through"]:
        started += f", on log-mels that have passed through the voices {', '.join(facts['through'])}"
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
