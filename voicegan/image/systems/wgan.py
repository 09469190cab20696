"""`wgan`: the earth mover's distance, told by a critic with clipped weights (Arjovsky et al. 2017, arXiv:1701.07875).

The critic's loss is minus its estimate of the distance, so the curve means something: it rises towards 0 as samples
improve.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import ClassVar

import pydantic
from torch import Tensor

from ...core.objectives import WASSERSTEIN
from ...core.penalties import clip_weights
from ...core.system import Batch, Phase, Progress, Scratch
from ...core.tricks import judge
from .base import AdversarialConfig, AdversarialSystem, Count, Rate


class WGANConfig(AdversarialConfig):
    """Hyper-parameters of the system `wgan`; the defaults are those of algorithm 1."""

    lr_g: Rate = 5e-5
    lr_d: Rate = 5e-5
    d_repeats: Count = 5  # n_critic
    clip: float = pydantic.Field(0.01, gt=0)


class WGAN(AdversarialSystem):
    """Algorithm 1: n_critic updates of a clipped critic on fresh batches, then one of the generator.

    RMSProp, since momentum made the critic's training unstable (section 4). See :class:`WGANConfig`.
    """

    Config = WGANConfig
    kind_of_optimizer: ClassVar[str] = "rmsprop"

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        """After each update of the critic, its weights are clamped to [-c, c]."""
        generator, critic = super().phases(progress)
        return generator, replace(critic, after=(partial(clip_weights, self.d, self.config.clip),))

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[f(G(z))]``."""
        return {"adversarial": WASSERSTEIN.g(self.d(self.fake(scratch)))}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-(E[f(x)] - E[f(G(z))])``."""
        real, fake = judge(self.d, batch["image"], self.fake(scratch).detach())
        return {"adversarial": WASSERSTEIN.d(real, fake)}
