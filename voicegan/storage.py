"""Where things lie on disk, and how they are written so that a crash leaves the old file or the new one."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import VoiceganError


def home() -> Path:
    """The user's data folder: ``$VOICEGAN_HOME``, else the platform's folder for user data. Not created here."""
    if chosen := os.environ.get("VOICEGAN_HOME"):
        return Path(chosen).expanduser().absolute()
    return _platform_folder("XDG_DATA_HOME", "LOCALAPPDATA", "Library/Application Support", ".local/share")


def cache_home() -> Path:
    """What can be computed again: ``$VOICEGAN_HOME/cache``, else the platform's cache folder. Not created here."""
    if os.environ.get("VOICEGAN_HOME"):
        return home() / "cache"
    return _platform_folder("XDG_CACHE_HOME", "LOCALAPPDATA", "Library/Caches", ".cache")


def _platform_folder(xdg: str, windows: str, mac: str, other: str) -> Path:
    # The XDG rules say that a relative path in these variables is to be ignored.
    if (chosen := os.environ.get(xdg)) and Path(chosen).is_absolute():
        return Path(chosen) / "voicegan"
    if sys.platform == "win32":
        base = Path(os.environ.get(windows) or Path.home() / "AppData/Local") / "voicegan"
        return base / "cache" if xdg == "XDG_CACHE_HOME" else base
    return Path.home() / (mac if sys.platform == "darwin" else other) / "voicegan"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` (same suffix) that takes its place on success and vanishes on failure.

    The sibling is in the same folder, hence on the same file system, where a rename is atomic. What it holds is
    forced to the disk before the rename, and the folder after it. Missing parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The stem is shortened so that a name at the file system's limit (255 bytes) has room for the random part.
    temporary = path.with_name(f".{_shortened(path.stem, 120)}.{secrets.token_hex(6)}.part{path.suffix}")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and str(error.filename) == str(temporary):
            error.filename = str(path)  # nobody knows of the sibling
        raise
    _sync_folder(path.parent)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file so that readers, and a crash at any moment, meet the old content or the new, never a part."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


def sha256(source: Path | str | bytes) -> str:
    """Hexadecimal SHA-256 of a file (by path, read in blocks) or of bytes."""
    digest = hashlib.sha256()
    if isinstance(source, bytes):
        digest.update(source)
        return digest.hexdigest()
    with open(source, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises VoiceganError when it is missing, unreadable or broken (line and column named)."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VoiceganError(f"{path} does not exist", "Check the path.") from None
    except OSError as error:
        raise VoiceganError(f"{path} cannot be read ({error.strerror})", "Check its permissions.") from None
    except UnicodeDecodeError:
        raise VoiceganError(
            f"{path} is not UTF-8 text, so it is not the JSON it should be", "Restore it."
        ) from None
    except json.JSONDecodeError as error:
        raise VoiceganError(
            f"{path} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            "Restore the file or make it again.",
        ) from None


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN and infinity are refused: JSON has no such numbers."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _shortened(text: str, most_bytes: int) -> str:
    return text.encode("utf-8", "surrogateescape")[:most_bytes].decode("utf-8", "ignore")


def _sync(path: Path) -> None:
    """Force a file's content to the disk; without this a rename can outlive the data that it names."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # folders cannot be opened there; the rename itself is journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse to sync a folder; the file is complete all the same.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
