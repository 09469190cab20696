"""`sngan`: a discriminator of layers with spectral norm 1 (Miyato et al. 2018, arXiv:1802.05957)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from ...core.blocks import spectral_norm
from ...core.objectives import HINGE
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from .base import AdversarialConfig, AdversarialSystem, Betas, Rate


class SNGANConfig(AdversarialConfig):
    """Hyper-parameters of the system `sngan`; the rates are setting C of the paper's table 1."""

    d_norm: Literal["none"] = "none"  # a norm would undo the Lipschitz bound
    lr_g: Rate = 2e-4
    lr_d: Rate = 2e-4
    betas: Betas = (0.5, 0.999)


class SNGAN(AdversarialSystem):
    """The hinge game against a discriminator that is Lipschitz by construction. See :class:`SNGANConfig`."""

    Config = SNGANConfig

    def players(self) -> tuple[nn.Module, nn.Module]:
        """The paper's discriminator, each weight of which is divided by its largest singular value (eq. 8)."""
        net = "sngan" if self.config.net == "dcgan" else None
        return self.generator(), spectral_norm(self.discriminator(net=net))

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[D(G(z))]`` (eq. 17)."""
        return {"adversarial": HINGE.g(self.d(self.fake(scratch)))}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]`` (eq. 16)."""
        # Each pass takes a step of the power iteration: in one pass, real and fake are judged by the same weights.
        real, fake = judge(self.d, batch["image"], self.fake(scratch).detach(), joint=True)
        return {"adversarial": HINGE.d(real, fake)}
