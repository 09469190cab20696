"""`pix2pix`: pictures from pictures, learnt from pairs (Isola et al. 2016, arXiv:1611.07004).

L1 alone gets the coarse right and blurs what the input leaves open; a discriminator of patches, which sees the input
too, decides what looks real in the small.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pydantic
import torch
from torch import Tensor, nn

from ...core.objectives import NON_SATURATING, at_least_float32
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from ...errors import VoiceganError
from ..nets.patch import PatchDiscriminator
from ..nets.unet import UNet
from .base import Data, GameConfig, GameSystem
from .encoding import AT_ONCE


class Pix2PixConfig(GameConfig):
    """Hyper-parameters of the system `pix2pix`; the defaults are the paper's (section 3 and appendix 6)."""

    width: int = pydantic.Field(64, ge=1)
    d_width: int = pydantic.Field(64, ge=1)
    d_strides: int = pydantic.Field(3, ge=1)  # patches of 16, 34, 70 pixels with 1, 2, 3; as the size allows
    norm: Literal["none", "instance", "batch"] = "instance"  # the paper's batches of one: the same for both
    dropout: float = pydantic.Field(0.5, ge=0, lt=1)
    l1: float = pydantic.Field(100.0, ge=0)  # λ
    adversarial: float = pydantic.Field(1.0, ge=0)  # 0: L1 alone


class Pix2Pix(GameSystem):
    """``min_G max_D E[log D(a, b)] + E[log(1 - D(a, G(a)))] + λ E ‖b - G(a)‖₁`` (eq. 4).

    Parameters
    ----------
    image_shape : sequence of int
        ``(C, H, W)`` of both sides.
    classes : int
        Not used.
    config : Pix2PixConfig
        Hyper-parameters.

    Attributes
    ----------
    g : nn.Module
        The generator, from pictures a to pictures b. Dropout is its noise, in training alone.
    d : nn.Module
        The discriminator, from a and b, one above the other in channels, to ``Logits``.
    """

    Config = Pix2PixConfig
    data: ClassVar[Data] = "pairs"
    trainer_defaults: ClassVar[dict[str, Any]] = {"steps": 80_000, "batch": 1}

    def players(self) -> tuple[nn.Module, nn.Module]:
        c, (channels, *size) = self.config, self.image_shape
        generator = UNet(self.image_shape, channels, c.width, c.norm, c.dropout)
        return generator, PatchDiscriminator(2 * channels, size, c.d_width, c.d_strides, c.norm)

    @property
    def contested(self) -> bool:
        return bool(self.config.adversarial)

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(a, G(a))] + λ E ‖b - G(a)‖₁``, a mean over pixels."""
        c, a, b = self.config, batch["a"], batch["b"]
        fake = scratch["fake"] = self.g(a)
        terms = {"l1": c.l1 * (at_least_float32(fake) - b).abs().mean()}
        if c.adversarial:
            terms["adversarial"] = c.adversarial * NON_SATURATING.g(self.d(pair(a, fake)))
        return terms

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-½ (E[log D(a, b)] + E[log(1 - D(a, G(a)))])``: half, which slows D down (section 3.3)."""
        a, b = batch["a"], batch["b"]
        fake = scratch["fake"] if "fake" in scratch else self.g(a)
        real, made = judge(self.d, pair(a, b), pair(a, fake.detach()))
        return {"adversarial": 0.5 * NON_SATURATING.d(real, made)}

    @torch.no_grad()
    def translate(self, images: Tensor, towards: str = "b") -> Tensor:
        """Pictures a (N, C, H, W) to pictures b, float32 in [-1, 1]. Raises VoiceganError for the way back."""
        if towards != "b":
            raise VoiceganError("this system translates one way only", "Train it on the data reversed.")
        with self.outside_training("g") as (generator,):
            return torch.cat([generator(part).float() for part in images.split(AT_ONCE)])


def pair(a: Tensor, b: Tensor) -> Tensor:
    """Two pictures as the channels of one."""
    return torch.cat([a, b.to(a.dtype)], dim=1)
