"""HiFi-GAN (Kong, Kim, Bae 2020): transposed convolutions, each followed by residual blocks of several kernel sizes.

Its layers have the names that they have in the public checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from .upsampling import Upsampling, bounded, context_of, conv_reach, mean_of, same_conv, widths

SLOPE, LAST_SLOPE = (
    0.1,
    0.01,
)  # of the leaky rectifiers; the public code leaves the last at the library's default

VERSIONS: dict[str, dict[str, Any]] = {
    "V1": {"channels": 512},
    "V2": {"channels": 128},
    "V3": {
        "channels": 256,
        "up_rates": [8, 8, 4],
        "up_kernels": [16, 16, 8],
        "block": 2,
        "kernels": [3, 5, 7],
        "dilations": [[1, 2], [2, 6], [3, 12]],
    },
}


class ResBlock1(nn.Module):
    """Pairs of a dilated and an undilated convolution, each pair with a residual connection; (B, C, T)."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(same_conv(channels, channels, kernel, d) for d in dilations)
        self.convs2 = nn.ModuleList(same_conv(channels, channels, kernel) for _ in dilations)
        self.reach = sum(conv_reach(kernel, d) + conv_reach(kernel) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = x + plain(F.leaky_relu(dilated(F.leaky_relu(x, SLOPE)), SLOPE))
        return x


class ResBlock2(nn.Module):
    """Dilated convolutions, each with a residual connection; (B, C, T)."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(same_conv(channels, channels, kernel, d) for d in dilations)
        self.reach = sum(conv_reach(kernel, d) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated in self.convs:
            x = x + dilated(F.leaky_relu(x, SLOPE))
        return x


class HifiGan(nn.Module):
    """Log-mels to sound. `VERSIONS` has the published sizes; the defaults are V1.

    Parameters
    ----------
    mels : int
        Mel bins.
    channels : int
        Channels at the frame rate; halved by each upsampling.
    up_rates, up_kernels : sequence of int
        Stride and kernel of each transposed convolution; the hop is the product of the strides.
    block : int
        1: residual blocks of pairs of convolutions; 2: of single ones.
    kernels, dilations : sequence
        Kernel size of each residual block after an upsampling, and the dilations within it.
    """

    def __init__(
        self,
        mels: int = 80,
        channels: int = 512,
        up_rates: Sequence[int] = (8, 8, 2, 2),
        up_kernels: Sequence[int] = (16, 16, 4, 4),
        block: int = 1,
        kernels: Sequence[int] = (3, 7, 11),
        dilations: Sequence[Sequence[int]] = ((1, 3, 5), (1, 3, 5), (1, 3, 5)),
    ) -> None:
        super().__init__()
        check_stages(up_rates, up_kernels, kernels, dilations)
        if block not in (1, 2):
            raise ValueError(f"block is 1 or 2, not {block!r}")
        sizes = widths(channels, len(up_rates))
        self.hop = prod(up_rates)
        self.kinds = len(kernels)
        self.conv_pre = same_conv(mels, channels, 7)
        self.ups = nn.ModuleList(
            Upsampling(before, after, kernel, rate)
            for (before, after), kernel, rate in zip(pairwise(sizes), up_kernels, up_rates, strict=True)
        )
        make = ResBlock1 if block == 1 else ResBlock2
        blocks = [
            make(size, kernel, d) for size in sizes[1:] for kernel, d in zip(kernels, dilations, strict=True)
        ]
        self.resblocks = nn.ModuleList(blocks)
        self.conv_post = same_conv(sizes[-1], 1, 7)
        # Of the blocks side by side the one that looks farthest counts.
        reaches = [max(block.reach for block in blocks[: self.kinds])] * len(up_rates)
        self.context_frames = context_of(self.hop, self.ups, reaches)

    def forward(self, mel: Tensor) -> Tensor:
        """Map ``mel (B, M, F)`` to wav ``(B, F·hop)``; any F ≥ 1."""
        x = self.conv_pre(mel)
        for stage, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, SLOPE))
            x = mean_of(blocks_of(self.resblocks, stage, self.kinds), x)
        return bounded(self.conv_post(F.leaky_relu(x, LAST_SLOPE)))


def check_stages(
    up_rates: Sequence[int],
    up_kernels: Sequence[int],
    kernels: Sequence[int],
    dilations: Sequence[Sequence[int]],
) -> None:
    """Raise ValueError for lists that do not go together."""
    if len(up_rates) != len(up_kernels) or len(kernels) != len(dilations) or not kernels:
        raise ValueError(
            "need a kernel for each upsampling rate, and dilations for each kernel of the blocks"
        )
    if any((kernel - rate) % 2 for kernel, rate in zip(up_kernels, up_rates, strict=True)):
        # The public code would give a sample more than the hop.
        raise ValueError(
            f"upsampling kernels {list(up_kernels)} and rates {list(up_rates)} differ by odd numbers"
        )


def blocks_of(blocks: nn.ModuleList, stage: int, kinds: int) -> nn.ModuleList:
    """The residual blocks after upsampling number `stage`."""
    return blocks[stage * kinds : (stage + 1) * kinds]
