"""``voicegan image interpolate`` and ``arithmetic``: walks and sums in the latent space of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import VoiceganError
from .image_models import FOLDER, build, label_of, model_options, require_picture

if TYPE_CHECKING:
    from torch import Tensor

    from ..image.latent import Term
    from ..image.pack import ModelPack
    from ..image.systems.base import ImageSystem

OUT = click.option("--out", type=FOLDER, required=True, help="The .png to write.")
CLASS = click.option(
    "--class", "class_name", metavar="NAME", help="Only this class, for a model that knows classes."
)


@click.command()
@model_options
@OUT
@click.option(
    "--seeds", default="0,1,2,3,4", show_default=True, metavar="A,B,...", help="Where to go, in order."
)
@click.option(
    "--steps", type=click.IntRange(2), default=9, show_default=True, help="Pictures from each to the next."
)
@click.option(
    "--plane",
    type=click.IntRange(2),
    metavar="N",
    help="Of a model with two latent numbers: N by N pictures, all that it makes, in place of ways.",
)
@CLASS
def interpolate(
    model: str,
    system: str | None,
    device: str,
    out: Path,
    seeds: str,
    steps: int,
    plane: int | None,
    class_name: str | None,
) -> None:
    """Go from one picture to the next by their latent vectors: a row of the grid for each way.

    The ends are those that `voicegan image sample --count 1 --seed A` makes.
    """
    import torch

    from ..image.latent import between, latents_of
    from ..image.latent import plane as plane_of
    from ..image.show import grid

    require_picture(out)
    if plane is not None:
        _, built = build(model, system, device, "decode")
        with torch.no_grad():
            grid(built.decode(plane_of(built, plane)), out, plane)
        click.echo(f"{out}: {plane} by {plane} pictures of the latent plane", err=True)
        return
    numbers = [part.strip() for part in seeds.split(",")]
    if len(numbers) < 2 or not all(number.isdecimal() for number in numbers):
        raise VoiceganError(
            f"--seeds is {seeds!r}", "Give two numbers or more with commas between them: --seeds 3,8"
        )
    pack, built = build(model, system, device, "decode")
    label = _label(pack, built, class_name)
    ways = between(latents_of(built, [int(number) for number in numbers], label), steps)
    with torch.no_grad():
        grid(built.decode(ways.flatten(0, 1)), out, steps)
    click.echo(f"{out}: {len(ways)} ways of {steps} pictures", err=True)


@click.command()
@model_options
@click.argument("expression", metavar="SUM")
@OUT
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the vectors that a class is the mean of.",
)
@click.option(
    "--judge", default="auto", show_default=True, help="Who tells classes where the model does not know them."
)
@CLASS
def arithmetic(
    model: str,
    system: str | None,
    device: str,
    expression: str,
    out: Path,
    seed: int,
    judge: str,
    class_name: str | None,
) -> None:
    """Calculate with latent vectors, as Radford et al. (2015) did, and show what each stands for, and the sum.

    \b
    voicegan image arithmetic dcgan-digits "seed:3 - seed:5 + seed:8" --out sum.png
    voicegan image arithmetic cgan-digits "class:7 - class:1 + seed:4" --out sum.png --class 1

    A class's vector is the mean of many: of what the model makes of its label, or else of the samples that the data's
    judge takes for it.
    """
    import torch

    from ..image.latent import parse
    from ..image.show import grid

    require_picture(out)
    terms = parse(expression)
    pack, built = build(model, system, device, "decode")
    label = _label(pack, built, class_name)
    vectors = [_vector(pack, built, term, label, seed, judge) for term in terms]
    total = torch.stack([term.sign * vector for term, vector in zip(terms, vectors, strict=True)]).sum(0)
    with torch.no_grad():
        grid(built.decode(torch.cat([*vectors, total])), out, len(terms) + 1)
    said = " ".join(
        f"{'-' if term.sign < 0 else '+'} {term.kind}:{term.name}" for term in terms
    ).removeprefix("+ ")
    click.echo(f"{out}: {said}, and the sum at the end", err=True)


def _vector(
    pack: ModelPack, built: ImageSystem, term: Term, label: int | None, seed: int, judge: str
) -> Tensor:
    from ..image.latent import latents_of, mean_of_class, vector_of

    if term.kind == "seed" or built.conditional:
        return vector_of(built, term, label if term.kind == "seed" else label_of(pack, term.name), seed)
    from ..image.judge import KIND, load_judge, where_judges_are
    from ..image.show import is_points

    names = list(pack.data.get("names", ()))
    if is_points(pack.shape):
        raise VoiceganError(f"{pack.name} makes points, which have no classes", "Use seeds.")
    if judge == "auto" and not (names and names[0] in KIND.find(where_judges_are())):
        raise VoiceganError(
            f"nobody can tell the classes of {pack.name}: its data have no judge",
            "Name one with --judge, or use seeds.",
        )
    found = load_judge(names[0] if judge == "auto" else judge)
    if term.name not in found.classes:
        raise VoiceganError(
            f"the judge {found.name} knows no class {term.name!r}", f"It knows {', '.join(found.classes)}."
        )
    latents = latents_of(built, range(1000 * seed, 1000 * seed + 1000))
    import torch

    with torch.no_grad():
        _, logits = found(torch.cat([built.decode(part) for part in latents.split(256)]))
    return mean_of_class(latents, logits, found.classes.index(term.name), term.name)


def _label(pack: ModelPack, built: ImageSystem, class_name: str | None) -> int | None:
    if class_name is None:
        return None
    if not built.conditional:
        raise VoiceganError(f"{pack.name} ({pack.system}) cannot be asked for classes", "Leave --class out.")
    return label_of(pack, class_name)
