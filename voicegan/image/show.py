"""What a system makes, as a picture to look at: grids of samples, translations beside their originals, points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core.random import Draws
from ..errors import VoiceganError
from ..pictures import image_grid, write_png
from .data import Pictures, Points, to_float, to_uint8
from .domains import Domains
from .sources import Material
from .systems.base import ImageSystem

BESIDE = 8  # pictures that are shown beside what is made of them


def grid(images: Tensor, path: Path, columns: int | None = None) -> None:
    """Write pictures (N, C, H, W) in [-1, 1] as a grid; points (N, 2, 1, 1) as dots in the plane."""
    if is_points(images.shape[1:]):
        images = scatter([images.flatten(1)])
        columns = 1
    image_grid(to_uint8(images).permute(0, 2, 3, 1).cpu().numpy(), path, columns)


def is_points(shape: Sequence[int]) -> bool:
    """Whether samples of this shape are points of the plane."""
    return tuple(shape) == (2, 1, 1)


def scatter(sets: Sequence[Tensor], size: int = 256) -> Tensor:
    """Points (N, 2) in [-1, 1], each set in a colour of its own, the last on top: (1, 3, size, size) in [-1, 1]."""
    colours = ((0.45, 0.45, 0.45), (1.0, -0.35, -0.8))
    canvas = torch.full((3, size, size), 1.0)
    for points, colour in zip(sets, colours[-len(sets) :], strict=True):
        inside = points.float().cpu().clamp(-1, 1)
        at = ((inside * 0.5 + 0.5) * (size - 2)).round().long()
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
            canvas[:, (size - 2 - at[:, 1] + dy).clamp(0, size - 1), at[:, 0] + dx] = torch.tensor(colour)[
                :, None
            ]
    return canvas[None]


def hole(images: Tensor) -> Tensor:
    """A mask (N, 1, H, W) whose middle quarter is to be filled (Pathak 2016)."""
    height, width = images.shape[-2:]
    mask = torch.zeros(len(images), 1, height, width, dtype=torch.bool, device=images.device)
    top, left = height // 4, width // 4
    mask[..., top : height - top, left : width - left] = True
    return mask


def held_out(pictures: Pictures, count: int = BESIDE) -> Tensor:
    """The first pictures of the test part, or of all where nothing is held out, as floats."""
    side = pictures.test if len(pictures.test) else pictures
    return to_float(side.images[:count])


def labels_by_column(classes: int, rows: int = BESIDE) -> Tensor:
    """Labels of a grid with a column for each class, at most sixteen."""
    return torch.arange(min(classes, 16)).repeat(rows)


def picture_of(system: ImageSystem, material: Material, path: Path, seed: int = 0) -> bool:
    """Draw what a system makes at this moment, as it is able to; return whether there was anything to draw."""
    shown = show(system, material, seed)
    if shown is not None:
        grid(shown[0], path, shown[1])
    return shown is not None


def show(
    system: ImageSystem, material: Material, seed: int = 0, rows: int = BESIDE, columns: int = BESIDE
) -> tuple[Tensor, int] | None:
    """What a system makes, as it is able to: pictures (N, C, H, W) row by row, and how many are in a row.

    Samples have a column for each kind where one can be asked for. Pictures that are made of others stand below them.
    None where there is nothing to show.
    """
    device = next(system.parameters()).device
    data = material.data
    if isinstance(data, Points):
        return scatter([data.points[:2000], system.sample(1000, seed).flatten(1)]), 1
    if isinstance(data, Domains) and system.can("translate"):
        return _below(_translated(system, data, columns, device))
    if isinstance(data, Domains) and system.can("pairs"):
        return _below(list(system.pairs(columns, seed)))  # type: ignore[operator]
    if system.can("sample"):
        if not system.kinds:
            return system.sample(rows * columns, seed), columns
        asked = labels_by_column(system.kinds, rows).to(device)
        with torch.no_grad():
            made = system.decode(system.latents(Draws(seed, 0, 0, range(len(asked)), device), asked))
        return made, len(asked) // rows
    if isinstance(data, Pictures) and (system.can("inpaint") or system.can("reconstruct")):
        images = held_out(data, columns).to(device)
        if system.can("inpaint"):
            mask = hole(images)
            return _below([images, images.masked_fill(mask, 0.0), system.inpaint(images, mask)])  # type: ignore[operator]
        given = [images]
        if system.can("corrupt"):
            given.append(system.corrupt(images, Draws(seed, 0, 0, range(len(images)), device)))  # type: ignore[operator]
        return _below([*given, system.reconstruct(given[-1])])  # type: ignore[operator]
    return None


def _below(rows: Sequence[Tensor]) -> tuple[Tensor, int]:
    """Sets of as many pictures each, one below the other."""
    return torch.cat([row.cpu().float() for row in rows]), len(rows[0])


def _translated(system: ImageSystem, data: Domains, count: int, device: torch.device) -> list[Tensor]:
    """Rows: a, what is made of it, and where they are pairs what is wanted; and back, where there is a way."""
    a, b = (held_out(side, count).to(device) for side in (data.a, data.b))
    rows = [a, translate(system, a, "b")]
    if data.paired:
        return [*rows, b]
    return [*rows, b, translate(system, b, "a")]


def translate(system: ImageSystem, images: Tensor, towards: str, at_once: int = 64) -> Tensor:
    """Pictures of one domain to the other, some at a time."""
    made: Tensor = torch.cat([system.translate(part, towards) for part in images.split(at_once)])  # type: ignore[operator]
    return made.float()


def beside(rows: Sequence[Tensor], path: Path) -> None:
    """Write sets of as many pictures each as the rows of a grid."""
    images, columns = _below(rows)
    grid(images, path, columns)


def labels_at_random(system: ImageSystem, count: int, seed: int) -> Tensor | None:
    """Labels for samples of a conditional system: the ones that `sample` would draw by itself are not told."""
    if not system.conditional:
        return None
    return Draws(seed, 1, 0, range(count)).integers("asked label", system.classes)


def save_single(images: Tensor, folder: Path, stem: str = "sample") -> None:
    """Write each picture (N, C, H, W) in [-1, 1] as a PNG of its own size, pixel for pixel."""
    for number, image in enumerate(images):
        _save(image, folder / f"{stem}-{number:05d}.png")


def names_for(files: Sequence[Path], root: Path, folder: Path) -> list[Path]:
    """Where in `folder` goes what is made of each file: under its name, and in its sub-folder of `root`.

    Raises VoiceganError where two would go to one place, or a result would take an original's.
    """
    targets = [folder / path.relative_to(root).with_suffix(".png") for path in files]
    originals, first = {path.resolve() for path in files}, dict[Path, Path]()
    for target, path in zip(targets, files, strict=True):
        if (other := first.setdefault(target, path)) != path:
            raise VoiceganError(
                f"{other} and {path} differ in their endings alone", "Give each its own name."
            )
        if target.resolve() in originals:
            raise VoiceganError(f"{target} would be replaced by what is made of it", "Choose another --out.")
    return targets


def save_as(images: Tensor, targets: Sequence[Path]) -> None:
    """Write each picture (N, C, H, W) in [-1, 1] as a PNG of its own."""
    for image, target in zip(images, targets, strict=True):
        _save(image, target)


def _save(image: Tensor, path: Path) -> None:
    pixels = to_uint8(image).permute(1, 2, 0).cpu().numpy()
    write_png(
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels)), path
    )
