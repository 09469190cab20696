"""From two folders of recordings to two voices: the plan, the material, the run."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pydantic
import torch

from .. import config, storage
from .. import vocoder as vocoders
from ..config import Config
from ..core import runs
from ..core.random import derive
from ..core.system import Progress, System
from ..core.trainer import Source, Trainer, TrainerConfig
from ..errors import VoiceganError
from . import release
from .batches import TwoSpeakers
from .check import FolderReport
from .corpus import CorpusConfig, Speaker, load_speaker
from .monitor import Monitor, both_ways
from .parallel import Parallel, ParallelVerdict, align_speakers, shared_recordings
from .recut import cut_like
from .systems import POOL_SYSTEMS, SYSTEMS
from .systems.base import VoiceSystem

log = logging.getLogger(__name__)


class SideConfig(Config):
    """Which recordings of one folder are used: names or patterns such as ``arctic_a00??``."""

    files: tuple[str, ...] | None = None  # those that train; by default all that are not held out
    held_out: tuple[str, ...] | None = None  # those kept aside; by default a share chosen by name


class VoiceTrainingConfig(Config):
    """What every voice training can be told."""

    system: str
    model: dict[str, Any] = {}  # the system's own settings
    corpus: CorpusConfig = CorpusConfig()
    trainer: TrainerConfig = TrainerConfig()
    vocoder: str = vocoders.AUTO  # what the voices speak through: a name, or a path
    licences: tuple[str, ...] = ()  # of the recordings; written into the voices
    consent: str = ""  # a word on the speakers' consent; written into the voices

    @pydantic.model_validator(mode="after")
    def _vocoder_fits(self) -> VoiceTrainingConfig:
        named = vocoders.resolve(self.vocoder, self.corpus.recipe().spec)
        object.__setattr__(self, "vocoder", named)  # the whole is frozen; a path is to hold from any folder
        return self


class TrainingConfig(VoiceTrainingConfig):
    """Everything that a training between two speakers can be told."""

    system: str = "light"
    a: SideConfig = SideConfig()
    b: SideConfig = SideConfig()
    parallel: Literal["auto", "on", "off"] = "auto"  # use pairs of the same sentence where there are any

    @pydantic.field_validator("system")
    @classmethod
    def _known_system(cls, name: str) -> str:
        if name in POOL_SYSTEMS:
            raise VoiceganError(
                f"{name} makes one voice for anyone's speech", "Give --target DIR --pool DIR."
            )
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
class Material:
    """Two speakers, loaded, and their pairs where both read the same sentences."""

    a: Speaker
    b: Speaker
    verdict: ParallelVerdict | None
    parallel: Parallel | None

    @property
    def speakers(self) -> tuple[Speaker, Speaker]:
        return self.a, self.b


def gather(
    a: Path,
    b: Path,
    settings: TrainingConfig,
    *,
    progress: Callable[[int, int, str], None] | None = None,
) -> Material:
    """Load both folders, and align them where they are parallel.

    Raises
    ------
    VoiceganError
        A folder has too little that can be used, both are the same, or pairs are asked for
        (``parallel = "on"``) and there are none.
    """
    if a.resolve() == b.resolve():
        raise VoiceganError(f"both folders are {a}", "Give one folder for each speaker.")
    sides = [
        load_side(folder, side, settings.corpus, progress)
        for folder, side in ((a, settings.a), (b, settings.b))
    ]
    _warn_of_shared(sides[0], sides[1])
    if settings.parallel == "off":
        return Material(sides[0], sides[1], None, None)
    alike = cut_like(sides[1], sides[0], progress=progress)
    found = align_speakers(sides[0], alike, progress=progress)
    if found.pairs:
        sides[1] = alike
    if settings.parallel == "on" and not found.pairs:
        raise VoiceganError(f"{a} and {b} are not parallel: {found.verdict.reason}", "Set parallel to auto.")
    return Material(sides[0], sides[1], found.verdict, found if found.pairs else None)


def load_side(
    folder: Path,
    side: SideConfig,
    corpus: CorpusConfig,
    progress: Callable[[int, int, str], None] | None = None,
) -> Speaker:
    """Load one folder as its settings say. Raises VoiceganError as `corpus.load_speaker` does."""
    return load_speaker(folder, corpus, files=side.files, held_out_files=side.held_out, progress=progress)


def _warn_of_shared(a: Speaker, b: Speaker) -> None:
    both = shared_recordings(FolderReport(a.folder, tuple(a.files)), FolderReport(b.folder, tuple(b.files)))
    if both:
        example = f"{a.folder / both[0][0]} and {b.folder / both[0][1]}"
        log.warning(
            "warning: %d recordings are in both folders (%s); give each speaker's own", len(both), example
        )


@dataclass(frozen=True)
class Places:
    """Where a run keeps its state and its voices."""

    run: Path
    voices: Path

    @classmethod
    def of(cls, names: tuple[str, ...], system: str, out: Path | None) -> Places:
        """Under ``out`` where one is given, else under the user's data folder."""
        if out is not None:
            return cls(out / "run", out)
        return cls(storage.home() / "runs" / "-".join([*names, system]), storage.home() / "voices")


def make_system(settings: TrainingConfig, mels: int) -> VoiceSystem:
    """Build the system with weights that depend on the seed alone."""
    kind = SYSTEMS.get(settings.system)
    torch.manual_seed(derive(settings.trainer.seed, "weights"))
    system: VoiceSystem = kind(mels, config.build(kind.Config, settings.model))
    return system


class VoiceTraining(runs.Run):
    """What voice trainings have in common: made from its plan, begun or resumed, run to its end.

    Parameters
    ----------
    system : System
        What is trained.
    source : Source
        Its batches.
    monitor : Monitor
        Judges it.
    settings : VoiceTrainingConfig
        What was resolved.
    names : tuple of str
        What the speakers, hence the voices, are called.
    places : Places
        Where everything goes.
    command : str
        The command line, for the voices' cards.
    say : callable
        Prints one line to the user.
    """

    def __init__(
        self,
        system: System,
        source: Source,
        monitor: Monitor,
        settings: VoiceTrainingConfig,
        names: tuple[str, ...],
        places: Places,
        command: str,
        say: Callable[[str], None],
    ) -> None:
        self.system, self.monitor, self.settings = system, monitor, settings
        self.names, self.places, self.command, self.say = names, places, command, say
        self.title = " and ".join(names)
        self.trainer = Trainer(
            system, source, settings.trainer, places.run, validate=monitor.validate, on_best=self._release
        )

    @property
    def folders(self) -> list[Path]:
        """Where the recordings are."""
        raise NotImplementedError

    @property
    def fingerprints(self) -> list[str]:
        """Hashes of what is used of each folder, in their order."""
        raise NotImplementedError

    def rehearse(self) -> object:
        """Do what a check does, and leave no trace."""
        return self.monitor.validate(self.system, self.trainer.progress, rehearsal=True)

    def plan(self) -> dict[str, Any]:
        """What the run was started with, besides its settings."""
        return {
            "names": list(self.names),
            "folders": [str(folder.resolve()) for folder in self.folders],
            "recordings": self.fingerprints,
            "command": self.command,
        }

    def resume(self) -> bool:
        """Take up the newest checkpoint; return whether there was one."""
        found = super().resume()
        self.monitor.recall(self.places.run / "metrics.jsonl", self.trainer.step)
        return found

    def planned(self) -> str:
        """Say in a line what system is trained for how long."""
        trainer = self.settings.trainer
        return f"system {self.settings.system}, {trainer.steps} steps of {trainer.batch}, seed {trainer.seed}"

    def _release(self, system: System, progress: Progress, values: Mapping[str, float]) -> None:
        raise NotImplementedError


class Training(VoiceTraining):
    """A training between two speakers: two voices.

    Parameters
    ----------
    material : Material
        What :func:`gather` loaded.
    settings : TrainingConfig
        What :func:`resolve` resolved.
    names : tuple of str
        What the two speakers, hence the voices, are called.
    places : Places
        Where everything goes.
    command : str
        The command line, for the voices' cards.
    say : callable
        Prints one line to the user.
    """

    def __init__(
        self,
        material: Material,
        settings: TrainingConfig,
        names: tuple[str, str],
        places: Places,
        *,
        command: str = "",
        say: Callable[[str], None] = log.info,
    ) -> None:
        self.material = material
        say = runs.said_once(say)
        system = make_system(settings, material.a.spec.mels)
        source = TwoSpeakers(material.a, material.b, system.crop_frames, material.parallel)
        directions = both_ways(material.a, material.b, material.parallel, names)
        monitor = Monitor(directions, places.run, say)
        super().__init__(system, source, monitor, settings, names, places, command, say)
        self.settings: TrainingConfig
        self.system: VoiceSystem
        self.names: tuple[str, str]

    @property
    def folders(self) -> list[Path]:
        return [speaker.folder for speaker in self.material.speakers]

    @property
    def fingerprints(self) -> list[str]:
        return [fingerprint(speaker) for speaker in self.material.speakers]

    def describe(self) -> list[str]:
        """Say in a few lines what is trained on what."""
        material = self.material
        lines = [counted(name, who) for name, who in zip(self.names, material.speakers, strict=True)]
        if material.parallel is not None:
            count = len(material.parallel.pairs)
            lines.append(f"parallel: {count} sentences are read by both; each helps as an aligned pair")
            if dropped := material.parallel.dropped:
                lines.append(f"not used as pairs, since what is said differs: {', '.join(dropped[:5])}"
                             + (f" and {len(dropped) - 5} more" if len(dropped) > 5 else ""))  # fmt: skip
        elif material.verdict is not None and material.verdict.matching:
            lines.append(f"not parallel: {material.verdict.reason}")
        else:
            lines.append("not parallel: the folders are taken as unrelated sentences")
        return [*lines, self.planned()]

    def _release(self, system: System, progress: Progress, values: Mapping[str, float]) -> None:
        for target in (1, 0):
            release.save_voice(
                release.folder_of(self.places.voices, self.names, target),
                system=self.system,
                material=self.material,
                settings=self.settings,
                names=self.names,
                target=target,
                facts=self.facts(values),
            )


def counted(name: str, speaker: Speaker) -> str:
    """Say in a line how much there is of a speaker."""
    refused = f", {len(speaker.refused)} files refused" if speaker.refused else ""
    return (
        f"{name}: {len(speaker.utterances)} utterances, {speaker.minutes:.1f} min to train on; "
        f"{len(speaker.held_out)} held out{refused}"
    )


def fingerprint(speaker: Speaker) -> str:
    """Hash of what trains and what is kept aside: a run can go on with the same recordings only."""
    used = [[(u.name, u.sha256) for u in side] for side in (speaker.utterances, speaker.held_out)]
    return storage.sha256(json.dumps(used).encode())


def require_same(plan: Mapping[str, Any], places: Sequence[Path | str], prints: Sequence[str]) -> None:
    """Raise VoiceganError when a place no longer holds the recordings that the run was begun with."""
    for known, now, place in zip(plan.get("recordings", ()), prints, places, strict=False):
        if known != now:
            raise VoiceganError(
                f"the recordings in {place} have changed since this run was begun",
                "Restore them, or start anew with --force.",
            )
