"""``voicegan eval VOICE``: how good is a voice?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import VoiceganError
from .listening import kept_for, report_options

if TYPE_CHECKING:
    from ..metrics.judges import Judges
    from ..voice.evaluate import Settings

FOLDER = click.Path(path_type=Path)


@click.command("eval", short_help="Judge a voice, or finished conversions.")
@click.argument("voice", required=False)
@click.option("--source", type=FOLDER, required=True, metavar="DIR", help="Recordings to convert.")
@click.option("--target", type=FOLDER, required=True, metavar="DIR", help="Recordings of the target speaker.")
@click.option("--converted", type=FOLDER, metavar="DIR", help="Judge these conversions instead of a voice.")
@click.option(
    "--files", type=FOLDER, metavar="LIST", help="Judge only the files that this list names, one a line."
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Judge only the first N files.")
@click.option(
    "--transcripts",
    type=FOLDER,
    metavar="PATH",
    help="What was said: a table (columns file and transcript) or text files. Looked for beside the "
    "recordings; without any, the recogniser's own text of the recording is the reference.",
)
@click.option(
    "--recogniser", metavar="MODULE:NAME",
    help="What writes down the speech, for CER and WER: your own Python class or function. [pocketsphinx]",
)  # fmt: skip
@click.option(
    "--mcd", "distortion", type=click.Choice(["log-mel", "s3prl", "s3prl-24k"]), default="log-mel",
    show_default=True,
    help="s3prl: measure also the distortion of WORLD's envelopes that s3prl and the VCC publish, at 16 kHz, or at "
    "their 24 kHz for recordings that have it.",
)  # fmt: skip
@click.option(
    "--classical", is_flag=True, help="Judge beside it what the voice adds to: means and pitch moved."
)
@click.option("--by-speaker", is_flag=True, help="List the chief figures of every source speaker, too.")
@click.option(
    "--level", type=float, metavar="DBFS",
    help="Bring every recording to this loudness before it is judged, such as -23: the judge of speakers hears "
    "loudness, too. [each as it is]",
)  # fmt: skip
@click.option("--from", "speaker", metavar="NAME", help="The voice's source speaker, where it has several.")
@click.option("--vocoder", metavar="NAME", help="Another vocoder than the voice's own.")
@click.option(
    "--device", default="auto", show_default=True, metavar="NAME", help="Where to convert: cpu, cuda, auto."
)
@click.option(
    "--json", "json_path", type=FOLDER, metavar="OUT", help="Write every figure, setting and hash here."
)
@click.option(
    "--keep", type=FOLDER, metavar="DIR", help="Keep the converted and the resynthesised audio here."
)
@report_options(40, "Utterances")
def evaluate(
    voice: str | None,
    source: Path,
    target: Path,
    converted: Path | None,
    files: Path | None,
    limit: int | None,
    transcripts: Path | None,
    recogniser: str | None,
    distortion: str,
    classical: bool,
    by_speaker: bool,
    level: float | None,
    speaker: str | None,
    vocoder: str | None,
    device: str,
    json_path: Path | None,
    keep: Path | None,
    report: Path | None,
    report_limit: int,
) -> None:
    """Judge a VOICE on recordings that it was not trained on.

    Converts the recordings in --source and measures speaker likeness, intelligibility, naturalness, spectral
    distance, pitch and duration, each beside its floor (no conversion) and its ceiling (the target through
    the same vocoder). Files of one name in both folders are taken for the same sentence where they prove to
    be.
    """
    if (voice is None) == (converted is None):
        raise VoiceganError(
            "it is not clear what to judge", "Give either the name of a voice or --converted DIR, not both."
        )
    if classical and voice is None:
        raise VoiceganError("--classical asks for what a voice adds to", "Give the name of a voice.")
    from .. import storage
    from ..audio.loudness import check_level
    from ..metrics.plan import read_names
    from ..metrics.table import render
    from ..voice.api import load_voice
    from ..voice.evaluate import Settings
    from ..voice.evaluate import evaluate as judge
    from ..voice.listening import write_report
    from .progress import counted

    check_level(level)
    names = read_names(files) if files else []
    converter = load_voice(voice, source=speaker, device=device, vocoder=vocoder) if voice else None
    settings = replace(
        Settings(vocoder=converter.vocoder.name, mel=converter.spec) if converter else _of_vocoder(vocoder),
        level_db=level,
    )
    with kept_for(report, keep) as kept:
        with counted("judging") as progress:
            result = judge(
                source,
                target,
                convert=converter.convert if converter else None,
                classical=converter.classical().convert if classical and converter else None,
                converted=converted,
                names=names,
                limit=limit,
                transcripts=transcripts,
                settings=settings,
                keep=kept,
                judges=_judges(recogniser, distortion),
                progress=progress,
            )
        if converter:
            pack = converter.pack
            result["voice"] = {"name": pack.name, "folder": str(pack.folder), "weights_sha256": pack.sha256}
        click.echo(render(result, by_speaker))
        if json_path:
            storage.write_json(json_path, result)
            click.echo(f"Written to {json_path}.", err=True)
        if report and kept:
            heard, size = write_report(result, kept, report, report_limit)
            click.echo(f"Written to {report}: {heard} utterances, {size / 1e6:.1f} MB.", err=True)


def _judges(recogniser: str | None, distortion: str) -> Judges:
    from ..metrics.judges import Judges
    from ..metrics.words import WordsJudge, find_recogniser
    from ..metrics.world import WORLD, WorldJudge

    chosen = find_recogniser(recogniser) if recogniser else None
    world = WORLD.get(distortion)
    return Judges(
        words=lambda: WordsJudge(chosen),
        world=(lambda: WorldJudge(world)) if world else None,
    )


def _of_vocoder(name: str | None) -> Settings:
    """For conversions that are there already: the ceiling is what this vocoder makes of its own mels."""
    from ..vocoder.resynthesis import contract
    from ..voice.evaluate import Settings

    chosen = name or Settings.vocoder
    return Settings(vocoder=chosen, mel=contract(chosen, Settings.mel))
