"""What the commands that use a trained image model have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import VoiceganError

if TYPE_CHECKING:
    from torch import Tensor

    from ..image.pack import ModelPack
    from ..image.systems.base import ImageSystem

FOLDER = click.Path(path_type=Path)

_DOES = {
    "sample": "makes no pictures from nothing",
    "decode": "has no latent vectors",
    "translate": "translates no pictures",
    "inpaint": "fills no holes",
    "reconstruct": "reconstructs no pictures",
}


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the model that it uses: it gets ``model`` (its name), ``system``, ``device``."""
    shared = [
        click.argument("model"),
        click.option(
            "--system",
            metavar="FILE:CLASS",
            help="The code of a model that a system of your own has made; it is run.",
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps."),
    ]
    decorated = functools.wraps(command)(command)
    for option in reversed(shared):
        decorated = option(decorated)
    return decorated


def build(
    model: str, system: str | None, device: str, able: str | None = None
) -> tuple[ModelPack, ImageSystem]:
    """The model, built; VoiceganError in one line where it is not `able` to do what the command is for."""
    from ..core.device import choose_device
    from ..image.pack import find_model

    pack = find_model(model)
    built = pack.build(choose_device(device), system)
    if able is not None and not built.can(able):
        raise VoiceganError(
            f"{pack.name} ({pack.system}) {_DOES[able]}", "See what can: voicegan image list --json."
        )
    return pack, built


def label_of(pack: ModelPack, name: str) -> int:
    """The label that a class's name, or its number, stands for."""
    if name in pack.classes:
        return pack.classes.index(name)
    if name.isdecimal() and int(name) < len(pack.classes):
        return int(name)
    shown = ", ".join(pack.classes[:20]) + (", ..." if len(pack.classes) > 20 else "")
    raise VoiceganError(f"{pack.name} knows no class {name!r}", f"There are: {shown or 'none'}.")


def require_picture(out: Path) -> Path:
    """`out` itself where a PNG can go there."""
    if out.suffix.lower() != ".png":
        raise VoiceganError(f"{out} is no name of a PNG", "Write for example --out samples.png.")
    return require_file(out)


def require_file(out: Path) -> Path:
    """`out` itself where a file can be written there; said before the work rather than after it."""
    from ..core.runs import require_writable

    if out.is_dir():
        raise VoiceganError(f"{out} is a folder, not a file", "Choose another name.")
    require_writable(out.parent)
    return out


def is_grid(out: Path) -> bool:
    """Whether one picture is asked for, else a folder of them. VoiceganError where neither can be written there."""
    from ..core.runs import require_writable

    if out.suffix.lower() == ".png" and not out.is_dir():
        require_file(out)
        return True
    if out.is_file() or (out.suffix and not out.is_dir()):
        raise VoiceganError(
            f"{out} is neither a .png nor a folder", "Write --out samples.png, or --out samples/."
        )
    require_writable(out)
    return False


def files_of(place: Path) -> list[Path]:
    """The picture, or the folder's pictures."""
    from ..image.folder import pictures_in

    if not place.exists():
        raise VoiceganError(f"{place} does not exist", "Give a picture or a folder of pictures.")
    files = [place] if place.is_file() else pictures_in(place)
    if not files:
        raise VoiceganError(f"{place} holds no pictures", "Give a picture or a folder of pictures.")
    return files


def targets_of(files: list[Path], place: Path, out: Path) -> list[Path]:
    """Where what is made of each picture goes; none where `out` is to be one picture of them all."""
    from ..core.runs import require_writable
    from ..image.show import names_for

    if is_grid(out):
        return []
    targets = names_for(files, place if place.is_dir() else place.parent, out)
    require_writable(*{target.parent: None for target in targets})
    if taken := next((target for target in targets if target.is_dir()), None):
        raise VoiceganError(f"{taken} is a folder, not a picture", "Choose another --out.")
    return targets


def read_pictures(files: list[Path], shape: tuple[int, int, int]) -> Tensor:
    """Pictures in [-1, 1] and of the model's shape."""
    from ..image.data import to_float
    from ..image.folder import stack
    from ..image.show import is_points

    if is_points(shape):
        raise VoiceganError("this model makes points, not pictures", "Use a model of pictures.")
    channels, height, width = shape
    return to_float(stack(files, (height, width), channels))
