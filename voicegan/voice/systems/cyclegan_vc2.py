"""`cyclegan-vc2`: 2-1-2D generators, patches, two-step adversarial losses (Kaneko et al. 2019, arXiv:1904.04631)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from ...core.objectives import LEAST_SQUARES
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from ..nets.cyclegan_vc2 import Generator212d, PatchDiscriminator
from .cyclegan_vc import CycleGANVC, CycleGANVCConfig


class CycleGANVC2Config(CycleGANVCConfig):
    """Hyper-parameters; the paper keeps those of CycleGAN-VC."""


class CycleGANVC2(CycleGANVC):
    """CycleGAN-VC2 between two speakers: CycleGAN-VC with better networks, and a second game on the cycle.

    An L1 cycle loss alone smooths what comes back; the discriminators ``D'`` (``d_a2``, ``d_b2``) judge that
    too.
    """

    Config: ClassVar[type[CycleGANVCConfig]] = CycleGANVC2Config
    generator_name = "cyclegan-vc2"
    discriminators = ("d_a", "d_b", "d_a2", "d_b2")
    d_a2: nn.Module
    d_b2: nn.Module

    def generator(self) -> nn.Module:
        return Generator212d(**self.generator_arguments)

    def discriminator(self, mels: int) -> nn.Module:
        return PatchDiscriminator(self.config.d_channels)

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """CycleGAN-VC's, and ``L_adv2(G_AB, G_BA, D'_A) + L_adv2(G_BA, G_AB, D'_B)``."""
        terms = super().generator_loss(batch, scratch, progress)
        returned_a, returned_b = self.d_a2(scratch["cycle_a"]), self.d_b2(scratch["cycle_b"])
        terms["second"] = LEAST_SQUARES.g(returned_a) + LEAST_SQUARES.g(returned_b)
        return terms

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """CycleGAN-VC's, and ``E[(D'(x) - 1)²] + E[D'(G_BA(G_AB(x)))²]`` for each voice."""
        terms = super().discriminator_loss(batch, scratch, progress)
        terms["a2"] = LEAST_SQUARES.d(*judge(self.d_a2, batch["a"], scratch["cycle_a"], joint=True))
        terms["b2"] = LEAST_SQUARES.d(*judge(self.d_b2, batch["b"], scratch["cycle_b"], joint=True))
        return terms
