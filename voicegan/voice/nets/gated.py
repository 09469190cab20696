"""Pieces that the papers' networks share: padding, the 2-1-2D generator and the patch discriminator.

In the papers' figures ``c`` counts channels *behind* a gate (in CycleGAN-VC the 512 channels of the last
downsampling layer are added to the 512 that leave a residual block), and eq. 4 there gives a layer two
convolutions, ``W`` and ``V``. So every gated convolution makes ``2c`` channels, whose halves multiply. Common
public code has one convolution in the upsampling layers and the discriminators and multiplies it with its own
sigmoid, ``x · σ(x)``, which is no gate: it has fewer weights than the networks here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.blocks import ConvGLU, InstanceNorm, ResidualGLU
from ...core.objectives import at_least_float32
from ...core.system import Logits


def pad_to_multiple(x: Tensor, bins: int, frames: int) -> Tensor:
    """Repeat the last bin and the last frame until ``bins`` and ``frames`` divide their numbers.

    Parameters
    ----------
    x : Tensor
        ``(B, C, M, F)``.
    bins, frames : int
        What the last two axes have to be multiples of.
    """
    right, below = -x.shape[-1] % frames, -x.shape[-2] % bins
    return F.pad(x, (0, right, 0, below), mode="replicate") if right or below else x


def keep_channels_last(network: nn.Module) -> None:
    """Lay the weights of 2-D convolutions out as they are used; copies and loaded states keep it."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from torch's stubs


class ToOnePlane(nn.Conv2d):
    """A "same" convolution to a single plane: each position's taps by one matrix product, then added up.

    The result is ``nn.Conv2d``'s. CPU libraries have no good kernel for the gradients of a convolution with one
    output channel: *measured*, the 5 × 15 one took longer than the rest of the 2-1-2D generator together, and
    this takes a hundredth of it.

    Parameters
    ----------
    channels : int
        Channels in.
    kernel : tuple of int
        Odd, for each axis.
    """

    def __init__(self, channels: int, kernel: tuple[int, int]) -> None:
        super().__init__(channels, 1, kernel, padding=(kernel[0] // 2, kernel[1] // 2))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) → (B, 1, H, W)``."""
        size, (height, width) = (x.shape[-2], x.shape[-1]), self.weight.shape[-2:]
        # Folding adds tap k of position p to p + k, a convolution reads p + k with tap k: hence the flip.
        taps = F.linear(x.permute(0, 2, 3, 1), self.weight[0].flip(1, 2).flatten(1).t())  # (B, H, W, taps)
        taps = taps.flatten(1, 2).transpose(1, 2)
        plane = F.fold(at_least_float32(taps), size, (height, width), padding=(height // 2, width // 2))
        assert self.bias is not None
        return plane + self.bias.view(1, 1, 1, 1)


class Trunk212d(nn.Module):
    """The 2-1-2D network of CycleGAN-VC2 (Kaneko et al. 2019, fig. 3): planes over (bin, frame) to a mel.

    2-D convolutions at the ends keep local structure; in the middle, where the translation happens, all bins of
    a quarter of the frames are one vector and 1-D convolutions run over time. The 1-D ones are written as 2-D
    ones of height 1, and 1 × 1 convolutions as matrix products, so that all of it stays channels-last, which
    is several times as fast in bfloat16 on CPUs.

    Parameters
    ----------
    mels : int
        Bins in and out; the papers have 36 and 80. Others than multiples of 4 are padded inside.
    planes : int
        Input planes: the mel, and what accompanies it.
    channels : int
        Channels of the first and the last layer. The others have twice as many, the gates of the residual
        blocks four times.
    blocks : int
        Residual blocks.
    """

    layout = torch.channels_last

    def __init__(self, mels: int, planes: int = 1, channels: int = 128, blocks: int = 6) -> None:
        super().__init__()
        wide, self.rows = 2 * channels, -(-mels // 4)
        self.enter = ConvGLU(2, planes, channels, (5, 15), norm=False)
        self.down = nn.Sequential(
            ConvGLU(2, channels, wide, 5, stride=2), ConvGLU(2, wide, wide, 5, stride=2)
        )
        self.flatten, self.flat_norm = nn.Linear(self.rows * wide, wide), InstanceNorm(wide)
        self.translate = nn.Sequential(*(ResidualGLU(2, wide, 2 * wide, (1, 3)) for _ in range(blocks)))
        self.unflatten, self.unflat_norm = nn.Linear(wide, self.rows * wide), InstanceNorm(self.rows * wide)
        self.up = nn.Sequential(
            ConvGLU(2, wide, wide, 5, upscale=2), ConvGLU(2, wide, channels, 5, upscale=2)
        )
        self.leave = ToOnePlane(channels, (5, 15))
        keep_channels_last(self)

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(B, planes, M, F)`` to ``(B, M, F)``; any F ≥ 1."""
        bins, frames = planes.shape[-2:]
        x = pad_to_multiple(planes, 4, 4).contiguous(memory_format=self.layout)
        x = self.down(self.enter(x))  # (B, C, M/4, F/4)
        x = x.permute(0, 3, 2, 1).flatten(2)  # (B, F/4, M/4 · C)
        x = self.translate(self.flat_norm(_as_height_1(self.flatten(x))))  # (B, C, 1, F/4)
        x = self.unflat_norm(_as_height_1(self.unflatten(x.squeeze(2).transpose(1, 2))))
        x = x.squeeze(2).unflatten(1, (self.rows, -1)).transpose(1, 2)  # (B, C, M/4, F/4)
        x = self.up(x.contiguous(memory_format=self.layout))
        mel: Tensor = self.leave(x)[:, 0, :bins, :frames]
        return mel.to(planes.dtype)


def _as_height_1(x: Tensor) -> Tensor:
    """``(B, F, C) → (B, C, 1, F)``, channels last in memory without moving anything."""
    return x.transpose(1, 2).unsqueeze(2)


class PatchDiscriminator(nn.Module):
    """Judge patches with gated 2-D convolutions; the last layer is a convolution (Kaneko et al. 2019, fig. 4).

    Parameters
    ----------
    channels : int
        Channels of the first layer; the next have two, four and eight times as many.
    wide_layer : bool
        A further gated layer, 1 × 5 at stride 1, before the last.
    """

    layout = torch.channels_last

    def __init__(self, channels: int = 128, wide_layer: bool = True) -> None:
        super().__init__()
        c = channels
        self.layers = nn.ModuleList(
            [
                ConvGLU(2, 1, c, 3, norm=False),
                ConvGLU(2, c, 2 * c, 3, stride=2),
                ConvGLU(2, 2 * c, 4 * c, 3, stride=2),
                ConvGLU(2, 4 * c, 8 * c, 3, stride=2),
            ]
        )
        if wide_layer:
            self.layers.append(ConvGLU(2, 8 * c, 8 * c, (1, 5)))
        self.score = nn.Conv2d(8 * c, 1, (1, 3), padding=(0, 1))
        keep_channels_last(self)

    def forward(self, mel: Tensor) -> Logits:
        """Score ``mel (B, M, F)``, one score for each patch: ``(B, 1, ⌈M/8⌉, ⌈F/8⌉)``; features of each layer.

        Scores are not squashed: least squares (Mao et al. 2017) sets targets for unbounded scores, and a
        sigmoid before them would take away the gradient where the discriminator is sure of itself.
        """
        x = mel[:, None].contiguous(memory_format=self.layout)
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return Logits((self.score(x),), (tuple(features),))
