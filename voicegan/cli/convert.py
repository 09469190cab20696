"""``voicegan convert IN... --to NAME``: recordings in another speaker's voice."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import VoiceganError

if TYPE_CHECKING:
    from ..voice.api import Done
    from ..voice.batch import Job
    from ..voice.converter import Converter


@click.command()
@click.argument("inputs", metavar="IN...", nargs=-1, required=True)
@click.option(
    "--to", "voice", metavar="NAME", required=True, help="Voice to convert to: its name or its folder."
)
@click.option(
    "--from", "source", metavar="NAME", default=None, help="Speaker of IN, where a voice has several."
)
@click.option(
    "--out",
    metavar="PATH",
    default=None,
    help="File (its suffix says the format) or folder to write; - is standard output.",
)
@click.option(
    "--format", "format_", type=click.Choice(["wav", "flac", "ogg", "mp3", "opus"]), default=None,
    help="Of the output. [the suffix of --out, or wav]",
)  # fmt: skip
@click.option(
    "--rate", metavar="voice|HZ", default=None, help="Of the output; voice: the model's own. [the input's]"
)
@click.option(
    "--device", metavar="NAME", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."
)
@click.option("--vocoder", metavar="NAME", default=None, help="Another vocoder than the voice's own.")
@click.option("--force", is_flag=True, help="Replace outputs that exist.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def convert(
    inputs: tuple[str, ...],
    voice: str,
    source: str | None,
    out: str | None,
    format_: str | None,
    rate: str | None,
    device: str,
    vocoder: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Convert recordings: a file, several, a folder with its whole tree, or - for standard input.

    in.wav becomes in_NAME.wav beside it, and a folder DIR becomes DIR_NAME, unless --out says otherwise. The output is
    mono, as long and as loud as the input, and at its rate.

    \b
    voicegan convert talk.mp3 --to slt
    voicegan convert recordings/ --to slt --out converted/ --format flac
    cat talk.wav | voicegan convert - --to slt > talk_slt.wav

    \b
    Exit code: 0 done, 1 some recordings failed (they are named at the end), 2 nothing done.
    """
    from ..voice.batch import plan
    from ..voice.library import find_pack

    rate_out = _rate(rate)
    pack = find_pack(voice, source)
    jobs = plan(inputs, pack.name, out=out, format=format_, force=force)
    for wanted, stream, name in (
        (jobs[0].source is None, sys.stdin, "standard input"),
        (jobs[0].target is None, sys.stdout, "standard output"),
    ):
        if wanted and stream is None:
            raise VoiceganError(f"{name} is closed", "Name a file instead of -.")
    if jobs[0].target is None and sys.stdout.isatty():
        raise VoiceganError("audio is not written to a terminal", "Redirect it, or give --out FILE.")
    from ..voice.api import load_voice

    converter = load_voice(pack.folder, device=device, vocoder=vocoder)
    with _ended_by_signals():
        failures = _convert_all(converter, jobs, rate_out, quiet)
    if not failures:
        return
    if len(jobs) == 1:
        raise failures[0]
    for failure in failures:
        click.echo(f"error: {failure}", err=True)
    click.echo(f"{len(failures)} of {len(jobs)} recordings were not converted.", err=True)
    sys.exit(1 if len(failures) < len(jobs) else 2)


def _convert_all(
    converter: Converter, jobs: list[Job], rate_out: int | str | None, quiet: bool
) -> list[VoiceganError]:
    """Convert one after the other; a recording that fails is noted and left behind."""
    failures = []
    for number, job in enumerate(jobs, 1):
        label = f"[{number}/{len(jobs)}] {_name(job.source)}" if len(jobs) > 1 else _name(job.source)
        try:
            with _progress(label, quiet) as progress:
                done = _convert_one(converter, job, rate_out, progress)
        except VoiceganError as error:
            failures.append(error)
        except BrokenPipeError:  # whoever read standard output has gone; click ends quietly
            raise
        except Exception as error:  # whatever is wrong with one file, the others go on
            if len(jobs) == 1:
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            failures.append(VoiceganError(f"{_name(job.source)} could not be converted: {reason}"))
        else:
            if not quiet:
                _report(job, done)
    return failures


def _convert_one(
    converter: Converter,
    job: Job,
    rate_out: int | str | None,
    progress: Callable[[float, float | None], None] | None,
) -> Done:
    from ..voice.api import convert_file

    return convert_file(
        converter,
        job.source if job.source is not None else sys.stdin.buffer,
        job.target if job.target is not None else sys.stdout.buffer,
        format=job.format,
        rate_out=rate_out,
        progress=progress,
    )


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


def _rate(text: str | None) -> int | str | None:
    if text is None or text == "voice":
        return text
    from ..audio.files import RATES_HZ

    if not text.isdecimal() or not RATES_HZ[0] <= int(text) <= RATES_HZ[1]:
        hint = f"Give a number of Hz from {RATES_HZ[0]} to {RATES_HZ[1]}, such as 48000, or the word voice."
        raise VoiceganError(f'--rate is "{text}"', hint)
    return int(text)
