"""A pool of speakers: whoever an any-to-one voice may be given, as far as training can know them."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pydantic

from ..audio import folders
from ..config import Config
from ..errors import VoiceganError
from .check import FolderReport
from .corpus import CorpusConfig, Speaker, load_speaker
from .parallel import LEAST_PAIRS, Parallel, align_speakers, shared_recordings
from .recut import cut_like

log = logging.getLogger(__name__)

_LEAST_SPEECH_S = 2.0  # of a speaker: the pool needs many, not much of each


class PoolConfig(Config):
    """What of a pool trains."""

    # Names or patterns of recordings kept aside, such as ``arctic_a03[6-9]?``; by default a share chosen by name.
    held_out: tuple[str, ...] | None = None
    held_out_speakers: float = pydantic.Field(0.05, ge=0, lt=1)  # share of the speakers that are kept aside
    held_out_most: int = pydantic.Field(12, ge=0)


@dataclass(frozen=True)
class Pool:
    """Many speakers, and the pairs of those who read the target's sentences.

    Attributes
    ----------
    speakers : list of Speaker
        Those that train.
    strangers : list of Speaker
        Those of whom nothing trains.
    pairs : dict
        Index into ``speakers`` → how their utterances and the target's belong together.
    """

    speakers: list[Speaker]
    strangers: list[Speaker]
    pairs: dict[int, Parallel]

    @property
    def minutes(self) -> float:
        return sum(speaker.minutes for speaker in self.speakers)


def load_pool(
    places: Sequence[Path],
    target: Speaker,
    config: CorpusConfig,
    chosen: PoolConfig,
    *,
    progress: folders.Progress | None = None,
) -> Pool:
    """Load every speaker under some folders: each folder that holds recordings is one.

    The target's own folder, where it is among them, is passed over, and so is what lies below it.

    Raises
    ------
    VoiceganError
        Nothing in the folders can be used, the target's recordings are among them under another path, or a
        pattern of ``held_out`` matches nothing.
    """
    own = target.folder.resolve()
    everyone = dict.fromkeys(part for place in places for part in _speaker_folders(place))
    found = [part for part in everyone if not part.is_relative_to(own)]
    if not found:
        raise VoiceganError(
            "the pool holds nobody but the target", "Give folders of other speakers with --pool."
        )
    settings = config.model_copy(update={"least_speech_s": _LEAST_SPEECH_S, "held_out_least": 0})
    used: set[str] = set()
    speakers: list[Speaker] = []
    strangers: list[Speaker] = []
    for number, folder in enumerate(found, start=1):
        names = [p.name for p in folders.recordings_in(folder) if p.parent.resolve() == folder]
        aside = _aside(names, chosen.held_out, used)
        if aside is not None and len(aside) == len(names):
            speaker = _load(folder, settings, names, [])
            strangers += [speaker] if speaker else []
        else:
            train = [name for name in names if name not in set(aside or ())]
            speaker = _load(folder, settings, train, aside)
            speakers += [speaker] if speaker else []
        if progress:
            progress(number, len(found), folder.name)
    if unused := [p for p in chosen.held_out or () if p not in used]:
        raise VoiceganError(f"{unused[0]!r} of pool.held_out matches no recording of the pool", "Correct it.")
    if chosen.held_out is None:
        speakers, strangers = _set_aside(speakers, chosen)
    if not speakers:
        raise VoiceganError("nothing in the pool is left to train on", "See: voicegan check DIR")
    for speaker in (*speakers, *strangers):
        _refuse_shared(speaker, target)
    pairs = {}
    for index, speaker in enumerate(speakers):
        alike = cut_like(speaker, target)
        if _matching(alike, target) >= LEAST_PAIRS:
            aligned = align_speakers(alike, target)
            if aligned.pairs:
                speakers[index], pairs[index] = alike, aligned
    return Pool(speakers, strangers, pairs)


def _speaker_folders(place: Path) -> list[Path]:
    """Folders (resolved) under `place` that hold recordings themselves."""
    return sorted({path.parent.resolve() for path in folders.recordings_in(place)})


def _aside(names: Sequence[str], patterns: Sequence[str] | None, used: set[str]) -> list[str] | None:
    """Which recordings of one speaker a list of patterns keeps aside; None where there is no list."""
    if patterns is None:
        return None
    aside = []
    for name in names:
        hit = [p for p in patterns if fnmatch.fnmatch(name, p) or fnmatch.fnmatch(Path(name).stem, p)]
        used.update(hit)
        aside += [name] if hit else []
    return aside


def _load(
    folder: Path, config: CorpusConfig, files: Sequence[str], aside: Sequence[str] | None
) -> Speaker | None:
    """One speaker, or None where hardly anything can be used; that is said."""
    try:
        return load_speaker(folder, config, files=files, held_out_files=aside)
    except VoiceganError as fault:
        log.warning("%s left out of the pool: %s", folder, fault.message)
        return None


def _set_aside(speakers: list[Speaker], chosen: PoolConfig) -> tuple[list[Speaker], list[Speaker]]:
    """Keep whole speakers aside, by a hash of the name."""
    names = _told_apart([s.folder for s in speakers])
    aside = folders.set_aside(names, chosen.held_out_speakers, 0, chosen.held_out_most)
    named = list(zip(names, speakers, strict=True))
    return [s for name, s in named if name not in aside], [s for name, s in named if name in aside]


def _told_apart(places: Sequence[Path]) -> list[str]:
    """Names of folders; with as many of the folders above them as it takes to tell them apart: ``anna/wav``."""
    depth = 1
    while len(names := ["/".join(place.parts[-depth:]) for place in places]) > len(set(names)):
        depth += 1
    return names


def _matching(speaker: Speaker, target: Speaker) -> int:
    mine, theirs = ({u.name.casefold() for u in s.utterances} for s in (speaker, target))
    return len(mine & theirs)


def _refuse_shared(speaker: Speaker, target: Speaker) -> None:
    reports = [FolderReport(s.folder, tuple(s.files)) for s in (speaker, target)]
    if both := shared_recordings(*reports):
        raise VoiceganError(
            f"{speaker.folder / both[0][0]} of the pool is also the target's {both[0][1]}",
            "The pool holds other speakers: take the target's recordings out of it.",
        )
