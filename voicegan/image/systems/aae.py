"""`aae`: an autoencoder whose codes are fooled into a prior (Makhzani et al. 2015, arXiv:1511.05644).

A discriminator plays against the encoder, not against the decoder: it tells codes from draws of the prior. The prior
need not have a density that can be written down, only samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pydantic
from torch import Tensor

from ...core.objectives import NON_SATURATING
from ...core.random import Draws
from ...core.system import Batch, OptimizerSpec, Phase, Progress, Scratch
from ...core.tricks import judge
from ..nets.mlp import MLPDiscriminator
from .base import Betas, Rate
from .encoding import EncodingConfig, EncodingSystem


class AAEConfig(EncodingConfig):
    """Hyper-parameters of the system `aae`."""

    latent: int = pydantic.Field(8, ge=1)
    d_width: int = pydantic.Field(128, ge=1)  # hidden units of the discriminator of codes
    lr: Rate = 5e-4
    lr_d: Rate = 5e-4
    betas: Betas = (0.5, 0.999)
    adversarial: float = pydantic.Field(0.1, ge=0)  # weight beside the mean squared error of a pixel


class AAE(EncodingSystem):
    """Reconstruction and regularisation in turn, on each batch (section 2). The encoder is deterministic.

    Parameters
    ----------
    image_shape : sequence of int
        Shape of a sample.
    classes : int
        Not used.
    config : AAEConfig
        Hyper-parameters.

    Attributes
    ----------
    d : nn.Module
        The discriminator of codes (B, latent).
    """

    Config = AAEConfig

    def __init__(self, image_shape: Sequence[int], classes: int, config: AAEConfig) -> None:
        super().__init__(image_shape, classes, config)
        self.d = MLPDiscriminator((config.latent,), config.d_width)

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        c = self.config
        return {**super().optimizers(), "d": OptimizerSpec(("d",), c.lr_d, c.betas)}

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        return (
            Phase("reconstruction", "autoencoder", self.reconstruction_loss),
            Phase("d", "d", self.discriminator_loss),
            Phase("regularisation", "autoencoder", self.regularisation_loss),
        )

    def reconstruction_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``E ‖x - g(e(x))‖²``, a mean over pixels."""
        scratch["code"] = self.e(batch["image"])
        return {"squares": (self.g(scratch["code"]) - batch["image"]).square().mean()}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(z)] - E[log(1 - D(e(x)))]``: draws of the prior are real, codes are fakes."""
        code = scratch["code"] if "code" in scratch else self.e(batch["image"])
        real, fake = judge(self.d, self.latents(scratch.draws), code.detach())
        return {"adversarial": NON_SATURATING.d(real, fake)}

    def regularisation_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(e(x))]``: only the encoder has a part in it."""
        return {"adversarial": self.config.adversarial * NON_SATURATING.g(self.d(self.e(batch["image"])))}

    def latents(self, draws: Draws, labels: Tensor | None = None) -> Tensor:
        """``z ~ N(0, I)``, (B, latent)."""
        return draws.normal("z", self.config.latent)
