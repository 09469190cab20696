"""`vae`: autoencoding variational Bayes (Kingma & Welling 2013, arXiv:1312.6114).

Not a GAN, but the generator that GANs are compared with: it is trained by a lower bound of the likelihood, covers all
of the data and blurs it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import pydantic
import torch.nn.functional as F
from torch import Tensor

from ...core.objectives import at_least_float32
from ...core.random import Draws
from ...core.system import Batch, Phase, Progress, Scratch
from .encoding import EncodingConfig, EncodingSystem


class VAEConfig(EncodingConfig):
    """Hyper-parameters of the system `vae`."""

    latent: int = pydantic.Field(20, ge=1)
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"  # the paper's for digits, and for faces
    deviation: float = pydantic.Field(0.2, gt=0)  # of a pixel, where the likelihood is gaussian
    beta: float = pydantic.Field(1.0, ge=0)  # weight of the divergence; 1 gives the bound


class VAE(EncodingSystem):
    """Maximise ``E_q[log p(x | z)] - KL(q(z | x) ‖ p(z))``, a lower bound of ``log p(x)`` (eq. 3).

    ``q(z | x) = N(μ(x), diag σ²(x))`` and ``p(z) = N(0, I)``. The encoder gives μ and log σ² (appendix C), the
    decoder logits of the pixels (``"bernoulli"``: grey counts as the probability of white) or their means.

    Parameters
    ----------
    image_shape : sequence of int
        Shape of a sample.
    classes : int
        Not used.
    config : VAEConfig
        Hyper-parameters.
    """

    Config = VAEConfig

    def __init__(self, image_shape: Sequence[int], classes: int, config: VAEConfig) -> None:
        bounded = config.likelihood == "gaussian"
        super().__init__(image_shape, classes, config, outputs=2 * config.latent, bounded=bounded)

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        return (Phase("autoencoder", "autoencoder", self.loss),)

    def loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """Minus the bound with one z for each sample (eq. 7 with L = 1), in nats."""
        image = batch["image"]
        mean, log_variance = at_least_float32(self.e(image)).chunk(2, dim=1)
        noise = scratch.draws.normal("ε", self.config.latent)
        z = mean + (0.5 * log_variance).exp() * noise  # the reparametrisation trick, eq. 4
        return {
            "reconstruction": -self.log_likelihood(image, self.g(z)).mean(),
            "divergence": self.config.beta * divergence(mean, log_variance).mean(),
        }

    def log_likelihood(self, images: Tensor, decoded: Tensor) -> Tensor:
        """``log p(x | z)`` in nats, (B,): samples (B, \\*image_shape) under what the decoder gives for z."""
        decoded = at_least_float32(decoded)
        if self.config.likelihood == "bernoulli":
            white = (images + 1) / 2
            each = -F.binary_cross_entropy_with_logits(decoded, white, reduction="none")
        else:
            deviation = self.config.deviation
            each = -0.5 * ((images - decoded) / deviation).square() - math.log(
                deviation * math.sqrt(2 * math.pi)
            )
        return each.flatten(1).sum(dim=1)

    def code(self, encoded: Tensor) -> Tensor:
        """``μ(x)``."""
        return encoded.chunk(2, dim=1)[0]

    def latents(self, draws: Draws, labels: Tensor | None = None) -> Tensor:
        """``z ~ N(0, I)``, (B, latent)."""
        return draws.normal("z", self.config.latent)

    def finish(self, generated: Tensor, draws: Draws) -> Tensor:
        """The mean of ``p(x | z)``: of logits, ``2 sigmoid(l) - 1 = tanh(l / 2)``."""
        return (generated / 2).tanh() if self.config.likelihood == "bernoulli" else generated


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """``KL(N(μ, σ²) ‖ N(0, I)) = -½ Σ (1 + log σ² - μ² - σ²)``, (B,) (appendix B)."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1)
