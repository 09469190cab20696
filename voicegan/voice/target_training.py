"""From one folder of recordings, and a pool of others, to a voice for anyone's speech."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import pydantic
import torch

from .. import config, storage
from ..core import runs
from ..core.random import derive
from ..core.system import Progress, System
from ..errors import VoiceganError
from ..packs import inherited, licences_in
from . import release
from .corpus import Speaker
from .library import find_pack, installed
from .monitor import UTTERANCES, Direction, Monitor, aside
from .pack import KIND, Pack
from .pool import Pool, PoolConfig, load_pool
from .pool_batches import TargetAndPool, picture_of
from .systems import POOL_SYSTEMS, SYSTEMS
from .systems.any_to_one import AnyToOne
from .teacher import Teacher
from .training import (
    Places,
    SideConfig,
    VoiceTraining,
    VoiceTrainingConfig,
    counted,
    fingerprint,
    load_side,
)

log = logging.getLogger(__name__)

AUTO: Final = "auto"
NONE = "none"
# How many dB of distance to the target losing all that strangers say is worth. By it a converter that keeps CER within
# 0.17 at a distance of 5.5 dB is worth one with 0.22 at 5.3 dB, and the classical conversion less than either.
WORDS_DB = 5.0
# So unlike in pitch and spectrum, a teacher's target is somebody else: slt, bdl and kathleen differ by 0.87 and more.
_SOMEBODY_ELSE = 0.5
_FEW = 10  # speakers: fewer are no picture of anyone


class TargetTrainingConfig(VoiceTrainingConfig):
    """Everything that a training of one target can be told."""

    system: str = "any-to-one"
    target: SideConfig = SideConfig()
    pool: PoolConfig = PoolConfig()
    # The voice to set out from, by name or path; "auto": the teacher, or the nearest installed one, if any; "none".
    start: str = AUTO
    teacher: str = ""  # an earlier voice of the target, whose conversions of the pool are learnt too
    passes: int = pydantic.Field(1, ge=1, le=8)  # how often the teacher converts
    # How far its envelopes are then moved towards the target's own nearest frames, as a share of the way.
    retrieval: float = pydantic.Field(1.0, ge=0, le=1)
    # Which state becomes the voice: the best by the checks' score, or the newest; "auto": the newest of what is taught.
    release: Literal["auto", "best", "newest"] = AUTO

    @pydantic.field_validator("system")
    @classmethod
    def _known_system(cls, name: str) -> str:
        if name in SYSTEMS:
            raise VoiceganError(f"{name} makes two voices of two speakers", "Give --a DIR --b DIR.")
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
    teacher: Teacher | None = None
    lessons: Mapping[tuple[str, str], np.ndarray] = field(default_factory=dict)  # by `Utterance.key`


def gather(
    target: Path,
    pool: Sequence[Path],
    settings: TargetTrainingConfig,
    *,
    progress: Callable[[int, int, str], None] | None = None,
) -> TargetMaterial:
    """Load the target and the pool, align who reads the target's sentences, and let a teacher convert the pool.

    Raises
    ------
    VoiceganError
        A folder has too little that can be used, the pool holds the target, or the teacher cannot teach.
    """
    teacher = None
    if settings.teacher:
        if not pool:
            raise VoiceganError("a teacher needs a pool to convert", "Give others' speech with --pool DIR.")
        teacher = Teacher(find_pack(settings.teacher), settings.corpus.recipe().spec, settings.passes)
    speaker = load_side(target, settings.target, settings.corpus, progress)
    everyone = Pool([], [], {})
    if pool:
        everyone = load_pool(pool, speaker, settings.corpus, settings.pool, progress=progress)
    lessons = {}
    if teacher is not None:
        teacher.retrieve(speaker.utterances, settings.retrieval)
        said = [utterance for one in everyone.speakers for utterance in one.utterances]
        for number, utterance in enumerate(said):
            if progress is not None:
                progress(number, len(said), f"{teacher.pack.name} converts {utterance.name}")
            lessons[utterance.key] = teacher.convert(utterance)
    return TargetMaterial(speaker, everyone, tuple(pool), teacher, lessons)


def make_system(settings: TargetTrainingConfig, material: TargetMaterial) -> AnyToOne:
    """Build the system with weights that depend on the seed alone."""
    kind = POOL_SYSTEMS.get(settings.system)
    # The encoder of content is for strangers: without any it would be taught for nothing.
    model = settings.model if material.pool.speakers else {**settings.model, "content": 0.0}
    torch.manual_seed(derive(settings.trainer.seed, "weights"))
    system: AnyToOne = kind(material.target.spec, config.build(kind.Config, model))
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
    begun : Mapping
        The plan of the run that goes on, which knows what it set out from: a voice at that place may be another by
        now, or the run's own. Empty for a new run.
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
        begun: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.material = material
        say = runs.said_once(say)
        system = make_system(settings, material)
        start = find_start(settings.start, system, material)
        if start is None and not material.pool.speakers:
            raise VoiceganError(
                f"{name} has neither a pool of other speakers nor a voice to set out from",
                "Give others' speech with --pool DIR: voicegan data fetch librispeech.",
            )
        earlier = set_out_from(system, start) if start is not None else None
        # By its path, or as none: "auto" could mean this run's own voice when it is resumed.
        settings = settings.model_copy(update={"start": str(start.folder.absolute()) if start else NONE})
        self.set_out_from: dict[str, str] | None = begun.get("set_out_from") or (
            _noted(start) if start else None
        )
        self.taught_by: dict[str, str] | None = None
        if material.teacher is not None:
            teacher = material.teacher.pack
            if teacher.folder.resolve() == (places.voices / name).resolve():
                raise VoiceganError(
                    f"the voice {name} would replace its teacher, from which it is still learning",
                    "Choose another --out, or another name with --names.",
                )
            if _unlikeness(teacher, material.target) > _SOMEBODY_ELSE:
                say(
                    f"warning: the voice {teacher.name} does not sound like {name}, who would learn to sound like it:"
                    " a teacher is an earlier voice of the same target"
                )
            settings = settings.model_copy(update={"teacher": str(teacher.folder.absolute())})
            self.taught_by = _noted(teacher)
        if (before := begun.get("taught_by", self.taught_by)) != self.taught_by:
            raise VoiceganError(
                f"the teacher at {settings.teacher} is not the voice that this run began with ({before})",
                "Put that voice back, or start anew with --force.",
            )
        if not begun:  # a run that goes on has them in its settings
            voices = ([start] if start else []) + ([material.teacher.pack] if material.teacher else [])
            licences = inherited(settings.licences, licences_in(KIND, voices))
            settings = settings.model_copy(update={"licences": licences})
        source = TargetAndPool(
            material.target,
            material.pool,
            system.crop_frames,
            system.disguise,
            earlier,
            throat=system.config.throat,
            lessons=material.lessons,
        )
        system.know(source.statistics)
        self.statistics = source.statistics
        judged = directions(material, source, system, name)
        monitor = Monitor(judged, places.run, say, chooses=not _releases_newest(settings))
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

    def plan(self) -> dict[str, Any]:
        """What the run was started with, besides its settings."""
        return super().plan() | {"set_out_from": self.set_out_from, "taught_by": self.taught_by}

    def describe(self) -> list[str]:
        """Say in a few lines what is trained on what."""
        target, pool = self.material.target, self.material.pool
        lines = [counted(self.names[0], target)]
        lines.append(
            "no pool: the target's own speech trains, in disguise"
            if not pool.speakers
            else f"pool: {len(pool.speakers)} speakers, {pool.minutes:.1f} min to train on; "
            f"{len(pool.strangers)} speakers held out"
        )
        if pool.pairs:
            count = sum(len(parallel.pairs) for parallel in pool.pairs.values())
            who = ", ".join(pool.speakers[index].name for index in pool.pairs)
            lines.append(f"{who} of the pool read the target's sentences: {count} aligned pairs help")
        elif pool.speakers:
            lines.append("nobody in the pool reads the target's sentences")
        if 0 < (others := len(pool.speakers) - len(pool.pairs)) < _FEW:
            lines.append(
                f"warning: the pool is small ({others} besides readers of the target's sentences; each folder is one"
                " speaker): whoever is unlike them comes less near. voicegan data fetch librispeech makes a large one"
            )
        if self.set_out_from is not None:
            lines.append(f"sets out from the voice {self.set_out_from['name']} ({self.settings.start})")
        if self.taught_by is not None:
            lines.append(
                f"learns what the voice {self.taught_by['name']} makes of the pool in "
                f"{release.how_often(self.settings.passes)} ({self.settings.teacher})"
            )
            if (share := self.settings.retrieval) > 0:
                lines.append(
                    f"lessons are moved by {share:.0%} of the way to {self.names[0]}'s own nearest frames (retrieval)"
                )
        if not self.monitor.chooses:
            lines.append("the newest state becomes the voice, whatever the checks say (release)")
        return [*lines, self.planned()]

    def _release(self, system: System, progress: Progress, values: Mapping[str, float]) -> None:
        release.save_target_voice(
            self.places.voices / self.names[0],
            system=self.system,
            material=self.material,
            statistics=self.statistics,
            settings=self.settings,
            name=self.names[0],
            set_out_from=self.set_out_from,
            taught_by=self.taught_by,
            facts=self.facts(values),
        )


def _releases_newest(settings: TargetTrainingConfig) -> bool:
    """Whether nothing chooses among the states of a run.

    A lesson keeps the words, and how near strangers come to the target, which no figure of the checks tells, grows to
    the end.
    """
    return settings.release == "newest" or (settings.release == AUTO and bool(settings.teacher))


def find_start(wanted: str, system: AnyToOne, material: TargetMaterial) -> Pack | None:
    """The voice to set out from. Raises VoiceganError for one that is unknown, or of another network."""
    if wanted == NONE:
        return None
    if wanted != AUTO:
        return find_pack(wanted)
    if material.teacher is not None and _differs(material.teacher.pack, system) is None:
        return material.teacher.pack
    fitting = [pack for pack in installed()[0] if _differs(pack, system) is None]
    return min(fitting, key=lambda pack: _unlikeness(pack, material.target), default=None)


def _unlikeness(pack: Pack, target: Speaker) -> float:
    """How far a voice's target is from another in pitch (nepers, tripled) and mean spectrum (nepers)."""
    _, statistics = pack.build()
    pitch = abs(float(statistics["target.pitch"]) - target.log_f0_mean)
    spectrum = (statistics["target.mean"] - torch.from_numpy(target.mean)).square().mean().sqrt()
    return 3 * pitch + float(spectrum)


def _differs(pack: Pack, system: AnyToOne) -> str | None:
    """In what a voice is of another kind than a system makes; None where it can go on from it."""
    if pack.net != system.generator_name:
        return f"another network ({pack.net})"
    for name, mine in system.generator_arguments.items():
        if (its := pack.network.get(name)) != mine:
            return f"another network ({name} {its}, not {mine})"
    return None if pack.mel == system.filter.spec else "another mel contract"


def _noted(start: Pack) -> dict[str, str]:
    """What plan and card say of the voice that a run set out from."""
    return {"name": start.name, "sha256": start.sha256}


def set_out_from(system: AnyToOne, start: Pack) -> dict[str, torch.Tensor]:
    """Give a system the generator of a voice; return its statistics.

    Raises VoiceganError where it is not of the same shape.
    """
    if (what := _differs(start, system)) is not None:
        raise VoiceganError(
            f"the voice {start.name} has {what}, and this training cannot set out from it",
            "Set out from an any-to-one voice of the same width and mel contract, or from none: --from none.",
        )
    generator, known = start.build()
    for mine in (system.g_ab, system.best("g_ab")):
        mine.load_state_dict(generator.state_dict())
    return known


class Strangers(Direction):
    """Speakers of whom nothing trains: their figure is how much of what they say is lost.

    How near they come to the target is no figure here: matched means alone are as near, in the cloud of frames, as
    a trained generator is.
    """

    def judge(self, converted: list[np.ndarray]) -> dict[str, float]:
        values = super().judge(converted)
        return values | {"score": WORDS_DB * values["drift"]}


def directions(
    material: TargetMaterial, source: TargetAndPool, system: AnyToOne, name: str
) -> tuple[Direction, Direction]:
    """What there is to judge: whether strangers keep their words, and whether the target is met.

    With a teacher strangers are to become what it makes of them, words and all. Whether the target is met is told by
    held-out sentences that somebody in the pool reads too, or else by the target's own held-out speech in disguise.
    """
    target, pool = material.target, material.pool

    def drawn(what: list[tuple[np.ndarray, np.ndarray]]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        known = source.statistics
        made = [picture_of(mel, f0, known, source.filter, source.frames_per_s) for mel, f0 in what]
        with torch.no_grad():
            return made, [system.g_ab.classical(torch.from_numpy(one)[None])[0].numpy() for one in made]

    heard = [speaker.utterances[0] for speaker in pool.strangers]
    heard += [u for speaker in pool.speakers for u in speaker.held_out[:2]]
    heard = heard or [speaker.utterances[0] for speaker in pool.speakers] or aside(target)
    heard = heard[:UTTERANCES]
    given = drawn([(u.mel, u.f0) for u in heard])
    strangers: Direction = Strangers("g_ab", "strangers", name, target, heard, *given, aside(target))
    if (teacher := material.teacher) is not None:
        lessons = [replace(u, mel=teacher.convert(u)) for u in heard]
        strangers = Direction("g_ab", "strangers", name, target, heard, *given, lessons, paired=True)
    each = -(-UTTERANCES // max(1, len(pool.pairs)))
    pairs = [
        (pool.speakers[index].held_out[pair.index_a], target.held_out[pair.index_b])
        for index, parallel in pool.pairs.items()
        for pair in parallel.held_out[:each]
    ]
    if pairs:
        said, wanted = [u for u, _ in pairs], [u for _, u in pairs]
        given = drawn([(u.mel, u.f0) for u in said])
        return strangers, Direction("g_ab", "readers", name, target, said, *given, wanted, paired=True)
    own = aside(target)[:UTTERANCES]
    given = drawn([(source.disguised(u.mel, place), u.f0) for place, u in enumerate(own)])
    return strangers, Direction("g_ab", "disguised", name, target, own, *given, own, paired=True)
