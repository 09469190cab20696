"""Which recordings an evaluation judges, and what each is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..audio.files import find_audio
from ..errors import VoiceganError


@dataclass(frozen=True)
class Trial:
    """One source recording, the target's reading of the sentence and its conversion, where there are such."""

    name: str
    speaker: str
    source: Path
    target_name: str = ""
    target: Path | None = None
    converted: Path | None = None


@dataclass(frozen=True)
class Plan:
    """What is judged: trials, recordings of the target, and pools that say what each speaker sounds like."""

    trials: tuple[Trial, ...]
    targets: tuple[tuple[str, Path], ...]
    target_pool: tuple[tuple[str, Path], ...]
    source_pools: dict[str, tuple[tuple[str, Path], ...]]
    notes: tuple[str, ...]


def make_plan(
    source: Path,
    target: Path,
    *,
    converted: Path | None = None,
    names: Sequence[str] = (),
    limit: int | None = None,
    pool: int = 40,
) -> Plan:
    """Choose and match recordings by name (path under the folder, without suffix).

    Parameters
    ----------
    source, target
        Folders. A source recording in a sub-folder belongs to the speaker that the sub-folder names; the
        target is one speaker.
    converted
        Folder of conversions, named after their sources.
    names
        Judge only these: file names, with or without folders and suffix. All by default.
    limit
        Judge the first `limit` of them.
    pool
        Recordings, evenly chosen, that stand for a speaker's voice: those not judged, where at least 5 are
        left.

    Raises
    ------
    VoiceganError
        A folder is missing or holds no audio, or nothing is left to judge.
    """
    sources, targets = by_name(source, "--source"), by_name(target, "--target")
    notes: list[str] = []
    chosen = choose(sources, source, names, notes)
    results = by_name(converted, "--converted") if converted else {}
    if converted:
        missing = [name for name in chosen if _match(name, results) is None]
        chosen = [name for name in chosen if name not in missing]
        if not chosen:
            raise VoiceganError(
                f"no file in {converted} is named after one in {source}",
                "Name conversions after their sources.",
            )
        if missing:
            notes.append(f"{len(missing)} source recordings have no conversion and are not judged")
    chosen = chosen[:limit]
    trials = []
    for name in chosen:
        partner, result = _match(name, targets), _match(name, results)
        trials.append(
            Trial(name, speaker_of(name, source), sources[name], partner or "", targets.get(partner or ""),
                  results.get(result or ""))
        )  # fmt: skip
    matched = sorted({trial.target_name for trial in trials if trial.target})
    judged = [(name, targets[name]) for name in matched] or spread(sorted(targets.items()), len(trials))
    unused = [item for item in sorted(targets.items()) if item not in judged]
    source_pools = {
        speaker: _pool(
            [(n, p) for n, p in sorted(sources.items()) if speaker_of(n, source) == speaker], chosen, pool
        )
        for speaker in {trial.speaker for trial in trials}
    }
    target_pool = tuple(spread(unused if len(unused) >= 5 else sorted(targets.items()), pool))
    return Plan(tuple(trials), tuple(judged), target_pool, source_pools, tuple(notes))


def read_names(path: Path) -> list[str]:
    """File names from a list, one a line; blank lines and lines that begin with # are left out."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VoiceganError(
            f"the list {path} cannot be read ({error})", "Give a text file, one name a line."
        ) from None
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not names:
        raise VoiceganError(f"the list {path} names no file", "Write one file name a line.")
    return names


def read_listed(path: Path) -> dict[str, str]:
    """File names from a list or a table, and whose recordings they are; "" where that is not said.

    A table has a first line that names its columns, parted by tabs: ``file``, and ``speaker``.
    """
    lines = read_names(path)
    header = lines[0].lower().split("\t")
    if "file" not in header:
        return dict.fromkeys(lines, "")
    rows = [dict(zip(header, line.split("\t"), strict=False)) for line in lines[1:]]
    return {row["file"]: row.get("speaker", "") for row in rows if row.get("file")}


def listed_speaker(path: Path, listed: Mapping[str, str]) -> str:
    """The speaker whom a list gives to a recording; "" where it does not. The longest matching path decides."""
    whole = "/" + path.absolute().with_suffix("").as_posix().lstrip("/")
    known = {Path(name).with_suffix("").as_posix(): speaker for name, speaker in listed.items()}
    tails = (whole[at + 1 :] for at, letter in enumerate(whole) if letter == "/")
    return next((known[tail] for tail in tails if tail in known), "")


def spread(items: Sequence[tuple[str, Path]], count: int) -> list[tuple[str, Path]]:
    """At most `count` of the items, evenly chosen, in their order."""
    if len(items) <= count:
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]


def by_name(folder: Path, option: str) -> dict[str, Path]:
    """The recordings in a folder, by their path under it without suffix. VoiceganError, naming `option`, for none."""
    if not folder.is_dir():
        raise VoiceganError(f"{folder} is not a folder", f"Give {option} a folder of recordings.")
    files = {path.relative_to(folder).with_suffix("").as_posix(): path for path in find_audio(folder)}
    if not files:
        raise VoiceganError(f"{folder} holds no audio files", f"Give {option} a folder of recordings.")
    return files


def choose(sources: dict[str, Path], folder: Path, names: Sequence[str], notes: list[str]) -> list[str]:
    """Those recordings that are listed (with or without folders and suffix; all where nothing is), sorted.

    What is missing becomes a line in `notes`. Raises VoiceganError where none of the listed is there.
    """
    if not names:
        return sorted(sources)
    wanted = [Path(name).with_suffix("").as_posix() for name in names]
    whole = {
        name: "/" + path.absolute().with_suffix("").as_posix().lstrip("/") for name, path in sources.items()
    }
    chosen = [name for name in sorted(sources) if any(whole[name].endswith("/" + tail) for tail in wanted)]
    if not chosen:
        raise VoiceganError(
            f"none of the {len(names)} listed files is in {folder} (the first is {names[0]})",
            "List names under that folder, one a line.",
        )
    if len(chosen) < len(wanted):
        notes.append(f"{len(wanted) - len(chosen)} of the {len(wanted)} listed files are not in {folder}")
    return chosen


def speaker_of(name: str, folder: Path) -> str:
    """The sub-folder that a recording is in, or the folder itself."""
    return name.rpartition("/")[0] or folder.resolve().name


def _pool(items: list[tuple[str, Path]], judged: Sequence[str], count: int) -> tuple[tuple[str, Path], ...]:
    unused = [item for item in items if item[0] not in judged]
    return tuple(spread(unused if len(unused) >= 5 else items, count))


def _match(name: str, files: dict[str, Path]) -> str | None:
    """The file of the same name, or else the only one of the same name without folders."""
    if name in files:
        return name
    same = [other for other in files if other.rpartition("/")[2] == name.rpartition("/")[2]]
    return same[0] if len(same) == 1 else None
