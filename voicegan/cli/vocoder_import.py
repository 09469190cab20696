"""``voicegan vocoder import``: a public checkpoint becomes a vocoder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import VoiceganError

if TYPE_CHECKING:
    from ..vocoder.pack import VocoderPack

FILE = click.Path(path_type=Path)


@click.command("import")
@click.argument("file", type=FILE)
@click.option("--config", type=FILE, help="Its settings; by default looked for beside it.")
@click.option("--name", required=True, help="What to call the vocoder.")
@click.option(
    "--licence", "licences", multiple=True, metavar="TEXT", help="Terms of the weights, for the card."
)
@click.option("--half", is_flag=True, help="Store in float16: half the size, all but the same sound.")
@click.option("--force", is_flag=True, help="Replace a vocoder of that name.")
def import_(
    file: Path, config: Path | None, name: str, licences: tuple[str, ...], half: bool, force: bool
) -> None:
    """Take over a public checkpoint FILE of HiFi-GAN, MelGAN, Vocos or BigVGAN.

    Nothing in the file is run. It becomes a vocoder in the user's data folder that carries its mel contract, and
    refuses voices with another.
    """
    from .. import vocoder
    from ..vocoder.library import user_folder
    from ..vocoder.pack import KIND

    KIND.check_name(name)
    if name == vocoder.AUTO or name in vocoder.VOCODERS:
        raise VoiceganError(f"{name} is the name of a built-in vocoder", "Choose another --name.")
    folder = user_folder() / name
    if folder.exists() and not force:
        raise VoiceganError(f"{folder} exists already", "Choose another --name, or replace it with --force.")
    from ..vocoder.importing import import_public

    pack = import_public(file, config, folder, licences=licences, half=half)
    for line in _described(pack):
        click.echo(line)


def _described(pack: VocoderPack) -> list[str]:
    from .vocoder_list import facts

    known = facts(pack)
    lines = [
        f"vocoder     {pack.name}: {pack.net}, {pack.weights_bytes / 1e6:.1f} MB",
        f"folder      {pack.folder}",
        f"from        {pack.source}",
        f"look-ahead  {known['lookahead_ms']:.0f} ms in a live stream",
    ]
    lines += [
        f"{'mel' if not at else '':10}  {key} {value}" for at, (key, value) in enumerate(known["mel"].items())
    ]
    fitting = _fitting_voices(pack)
    name = shlex.quote(pack.name)
    if fitting:
        lines.append(
            f"It fits the voices {', '.join(fitting)}: voicegan convert RECORDING --to VOICE --vocoder {name}"
        )
    else:
        lines.append("No installed voice has this mel contract.")
    lines.append(f"Listen: voicegan vocoder resynth RECORDING --out OUT --vocoder {name}")
    return lines


def _fitting_voices(pack: VocoderPack) -> list[str]:
    from ..voice.library import installed

    return [voice.name for voice in installed()[0] if voice.mel_contract == pack.mel_contract]
