"""Fetching files: resumed where they broke off, checked, and unpacked without trusting the archive."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import shutil
import socket
import stat
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from . import storage
from .errors import VoiceganError

Progress = Callable[[int, "int | None"], None]  # bytes so far, bytes in all when known

BLOCK = 1 << 18
ATTEMPTS = 5  # that bring nothing new; an attempt that brought bytes starts the count again
AGAIN = "Run the same command again: it goes on where it stopped."


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    progress: Progress | None = None,
    timeout_s: float = 30.0,
    pause_s: float = 1.0,
) -> Path:
    """Fetch `url` into the file `target`, which exists only once it is complete and its checksum is right.

    What has arrived lies in ``<target>.part`` and survives interruption; the next call asks the server for
    the rest only (HTTP Range), unless the file has changed there meanwhile (ETag or Last-Modified say so).
    Broken connections are taken up again by themselves, `pause_s` apart and then longer.

    Raises
    ------
    VoiceganError
        The host cannot be reached, the file is not there, the connection keeps breaking, the checksum is
        wrong (what arrived is deleted), the disk is full, or another process is fetching the same file.
    """
    target = Path(target)
    if target.is_file() and _matches(target, sha256, md5):
        return target
    host = urllib.parse.urlsplit(url).hostname or url
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(part):
            resumed = part.exists()
            _fetch_all(url, part, host, progress, timeout_s, pause_s)
            if not _matches(part, sha256, md5) and resumed:
                # The old part may have been of another version of the file, on a server that names no
                # versions.
                _forget(part)
                _fetch_all(url, part, host, progress, timeout_s, pause_s)
            if not _matches(part, sha256, md5):
                _forget(part)
                raise VoiceganError(
                    f"{url} arrived, but its checksum is wrong: it is damaged, or another file",
                    "It was deleted. Try again later, or from another network (some send their own page).",
                )
            os.replace(part, target)
            _forget(part)
    except OSError as error:
        raise _disk_error(error, target) from None
    return target


def unpack(archive: Path, folder: Path, choose: Callable[[str], str | None]) -> int:
    """Unpack the members that `choose` wants from a tar or zip file into `folder`; returns how many.

    Parameters
    ----------
    choose
        Gets a member's name, answers the relative path (with ``/``) to write it to, or None to pass over it.

    Raises
    ------
    VoiceganError
        The archive is damaged, or a wanted member would land outside `folder` or is no plain file.
    """
    count = 0
    try:
        for name, stream in _members(archive, choose):
            target = _inside(folder, name, archive)
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "wb") as file:
                shutil.copyfileobj(stream, file, BLOCK)
            count += 1
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise VoiceganError(f"{archive} is damaged ({error})", "Delete it and fetch it again.") from None
    except OSError as error:
        if error.errno is None:  # gzip and bz2 report broken data as an OSError without a number
            raise VoiceganError(f"{archive} is damaged ({error})", "Delete it and fetch it again.") from None
        raise _disk_error(error, folder) from None
    return count


def _fetch_all(
    url: str, part: Path, host: str, progress: Progress | None, timeout_s: float, pause_s: float
) -> None:
    """Ask for what is missing until nothing is."""
    failures = 0
    while True:
        before = _size(part)
        try:
            if _fetch_some(url, part, progress, timeout_s):
                return
            fault = "the connection broke off"
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 416:  # what lies here is as long as the file, or longer: not a start of it
                    _forget(part)
                elif error.code < 500 and error.code not in (408, 429):
                    raise _refused(url, host, error) from None
            fault = f"{error.code} {error.reason}"
        except urllib.error.URLError as error:
            if _offline(error.reason):
                raise _unreachable(host, error.reason) from None
            fault = str(error.reason)
        except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
            fault = str(error) or type(error).__name__
        failures = 0 if _size(part) > before else failures + 1
        if failures >= ATTEMPTS:
            raise VoiceganError(f"fetching {url} failed {failures} times in a row ({fault})", AGAIN)
        time.sleep(pause_s * 2**failures)


def _fetch_some(url: str, part: Path, progress: Progress | None, timeout_s: float) -> bool:
    """One request, from where the part ends. True when the file is complete."""
    have, version = _size(part), _version(part)
    headers = {"User-Agent": "voicegan", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if version:
            headers["If-Range"] = version
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout_s) as answer:
        continued = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        if not continued:
            have = 0  # the whole file comes: the server knows no ranges, or the file has changed
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        if total is not None:
            _require_space(part, total - have)
        _remember(part, answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "")
        with open(part, "ab" if continued else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                have += len(block)
                if progress:
                    progress(have, total)
    return total is None or have >= total


def _version(part: Path) -> str:
    """The server's mark of the file's version. Weak ETags may not continue a file (RFC 9110, 13.1.5)."""
    try:
        known = str(json.loads(_notes(part).read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return "" if known.startswith("W/") else known


def _remember(part: Path, version: str) -> None:
    _notes(part).write_text(json.dumps({"format": 1, "version": version}), encoding="utf-8")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _matches(path: Path, sha256: str | None, md5: str | None) -> bool:
    if sha256 and storage.sha256(path) != sha256.lower():
        return False
    if md5:
        digest = hashlib.md5(usedforsecurity=False)
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        return digest.hexdigest() == md5.lower()
    return True


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Hold a lock beside the part: two processes would ruin it. It ends with its process."""
    if os.name == "nt":
        yield
        return
    import fcntl

    lock = part.with_name(part.name + ".lock")
    with open(lock, "w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VoiceganError(f"{part.stem} is being fetched by another process", "Wait for it.") from None
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _require_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise VoiceganError(
            f"{part.parent} has {free / 1e9:.1f} GB free, but {needed / 1e9:.1f} GB are still to come",
            "Make room or choose another folder.",
        )


def _offline(reason: object) -> bool:
    if isinstance(reason, socket.gaierror | ConnectionRefusedError):
        return True
    return isinstance(reason, OSError) and reason.errno in (
        errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EACCES
    )  # fmt: skip


def _unreachable(host: str, reason: object) -> VoiceganError:
    said = getattr(reason, "strerror", None) or str(reason)
    return VoiceganError(
        f"{host} cannot be reached ({said}): no network, or the host is down",
        "Connect (a proxy goes into HTTPS_PROXY and HTTP_PROXY) and run the same command again.",
    )


def _refused(url: str, host: str, error: urllib.error.HTTPError) -> VoiceganError:
    if error.code in (404, 410):
        return VoiceganError(
            f"{url} is not there ({error.code} {error.reason})",
            "It may have moved: look at the project's page.",
        )
    return VoiceganError(f"{host} refuses {url} ({error.code} {error.reason})", "Try again later.")


def _disk_error(error: OSError, place: Path) -> VoiceganError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return VoiceganError(f"the disk is full: {place} cannot be written", f"Make room. {AGAIN}")
    return VoiceganError(f"{place} cannot be written ({error.strerror})", "Choose another folder.")


def _members(archive: Path, choose: Callable[[str], str | None]) -> Iterator[tuple[str, BinaryIO]]:
    """Wanted members as (where to, content). Links and devices are an error when wanted."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                if entry.is_dir() or (wanted := choose(entry.filename)) is None:
                    continue
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if kind and not stat.S_ISREG(kind):
                    raise _unsafe(archive, entry.filename)
                with packed.open(entry) as stream:
                    yield wanted, stream  # type: ignore[misc]
        return
    # "r|*" reads forward only: a file of ten gigabytes is gone through once.
    with tarfile.open(archive, "r|*") as unrolled:
        for member in unrolled:
            if member.isdir() or (wanted := choose(member.name)) is None:
                continue
            content = unrolled.extractfile(member) if member.isreg() else None
            if content is None:
                raise _unsafe(archive, member.name)
            with content:
                yield wanted, content  # type: ignore[misc]


def _inside(folder: Path, name: str, archive: Path) -> Path:
    parts = PurePosixPath(name).parts
    if (
        not parts
        or name.startswith(("/", "\\"))
        or any(part == ".." or ":" in part or "\\" in part for part in parts)
    ):
        raise _unsafe(archive, name)
    target = folder.joinpath(*parts)
    # A link that lies in the folder already must not lead the way out either.
    if not target.resolve().is_relative_to(folder.resolve()):
        raise _unsafe(archive, name)
    return target


def _unsafe(archive: Path, name: str) -> VoiceganError:
    with suppress(UnicodeError):
        name = name.encode("ascii", "backslashreplace").decode()
    return VoiceganError(
        f"{archive.name} holds {name!r}, which would be written outside its folder or is no plain file",
        "Do not use this archive; tell whoever offers it.",
    )
