"""`dragan`: a discriminator that is smooth around the data (Kodali et al. 2017, arXiv:1705.07215)."""

from __future__ import annotations

from typing import Literal

import pydantic
from pydantic import field_validator
from torch import Tensor

from ...core.objectives import NON_SATURATING
from ...core.penalties import data_perturbation_penalty
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from .base import AdversarialConfig, AdversarialSystem, unmixed


class DRAGANConfig(AdversarialConfig):
    """Hyper-parameters of the system `dragan`."""

    d_norm: Literal["none", "layer", "batch"] = "layer"
    penalty: float = pydantic.Field(10.0, ge=0)  # λ
    scale: float = pydantic.Field(0.5, ge=0)  # of the noise, in standard deviations of the data
    exact_penalty: bool = True  # False: taken in the precision of the run, not in fp32

    _unmixed = field_validator("d_norm")(unmixed)


class DRAGAN(AdversarialSystem):
    """The non-saturating game, and a penalty on sharp gradients where the data is. See :class:`DRAGANConfig`."""

    Config = DRAGANConfig

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(G(z))]``."""
        return {"adversarial": NON_SATURATING.g(self.d(self.fake(scratch)))}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(x)] - E[log(1 - D(G(z)))] + λ E[(‖∇D(x + δ)‖ - 1)²]``: no generated sample in the penalty.

        Both are taken of the logits, whose gradient does not fade where the sigmoid is flat.
        """
        c, image = self.config, batch["image"]
        real, fake = judge(self.d, image, self.fake(scratch).detach())
        noise = scratch.draws.normal("noise", *self.image_shape)
        penalty = data_perturbation_penalty(self.d, image, noise, scale=c.scale, exact=c.exact_penalty)
        return {"adversarial": NON_SATURATING.d(real, fake), "penalty": c.penalty * penalty}
