"""A folder of recordings becomes a speaker: checked, levelled, trimmed, as features, some kept aside."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydantic

from ..audio import folders
from ..config import Config
from ..errors import VoiceganError
from . import check
from .features import Features, Recipe, features_of

if TYPE_CHECKING:
    from ..audio.mel import MelSpec

log = logging.getLogger(__name__)


class CorpusConfig(Config):
    """How recordings become training material."""

    mel: str = "16k"  # preset of the mel contract
    level_db: float = pydantic.Field(
        default=-26.0, ge=-60.0, le=0.0
    )  # active level that every recording is brought to
    trim: bool = True  # shorten pauses to 0.3 s, and the silence at the ends to 0.1 s
    min_s: float = pydantic.Field(default=check.MIN_S, ge=0.05)  # shorter recordings are refused
    longest_s: float = pydantic.Field(default=20.0, ge=2.0)  # longer ones are cut at their quietest places
    held_out: float = pydantic.Field(default=0.05, ge=0.0, lt=1.0)  # share of the utterances kept aside, ...
    held_out_least: int = pydantic.Field(
        default=4, ge=0
    )  # ... at least so many (but never over a fifth of them)
    held_out_most: int = pydantic.Field(default=40, ge=0)
    least_speech_s: float = pydantic.Field(default=30.0, ge=0.0)  # with less than this nothing can be learnt

    def recipe(self) -> Recipe:
        """How features are made. Raises VoiceganError for an unknown mel preset."""
        from ..audio.mel import preset

        return Recipe(preset(self.mel), self.level_db, self.trim)


@dataclass(frozen=True)
class Utterance:
    """One utterance as a network sees it: a whole recording, or a piece of a long one."""

    name: str  # path inside the folder without the suffix; "#2" behind it for the second piece of a long one
    path: Path
    mel: np.ndarray  # (M, F) float32
    f0: np.ndarray  # (F,) float32 Hz, 0 where unvoiced
    seconds: float  # after trimming
    sha256: str  # of the file that it is from

    @property
    def frames(self) -> int:
        return int(self.mel.shape[1])

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others, of this folder or another."""
        return self.sha256, self.name


@dataclass(frozen=True)
class Speaker:
    """One speaker's material. Statistics are over every frame of the training utterances, pauses included."""

    name: str
    folder: Path
    spec: MelSpec
    recipe: Recipe
    utterances: list[Utterance]
    held_out: list[Utterance]
    mean: np.ndarray  # (M,) float32
    std: np.ndarray  # (M,) float32
    log_f0_mean: float  # of the natural logarithm of the pitch in Hz, voiced frames; 0 when nothing is voiced
    log_f0_std: float
    files: list[check.FileVerdict] = field(default_factory=list)  # the verdict on every file looked at

    @property
    def minutes(self) -> float:
        """Minutes of training material, after trimming."""
        return sum(utterance.seconds for utterance in self.utterances) / 60

    @property
    def refused(self) -> list[check.FileVerdict]:
        """Files that were left out, each with its reason and fix."""
        return [file for file in self.files if file.verdict == "refuse"]


def load_speaker(
    folder: Path | str,
    config: CorpusConfig | None = None,
    *,
    files: Sequence[str] | None = None,
    held_out_files: Sequence[str] | None = None,
    progress: folders.Progress | None = None,
) -> Speaker:
    """Load the recordings under `folder` as training material.

    Parameters
    ----------
    files, held_out_files
        Which recordings train and which are kept aside: paths inside the folder, with or without suffix, or
        patterns such as ``arctic_a03*``. Without `files` everything that is not kept aside trains; without
        `held_out_files` a share is kept aside, chosen by a hash of the name, hence equal in parallel folders.
    progress
        Called as ``progress(done, total, name)``.

    Raises
    ------
    VoiceganError
        The folder has no recordings, a listed file is missing, or too little is left once the files that
        `voicegan check` refuses are taken out. Refused files are logged one by one, and listed in the result.
    """
    config = config or CorpusConfig()
    folder, recipe = Path(folder), config.recipe()
    paths = folders.recordings_in(folder)
    aside = folders.select(folder, paths, held_out_files) if held_out_files is not None else []
    training = (
        folders.select(folder, paths, files)
        if files is not None
        else [p for p in paths if p not in set(aside)]
    )
    if both := sorted(set(training) & set(aside)):
        raise VoiceganError(
            f"{both[0].name} is listed both for training and to be held out ({len(both)} such files)",
            "Take it out of one of the lists.",
        )

    wanted = training + aside
    names = _names(folder, wanted)
    loaded = folders.in_threads(partial(_load, recipe=recipe), wanted, progress)
    verdicts = check.judge(folder, [looked for looked, _ in loaded], min_s=config.min_s)
    _report(folder, verdicts)

    first_aside = len(training)
    train: list[Utterance] = []
    held: list[Utterance] = []
    for index, (verdict, (_, features)) in enumerate(zip(verdicts, loaded, strict=True)):
        if verdict.verdict == "refuse" or features is None:
            continue
        whole = _utterance(names[index], verdict, features, recipe)
        (train if index < first_aside else held).extend(pieces(whole, config.longest_s, recipe.spec))
    _require_enough(folder, train + held, verdicts, config)
    if held_out_files is None:
        train, held = hold_out(train, config)
    if not train:
        raise VoiceganError(f"nothing in {folder} is left to train on", "Hold out fewer files.")
    nothing = np.zeros(0, np.float32)
    name = folder.resolve().name
    speaker = Speaker(name, folder, recipe.spec, recipe, [], [], nothing, nothing, 0.0, 0.0, list(verdicts))
    return with_material(speaker, train, held)


def with_material(speaker: Speaker, train: list[Utterance], held: list[Utterance]) -> Speaker:
    """A speaker with these utterances to train on and these kept aside, and with their statistics."""
    mean, std = _statistics(train)
    log_f0_mean, log_f0_std = _pitch_statistics(train)
    return replace(
        speaker,
        utterances=train,
        held_out=held,
        mean=mean,
        std=std,
        log_f0_mean=log_f0_mean,
        log_f0_std=log_f0_std,
    )


def hold_out(
    utterances: Sequence[Utterance], config: CorpusConfig
) -> tuple[list[Utterance], list[Utterance]]:
    """Split into what trains and what is kept aside, by a hash of the name: equal in parallel folders."""
    aside = folders.set_aside(
        [u.name for u in utterances], config.held_out, config.held_out_least, config.held_out_most
    )
    return [u for u in utterances if u.name not in aside], [u for u in utterances if u.name in aside]


def pieces(utterance: Utterance, longest_s: float, spec: MelSpec) -> list[Utterance]:
    """Cut a long utterance at its quietest places into pieces of `longest_s` at most."""
    longest = round(longest_s * spec.sample_rate_hz / spec.hop)
    if utterance.frames <= longest:
        return [utterance]
    # A fifth of a second is averaged: the quietest place is a pause, not the closure of a plosive.
    width = max(1, round(0.2 * spec.sample_rate_hz / spec.hop))
    loudness = np.convolve(utterance.mel.mean(axis=0), np.full(width, 1 / width), mode="same")
    cuts = [0]
    while utterance.frames - cuts[-1] > longest:
        # Cuts leave at least a third on either side, so that no crumbs are made.
        first = cuts[-1] + longest // 3
        last = min(cuts[-1] + longest, utterance.frames - longest // 3)
        cuts.append(first + int(np.argmin(loudness[first:last])))
    cuts.append(utterance.frames)
    return [
        replace(utterance, name=f"{utterance.name}#{number}", mel=utterance.mel[:, a:b], f0=utterance.f0[a:b],
                seconds=(b - a) * spec.hop / spec.sample_rate_hz)
        for number, (a, b) in enumerate(pairwise(cuts), start=1)
    ]  # fmt: skip


def _load(path: Path, recipe: Recipe) -> tuple[check.Looked, Features | None]:
    digest = ""
    try:
        digest = folders.hashed(path)
        features = features_of(path, digest, recipe)
    except VoiceganError as fault:
        return check.Looked(path, digest, None, fault), None
    return check.Looked(path, digest, features.facts), features


def _utterance(name: str, verdict: check.FileVerdict, features: Features, recipe: Recipe) -> Utterance:
    seconds = features.mel.shape[1] * recipe.spec.hop / recipe.spec.sample_rate_hz
    return Utterance(name, verdict.path, features.mel, features.f0, seconds, verdict.sha256)


def _names(folder: Path, paths: Sequence[Path]) -> list[str]:
    """Names for utterances: the bare file name where that is unique, else the path in the folder."""
    stems = Counter(path.stem.casefold() for path in paths)
    inside = [path.relative_to(folder) for path in paths]
    longer = Counter(path.with_suffix("").as_posix().casefold() for path in inside)
    names = []
    for path in inside:
        bare = path.with_suffix("").as_posix()
        unique = stems[path.stem.casefold()] == 1
        names.append(path.stem if unique else bare if longer[bare.casefold()] == 1 else path.as_posix())
    return names


def _report(folder: Path, verdicts: Sequence[check.FileVerdict]) -> None:
    for verdict in verdicts:
        if verdict.verdict == "refuse":
            log.warning("%s left out: %s. %s", folder / verdict.name, verdict.reason, verdict.fix)


def _require_enough(
    folder: Path, utterances: Sequence[Utterance], verdicts: Sequence[check.FileVerdict], config: CorpusConfig
) -> None:
    seconds = sum(utterance.seconds for utterance in utterances)
    if utterances and seconds >= config.least_speech_s:
        return
    refused = Counter(v.findings[0].kind for v in verdicts if v.verdict == "refuse")
    reasons = ", ".join(f"{count} {kind}" for kind, count in refused.most_common())
    because = f" ({sum(refused.values())} of {len(verdicts)} files refused: {reasons})" if refused else ""
    if not utterances:
        raise VoiceganError(f"nothing in {folder} can be used{because}", f"See: voicegan check {folder}")
    raise VoiceganError(
        f"{folder} holds {seconds:.0f} s of speech, and {config.least_speech_s:.0f} s are needed{because}",
        "Record more: three minutes are a start, ten are good.",
    )


def _statistics(utterances: Sequence[Utterance]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each mel bin over all frames: (M,), (M,) float32."""
    frames = sum(utterance.frames for utterance in utterances)
    mean = sum(u.mel.sum(axis=1, dtype=np.float64) for u in utterances) / frames
    squares = sum(((u.mel - mean[:, None]) ** 2).sum(axis=1, dtype=np.float64) for u in utterances)
    # A bin that never moves (above the band of the recordings) must not be blown up into noise.
    std = np.maximum(np.sqrt(squares / frames), 1e-2)
    return mean.astype(np.float32), std.astype(np.float32)


def _pitch_statistics(utterances: Sequence[Utterance]) -> tuple[float, float]:
    voiced = np.concatenate([utterance.f0[utterance.f0 > 0] for utterance in utterances])
    if not len(voiced):
        return 0.0, 0.0
    logarithms = np.log(voiced.astype(np.float64))
    return float(logarithms.mean()), float(logarithms.std())
