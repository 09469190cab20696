"""`mask-cyclegan-vc`: CycleGAN-VC2 that learns by filling in frames (Kaneko et al. 2021, arXiv:2102.12841).

Published settings: 500,000 steps of one crop of 64 frames; learning rates fall from step 200,000 on.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pydantic
import torch
from torch import Tensor, nn

from ...core.system import Scratch
from ..nets.mask_cyclegan_vc import FillingGenerator212d, PatchDiscriminator
from .cyclegan_vc import CycleGANVCConfig
from .cyclegan_vc2 import CycleGANVC2, CycleGANVC2Config


class MaskCycleGANVCConfig(CycleGANVC2Config):
    """Hyper-parameters; the defaults are the paper's."""

    crop_frames: int = pydantic.Field(64, ge=16)
    mask_share: float = pydantic.Field(0.5, ge=0, le=1)  # most frames that are taken out of a crop
    decay_from: float = pydantic.Field(0.4, ge=0, le=1)


class MaskCycleGANVC(CycleGANVC2):
    """MaskCycleGAN-VC between two speakers.

    The first pass sees ``x · m`` and ``m`` and has to invent the frames in between; the way back, the identity
    pass and conversion see every frame (``m = 1``).
    """

    Config: ClassVar[type[CycleGANVCConfig]] = MaskCycleGANVCConfig
    config: MaskCycleGANVCConfig
    trainer_defaults: ClassVar[dict[str, Any]] = {"steps": 500_000, "batch": 1}
    generator_name = "mask-cyclegan-vc"

    def generator(self) -> nn.Module:
        return FillingGenerator212d(**self.generator_arguments)

    def discriminator(self, mels: int) -> nn.Module:
        return PatchDiscriminator(self.config.d_channels, wide_layer=False)

    def masks(self, a: Tensor, b: Tensor, scratch: Scratch) -> tuple[Tensor, Tensor]:
        """Draw ``m (B, 1, F)`` for each sample of each voice."""
        share = self.config.mask_share
        draws_a, draws_b = scratch.draws.uniform("mask_a", 2), scratch.draws.uniform("mask_b", 2)
        return gap(draws_a, a.shape[-1], share), gap(draws_b, b.shape[-1], share)


def gap(draws: Tensor, frames: int, share: float) -> Tensor:
    """Take out one run of consecutive frames, of any length up to a share of all, at any place.

    Public code draws lengths below ``share`` only and never takes out the last frame; here every length from
    0 to ``share · frames`` and every place is as likely as the next.

    Parameters
    ----------
    draws : Tensor
        Uniform in [0, 1), ``(B, 2)``: length and place.
    frames : int
        Frames of a crop.
    share : float
        Largest share taken out.

    Returns
    -------
    Tensor
        ``(B, 1, F)``: 0 in the gap, 1 elsewhere.
    """
    length = (draws[:, :1] * (int(share * frames) + 1)).floor()
    start = (draws[:, 1:] * (frames - length + 1)).floor()
    frame = torch.arange(frames, device=draws.device)
    inside = (frame >= start) & (frame < start + length)
    return (~inside).to(draws.dtype)[:, None]
