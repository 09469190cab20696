"""Networks of MaskCycleGAN-VC (Kaneko et al. 2021, arXiv:2102.12841): CycleGAN-VC2's, told which frames to fill."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from . import Condition
from .gated import PatchDiscriminator, Trunk212d

__all__ = ["FillingGenerator212d", "PatchDiscriminator"]


class FillingGenerator212d(nn.Module):
    """The 2-1-2D generator on two planes: the mel with frames taken out, ``x · m``, and the mask ``m``.

    Parameters
    ----------
    mels : int
        Bins.
    channels : int
        Channels of the first and the last layer.
    blocks : int
        Residual blocks.
    """

    context_frames = None  # instance norm takes its statistics over all frames that it is shown

    def __init__(self, mels: int = 80, channels: int = 128, blocks: int = 6) -> None:
        super().__init__()
        self.trunk = Trunk212d(mels, 2, channels, blocks)

    def forward(self, mel: Tensor, condition: Condition | None = None) -> Tensor:
        """Map ``mel (B, M, F)``, normalised, to ``(B, M, F)``, normalised; any F ≥ 1.

        Frames where ``condition.mask`` is 0 are not seen but filled in; without a mask all are seen.
        """
        mask = None if condition is None else condition.mask
        plane = torch.ones_like(mel) if mask is None else mask.to(mel.dtype).expand_as(mel)
        converted: Tensor = self.trunk(torch.stack([mel * plane, plane], dim=1))
        return converted
