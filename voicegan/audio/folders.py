"""Folders of recordings: what is in them, which of it a list of names means, and working through it."""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from .. import storage
from ..errors import VoiceganError
from . import files

Progress = Callable[[int, int, str], None]
"""Called with how many are done, of how many, and the name of the one just done."""
T = TypeVar("T")


def recordings_in(folder: Path) -> list[Path]:
    """The audio files under a folder, sorted. Raises VoiceganError when there are none to be had."""
    folder = Path(folder)
    if not folder.exists():
        raise VoiceganError(f"folder {folder} does not exist", "Check the path.")
    if not folder.is_dir():
        raise VoiceganError(
            f"{folder} is a file, not a folder", f"Give the folder of recordings: {folder.parent}"
        )
    try:
        os.listdir(folder)
    except PermissionError:
        raise VoiceganError(
            f"folder {folder} may not be read (permission denied)", "Change its permissions."
        ) from None
    if paths := files.find_audio(folder):
        return paths
    found = ignored(folder, [])
    if not found:
        raise VoiceganError(f"folder {folder} is empty", "Put recordings into it.")
    listed = ", ".join(
        f"{count} {suffix} file{'s' * (count > 1)}" for suffix, count in list(found.items())[:5]
    )
    formats = ", ".join(sorted(suffix.lstrip(".") for suffix in files.AUDIO_SUFFIXES))
    raise VoiceganError(f"folder {folder} holds no audio (found: {listed})", f"Readable are: {formats}.")


def ignored(folder: Path, recordings: Sequence[Path]) -> dict[str, int]:
    """What else lies in the folder: suffix → count, most frequent first; hidden files are passed over."""
    known = set(recordings)
    kinds: Counter[str] = Counter()
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(parent, name) not in known:
                kinds[Path(name).suffix.lower() or "other"] += 1
    return dict(kinds.most_common())


def select(folder: Path, paths: Sequence[Path], wanted: Sequence[str]) -> list[Path]:
    """The recordings that a list of names or patterns means, in the list's order, each once.

    Raises VoiceganError naming the first that matches nothing, and the nearest name that exists.
    """
    spellings: dict[str, list[Path]] = {}
    for path in paths:
        inside = path.relative_to(folder)
        for spelling in {inside.as_posix(), inside.with_suffix("").as_posix(), inside.name, inside.stem}:
            spellings.setdefault(spelling, []).append(path)
    chosen: dict[Path, None] = {}
    missing = []
    exact = {path.relative_to(folder).as_posix(): path for path in paths}
    for name in wanted:
        found = [exact[name]] if name in exact else spellings.get(name, [])
        if not found and any(sign in name for sign in "*?["):
            found = [
                p
                for p in paths
                if fnmatch.fnmatchcase(p.relative_to(folder).as_posix(), name)
                or fnmatch.fnmatchcase(p.stem, name)
            ]
        if not found:
            missing.append(name)
        chosen.update(dict.fromkeys(found))
    if missing:
        near = difflib.get_close_matches(missing[0], list(spellings), n=1)
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        hint = (
            f"Did you mean {near[0]!r}?"
            if near
            else f"It holds {len(paths)} recordings, such as {paths[0].name}."
        )
        raise VoiceganError(f"{folder} has no recording called {missing[0]!r}{others}", hint)
    return list(chosen)


def set_aside(names: Sequence[str], share: float, least: int, most: int) -> set[str]:
    """Which of the names are kept aside: about `share` of them, between `least` and `most`, but never over a fifth.

    Chosen by a hash of the name, so that folders with the same names keep the same ones aside.
    """
    if share == 0:
        return set()
    fifth = max(1, len(names) // 5) if len(names) > 1 else 0
    wanted = min(max(round(share * len(names)), least), most, fifth)
    return set(sorted(names, key=lambda name: hashlib.sha256(name.casefold().encode()).digest())[:wanted])


def in_threads(work: Callable[[Path], T], paths: Sequence[Path], progress: Progress | None = None) -> list[T]:
    """`work` on every path, in order, on all cores: decoding, FFTs and pitch release Python's lock.

    The first is done before the threads start: what is imported or compiled on the way is so once, and not by several
    at a time, which Python 3.11 now and then does not survive (ast.parse, called by lazy importers, in two threads).
    """
    done = [work(path) for path in paths[:1]]
    if progress and done:
        progress(1, len(paths), paths[0].name)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        try:
            rest = paths[1:]
            for path, result in zip(rest, pool.map(work, rest), strict=True):
                done.append(result)
                if progress:
                    progress(len(done), len(paths), path.name)
        except BaseException:
            pool.shutdown(
                wait=False, cancel_futures=True
            )  # an interrupt should not wait for a thousand files
            raise
    return done


def hashed(path: Path) -> str:
    """SHA-256 of a file's bytes. Raises VoiceganError when it cannot be opened."""
    try:
        return storage.sha256(path)
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise VoiceganError(
            f"{path} cannot be read ({reason})", "Check that it exists and may be read."
        ) from None
