"""MNIST's own files: idx, plain or gzipped."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import VoiceganError

_PARTS = {"train": ("train-images", "train-labels"), "test": ("t10k-images", "t10k-labels")}
_UINT8 = 0x08

Part = tuple[Tensor, Tensor]  # images uint8 (N, H, W), labels int64 (N,)


def is_in(folder: Path) -> bool:
    """Whether a folder holds files of this layout."""
    return _find(folder, "train-images", 3) is not None


def read_split(name: str, folder: Path) -> tuple[Part, Part]:
    """The training and the test part. Raises VoiceganError for files that are missing, damaged or do not match."""
    train, test = (_part(name, folder, *_PARTS[part]) for part in ("train", "test"))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise VoiceganError(f"{folder}: training and test pictures differ in size", "Restore the files.")
    return train, test


def _part(name: str, folder: Path, images: str, labels: str) -> Part:
    pixels = read(_path(name, folder, images, 3), 3)
    marks = read(_path(name, folder, labels, 1), 1)
    if len(pixels) != len(marks):
        raise VoiceganError(
            f"{folder}: {images} holds {len(pixels)} pictures and {labels} {len(marks)} labels",
            "Take both files from the same place.",
        )
    if not len(pixels):
        raise VoiceganError(f"{folder}: {images} holds no pictures", "Restore the file.")
    return pixels, marks.long()


def _path(name: str, folder: Path, stem: str, dimensions: int) -> Path:
    if (path := _find(folder, stem, dimensions)) is not None:
        return path
    wanted = f"{stem}-idx{dimensions}-ubyte"
    others = [f"{s}-idx{d}-ubyte" for pair in _PARTS.values() for s, d in zip(pair, (3, 1), strict=True)]
    raise VoiceganError(
        f"{name} is not there: {folder} holds no {wanted}.gz",
        f"Fetch it (voicegan data fetch {name}), put {', '.join(others)} there (.gz or unpacked), or give the folder "
        "that holds them.",
    )


def _find(folder: Path, stem: str, dimensions: int) -> Path | None:
    # Some collections write a dot where the original has a hyphen.
    for mark in ("-", "."):
        for suffix in ("", ".gz"):
            path = folder / f"{stem}{mark}idx{dimensions}-ubyte{suffix}"
            if path.is_file():
                return path
    return None


def read(path: Path, dimensions: int) -> Tensor:
    """Read one idx file of bytes as a uint8 tensor with so many dimensions."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:  # gzip raises all three
        raise VoiceganError(f"{path} cannot be read ({error})", "Restore the file.") from None
    start = 4 + 4 * dimensions
    if len(data) < start or data[:4] != bytes((0, 0, _UINT8, dimensions)):
        raise VoiceganError(
            f"{path} is not an idx file of bytes in {dimensions} dimensions", "Restore the file."
        )
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise VoiceganError(
            f"{path} is cut short or too long: {len(data) - start} bytes where it announces {math.prod(shape)}",
            "Restore the file.",
        )
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy())
