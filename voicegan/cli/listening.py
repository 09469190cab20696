"""What the commands that write a page to listen to have in common."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click

from ..errors import VoiceganError

_C = TypeVar("_C", bound=Callable[..., object])


def report_options(limit: int, what: str) -> Callable[[_C], _C]:
    """The options --report and --report-limit; limit: of the latter, what: is heard, as a capitalised plural."""

    def add(command: _C) -> _C:
        command = click.option(
            "--report-limit", type=click.IntRange(min=1), default=limit, show_default=True, metavar="N",
            help=f"{what} to be heard in it, at most: from the worst to the best.",
        )(command)  # fmt: skip
        return click.option(
            "--report",
            type=click.Path(path_type=Path),
            metavar="OUT.html",
            help="Write a page to listen to: one file, with all sounds in it.",
        )(command)

    return add


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
