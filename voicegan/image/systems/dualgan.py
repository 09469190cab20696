"""`dualgan`: two translators that close the loop, told by Wasserstein critics (Yi et al. 2017, arXiv:1704.02510).

Found at the same time as CycleGAN. It differs in its networks (U-Nets, whose dropout is the noise z, in training) and
in its game (critics with clipped weights, updated more often, RMSProp).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

import pydantic
from torch import Tensor, nn

from ...core.objectives import WASSERSTEIN
from ...core.penalties import clip_weights
from ...core.system import Batch, Phase, Progress, Scratch
from ...core.tricks import judge
from ..nets.patch import PatchDiscriminator
from ..nets.unet import UNet
from .base import Betas, GameConfig, Rate
from .cyclegan import distance
from .translating import TranslatingSystem


class DualGANConfig(GameConfig):
    """Hyper-parameters of the system `dualgan`; the defaults are in the ranges of the paper (section 3.4)."""

    width: int = pydantic.Field(64, ge=1)
    d_width: int = pydantic.Field(64, ge=1)
    d_strides: int = pydantic.Field(3, ge=1)  # patches of 70 pixels, as the size allows
    norm: Literal["none", "instance", "batch"] = "instance"
    dropout: float = pydantic.Field(0.5, ge=0, lt=1)
    cycle: float = pydantic.Field(500.0, ge=0)  # λ_U = λ_V, on means over pixels: 100 to 1000
    d_repeats: int = pydantic.Field(3, ge=1)  # n_critic: 2 to 4
    clip: float = pydantic.Field(0.01, gt=0)  # 0.01 to 0.1
    lr_g: Rate = 5e-5
    lr_d: Rate = 5e-5
    betas: Betas = (0.0, 0.0)  # RMSProp has none


class DualGAN(TranslatingSystem):
    """Algorithm 1. See :class:`DualGANConfig`."""

    Config = DualGANConfig
    kind_of_optimizer: ClassVar[str] = "rmsprop"
    trainer_defaults: ClassVar[dict[str, Any]] = {"steps": 100_000, "batch": 4}

    def generator(self) -> nn.Module:
        c = self.config
        return UNet(self.image_shape, self.image_shape[0], c.width, c.norm, c.dropout)

    def discriminator(self) -> nn.Module:
        c, (channels, *size) = self.config, self.image_shape
        return PatchDiscriminator(channels, size, c.d_width, c.d_strides, c.norm)

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        """The generators, then n_critic updates of both critics; after each, their weights are clamped."""
        generators, critics = super().phases(progress)
        clamp = partial(clip_weights, (self.d_a, self.d_b), self.config.clip)
        return generators, replace(critics, after=(clamp,))

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``λ ‖a - G_BA(G_AB(a))‖₁ + λ ‖b - G_AB(G_BA(b))‖₁ - D_B(G_AB(a)) - D_A(G_BA(b))`` (eq. 3)."""
        fake_a, fake_b = self.fakes(batch, scratch)
        cycle = distance(self.g_ba(fake_b), batch["a"]) + distance(self.g_ab(fake_a), batch["b"])
        return {
            "adversarial": WASSERSTEIN.g(self.d_b(fake_b)) + WASSERSTEIN.g(self.d_a(fake_a)),
            "cycle": self.config.cycle * cycle,
        }

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``D_B(G_AB(a)) - D_B(b)`` and ``D_A(G_BA(b)) - D_A(a)`` (eqs. 1 and 2)."""
        fake_a, fake_b = self.fakes(batch, scratch)
        return {
            "a": WASSERSTEIN.d(*judge(self.d_a, batch["a"], fake_a.detach())),
            "b": WASSERSTEIN.d(*judge(self.d_b, batch["b"], fake_b.detach())),
        }
