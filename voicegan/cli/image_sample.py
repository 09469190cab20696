"""``voicegan image sample``, ``interpolate`` and ``arithmetic``: pictures out of latent vectors."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import VoiceganError
from .image_models import FOLDER, build, is_grid, label_of, model_options


@click.command()
@model_options
@click.option("--out", type=FOLDER, required=True, help="A .png for a grid, or a folder for single pictures.")
@click.option("--count", type=click.IntRange(1), default=64, show_default=True, help="How many.")
@click.option("--columns", type=click.IntRange(1), help="Columns of the grid; about as many as rows.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Other seeds give other pictures."
)
@click.option(
    "--class", "classes", metavar="NAME", multiple=True,
    help="Only this class, by its name or number; may be given several times, taken in turn.",
)  # fmt: skip
def sample(
    model: str,
    system: str | None,
    device: str,
    out: Path,
    count: int,
    columns: int | None,
    seed: int,
    classes: tuple[str, ...],
) -> None:
    """Make pictures with MODEL: the name of one that was trained, or its folder.

    Picture number N depends on the seed and on N alone: more pictures begin with the same ones. Without --class, a
    model that knows classes makes a column of each.
    """
    import torch

    from ..image.show import grid, labels_by_column, save_single

    as_grid = is_grid(out)
    pack, built = build(model, system, device, "sample")
    labels = None
    if classes:
        if not built.conditional:
            raise VoiceganError(
                f"{pack.name} ({pack.system}) cannot be asked for classes", "Leave --class out."
            )
        asked = torch.tensor([label_of(pack, name) for name in classes])
        labels = asked.repeat(-(-count // len(asked)))[:count]
    elif built.conditional:
        in_turn = labels_by_column(built.classes)
        labels = in_turn.repeat(-(-count // len(in_turn)))[:count]
        columns = columns or min(built.classes, 16)
    images = built.sample(count, seed, labels)
    if as_grid:
        grid(images, out, columns)
        click.echo(f"{out}: {count} pictures", err=True)
    else:
        save_single(images, out)
        click.echo(f"{count} pictures in {out}", err=True)
