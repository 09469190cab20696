"""Whether pictures have room in memory, said before they fill it."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import VoiceganError

_COPIES = 2  # the pictures, and what is made of them for a moment: a resized set, the bytes of a checksum


def available() -> int | None:
    """Bytes of memory that are free for a program; None where nobody says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not everywhere
        return None


def require_room(count: int, channels: int, height: int, width: int) -> None:
    """Raise VoiceganError where so many pictures, a byte a value, would not fit into memory."""
    needed, free = _COPIES * count * channels * height * width, available()
    if free is not None and needed > free:
        raise VoiceganError(
            f"{count} pictures of {width}×{height} need {needed / 1e9:.1f} GB of memory, of which "
            f"{free / 1e9:.1f} GB are free",
            "Choose a smaller --size, or fewer pictures.",
        )
