"""``voicegan image translate``: pictures of one domain become pictures of the other."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import VoiceganError
from .image_models import FOLDER, build, files_of, model_options, read_pictures, targets_of


@click.command()
@model_options
@click.argument("pictures", type=FOLDER)
@click.option(
    "--out", type=FOLDER, required=True, help="A .png for a grid of originals and results, or a folder."
)
@click.option(
    "--towards", type=click.Choice(["a", "b"]), default="b", show_default=True,
    help="Which domain to go to; not every model knows both ways.",
)  # fmt: skip
def translate(model: str, system: str | None, device: str, pictures: Path, out: Path, towards: str) -> None:
    """Turn PICTURES, a file or a folder, into the other domain.

    Results have the size of the model's pictures; the input is cropped in the middle to fit it.
    """
    from ..image.show import beside, save_as, translate

    pack, built = build(model, system, device, "translate")
    files = files_of(pictures)
    targets = targets_of(files, pictures, out)
    images = read_pictures(files, pack.shape)
    try:
        made = translate(built, images.to(next(built.parameters()).device), towards)
    except (NotImplementedError, ValueError) as error:
        raise VoiceganError(f"{pack.name} ({pack.system}) does not go towards {towards}: {error}",
                            "Try the other direction.") from None  # fmt: skip
    if targets:
        save_as(made, targets)
    else:
        beside([images, made], out)
    click.echo(f"{len(files)} pictures in {out}", err=True)
