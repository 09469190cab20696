"""``voicegan vocoder resynth IN --out OUT``: recordings through a vocoder and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..audio.through import Done, Progress
    from ..voice.batch import Job


@click.command()
@click.argument("inputs", metavar="IN...", nargs=-1, required=True)
@click.option("--out", metavar="PATH", help="File (its suffix says the format) or folder to write.")
@click.option(
    "--vocoder",
    metavar="NAME",
    default="auto",
    show_default=True,
    help="Its name, or the path of its folder.",
)
@click.option(
    "--mel", metavar="PRESET", default="16k", show_default=True,
    help="Mel contract, for a vocoder without training; a trained one has its own.",
)  # fmt: skip
@click.option(
    "--format", "format_", type=click.Choice(["wav", "flac", "ogg", "mp3", "opus"]), default=None,
    help="Of the output. [the suffix of --out, or wav]",
)  # fmt: skip
@click.option("--rate", metavar="vocoder|HZ", help="Of the output; vocoder: the model's own. [the input's]")
@click.option(
    "--device", metavar="NAME", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."
)
@click.option("--force", is_flag=True, help="Replace outputs that exist.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def resynth(
    inputs: tuple[str, ...],
    out: str | None,
    vocoder: str,
    mel: str,
    format_: str | None,
    rate: str | None,
    device: str,
    force: bool,
    quiet: bool,
) -> None:
    """Send recordings through a vocoder: analysed into log-mels and put together again.

    What comes out is the best that a conversion through this vocoder can sound. IN is a file, several, a folder with
    its whole tree, or - for standard input; of any rate and length. in.wav becomes in_NAME.wav beside it, and a folder
    DIR becomes DIR_NAME, unless --out says otherwise. The output is mono, as long as the input, and at its rate.

    \b
    voicegan vocoder resynth talk.wav --out copy.wav
    voicegan vocoder resynth recordings/ --out copies/ --vocoder griffin-lim

    \b
    Exit code: 0 done, 1 some recordings failed (they are named at the end), 2 nothing done.
    """
    from ..voice.batch import plan
    from .jobs import rate_from, require_pipes, work_through

    asked = rate_from(rate, "vocoder")
    label = "copy" if vocoder == "auto" else Path(vocoder).absolute().name
    jobs = plan(inputs, label, out=out, format=format_, force=force)
    require_pipes(jobs)
    from .. import __version__
    from ..core.device import choose_device
    from ..vocoder.resynthesis import copy_file, open_vocoder
    from ..voice.marks import MADE_BY

    made_with = open_vocoder(vocoder, mel, choose_device(device))
    rate_out = made_with.spec.sample_rate_hz if asked == "vocoder" else asked
    assert not isinstance(rate_out, str)

    def work(job: Job, progress: Progress | None) -> Done:
        return copy_file(
            made_with,
            job.source if job.source is not None else sys.stdin.buffer,
            job.target if job.target is not None else sys.stdout.buffer,
            format=job.format,
            rate_out=rate_out,
            comment=f"{MADE_BY} {__version__}: copy-synthesis by the vocoder {made_with.name}",
            progress=progress,
        )

    work_through(jobs, work, quiet=quiet, verb="resynthesised")
