"""Run a generator over an endless mel in windows that lie on the absolute frame grid.

Where the windows lie depends on nothing but the frames' own numbers, so any way of cutting the sound into blocks
runs the same windows, and gives the same result bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ..core.windows import LocalWindows

Net = Callable[[Tensor], Tensor]  # mel (1, M, F) -> mel (1, M, F)

OVERLAP_WINDOW, OVERLAP_HOP = 256, 192
_SHORTEST = (
    64  # nets that normalise over time learn from crops of this length; a shorter sound is mirrored up to it
)


class Windows(Protocol):
    """Frames in, frames out, some frames later; as many out as in, once flushed."""

    def frames_for(self, window: int) -> int:
        """How many frames have to be known before window number `window` (from 0) can run."""

    @property
    def lookahead_frames(self) -> int:
        """The most frames after an output frame that have to be known before it comes out."""

    def push(self, mel: Tensor) -> Tensor:
        """mel (M, f) to the frames (M, f') that became ready."""

    def flush(self) -> Tensor:
        """The remaining frames (M, f')."""


def windows_for(net: Net, context: tuple[int, int] | None, window_frames: int) -> Windows:
    """Windows for a net with the receptive field `context` (past, future), or None where it looks at everything."""
    if context is None:
        return OverlapWindows(net)
    return LocalWindows(lambda mel: net(mel[None])[0], *context, window_frames)


class OverlapWindows:
    """For nets that normalise over time: windows of a fixed length whose overlaps are cross-faded.

    The last window ends with the sound, so it overlaps its neighbour by more; a sound shorter than a window is one.
    """

    def __init__(self, net: Net, window: int = OVERLAP_WINDOW, hop: int = OVERLAP_HOP) -> None:
        self.net = net
        self.window, self.hop = window, hop
        self._held: Tensor | None = None  # the frames from the start of the previous window on
        self._held_from = 0
        self._next = 0  # where the next window starts; frames before it have come out
        self._tail: Tensor | None = None  # the previous window's opinion of the overlap (M, window - hop)

    def frames_for(self, window: int) -> int:
        return window * self.hop + self.window

    @property
    def lookahead_frames(self) -> int:
        return self.window - 1

    def push(self, mel: Tensor) -> Tensor:
        self._held = mel if self._held is None else torch.cat([self._held, mel], dim=1)
        ready = []
        while self._held_from + self._held.shape[1] >= self._next + self.window:
            at = self._next - self._held_from
            made = self._joined(self.net(self._held[None, :, at : at + self.window])[0])
            ready.append(made[:, : self.hop])
            self._tail = made[:, self.hop :]
            self._held, self._held_from = self._held[:, at:], self._next
            self._next += self.hop
        return torch.cat(ready, dim=1) if ready else mel[:, :0]

    def flush(self) -> Tensor:
        if self._held is None:
            return torch.zeros(0, 0)
        remaining = self._held_from + self._held.shape[1] - self._next
        if self._tail is None:
            return self._whole(self._held)
        if remaining == self._tail.shape[1]:
            return self._tail
        last = self.net(self._held[None, :, -self.window :])[0]
        return self._joined(last[:, -remaining:])

    def _joined(self, made: Tensor) -> Tensor:
        """Cross-fade the start of `made` with the tail of the window before it."""
        if self._tail is None:
            return made
        overlap = self._tail.shape[1]
        rising = torch.arange(1, overlap + 1, device=made.device) / (overlap + 1)
        start = made[:, :overlap] * rising + self._tail * (1 - rising)
        return torch.cat([start, made[:, overlap:]], dim=1)

    def _whole(self, mel: Tensor) -> Tensor:
        frames = mel.shape[1]
        if frames == 0:
            return mel
        if frames < _SHORTEST:
            period = max(1, 2 * (frames - 1))
            place = torch.arange(_SHORTEST, device=mel.device) % period
            mel = mel[:, torch.where(place < frames, place, period - place)]
        return self.net(mel[None])[0, :, :frames]
