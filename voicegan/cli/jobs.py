"""Work through recordings one after the other: a bar, one line for each that fails, and no half file left behind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import VoiceganError

if TYPE_CHECKING:
    from ..audio.through import Done, Progress
    from ..voice.batch import Job


def require_pipes(jobs: Sequence[Job]) -> None:
    """Raise VoiceganError where a job needs standard input or output and there is none to be used."""
    for wanted, stream, name in (
        (jobs[0].source is None, sys.stdin, "standard input"),
        (jobs[0].target is None, sys.stdout, "standard output"),
    ):
        if wanted and stream is None:
            raise VoiceganError(f"{name} is closed", "Name a file instead of -.")
    if jobs[0].target is None and sys.stdout.isatty():
        raise VoiceganError("audio is not written to a terminal", "Redirect it, or give --out FILE.")


def work_through(
    jobs: Sequence[Job],
    work: Callable[[Job, Progress | None], Done],
    *,
    quiet: bool = False,
    verb: str = "converted",
) -> None:
    """Do every job; what failed is named at the end, and the exit code is 1, or 2 where nothing was done."""
    with _ended_by_signals():
        failures = _do_all(jobs, work, quiet, verb)
    if not failures:
        return
    if len(jobs) == 1:
        raise failures[0]
    for failure in failures:
        click.echo(f"error: {failure}", err=True)
    click.echo(f"{len(failures)} of {len(jobs)} recordings were not {verb}.", err=True)
    sys.exit(1 if len(failures) < len(jobs) else 2)


def rate_from(text: str | None, own: str) -> int | str | None:
    """What --rate says: a number of Hz, the word `own`, or None where it is not given."""
    if text is None or text == own:
        return text
    from ..audio.files import RATES_HZ

    if not text.isdecimal() or not RATES_HZ[0] <= int(text) <= RATES_HZ[1]:
        hint = f"Give a number of Hz from {RATES_HZ[0]} to {RATES_HZ[1]}, such as 48000, or the word {own}."
        raise VoiceganError(f'--rate is "{text}"', hint)
    return int(text)


def _do_all(
    jobs: Sequence[Job], work: Callable[[Job, Progress | None], Done], quiet: bool, verb: str
) -> list[VoiceganError]:
    failures = []
    for number, job in enumerate(jobs, 1):
        label = f"[{number}/{len(jobs)}] {_name(job.source)}" if len(jobs) > 1 else _name(job.source)
        try:
            with _progress(label, quiet) as progress:
                done = work(job, progress)
        except VoiceganError as error:
            failures.append(error)
        except BrokenPipeError:  # whoever read standard output has gone; click ends quietly
            raise
        except Exception as error:  # whatever is wrong with one file, the others go on
            if len(jobs) == 1:
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            failures.append(VoiceganError(f"{_name(job.source)} could not be {verb}: {reason}"))
        else:
            if not quiet:
                _report(job, done)
    return failures


def _report(job: Job, done: Done) -> None:
    for warning in done.warnings:
        click.echo(f"warning: {warning}", err=True)
    if job.target is not None:
        figures = (
            f"{done.seconds:.1f} s of sound in {done.took_s:.1f} s, {done.real_time_factor:.2f} x real time"
        )
        click.echo(f"{_name(job.source)} -> {job.target} ({figures})")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does, by an exception, so that no half file stays behind."""
    import signal
    import threading

    def end(number: int, frame: object) -> None:
        sys.exit(128 + number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # there is no SIGHUP on Windows
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup stays nohup
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(label: str, quiet: bool) -> Iterator[Callable[[float, float | None], None] | None]:
    """A bar over seconds of sound on standard error; None where nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    layout = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s [{remaining} left, {rate_fmt}]"
    with tqdm(desc=label, unit="x", leave=False, file=sys.stderr, bar_format=layout, total=1.0) as bar:

        def progress(done_s: float, total_s: float | None) -> None:
            bar.total = max(total_s or 0.0, done_s)
            bar.update(done_s - bar.n)

        yield progress


def _name(source: Path | None) -> str:
    return "standard input" if source is None else str(source)
