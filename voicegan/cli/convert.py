"""``voicegan convert IN... --to NAME``: recordings in another speaker's voice."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..audio.through import Done, Progress
    from ..voice.batch import Job


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
    "--level", type=float, metavar="DBFS", default=None,
    help="Loudness of the output while somebody speaks, such as -20. [the input's]",
)  # fmt: skip
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
    level: float | None,
    device: str,
    vocoder: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Convert recordings: a file, several, a folder with its whole tree, or - for standard input.

    in.wav becomes in_NAME.wav beside it, and a folder DIR becomes DIR_NAME, unless --out says otherwise. The output is
    mono, as long and (without --level) as loud as the input, and at its rate.

    \b
    voicegan convert talk.mp3 --to slt
    voicegan convert recordings/ --to slt --out converted/ --format flac
    cat talk.wav | voicegan convert - --to slt > talk_slt.wav

    \b
    Exit code: 0 done, 1 some recordings failed (they are named at the end), 2 nothing done.
    """
    from ..audio.loudness import check_level
    from ..voice.batch import plan
    from ..voice.library import find_pack
    from .jobs import rate_from, require_pipes, work_through

    rate_out, level_out = rate_from(rate, "voice"), check_level(level)
    pack = find_pack(voice, source)
    jobs = plan(inputs, pack.name, out=out, format=format_, force=force)
    require_pipes(jobs)
    from ..voice.api import convert_file, load_voice

    converter = load_voice(pack.folder, device=device, vocoder=vocoder)

    def work(job: Job, progress: Progress | None) -> Done:
        return convert_file(
            converter,
            job.source if job.source is not None else sys.stdin.buffer,
            job.target if job.target is not None else sys.stdout.buffer,
            format=job.format,
            rate_out=rate_out,
            level_out=level_out,
            progress=progress,
        )

    work_through(jobs, work, quiet=quiet)
