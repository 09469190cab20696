"""What the networks that climb from the frame rate to the sample rate have in common."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...audio.mel import pad_signal

Span = tuple[int, int]  # first and last position


class Upsampling(nn.ConvTranspose1d):
    """Transposed convolution from (B, C, T) to exactly (B, C', T·stride)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        if stride < 1 or kernel < stride:
            raise ValueError(f"an upsampling by {stride} needs a kernel of as many samples, not {kernel}")
        surplus = kernel - stride
        super().__init__(
            inputs, outputs, kernel, stride, padding=(surplus + 1) // 2, output_padding=surplus % 2
        )

    def felt_by(self, span: Span) -> Span:
        """The inputs that decide the outputs first ... last."""
        kernel, stride, padding = self.kernel_size[0], self.stride[0], self.padding[0]
        assert isinstance(padding, int)
        return -((kernel - 1 - padding - span[0]) // stride), (span[1] + padding) // stride


def widened(span: Span, reach: int) -> Span:
    """The inputs that decide those outputs of layers that look `reach` positions back and ahead."""
    return span[0] - reach, span[1] + reach


def conv_reach(kernel: int, dilation: int = 1) -> int:
    """How far a convolution that keeps the length looks to either side; also its padding."""
    if kernel % 2 == 0 or min(kernel, dilation) < 1:
        raise ValueError(f"need an odd kernel and a dilation of 1 or more, not {kernel} and {dilation}")
    return (kernel - 1) // 2 * dilation


def same_conv(inputs: int, outputs: int, kernel: int, dilation: int = 1, bias: bool = True) -> nn.Conv1d:
    """A convolution that keeps the length, padded with zeros."""
    padding = conv_reach(kernel, dilation)
    return nn.Conv1d(inputs, outputs, kernel, dilation=dilation, padding=padding, bias=bias)


def mirrored(x: Tensor, count: int) -> Tensor:
    """x (B, C, T) with `count` reflected positions on either side; any T >= 1."""
    return pad_signal(x.flatten(0, 1), count, count, "reflect").unflatten(0, x.shape[:2])


def widths(channels: int, stages: int) -> list[int]:
    """Channels before the first stage and after each: halved every time."""
    if stages < 1 or channels % 2**stages or channels < 2**stages:
        raise ValueError(f"{channels} channels cannot be halved {stages} times")
    return [channels >> stage for stage in range(stages + 1)]


def context_of(hop: int, ups: nn.ModuleList, reaches: Sequence[int], last: int = 0) -> tuple[int, int]:
    """Frames (past, future) that a hop of samples depends on, between convolutions over 7 at either end.

    reaches: how far the layers after each upsampling look; last: what stands before the last convolution.
    """
    span = widened((0, hop - 1), 3 + last)
    for up, reach in reversed(list(zip(ups, reaches, strict=True))):
        assert isinstance(up, Upsampling)
        span = up.felt_by(widened(span, reach))
    span = widened(span, 3)
    return -span[0], span[1]


def mean_of(blocks: nn.ModuleList, x: Tensor) -> Tensor:
    """The mean of what several blocks make of x: how HiFi-GAN joins its kernel sizes."""
    total: Tensor = blocks[0](x)
    for block in blocks[1:]:
        total = total + block(x)
    return total / len(blocks)


def bounded(wav: Tensor, tanh: bool = True) -> Tensor:
    """wav (B, 1, T), made to lie in [-1, 1], as (B, T) in float32."""
    wav = wav.float().squeeze(1)
    return torch.tanh(wav) if tanh else wav.clamp(-1.0, 1.0)
