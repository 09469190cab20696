"""Folders of pictures as one tensor, read with Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from ..core.random import Draws
from ..errors import VoiceganError
from .memory import require_room

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
_GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "F")
_SIXTEEN_BITS = ("PNG", "PPM")  # whose mode I is of 0 to 65535; that of others may be of anything
_TEST = ("test", "val")

Half = Literal["", "left", "right"]

Read = tuple[
    Tensor, "Tensor | None", "tuple[str, ...]", int
]  # images, labels, classes, how many are held out


def read_folder(folder: Path, size: int | None, channels: int | None) -> Read:
    """Read all pictures of a folder; see `data.load`. Raises VoiceganError where they cannot make one tensor."""
    if channels not in (None, 1, 3):
        raise VoiceganError(f"a picture has 1 or 3 channels, not {channels}", "Ask for 1 (grey) or 3.")
    files, held_out, root_of = _ordered(folder)
    names = [path.relative_to(root_of[path]).parts[:-1] for path in files]
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    if all(names):
        classes = tuple(sorted({parts[0] for parts in names}))
        labels = torch.tensor([classes.index(parts[0]) for parts in names])
    elif any(names):
        loose = files[next(at for at, parts in enumerate(names) if not parts)]
        raise VoiceganError(
            f"{folder} holds pictures both in sub-folders and beside them ({loose.name})",
            "Let every picture be in a sub-folder (its class), or none.",
        )
    heads = [head_of(path) for path in files]
    if channels is None:
        channels = 1 if all(grey for _, grey in heads) else 3
    if size is None and (odd := next((at for at, head in enumerate(heads) if head[0] != heads[0][0]), None)):
        (w, h), (w2, h2) = heads[0][0], heads[odd][0]
        raise VoiceganError(
            f"the pictures differ in size: {files[0]} is {w}×{h}, {files[odd]} is {w2}×{h2}",
            "State the size that they are to have: --size 32.",
        )
    return stack(files, size, channels), labels, classes, held_out


def _ordered(folder: Path) -> tuple[list[Path], int, dict[Path, Path]]:
    """The pictures, those for testing last; how many these are; and the folder above each one's classes."""
    tests = [folder / name for name in _TEST if (folder / name).is_dir()]
    if (folder / "train").is_dir() and tests:
        train, test = pictures_in(folder / "train"), [path for part in tests for path in pictures_in(part)]
        root_of = dict.fromkeys(train, folder / "train")
        root_of |= {path: part for part in tests for path in test if path.is_relative_to(part)}
        _require(train, folder / "train")
        # Sub-folders would come class by class.
        train, test = ([part[at] for at in shuffled(len(part))] for part in (train, test))
        return train + test, len(test), root_of
    files = pictures_in(folder)
    _require(files, folder)
    return [files[at] for at in shuffled(len(files))], len(files) // 10, dict.fromkeys(files, folder)


def shuffled(count: int) -> list[int]:
    """The order in which so many pictures are taken: always the same, and not that of their names or classes."""
    return Draws(0, 0, 0, range(count)).uniform("split folder").argsort(stable=True).tolist()


def _require(files: Sequence[Path], folder: Path) -> None:
    if not files:
        raise VoiceganError(f"{folder} holds no pictures", f"These are read: {', '.join(sorted(SUFFIXES))}.")


def pictures_in(folder: Path) -> list[Path]:
    """In the order of their names, which is the same on every system; nothing hidden."""
    return sorted(
        (
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES
            and path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        ),
        key=lambda path: path.relative_to(folder).as_posix(),
    )


def head_of(path: Path) -> tuple[tuple[int, int], bool]:
    """(width, height) as it is looked at, and whether it is grey, without reading the pixels."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) >= 5  # orientation: lies on its side
            return ((height, width) if turned else (width, height)), image.mode in _GREY
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _broken(path, error) from None


def stack(
    files: Sequence[Path], size: int | tuple[int, int] | None, channels: int, half: Half = ""
) -> Tensor:
    """Read pictures, or one half of each, as uint8 (N, channels, H, W).

    size: what they become, cropped in the middle: size × size, or (H, W); as they are where it is None.
    """
    stacked: Tensor | None = None
    if size is not None:  # before the first one is made as large
        require_room(len(files), channels, *((size, size) if isinstance(size, int) else size))
    for at, path in enumerate(files):
        pixels = torch.from_numpy(_read(path, size, channels, half))
        if stacked is None:
            require_room(len(files), *pixels.shape)
            # Filled in place: a list of pictures and their stack would be in memory together.
            stacked = torch.empty(len(files), *pixels.shape, dtype=torch.uint8)
        stacked[at] = pixels
    assert stacked is not None  # _require has seen to it
    return stacked


def _read(path: Path, size: int | tuple[int, int] | None, channels: int, half: Half) -> NDArray[np.uint8]:
    """One picture (C, H, W)."""
    height, width = (size, size) if isinstance(size, int) else size or (0, 0)
    try:
        with Image.open(path) as opened:
            if size is not None:
                opened.draft(None, (4 * width, 2 * height))  # a JPEG is decoded no larger than of use
            _require_range(opened, path)
            image = _plain(ImageOps.exif_transpose(opened)).convert("L" if channels == 1 else "RGB")
            if half:
                middle = image.width // 2
                image = image.crop((0, 0, middle, image.height) if half == "left"
                                   else (middle, 0, 2 * middle, image.height))  # fmt: skip
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _broken(path, error) from None
    if size is not None and image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    pixels = np.array(image, dtype=np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _require_range(image: Image.Image, path: Path) -> None:
    """Raise VoiceganError where nobody can know which values are black and white."""
    if image.mode == "F" or (image.mode == "I" and image.format not in _SIXTEEN_BITS):
        what = "fractions" if image.mode == "F" else "whole numbers of 32 bits, or with signs"
        raise VoiceganError(
            f"{path} holds {what}, and does not say what is black and white", "Save it with 8 or 16 bits."
        )


def _plain(image: Image.Image) -> Image.Image:
    """Without what `convert` would get wrong: transparency lies on white, and 16 bits become 8."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def _broken(path: Path, error: Exception) -> VoiceganError:
    return VoiceganError(f"{path} cannot be read as a picture ({error})", "Restore it or take it away.")
