"""`wgan-gp`: a critic whose gradient is held at norm 1 (Gulrajani et al. 2017, arXiv:1704.00028)."""

from __future__ import annotations

from typing import Literal

import pydantic
from pydantic import field_validator
from torch import Tensor

from ...core.objectives import WASSERSTEIN
from ...core.penalties import gradient_penalty
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from .base import AdversarialConfig, AdversarialSystem, Betas, Count, Rate, unmixed


class WGANGPConfig(AdversarialConfig):
    """Hyper-parameters of the system `wgan-gp`; the defaults are those of algorithm 1."""

    d_norm: Literal["none", "layer", "batch"] = "layer"
    lr_g: Rate = 1e-4
    lr_d: Rate = 1e-4
    betas: Betas = (0.0, 0.9)
    d_repeats: Count = 5  # n_critic
    penalty: float = pydantic.Field(10.0, ge=0)  # λ
    # Most of an update's time goes into the penalty: taken in every k-th, k times as heavy, it costs a k-th of it
    # (lazy regularization: Karras et al. 2020, section 4.1).
    penalty_every: int = pydantic.Field(1, ge=1)
    exact_penalty: bool = True  # False: taken in the precision of the run, not in fp32

    _unmixed = field_validator("d_norm")(unmixed)


class WGANGP(AdversarialSystem):
    """Algorithm 1: n_critic updates of a penalised critic on fresh batches, then one of the generator.

    The critic has layer norm: batch norm would make its gradient at one sample depend on the others (section 4).
    See :class:`WGANGPConfig`.
    """

    Config = WGANGPConfig

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[D(G(z))]``."""
        return {"adversarial": WASSERSTEIN.g(self.d(self.fake(scratch)))}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``E[D(G(z))] - E[D(x)] + λ E[(‖∇D(x̂)‖ - 1)²]``, x̂ between x and G(z), by chance for each sample (eq. 3).

        The last term comes in every update of the critic whose number ``penalty_every`` divides.
        """
        c, image, generated = self.config, batch["image"], self.fake(scratch).detach()
        real, fake = judge(self.d, image, generated)
        terms = {"adversarial": WASSERSTEIN.d(real, fake)}
        if (progress.step * c.d_repeats + scratch.repeat) % c.penalty_every == 0:
            mix = scratch.draws.uniform("mix")
            penalty = gradient_penalty(self.d, image, generated, mix, exact=c.exact_penalty)
            terms["penalty"] = c.penalty_every * c.penalty * penalty
        return terms
