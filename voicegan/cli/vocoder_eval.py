"""``voicegan vocoder eval DIR``: how good are the vocoders?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .listening import kept_for, report_options

FOLDER = click.Path(path_type=Path)


@click.command("eval", short_help="Judge vocoders on recordings.")
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option(
    "--vocoder", "vocoders", metavar="NAME", multiple=True,
    help="Name or path; may be given several times. [all that fit the contract of --mel]",
)  # fmt: skip
@click.option(
    "--mel", metavar="PRESET", default="16k", show_default=True,
    help="Mel contract, for vocoders without training; a trained one has its own.",
)  # fmt: skip
@click.option(
    "--files", type=FOLDER, metavar="LIST",
    help="Judge only the files that this list names, one a line; or a table with the columns file and speaker.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Judge only N files of each speaker.")
@click.option("--by-speaker", is_flag=True, help="Print every speaker's figures.")
@click.option(
    "--json", "json_path", type=FOLDER, metavar="OUT", help="Write every figure, setting and hash here."
)
@click.option("--keep", type=FOLDER, metavar="DIR", help="Keep the copies here.")
@click.option(
    "--pictures", type=FOLDER, metavar="DIR", help="Draw spectrograms of a recording of each speaker here."
)
@report_options(20, "Recordings")
def evaluate(
    folder: Path,
    vocoders: tuple[str, ...],
    mel: str,
    files: Path | None,
    limit: int | None,
    by_speaker: bool,
    json_path: Path | None,
    keep: Path | None,
    pictures: Path | None,
    report: Path | None,
    report_limit: int,
) -> None:
    """Judge vocoders on the recordings in DIR, whose sub-folders are speakers.

    Each recording is analysed into log-mels and put together again, and the copy is judged beside the recording, at
    16 kHz: PESQ, STOI, DNSMOS (whose value for the recordings themselves is the ceiling), distances of spectra and
    mels, and processor seconds for each second of sound on one thread. Recordings that a vocoder was trained on say
    little.

    \b
    voicegan vocoder eval recordings/ --json figures.json --pictures pictures/
    voicegan vocoder eval recordings/ --vocoder griffin-lim --vocoder runs/vocos/vocoder

    \b
    Exit code: 0 done, 1 some recordings cannot be read (they are named), 2 nothing done.
    """
    from .. import storage
    from ..metrics.copy_table import render
    from ..metrics.plan import read_listed
    from ..vocoder.evaluate import evaluate as judge
    from ..vocoder.listening import write_report
    from .progress import counted

    listed = read_listed(files) if files else {}
    with kept_for(report, keep) as kept:
        with counted("judging") as progress:
            result = judge(
                folder,
                vocoders=vocoders,
                mel=mel,
                listed=listed,
                limit=limit,
                keep=kept,
                pictures_to=pictures,
                progress=progress,
            )
        click.echo(render(result, by_speaker))
        if json_path:
            storage.write_json(json_path, result)
            click.echo(f"Written to {json_path}.", err=True)
        if report and kept:
            heard, size = write_report(result, kept, report, report_limit)
            click.echo(f"Written to {report}: {heard} recordings, {size / 1e6:.1f} MB.", err=True)
    for failed in result["failed"]:
        click.echo(f"error: {failed['error']}", err=True)
    if result["failed"]:
        count = len(result["failed"])
        click.echo(f"{count} of {count + len(result['recordings'])} recordings were not judged.", err=True)
        sys.exit(1)
