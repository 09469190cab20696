"""CIFAR-10's binary version: records of one byte of label and 3 × 32 × 32 bytes of picture. (The other one is pickled
Python, which could run code.)"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import VoiceganError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = "test_batch.bin"
_RECORD = 1 + 3 * 32 * 32


def is_in(folder: Path) -> bool:
    """Whether a folder holds files of this layout."""
    return (folder / _TRAIN[0]).is_file()


def read_split(folder: Path) -> tuple[Tensor, Tensor, int]:
    """Images uint8 (N, 3, 32, 32), labels int64 (N,), and how many of them, the last, are for testing.

    Raises VoiceganError for files that are missing or damaged.
    """
    parts = [_read(folder / name) for name in (*_TRAIN, _TEST)]
    images, labels = (torch.cat([part[at] for part in parts]) for at in (0, 1))
    return images, labels, len(parts[-1][0])


def _read(path: Path) -> tuple[Tensor, Tensor]:
    if not path.is_file():
        raise VoiceganError(f"cifar-10 is not there: {path.parent} holds no {path.name}",
                            "Fetch it: voicegan data fetch cifar-10.")  # fmt: skip
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VoiceganError(f"{path} cannot be read ({error.strerror})", "Restore the file.") from None
    if not data or len(data) % _RECORD:
        raise VoiceganError(f"{path} is not a whole number of CIFAR-10's records", "Restore the file.")
    records = torch.from_numpy(np.frombuffer(data, np.uint8).reshape(-1, _RECORD).copy())
    labels = records[:, 0].long()
    if int(labels.max()) >= len(CLASSES):
        raise VoiceganError(f"{path} holds a label of {int(labels.max())}", "Restore the file.")
    return records[:, 1:].reshape(-1, 3, 32, 32), labels
