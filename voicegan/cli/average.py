"""`voicegan average`: several voices of one target become one."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import VoiceganError
from . import training


@click.command()
@click.argument("voices", metavar="VOICE VOICE...", nargs=-1, required=True)
@click.option("--name", help="What to call the mean; by default as the last voice is called.")
@click.option("--out", type=training.FOLDER, help="A folder for it; by default it goes to the user's voices.")
@click.option("--weights", metavar="W,W,...", help="How much each voice counts; all alike by default.")
@click.option("--force", is_flag=True, help="Replace a voice that is there already.")
def average(
    voices: tuple[str, ...], name: str | None, out: Path | None, weights: str | None, force: bool
) -> None:
    """Make one voice of several of the same target: the mean of their weights.

    They have to come of one another, as a voice and those taught by it do. The mean is about as near to the target as
    the nearest of them, and keeps the words about as well as the one that keeps most. Name the last trained one last.
    """
    from ..voice.average import average as mean_of
    from ..voice.library import find_pack, voice_folders

    packs = [find_pack(voice) for voice in voices]
    name = name or packs[-1].name
    place = out or voice_folders()[0]
    folder = place / name
    if folder.exists() and not force:
        raise VoiceganError(
            f"{folder} is there already", "Choose another --name or --out, or replace it with --force."
        )
    pack = mean_of(packs, folder, name, None if weights is None else _numbers(weights))
    click.echo(f"voice {pack.name}, the mean of {len(packs)}: {pack.folder}")
    training.say(f"listen: voicegan convert RECORDING --to {training.spelled(place, name)}")


def _numbers(weights: str) -> list[float]:
    try:
        return [float(part) for part in weights.split(",")]
    except ValueError:
        raise click.UsageError(
            f"--weights takes numbers with commas between them, such as 2,1, not {weights}"
        ) from None
