"""`bigan`: a generator, its inverse, and a discriminator of pairs (Donahue et al. 2016, arXiv:1605.09782).

The encoder never sees what the generator makes and the generator never sees a code; yet the discriminator can be
fooled on pairs of sample and code only where each inverts the other (theorem 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import pydantic
from torch import Tensor, nn

from ...core.objectives import NON_SATURATING
from ...core.random import Draws
from ...core.system import Batch, OptimizerSpec, Phase, Progress, Scratch
from ...core.tricks import add_noise
from ..nets import DISCRIMINATORS
from .base import Betas, Rate
from .encoding import EncodingConfig, EncodingSystem


class BiGANConfig(EncodingConfig):
    """Hyper-parameters of the system `bigan`; latent, prior and rates are the paper's (section 4.1, appendix C.1)."""

    net: Literal["mlp", "mlp-norm", "dcgan"] = "mlp"  # as the paper's permutation-invariant MNIST
    latent: int = pydantic.Field(50, ge=1)
    width: int = pydantic.Field(256, ge=1)
    d_norm: Literal["none", "layer", "batch"] = "none"
    dropout: float = pydantic.Field(0.0, ge=0, lt=1)  # within the discriminator
    lr: Rate = 2e-4  # of the encoder and the generator
    lr_d: Rate = 2e-4
    d_repeats: int = pydantic.Field(1, ge=1)  # updates of the discriminator in each step
    noise: float = pydantic.Field(0.0, ge=0)  # deviation of what is added to all pictures that D sees
    betas: Betas = (0.5, 0.999)
    half_life: float | None = pydantic.Field(10_000, gt=0)  # of averaged networks, in samples


class BiGAN(EncodingSystem):
    """``min_{G,E} max_D E[log D(x, E(x))] + E[log(1 - D(G(z), z))]`` (eq. 3).

    Parameters
    ----------
    image_shape : sequence of int
        Shape of a sample.
    classes : int
        Not used.
    config : BiGANConfig
        Hyper-parameters.

    Attributes
    ----------
    d : nn.Module
        The discriminator, from samples and codes to ``Logits``.
    """

    Config = BiGANConfig

    def __init__(self, image_shape: Sequence[int], classes: int, config: BiGANConfig) -> None:
        super().__init__(image_shape, classes, config)
        kind = DISCRIMINATORS.get(config.net)
        self.d: nn.Module = kind(
            self.image_shape, config.width, config.d_norm, config.latent, dropout=config.dropout
        )

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        c = self.config
        return {
            "inverses": OptimizerSpec(("e", "g"), c.lr, c.betas),
            "d": OptimizerSpec(("d",), c.lr_d, c.betas),
        }

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        return (
            Phase("inverses", "inverses", self.generator_loss),
            Phase("d", "d", self.discriminator_loss, repeats=self.config.d_repeats),
        )

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log(1 - D(x, E(x)))] - E[log D(G(z), z)]``: the game with its labels exchanged (section 3.4)."""
        code, fake, z = self.pairs(batch["image"], scratch)
        image, fake = self.seen(batch["image"], fake, scratch)
        of_real, of_fake = self.d(image, code), self.d(fake, z)
        return {"adversarial": NON_SATURATING.d(real=of_fake, fake=of_real)}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(x, E(x))] - E[log(1 - D(G(z), z))]``."""
        code, fake, z = self.pairs(batch["image"], scratch)
        image, fake = self.seen(batch["image"], fake.detach(), scratch)
        of_real, of_fake = self.d(image, code.detach()), self.d(fake, z)
        return {"adversarial": NON_SATURATING.d(real=of_real, fake=of_fake)}

    def pairs(self, image: Tensor, scratch: Scratch) -> tuple[Tensor, Tensor, Tensor]:
        """``E(x)``, ``G(z)`` and ``z``: made once for a batch."""
        if "fake" not in scratch:
            z = self.latents(scratch.draws)
            scratch.update(code=self.e(image), fake=self.g(z), z=z)
        return scratch["code"], scratch["fake"], scratch["z"]

    def seen(self, image: Tensor, fake: Tensor, scratch: Scratch) -> tuple[Tensor, Tensor]:
        """Both kinds of pictures as D sees them: under instance noise. Their codes are of clean ones.

        Where D tells pictures from samples by themselves, it has no need of their codes; noise makes that harder.
        """
        sigma = self.config.noise
        if not sigma:
            return image, fake
        noise = scratch.draws.normal("instance noise", 2, *self.image_shape)
        return add_noise(image, noise[:, 0], sigma), add_noise(fake, noise[:, 1], sigma)

    def latents(self, draws: Draws, labels: Tensor | None = None) -> Tensor:
        """``z ~ U(-1, 1)``, (B, latent)."""
        return 2 * draws.uniform("z", self.config.latent) - 1
