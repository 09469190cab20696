"""`bgan`: the generator seeks D's decision boundary, also where samples are discrete (Hjelm et al. 2017).

arXiv:1702.08431.
"""

from __future__ import annotations

from typing import Literal

import pydantic
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.objectives import (
    BOUNDARY_SEEKING,
    NON_SATURATING,
    at_least_float32,
    importance_weights,
    policy_loss,
)
from ...core.random import Draws
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from .base import AdversarialConfig, AdversarialSystem


class BGANConfig(AdversarialConfig):
    """Hyper-parameters of the system `bgan`."""

    # Scores are weighed against each other: batch norm would make them depend on who else is in the batch.
    d_norm: Literal["none", "layer", "batch"] = "layer"
    kind: Literal["discrete", "continuous"] = "discrete"  # discrete: each pixel is black or white
    draws: int = pydantic.Field(20, ge=2)  # M, samples drawn for each latent vector; discrete alone


class BGAN(AdversarialSystem):
    """Discrete: a policy whose reward is how real D finds a sample among those of one z (eq. 9 and 10).

    G gives the logit of each pixel being white, ``g(x | z)``, from which pixels are drawn: no gradient passes through
    them, and none is needed. What is real is made black and white too. Continuous: ``E[(log D - log(1 - D))²] / 2``.
    See :class:`BGANConfig`.
    """

    Config = BGANConfig

    def players(self) -> tuple[nn.Module, nn.Module]:
        """A discrete generator gives logits."""
        return self.generator(bounded=self.config.kind == "continuous"), self.discriminator()

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E_z[Σ_m w̃_m log g(x_m | z)]``, ``w̃_m = e^(s_m) / Σ e^(s)``; or the boundary-seeking loss."""
        made = self.fake(scratch)
        if self.config.kind == "continuous":
            return {"adversarial": BOUNDARY_SEEKING.g(self.d(made))}
        logits, m = at_least_float32(made), self.config.draws
        drawn = self.drawn(logits, scratch.draws, m)  # (B, M, C, H, W)
        (scores,) = self.d(drawn.flatten(0, 1)).scores
        log_g = -F.softplus(-drawn * logits[:, None]).flatten(2).sum(dim=2)  # pixels are 1 or -1
        return {"adversarial": policy_loss(log_g, importance_weights(scores.view(-1, m)))}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(x)] - E[log(1 - D(x̃))]``, x̃ drawn from G."""
        image, made = batch["image"], self.fake(scratch).detach()
        if self.config.kind == "discrete":
            image, made = black_and_white(image), self.drawn(made, scratch.draws, 1)[:, 0]
        return {"adversarial": NON_SATURATING.d(*judge(self.d, image, made))}

    def drawn(self, logits: Tensor, draws: Draws, m: int) -> Tensor:
        """Pixels -1 or 1, (B, m, \\*image_shape), of logits (B, \\*image_shape)."""
        white = draws.uniform("pixels", m, *self.image_shape) < logits.sigmoid()[:, None]
        return torch.where(white, 1.0, -1.0)

    def as_learnt(self, images: Tensor) -> Tensor:
        """Black and white, where samples are."""
        return images if self.config.kind == "continuous" else black_and_white(images)

    def finish(self, generated: Tensor, draws: Draws) -> Tensor:
        """Draw the pixels of a discrete generator."""
        return generated if self.config.kind == "continuous" else self.drawn(generated, draws, 1)[:, 0]


def black_and_white(image: Tensor) -> Tensor:
    """Pixels in [-1, 1] to the nearer end."""
    return torch.where(image > 0, 1.0, -1.0)
