"""Run a network with a finite receptive field over an endless sequence, in windows on the absolute frame grid.

Where the windows lie depends on nothing but the frames' own numbers, so any way of cutting the sequence into blocks
runs the same windows, and gives the same result bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class LocalWindows:
    """Each window is run with its exact context, so no seam exists.

    Parameters
    ----------
    net
        Frames (..., C, F) to frames (..., C', F). Output frame f depends on the input frames f - past ... f + future
        only; what a network makes of the edges of its input shows at the edges of the sequence and nowhere else.
    window
        How many frames are made at once.
    """

    def __init__(self, net: Callable[[Tensor], Tensor], past: int, future: int, window: int) -> None:
        self.net = net
        self.past, self.future, self.window = past, future, window
        self._held: Tensor | None = None  # the frames from `_held_from` on
        self._held_from = 0
        self._done = 0

    def frames_for(self, window: int) -> int:
        """How many frames have to be known before window number `window` (from 0) can run."""
        return (window + 1) * self.window + self.future

    @property
    def lookahead_frames(self) -> int:
        """The most frames after an output frame that have to be known before it comes out."""
        return self.window - 1 + self.future

    def push(self, frames: Tensor) -> Tensor:
        """frames (..., C, f) to the frames (..., C', f') that became ready; (..., C, 0) where none did."""
        self._held = frames if self._held is None else torch.cat([self._held, frames], dim=-1)
        ready = []
        while self._known() >= self._done + self.window + self.future:
            ready.append(self._run(self._done + self.window))
        return torch.cat(ready, dim=-1) if ready else frames[..., :0]

    def flush(self) -> Tensor:
        """The remaining frames (..., C', f'): then as many have come out as went in."""
        if self._held is None:
            return torch.zeros(0, 0)
        rest = []
        while self._done < self._known():
            rest.append(self._run(min(self._done + self.window, self._known())))
        return torch.cat(rest, dim=-1) if rest else self._held[..., :0]

    def _known(self) -> int:
        return self._held_from + (0 if self._held is None else self._held.shape[-1])

    def _run(self, until: int) -> Tensor:
        assert self._held is not None
        first, last = max(0, self._done - self.past), min(self._known(), until + self.future)
        seen = self._held[..., first - self._held_from : last - self._held_from]
        made = self.net(seen)[..., self._done - first : until - first]
        self._done = until
        keep_from = max(0, until - self.past)
        self._held = self._held[..., keep_from - self._held_from :]
        self._held_from = keep_from
        return made
