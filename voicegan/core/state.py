"""Training state on disk: atomic, checksummed, pruned, and readable without running any code.

A checkpoint's name carries the start of its own SHA-256 (``step-00001000-3fa2b1c9d0e14a55.pt``): one rename
publishes the content and its checksum together, so there is no moment at which one exists without the other.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import VoiceganError
from ..storage import sha256, write_atomic

log = logging.getLogger(__name__)

FORMAT = 1
_NAME = re.compile(r"step-(\d{8,})-([0-9a-f]{16})\.pt")


class NewerFormat(VoiceganError):
    """A checkpoint that is whole, but written in a format that this version does not know."""


def save(
    folder: Path, step: int, payload: Mapping[str, Any], *, keep: int = 2, best: int | None = None
) -> Path:
    """Write a checkpoint, then remove the older ones that are no longer needed.

    Parameters
    ----------
    folder : Path
        Where the run's checkpoints lie.
    step : int
        Steps done.
    payload : mapping
        Tensors, numbers, strings, and containers of these; nothing else can be read back.
    keep : int
        How many of the newest checkpoints stay.
    best : int or None
        The step of a checkpoint that stays as well.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "step": step, **payload}, buffer)
    data = buffer.getvalue()
    path = folder / f"step-{step:08d}-{sha256(data)[:16]}.pt"
    write_atomic(path, data)
    for later, other in found(folder):
        if later >= step and other != path:  # of an earlier attempt that this run does not continue
            other.unlink(missing_ok=True)
    prune(folder, keep=keep, protected=(step,) if best is None else (step, best))
    return path


def found(folder: Path) -> list[tuple[int, Path]]:
    """List the checkpoints in a folder as (step, path), newest first."""
    names = ((_NAME.fullmatch(path.name), path) for path in folder.glob("step-*.pt"))
    return sorted(
        ((int(match[1]), path) for match, path in names if match),
        key=lambda item: (item[0], item[1].stat().st_mtime_ns),
        reverse=True,
    )


def prune(folder: Path, *, keep: int, protected: Collection[int] = ()) -> None:
    """Remove all but the newest ``keep`` checkpoints, and what killed writers left; protected steps stay."""
    for part in folder.glob(".step-*.part.pt"):
        part.unlink(missing_ok=True)
    for step, path in found(folder)[max(1, keep) :]:
        if step not in protected:
            path.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """Read one checkpoint.

    Raises
    ------
    VoiceganError
        It is damaged (its content does not match its name's checksum, or cannot be parsed), or was
        written in a newer format.
    """
    match = _NAME.fullmatch(path.name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VoiceganError(f"{path} cannot be read ({error.strerror})", "Check the path.") from None
    if match and sha256(data)[:16] != match[2]:
        raise VoiceganError(f"{path} is damaged: its checksum does not match", "Use an earlier checkpoint.")
    try:
        payload: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises many kinds, by what the bytes happen to look like
        raise VoiceganError(
            f"{path} is no checkpoint that can be read ({type(error).__name__})", "Use an earlier checkpoint."
        ) from None
    if not isinstance(payload, dict) or not isinstance(payload.get("format"), int):
        raise VoiceganError(f"{path} is no checkpoint of voicegan", "Use an earlier checkpoint.")
    if payload["format"] != FORMAT:
        raise NewerFormat(
            f"{path} has format {payload['format']}; this version reads {FORMAT}", "Update voicegan."
        )
    return payload


def latest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Read the newest checkpoint that is whole, naming each damaged one that is passed over.

    Returns
    -------
    (path, payload) or None
        None where the folder holds no checkpoint at all.

    Raises
    ------
    VoiceganError
        There are checkpoints, but none can be read.
    """
    checkpoints = found(folder)
    for _, path in checkpoints:
        try:
            return path, load(path)
        except NewerFormat:
            raise
        except VoiceganError as error:
            log.warning("%s; trying the one before it", error.message)
    if checkpoints:
        raise VoiceganError(
            f"none of the {len(checkpoints)} checkpoints in {folder} can be read",
            "Start again without --resume.",
        )
    return None
