"""U-Net (Ronneberger et al. 2015) as a generator of pictures from pictures (Isola et al. 2016, arXiv:1611.07004)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...core.blocks import initialise
from ...errors import VoiceganError
from .patch import Norm, norm_layer


class UNet(nn.Module):
    """Halve the picture until one pixel is left, then double it again, each size seeing the encoder's.

    The paper's network for 256 pixels (appendix 6.1.1): C64-C128-C256-C512-C512-C512-C512-C512 down,
    CD512-CD512-CD512-C512-C256-C128-C64 up. No norm on the first layer, nor on a single pixel, which it would erase.

    Parameters
    ----------
    shape : sequence of int
        ``(C, H, W)`` of the input; H and W are whole multiples of 4.
    outputs : int
        Channels of the output.
    width : int
        Channels of the finest layer.
    norm : str
        ``"batch"``, ``"instance"`` (the same for batches of one, the paper's) or ``"none"``.
    dropout : float
        Share that the three coarsest layers of the decoder drop in training; the paper's only source of noise.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        width: int,
        norm: Norm = "instance",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        height, width_of = shape[1:]
        steps = _steps(height, width_of)
        sizes = [width * min(8, 2**step) for step in range(steps)]
        down, up = [], []
        for step, after in enumerate(sizes):
            single = (height >> (step + 1)) * (width_of >> (step + 1)) == 1
            kind = "none" if step == 0 or single else norm
            before = shape[0] if step == 0 else sizes[step - 1]
            conv = nn.Conv2d(before, after, 4, 2, 1, bias=kind == "none")
            first = nn.Identity() if step == 0 else nn.LeakyReLU(0.2)
            down.append(nn.Sequential(first, conv, norm_layer(kind, after)))
        for step in reversed(range(1, steps)):  # from the coarsest size
            before = sizes[step] * (1 if step == steps - 1 else 2)
            dropped = nn.Dropout(dropout) if step >= steps - 3 else nn.Identity()
            conv_up = nn.ConvTranspose2d(before, sizes[step - 1], 4, 2, 1, bias=norm == "none")
            up.append(nn.Sequential(nn.ReLU(), conv_up, norm_layer(norm, sizes[step - 1]), dropped))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        last = sizes[0] * (2 if steps > 1 else 1)
        self.last = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(last, outputs, 4, 2, 1), nn.Tanh())
        initialise(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (B, C, H, W) to pictures (B, outputs, H, W) in [-1, 1]."""
        kept, x = [], pictures
        for layer in self.down:
            x = layer(x)
            kept.append(x)
        for layer, skipped in zip(self.up, reversed(kept[:-1]), strict=True):
            x = torch.cat([layer(x), skipped], dim=1)
        made: Tensor = self.last(x)
        return made


def _steps(height: int, width: int) -> int:
    """How often both sides can be halved, eight times at most as in the paper."""
    steps = 0
    while height % 2 == 0 and width % 2 == 0 and steps < 8:
        height, width, steps = height // 2, width // 2, steps + 1
    if steps < 2:
        raise VoiceganError("these pictures cannot be halved twice", "Choose a size that 4 divides.")
    return steps
