"""Networks of CycleGAN-VC (Kaneko & Kameoka 2017, arXiv:1711.11293, fig. 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...core.blocks import ConvGLU, InstanceNorm, ResidualGLU
from ...core.system import Logits
from . import Condition
from .gated import keep_channels_last, pad_to_multiple


class Generator1d(nn.Module):
    """Gated 1-D network: two layers down, six residual blocks, two pixel shuffles up. Bins are channels.

    Parameters
    ----------
    mels : int
        Features of a frame; the paper has 24 mel-cepstral coefficients.
    channels : int
        Channels of the first layer; downsampling gives two and four times as many, the gates of the residual
        blocks have eight times.
    blocks : int
        Residual blocks.
    """

    context_frames = None  # instance norm takes its statistics over all frames that it is shown

    def __init__(self, mels: int = 80, channels: int = 128, blocks: int = 6) -> None:
        super().__init__()
        c = channels
        self.layers = nn.Sequential(
            ConvGLU(1, mels, c, 15, norm=False),
            ConvGLU(1, c, 2 * c, 5, stride=2),
            ConvGLU(1, 2 * c, 4 * c, 5, stride=2),
            *(ResidualGLU(1, 4 * c, 8 * c, 3) for _ in range(blocks)),
            # The figure's channels (1024, 512) are those before the shuffle, which turns half into frames.
            ConvGLU(1, 4 * c, 4 * c, 5, upscale=2),
            ConvGLU(1, 4 * c, 2 * c, 5, upscale=2),
            nn.Conv1d(2 * c, mels, 15, padding=7),
        )

    def forward(self, mel: Tensor, condition: Condition | None = None) -> Tensor:
        """Map ``mel (B, M, F)``, normalised, to ``(B, M, F)``, normalised; any F ≥ 1."""
        padded = pad_to_multiple(mel[:, None], 1, 4)[:, 0]
        converted: Tensor = self.layers(padded)[..., : mel.shape[-1]]
        return converted.to(mel.dtype)


class FullDiscriminator(nn.Module):
    """Judge a whole crop with gated 2-D convolutions and one fully connected layer.

    The paper's last convolution is 6 high: at its 24 coefficients exactly the rows that are left, so there is
    no padding along them, and each of its outputs has seen every coefficient. Public code, without the fully
    connected layer's weights over positions, has a score for each place instead of one for the crop.

    Parameters
    ----------
    mels, frames : int
        Size of the crops; the paper has 24 × 128.
    channels : int
        Channels of the first layer; the next have two, four and eight times as many.
    """

    def __init__(self, mels: int = 80, frames: int = 128, channels: int = 128) -> None:
        super().__init__()
        c, rows, height = channels, -(-mels // 4), min(6, -(-mels // 4))
        self.frames = frames
        self.layers = nn.Sequential(
            ConvGLU(2, 1, c, 3, stride=(1, 2), norm=False),
            ConvGLU(2, c, 2 * c, 3, stride=2),
            ConvGLU(2, 2 * c, 4 * c, 3, stride=2),
            nn.Conv2d(4 * c, 16 * c, (height, 3), (1, 2), (0, 1)),
            InstanceNorm(16 * c),
            nn.GLU(dim=1),
        )
        self.score = nn.Linear(8 * c * (rows - height + 1) * -(-frames // 16), 1)
        keep_channels_last(self)

    def forward(self, mel: Tensor) -> Logits:
        """Score ``mel (B, M, frames)`` with one number in (0, 1), ``(B, 1)``.

        The sigmoid is the figure's; the paper's least squares are taken of what it gives.
        """
        if mel.shape[-1] != self.frames:
            raise ValueError(f"this discriminator judges crops of {self.frames} frames, not {mel.shape[-1]}")
        x = self.layers(mel[:, None].contiguous(memory_format=torch.channels_last))
        return Logits((self.score(x.flatten(1)).float().sigmoid(),))
