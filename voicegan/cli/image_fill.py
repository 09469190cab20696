"""``voicegan image inpaint`` and ``complete``: holes in pictures are filled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import VoiceganError
from .image_models import FOLDER, build, files_of, model_options, read_pictures, targets_of
from .numbers import Finite

if TYPE_CHECKING:
    from torch import Tensor


def _hole_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed((
        click.argument("pictures", type=FOLDER),
        click.option("--out", type=FOLDER, required=True,
                     help="A .png for a grid (original, hole, result), or a folder for the results."),
        click.option("--hole", metavar="TOP,LEFT,HEIGHT,WIDTH",
                     help="In pixels of the model's pictures. [the middle quarter]"),
        click.option("--mask", type=FOLDER, metavar="PICTURE",
                     help="A picture that is white where to fill; for all of them."),
    )):  # fmt: skip
        command = option(command)
    return command


@click.command()
@model_options
@_hole_options
def inpaint(
    model: str,
    system: str | None,
    device: str,
    pictures: Path,
    out: Path,
    hole: str | None,
    mask: Path | None,
) -> None:
    """Fill a hole in PICTURES, a file or a folder, by a model that has learnt to (context-encoder, ccgan).

    Pictures become of the model's size, cropped in the middle.
    """
    pack, built = build(model, system, device, "inpaint")
    files = files_of(pictures)
    targets = targets_of(files, pictures, out)
    images = read_pictures(files, pack.shape)
    holes = _mask(images, hole, mask)
    place = next(built.parameters()).device
    filled = built.inpaint(images.to(place), holes.to(place)).cpu().float()  # type: ignore[operator]
    _write(images, holes, filled, out, targets)


@click.command()
@model_options
@_hole_options
@click.option("--steps", type=click.IntRange(1), default=400, show_default=True, help="Of the search.")
@click.option(
    "--tries", type=click.IntRange(1), default=4, show_default=True, help="Beginnings; the best counts."
)
@click.option(
    "--prior", type=Finite(0), default=0.003, show_default=True, help="How much it is to look real."
)
@click.option(
    "--blend/--no-blend", default=True, show_default=True, help="Poisson blending, or a plain copy."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the beginnings.")
def complete(
    model: str,
    system: str | None,
    device: str,
    pictures: Path,
    out: Path,
    hole: str | None,
    mask: Path | None,
    steps: int,
    tries: int,
    prior: float,
    blend: bool,
    seed: int,
) -> None:
    """Complete PICTURES, a file or a folder, by a search in a GAN's latent space (Yeh et al. 2016).

    A plain GAN (dcgan, wgan-gp, ...) will do: that vector is sought whose picture agrees with what is known and looks
    real.
    """
    from ..image.complete import complete as search

    pack, built = build(model, system, device, "decode")
    files = files_of(pictures)
    targets = targets_of(files, pictures, out)
    images = read_pictures(files, pack.shape)
    holes = _mask(images, hole, mask)
    done = search(built, images, holes, steps=steps, tries=tries, prior=prior, blend=blend, seed=seed)
    _write(images, holes, done.images.cpu(), out, targets)


def _mask(images: Tensor, hole: str | None, mask: Path | None) -> Tensor:
    """(N, 1, H, W), bool: True where to fill."""
    import torch

    from ..image import show

    if hole is not None and mask is not None:
        raise click.UsageError("--hole and --mask exclude each other")
    height, width = images.shape[-2:]
    if hole is not None:
        parts = [part.strip() for part in hole.split(",")]
        if len(parts) != 4 or not all(part.isdecimal() for part in parts):
            raise VoiceganError(f"--hole is {hole!r}", "Give four numbers of pixels: --hole 2,2,4,4")
        top, left, tall, wide = (int(part) for part in parts)
        if not (tall and wide) or top + tall > height or left + wide > width:
            raise VoiceganError(f"the hole {hole} is not within the model's {width}×{height} pixels",
                                "Give TOP,LEFT,HEIGHT,WIDTH within them.")  # fmt: skip
        holes = torch.zeros(len(images), 1, height, width, dtype=torch.bool)
        holes[..., top : top + tall, left : left + wide] = True
    elif mask is not None:
        white = read_pictures(files_of(mask), (1, height, width))
        holes = (white[:1] > 0).expand(len(images), 1, height, width)
    else:
        holes = show.hole(images)
    if not bool(holes.any()) or bool(holes.all()):
        raise VoiceganError("the mask leaves nothing to fill, or nothing that is known", "Mend the mask.")
    return holes


def _write(images: Tensor, holes: Tensor, filled: Tensor, out: Path, targets: list[Path]) -> None:
    from ..image.show import beside, save_as

    if targets:
        save_as(filled, targets)
    else:
        beside([images, images.masked_fill(holes, 0.0), filled], out)
    click.echo(f"{len(images)} pictures in {out}", err=True)
