"""Which file becomes which: decided, and refused where it cannot end well, before any work starts. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..audio.files import FORMATS, find_audio
from ..errors import VoiceganError

PIPE = "-"
_SHOWN = 5


@dataclass(frozen=True)
class Job:
    """One recording to convert; None stands for standard input or output."""

    source: Path | None
    target: Path | None
    format: str


def plan(
    inputs: Sequence[str | Path],
    voice: str,
    *,
    out: str | Path | None = None,
    format: str | None = None,
    force: bool = False,
) -> list[Job]:
    """Jobs for `voicegan convert`.

    - A file goes to `<stem>_<voice>.<format>` beside it; a folder to `<folder>_<voice>/`, its tree mirrored.
    - `out` names the file to write (one input file, and a suffix that says the format), otherwise a folder that takes
      the converted files under their own names; of several inputs, folders keep theirs as subfolders.
    - "-" is standard input, which goes to standard output unless `out` says otherwise; `out` may be "-" for one file.

    Raises VoiceganError, with up to five names, for outputs that collide, that are inputs, or that exist without
    `force`; for unknown formats; and for folders without recordings.
    """
    if format is not None and format not in FORMATS:
        raise VoiceganError(f'the format "{format}" is not known', f"Take one of {', '.join(FORMATS)}.")
    if not inputs:
        raise VoiceganError("nothing to convert", "Name a file, several, a folder, or - for standard input.")
    names = [str(name) for name in inputs]
    if (
        "" in names or str(out) == ""
    ):  # an unset variable of the shell; as a path it would be the current folder
        raise VoiceganError("a name is empty", "Name a file or a folder; a dot is the current folder.")
    if PIPE in names and len(names) > 1:
        raise VoiceganError(
            "standard input cannot be converted together with files", "Do one after the other."
        )
    jobs = _one(names[0], voice, out, format) if _is_single(names) else _several(names, voice, out, format)
    _refuse_collisions(jobs)
    _refuse_inputs_as_outputs(jobs)
    if not force:
        _refuse_existing(jobs)
    return jobs


def _is_single(names: Sequence[str]) -> bool:
    return len(names) == 1 and not Path(names[0]).is_dir()


def _one(name: str, voice: str, out: str | Path | None, format: str | None) -> list[Job]:
    source = None if name == PIPE else Path(name)
    if out is None and source is not None:
        return [Job(source, _beside(source, voice, format or "wav"), format or "wav")]
    if out is None or str(out) == PIPE:
        return [Job(source, None, format or "wav")]
    target = Path(out)
    if target.is_dir() or str(out).endswith(("/", os.sep)) or not target.suffix:
        if source is None:
            raise VoiceganError(
                f"{out} is no file name for what comes from standard input", "Give --out x.wav."
            )
        return [Job(source, target / f"{source.stem}.{format or 'wav'}", format or "wav")]
    named = target.suffix[1:].lower()
    if format is None and named not in FORMATS:
        message = f"{out}: files of the kind {target.suffix} cannot be written"
        raise VoiceganError(message, f"Formats: {', '.join(FORMATS)}.")
    if format is not None and named in FORMATS and named != format:
        raise VoiceganError(
            f"{out} is named {target.suffix} and the format asked for is {format}", "Leave one out."
        )
    return [Job(source, target, format or named)]


def _several(names: Sequence[str], voice: str, out: str | Path | None, format: str | None) -> list[Job]:
    if str(out) == PIPE:
        raise VoiceganError("several recordings cannot go to standard output", "Give a folder: --out DIR.")
    if out is not None and _is_file_name(out):
        raise VoiceganError(
            f"{out} {'is' if Path(out).exists() else 'names'} a file, and several recordings are to be written",
            "Give a folder: --out DIR.",
        )
    chosen = format or "wav"
    jobs: dict[str, Job] = {}
    for name in names:
        path = Path(name)
        if not path.is_dir():
            target = _beside(path, voice, chosen) if out is None else Path(out) / f"{path.stem}.{chosen}"
            jobs.setdefault(os.path.abspath(path), Job(path, target, chosen))
            continue
        folder = path.resolve()
        if out is None:
            root = folder.with_name(f"{folder.name}_{voice}")
        else:
            root = Path(out) if len(names) == 1 else Path(out) / folder.name
        recordings = find_audio(path)
        if folder in root.resolve().parents:  # what an earlier run left inside the folder is no input
            recordings = [one for one in recordings if root.resolve() not in one.resolve().parents]
        if not recordings:
            raise VoiceganError(f"{name} holds no recordings", "Give a folder with sound files in it.")
        for recording in recordings:
            inside = recording.relative_to(path)
            target = root / inside.parent / f"{inside.stem}.{chosen}"
            jobs.setdefault(os.path.abspath(recording), Job(recording, target, chosen))
    return list(jobs.values())


def _is_file_name(out: str | Path) -> bool:
    path = Path(out)
    if path.exists():
        return not path.is_dir()
    return path.suffix[1:].lower() in FORMATS and not str(out).endswith(("/", os.sep))


def _beside(source: Path, voice: str, format: str) -> Path:
    return source.with_name(f"{source.stem}_{voice}.{format}")


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    by_target: dict[str, list[Job]] = {}
    for job in jobs:
        if job.target is not None:
            # On some systems names that differ in case are the same file.
            by_target.setdefault(str(job.target.absolute()).casefold(), []).append(job)
    clashes = [
        f"{' and '.join(str(job.source) for job in same)} {'both' if len(same) == 2 else 'all'} become {same[0].target}"
        for same in by_target.values()
        if len(same) > 1
    ]
    if clashes:
        message = f"outputs would overwrite each other: {_few(clashes)}"
        raise VoiceganError(message, "Rename them, or convert them apart.")


def _refuse_inputs_as_outputs(jobs: Sequence[Job]) -> None:
    sources = {os.path.realpath(job.source) for job in jobs if job.source is not None}
    same = [
        str(job.target) for job in jobs if job.target is not None and os.path.realpath(job.target) in sources
    ]
    if same:
        raise VoiceganError(
            f"output would overwrite the input: {_few(same)}", "Choose another place with --out."
        )


def _refuse_existing(jobs: Sequence[Job]) -> None:
    existing = [str(job.target) for job in jobs if job.target is not None and job.target.exists()]
    if existing:
        verb = "exists" if len(existing) == 1 else "exist"
        raise VoiceganError(
            f"{_few(existing)} {verb} already", "Replace with --force, or choose another --out."
        )


def _few(names: Sequence[str]) -> str:
    return "; ".join(names[:_SHOWN]) + (f"; and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
