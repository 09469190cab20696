"""`dcgan`: convolutions that train stably (Radford et al. 2015, arXiv:1511.06434).

Strides instead of pooling, batch norm in both networks but not at their ends, rectifiers in the generator and leaky
ones in the discriminator, Adam with a momentum of 0.5, weights drawn from N(0, 0.02²). Real and generated samples
go through the discriminator as two batches, so that its batch norm sees each kind by itself.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from ...core.objectives import NON_SATURATING
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from .base import AdversarialConfig, AdversarialSystem, Betas, Rate


class DCGANConfig(AdversarialConfig):
    """Hyper-parameters of the system `dcgan`; the rates are the paper's (section 4)."""

    d_norm: Literal["none", "layer", "batch"] = "batch"
    lr_g: Rate = 2e-4
    lr_d: Rate = 2e-4
    betas: Betas = (0.5, 0.999)


class DCGAN(AdversarialSystem):
    """Convolutional networks and the non-saturating game. See :class:`DCGANConfig`."""

    Config = DCGANConfig

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(G(z))]``."""
        return {"adversarial": NON_SATURATING.g(self.d(self.fake(scratch)))}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(x)] - E[log(1 - D(G(z)))]``."""
        real, fake = judge(self.d, batch["image"], self.fake(scratch).detach())
        return {"adversarial": NON_SATURATING.d(real, fake)}
