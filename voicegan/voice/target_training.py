"""From one folder of recordings, and a pool of others, to a voice for anyone's speech."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import torch

from .. import config, storage
from ..core import runs
from ..core.random import derive
from ..core.system import Progress, System
from ..errors import VoiceganError
from . import release
from .corpus import Speaker, load_speaker
from .library import find_pack, installed
from .monitor import UTTERANCES, Direction, Monitor, aside
from .pack import Pack
from .pool import Pool, PoolConfig, load_pool
from .pool_batches import Statistics, TargetAndPool, picture_of
from .systems import POOL_SYSTEMS
from .systems.any_to_one import AnyToOne
from .training import Places, SideConfig, VoiceTraining, VoiceTrainingConfig, fingerprint, nobody

log = logging.getLogger(__name__)

AUTO, NONE = "auto", "none"


class TargetTrainingConfig(VoiceTrainingConfig):
    """Everything that a training of one target can be told."""

    system: str = "any-to-one"
    target: SideConfig = SideConfig()
    pool: PoolConfig = PoolConfig()
    # The voice to set out from: its name or path; "auto": the nearest that is installed, if any; "none".
    start: str = AUTO

    @pydantic.field_validator("system")
    @classmethod
    def _known_system(cls, name: str) -> str:
        POOL_SYSTEMS.describe(name)  # raises for an unknown name, listing the near ones
        return name


def resolve(values: Mapping[str, Any], source: str = "") -> TargetTrainingConfig:
    """Fill in what was not said, as `training.resolve` does. Raises VoiceganError."""
    return runs.resolve(TargetTrainingConfig, POOL_SYSTEMS, values, source)


@dataclass(frozen=True)
class TargetMaterial:
    """One target and a pool, loaded."""

    target: Speaker
    pool: Pool
    places: tuple[Path, ...]  # the pool's folders


def gather(
    target: Path,
    pool: Sequence[Path],
    settings: TargetTrainingConfig,
    *,
    progress: Callable[[int, int, str], None] | None = None,
) -> TargetMaterial:
    """Load the target and the pool, and align those of the pool who read the target's sentences.

    Raises
    ------
    VoiceganError
        A folder has too little that can be used, or the pool holds the target.
    """
    side = settings.target
    speaker = load_speaker(
        target,
        settings.corpus,
        files=list(side.files) if side.files is not None else None,
        held_out_files=list(side.held_out) if side.held_out is not None else None,
        progress=progress,
    )
    everyone = load_pool(pool, speaker, settings.corpus, settings.pool, progress=progress)
    return TargetMaterial(speaker, everyone, tuple(pool))


def make_system(settings: TargetTrainingConfig, material: TargetMaterial) -> AnyToOne:
    """Build the system with weights that depend on the seed alone."""
    kind = POOL_SYSTEMS.get(settings.system)
    torch.manual_seed(derive(settings.trainer.seed, "weights"))
    system: AnyToOne = kind(material.target.spec, config.build(kind.Config, settings.model))
    return system


class TargetTraining(VoiceTraining):
    """A training of one target: one voice.

    Parameters
    ----------
    material : TargetMaterial
        What :func:`gather` loaded.
    settings : TargetTrainingConfig
        What :func:`resolve` resolved.
    name : str
        What the voice is called.
    places : Places
        Where everything goes.
    command, say
        See :class:`voicegan.voice.training.VoiceTraining`.
    """

    def __init__(
        self,
        material: TargetMaterial,
        settings: TargetTrainingConfig,
        name: str,
        places: Places,
        *,
        command: str = "",
        say: Callable[[str], None] = log.info,
    ) -> None:
        self.material = material
        say = say if runs.first_rank() else nobody
        system = make_system(settings, material)
        source = TargetAndPool(material.target, material.pool, system.crop_frames, system.disguise)
        self.start = find_start(settings.start, system, source.statistics)
        if self.start is not None:
            set_out_from(system, self.start)
            # By its path, which means the same when the run is resumed.
            settings = settings.model_copy(update={"start": str(self.start.folder.absolute())})
        system.know(source.statistics)
        self.statistics = source.statistics
        monitor = Monitor([from_anyone(material, source, system, name)], places.run, say)
        super().__init__(system, source, monitor, settings, (name,), places, command, say)
        self.settings: TargetTrainingConfig
        self.system: AnyToOne

    @property
    def folders(self) -> list[Path]:
        return [self.material.target.folder, *self.material.places]

    @property
    def fingerprints(self) -> list[str]:
        pool = [fingerprint(s) for s in (*self.material.pool.speakers, *self.material.pool.strangers)]
        return [fingerprint(self.material.target), storage.sha256("".join(pool).encode())]

    def describe(self) -> list[str]:
        """Say in a few lines what is trained on what."""
        target, pool = self.material.target, self.material.pool
        refused = f", {len(target.refused)} files refused" if target.refused else ""
        lines = []
        lines.append(
            f"{self.names[0]}: {len(target.utterances)} utterances, {target.minutes:.1f} min to train on; "
            f"{len(target.held_out)} held out{refused}"
        )
        lines.append(
            f"pool: {len(pool.speakers)} speakers, {pool.minutes:.1f} min to train on; "
            f"{len(pool.strangers)} speakers held out"
        )
        if pool.pairs:
            count = sum(len(parallel.pairs) for parallel in pool.pairs.values())
            who = ", ".join(pool.speakers[index].name for index in pool.pairs)
            lines.append(f"{who} of the pool read the target's sentences: {count} aligned pairs help")
        else:
            lines.append("nobody in the pool reads the target's sentences")
        if self.start is not None:
            lines.append(f"sets out from the voice {self.start.name} ({self.start.folder})")
        trainer = self.settings.trainer
        lines.append(
            f"system {self.settings.system}, {trainer.steps} steps of {trainer.batch}, seed {trainer.seed}"
        )
        return lines

    def _release(self, system: System, progress: Progress, values: Mapping[str, float]) -> None:
        release.save_target_voice(
            self.places.voices / self.names[0],
            system=self.system,
            material=self.material,
            statistics=self.statistics,
            settings=self.settings,
            name=self.names[0],
            start=self.start,
            facts=self.facts(values),
        )


def find_start(wanted: str, system: AnyToOne, known: Statistics) -> Pack | None:
    """The voice to set out from. Raises VoiceganError for one that is unknown, or of another network."""
    if wanted == NONE:
        return None
    if wanted != AUTO:
        return find_pack(wanted)
    fitting = [
        pack
        for pack in installed()[0]
        if pack.net == system.generator_name and dict(pack.network) == system.generator_arguments
    ]
    return min(fitting, key=lambda pack: _unlikeness(pack, known), default=None)


def _unlikeness(pack: Pack, known: Statistics) -> float:
    """How far a voice's target is from another in pitch (nepers, tripled) and mean spectrum (nepers)."""
    _, statistics = pack.build()
    pitch = abs(float(statistics["target.pitch"]) - known.target_log_f0)
    spectrum = (statistics["target.mean"] - known.target_mean).square().mean().sqrt()
    return 3 * pitch + float(spectrum)


def set_out_from(system: AnyToOne, start: Pack) -> None:
    """Give a system the generator of a voice. Raises VoiceganError where it is not of the same shape."""
    if start.net != system.generator_name or dict(start.network) != system.generator_arguments:
        raise VoiceganError(
            f"the voice {start.name} has another network than this training ({start.net})",
            "Set out from an any-to-one voice of the same width, or without one.",
        )
    generator, _ = start.build()
    for mine in (system.g_ab, system.best("g_ab")):
        mine.load_state_dict(generator.state_dict())


def from_anyone(material: TargetMaterial, source: TargetAndPool, system: AnyToOne, name: str) -> Direction:
    """What there is to judge: held-out speech of strangers first, and of those who train."""
    pool = material.pool
    utterances = [speaker.utterances[0] for speaker in pool.strangers]
    utterances += [u for speaker in pool.speakers for u in speaker.held_out[:2]]
    utterances = (utterances or [s.utterances[0] for s in pool.speakers])[:UTTERANCES]
    sources = [
        picture_of(u.mel, u.f0, source.statistics, source.filter, source.frames_per_s) for u in utterances
    ]
    with torch.no_grad():
        unchanged = [system.g_ab.classical(torch.from_numpy(s)[None])[0].numpy() for s in sources]
    return Direction(
        "g_ab", "", name, material.target, utterances, sources, unchanged, aside(material.target)
    )
