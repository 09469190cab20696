"""What the commands that write a page to listen to have in common."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import VoiceganError


@contextmanager
def kept_for(report: Path | None, keep: Path | None) -> Iterator[Path | None]:
    """Where the audio that is made is kept: `keep`, or for a report alone a folder that goes when it is written.

    Raises VoiceganError for a report that cannot be written: judging takes minutes, and is not to be in vain.
    """
    if report and report.is_dir():
        raise VoiceganError(f"{report} is a folder", "Give --report the name of a file: report.html.")
    if report and any(one.exists() and not one.is_dir() for one in report.absolute().parents):
        raise VoiceganError(f"{report.parent} is not a folder", "Give --report another place.")
    if keep or not report:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="voicegan-") as folder:
        yield Path(folder)
