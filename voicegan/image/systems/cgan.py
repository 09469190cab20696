"""`cgan`: both players are told the class (Mirza & Osindero 2014, arXiv:1411.1784)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ...core.objectives import NON_SATURATING
from ...core.random import Draws
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from .base import AdversarialConfig, AdversarialSystem


class CGANConfig(AdversarialConfig):
    """Hyper-parameters of the system `cgan`. The paper's networks are fully connected: ``net = "mlp"``."""


class CGAN(AdversarialSystem):
    """The game ``min_G max_D E[log D(x|y)] + E[log(1 - D(G(z|y)))]`` (eq. 2).

    The fakes of a batch have the labels of its real samples. The class enters G beside the noise, and D beside the
    sample: as constant channels, where the networks are convolutions. See :class:`CGANConfig`.
    """

    Config = CGANConfig
    conditional: ClassVar[bool] = True

    def players(self) -> tuple[nn.Module, nn.Module]:
        """Both with room for the class."""
        return self.generator(more_inputs=self.classes), self.discriminator(conditions=self.classes)

    def latents(self, draws: Draws, labels: Tensor | None = None) -> Tensor:
        """``z`` and the class as a one-hot vector, (B, latent + classes)."""
        return torch.cat([super().latents(draws), self.one_hot(self.labels_for(draws, labels))], dim=1)

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(G(z|y)|y)]``."""
        y = batch["label"]
        return {"adversarial": NON_SATURATING.g(self.d(self.fake(scratch, y), self.one_hot(y)))}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(x|y)] - E[log(1 - D(G(z|y)|y))]``."""
        y = batch["label"]
        real, fake = judge(
            lambda x: self.d(x, self.one_hot(y)), batch["image"], self.fake(scratch, y).detach()
        )
        return {"adversarial": NON_SATURATING.d(real, fake)}
