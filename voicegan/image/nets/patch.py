"""PatchGAN (Isola et al. 2016, arXiv:1611.07004): a discriminator that judges overlapping patches one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from ...core.blocks import InstanceNorm, initialise
from ...core.system import Logits
from ...errors import VoiceganError
from .judging import activations

Norm = Literal["none", "instance", "batch"]


def norm_layer(kind: str, channels: int) -> nn.Module:
    """A layer of ``"instance"`` or ``"batch"`` norm, or nothing."""
    if kind == "none":
        return nn.Identity()
    return nn.BatchNorm2d(channels) if kind == "batch" else InstanceNorm(channels)


class PatchDiscriminator(nn.Module):
    """C64-C128-C256-C512 and one score for each place (appendix 6.1.2): 70 pixels wide patches.

    Parameters
    ----------
    channels : int
        Of the pictures; of a pair, both together.
    size : sequence of int
        ``(H, W)`` of the pictures, at least 8 × 8. Small ones get fewer strided layers than asked for.
    width : int
        Channels of the first layer; twice as many after each stride, eight times at most.
    strides : int
        Layers of stride 2. The paper's patches of 16 and 70 pixels have 1 and 3.
    norm : str
        ``"batch"``, ``"instance"`` or ``"none"``; the first layer has none.

    Attributes
    ----------
    patch : int
        How many pixels wide the part of the picture is that one score depends on.
    """

    def __init__(
        self, channels: int, size: Sequence[int], width: int, strides: int = 3, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        if min(size) < 8:
            raise VoiceganError(
                f"pictures of {size[0]} x {size[1]} have no patches", "Choose a size of at least 8."
            )
        strides = min(strides, int(math.log2(min(size) / 4)))
        sizes = [width * min(8, 2**step) for step in range(strides + 1)]
        self.patch = 4
        layers = []
        for step, after in enumerate(sizes):
            kind, stride = ("none", 2) if step == 0 else (norm, 2 if step < strides else 1)
            before = channels if step == 0 else sizes[step - 1]
            conv = nn.Conv2d(before, after, 4, stride, 1, bias=kind == "none")
            layers.append(nn.Sequential(conv, norm_layer(kind, after), nn.LeakyReLU(0.2)))
        for stride in (1, *[2] * strides):  # from the last layer but one to the first
            self.patch = (self.patch - 1) * stride + 4
        self.layers = nn.ModuleList(layers)
        self.score = nn.Conv2d(sizes[-1], 1, 4, 1, 1)
        initialise(self)

    def forward(self, pictures: Tensor) -> Logits:
        """Pictures (B, channels, H, W) to scores (B, 1, h, w) and the features before them."""
        features = activations(self.layers, pictures)
        return Logits((self.score(features[-1]),), (features,))
