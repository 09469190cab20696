"""BigVGAN (Lee et al. 2023): HiFi-GAN's plan with periodic activations, run at twice the rate against aliasing.

Its layers have the names that they have in the public checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hifigan import blocks_of, check_stages
from .upsampling import Upsampling, bounded, context_of, conv_reach, mean_of, same_conv, widths

TAPS = 12


def halfband_lowpass() -> Tensor:
    """The filter (12,) before and after doubling the rate: a sinc at a quarter of the rate under a Kaiser window.

    The window's β follows Kaiser's rule (for more than 50 dB) with 5 steps and a transition of 1.2 of half the
    rate; the taps sum to 1.
    """
    time = torch.arange(TAPS, dtype=torch.float64) - (TAPS - 1) / 2
    attenuation_db = 2.285 * (TAPS // 2 - 1) * math.pi * 1.2 + 7.95
    beta = 0.1102 * (attenuation_db - 8.7)
    taps = torch.sinc(time / 2) * torch.kaiser_window(TAPS, periodic=False, beta=beta, dtype=torch.float64)
    return (taps / taps.sum()).float()


class Snake(nn.Module):
    """``x + sin²(αx) / β`` for each channel (Ziyin et al. 2020), at twice the rate; (B, C, T) to the same.

    Parameters
    ----------
    channels : int
        Channels of ``x``.
    beta : bool
        Learn β besides α; otherwise β is α.
    logarithmic : bool
        α and β are stored as their logarithms.
    """

    REACH = 5  # positions to either side: 3 at the lower rate going up, 6 at the higher one coming down
    lowpass: Tensor

    def __init__(self, channels: int, beta: bool = True, logarithmic: bool = True) -> None:
        super().__init__()
        self.logarithmic = logarithmic
        first = torch.zeros(channels) if logarithmic else torch.ones(channels)
        self.alpha = nn.Parameter(first)
        self.beta = nn.Parameter(first.clone()) if beta else None
        self.register_buffer("lowpass", halfband_lowpass().view(1, 1, TAPS), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        taps = self.lowpass.expand(channels, -1, -1)
        # The ends are repeated before filtering; `padding` cuts off what the filter makes of the repetition.
        x = F.pad(x, (5, 5), mode="replicate")
        x = F.conv_transpose1d(x, 2 * taps, stride=2, padding=15, groups=channels)
        alpha = self.alpha[:, None]
        beta = alpha if self.beta is None else self.beta[:, None]
        if self.logarithmic:
            alpha, beta = alpha.exp(), beta.exp()
        x = x + torch.sin(alpha * x).square() / (beta + 1e-9)
        return F.conv1d(F.pad(x, (5, 6), mode="replicate"), taps, stride=2, groups=channels)


class AmpBlock1(nn.Module):
    """Pairs of a dilated and an undilated convolution, an activation before each; (B, C, T)."""

    def __init__(
        self, channels: int, kernel: int, dilations: Sequence[int], beta: bool, logarithmic: bool
    ) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(same_conv(channels, channels, kernel, d) for d in dilations)
        self.convs2 = nn.ModuleList(same_conv(channels, channels, kernel) for _ in dilations)
        self.activations = nn.ModuleList(
            Snake(channels, beta, logarithmic) for _ in range(2 * len(dilations))
        )
        self.reach = sum(conv_reach(kernel, d) + conv_reach(kernel) + 2 * Snake.REACH for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.activations[::2], self.activations[1::2]
        for dilated, plain, before, between in zip(self.convs1, self.convs2, first, second, strict=True):
            x = x + plain(between(dilated(before(x))))
        return x


class AmpBlock2(nn.Module):
    """Dilated convolutions, an activation before each; (B, C, T)."""

    def __init__(
        self, channels: int, kernel: int, dilations: Sequence[int], beta: bool, logarithmic: bool
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList(same_conv(channels, channels, kernel, d) for d in dilations)
        self.activations = nn.ModuleList(Snake(channels, beta, logarithmic) for _ in dilations)
        self.reach = sum(conv_reach(kernel, d) + Snake.REACH for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, before in zip(self.convs, self.activations, strict=True):
            x = x + dilated(before(x))
        return x


class BigVGan(nn.Module):
    """Log-mels to sound. The defaults are BigVGAN-base; the large one has 1536 channels and six upsamplings.

    Parameters
    ----------
    mels, channels, up_rates, up_kernels, block, kernels, dilations
        As in `HifiGan`.
    activation : str
        ``"snake"`` or ``"snakebeta"``.
    logarithmic : bool
        Whether the activations' parameters are stored as logarithms.
    tanh, bias : bool
        Whether the samples go through tanh (otherwise they are clipped), and the last convolution has a bias. The
        second version of BigVGAN has neither.
    """

    def __init__(
        self,
        mels: int = 100,
        channels: int = 512,
        up_rates: Sequence[int] = (8, 8, 2, 2),
        up_kernels: Sequence[int] = (16, 16, 4, 4),
        block: int = 1,
        kernels: Sequence[int] = (3, 7, 11),
        dilations: Sequence[Sequence[int]] = ((1, 3, 5), (1, 3, 5), (1, 3, 5)),
        activation: str = "snakebeta",
        logarithmic: bool = True,
        tanh: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_stages(up_rates, up_kernels, kernels, dilations)
        if block not in (1, 2):
            raise ValueError(f"block is 1 or 2, not {block!r}")
        if activation not in ("snake", "snakebeta"):
            raise ValueError(f'activation is "snake" or "snakebeta", not {activation!r}')
        sizes = widths(channels, len(up_rates))
        beta = activation == "snakebeta"
        self.hop = math.prod(up_rates)
        self.kinds = len(kernels)
        self.tanh = tanh
        self.conv_pre = same_conv(mels, channels, 7)
        self.ups = nn.ModuleList(
            Upsampling(before, after, kernel, rate)
            for (before, after), kernel, rate in zip(pairwise(sizes), up_kernels, up_rates, strict=True)
        )
        make = AmpBlock1 if block == 1 else AmpBlock2
        blocks = [
            make(size, kernel, d, beta, logarithmic)
            for size in sizes[1:]
            for kernel, d in zip(kernels, dilations, strict=True)
        ]
        self.resblocks = nn.ModuleList(blocks)
        self.activation_post = Snake(sizes[-1], beta, logarithmic)
        self.conv_post = same_conv(sizes[-1], 1, 7, bias=bias)
        reaches = [max(block.reach for block in blocks[: self.kinds])] * len(up_rates)
        self.context_frames = context_of(self.hop, self.ups, reaches, last=Snake.REACH)

    def forward(self, mel: Tensor) -> Tensor:
        """Map ``mel (B, M, F)`` to wav ``(B, F·hop)``; any F ≥ 1."""
        x = self.conv_pre(mel)
        for stage, up in enumerate(self.ups):
            x = mean_of(blocks_of(self.resblocks, stage, self.kinds), up(x))
        return bounded(self.conv_post(self.activation_post(x)), self.tanh)
