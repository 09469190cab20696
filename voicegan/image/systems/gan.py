"""`gan`: the first of them (Goodfellow et al. 2014, arXiv:1406.2661), fully connected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pydantic
from torch import Tensor

from ...core.objectives import OBJECTIVES
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from .base import AdversarialConfig, AdversarialSystem, Count


class GANConfig(AdversarialConfig):
    """Hyper-parameters of the system `gan`."""

    net: Literal["mlp", "mlp-norm", "mlp-deep", "dcgan"] = "mlp"
    width: Count = 256
    d_norm: Literal["none", "layer", "batch"] = "none"
    dropout: float = pydantic.Field(0.5, ge=0, lt=1)  # in D alone, as in section 5
    objective: Literal["minimax", "non_saturating"] = "non_saturating"


class GAN(AdversarialSystem):
    """The game ``min_G max_D E[log D(x)] + E[log(1 - D(G(z)))]`` (eq. 1).

    Parameters
    ----------
    image_shape : sequence of int
        Shape of a sample.
    classes : int
        Not used.
    config : GANConfig
        ``objective`` says whether G plays the game as it stands or, as section 3 advises, maximises
        ``E[log D(G(z))]``, whose gradient does not vanish where D is sure of itself.
    """

    Config = GANConfig

    def __init__(self, image_shape: Sequence[int], classes: int, config: GANConfig) -> None:
        super().__init__(image_shape, classes, config)
        self.objective = OBJECTIVES[config.objective]

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``E[log(1 - D(G(z)))]``, or ``-E[log D(G(z))]``."""
        return {"adversarial": self.objective.g(self.d(self.fake(scratch)))}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(x)] - E[log(1 - D(G(z)))]``."""
        real, fake = judge(self.d, batch["image"], self.fake(scratch).detach())
        return {"adversarial": self.objective.d(real, fake)}
