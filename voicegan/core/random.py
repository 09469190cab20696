"""Random numbers that belong to a sample, not to a process.

Every number is a pure function of (seed, step, draw, name, sample index, position), so nothing has to be
saved to resume a run exactly, and a batch is the same however many ranks share it.
"""

from __future__ import annotations

import zlib

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB
_WORD = 0xFFFF_FFFF_FFFF_FFFF


def _shift(x: Tensor, bits: int) -> Tensor:
    """Shift right without copying the sign: torch shifts signed integers arithmetically."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    """Finalizer of SplitMix64 (Steele, Lea & Flood 2014): one well-mixed 64-bit word per word."""
    x = x + _GOLDEN
    x = (x ^ _shift(x, 30)) * _MIX_1
    x = (x ^ _shift(x, 27)) * _MIX_2
    return x ^ _shift(x, 31)


def _mix_word(word: int) -> int:
    """`_mix` of one word, unsigned. Without tensors, whose every operation takes longer than all of this."""
    word = (word + _GOLDEN) & _WORD
    word = ((word ^ (word >> 30)) * _MIX_1) & _WORD
    word = ((word ^ (word >> 27)) * _MIX_2) & _WORD
    return word ^ (word >> 31)


def derive(*parts: int | str) -> int:
    """Mix integers and names into one 63-bit seed."""
    state = 0
    for part in parts:
        word = zlib.crc32(part.encode()) if isinstance(part, str) else part
        state = _mix_word(state ^ (word & _WORD))
    return state & 0x7FFF_FFFF_FFFF_FFFF


class Draws:
    """The random numbers of one batch: row ``i`` belongs to one sample of the global batch.

    Parameters
    ----------
    seed, step, draw : int
        Which run, which training step, which batch within the step (repeats of a phase draw anew).
    rows : range
        Indices of this rank's samples within the global batch.
    device : torch.device
        Where the numbers are made. The integers are the same on every device.
    """

    def __init__(
        self, seed: int, step: int, draw: int, rows: range, device: torch.device | str = "cpu"
    ) -> None:
        self.rows, self.device = rows, torch.device(device)
        self._origin = (seed, step, draw)

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device) -> Draws:
        """Return the same numbers, made on another device."""
        return Draws(*self._origin, self.rows, device)

    def _words(self, name: str, count: int) -> Tensor:
        rows = torch.arange(self.rows.start, self.rows.stop, device=self.device, dtype=torch.int64)
        base = _mix(rows ^ derive(*self._origin, name))
        positions = torch.arange(count, device=self.device, dtype=torch.int64)
        return _mix(base[:, None] ^ _mix(positions)[None, :])

    def uniform(self, name: str, *shape: int) -> Tensor:
        """Numbers in [0, 1), float32, ``(rows, *shape)``."""
        words = self._words(name, _size(shape))
        return (_shift(words, 40).float() * 2.0**-24).view(len(self), *shape)

    def normal(self, name: str, *shape: int) -> Tensor:
        """Standard normal numbers, float32, ``(rows, *shape)`` (Box & Muller 1958)."""
        words = self._words(name, 2 * _size(shape))
        first, second = (_shift(words, 40).float() * 2.0**-24).chunk(2, dim=1)
        radius = torch.sqrt(-2.0 * torch.log1p(-first))
        return (radius * torch.cos(2.0 * torch.pi * second)).view(len(self), *shape)

    def integers(self, name: str, high: int, *shape: int) -> Tensor:
        """Whole numbers in [0, high), int64, ``(rows, *shape)``."""
        words = self._words(name, _size(shape))
        return (_shift(words, 1) % high).view(len(self), *shape)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size
