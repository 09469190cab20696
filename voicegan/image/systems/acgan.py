"""`acgan`: the discriminator also tells the class (Odena et al. 2017, arXiv:1610.09585)."""

from __future__ import annotations

from typing import ClassVar, Literal

import pydantic
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.objectives import NON_SATURATING, at_least_float32
from ...core.random import Draws
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from .base import AdversarialConfig, AdversarialSystem, TellsClasses


class ACGANConfig(AdversarialConfig):
    """Hyper-parameters of the system `acgan`."""

    # Layer norm, so that a picture's class does not depend on the others of its batch.
    d_norm: Literal["none", "layer", "batch"] = "layer"
    auxiliary: float = pydantic.Field(1.0, ge=0)  # weight of L_C against L_S


class ACGAN(TellsClasses, AdversarialSystem):
    """D maximises ``L_S + L_C``, G maximises ``L_C - L_S`` (eq. 2 and 3).

    ``L_S`` is the log-likelihood of the source, real or generated, and ``L_C`` that of the class. D is not told the
    class: it has to see it. See :class:`ACGANConfig`.
    """

    Config = ACGANConfig
    averaged_players: ClassVar[tuple[str, ...]] = ("g", "d")
    conditional: ClassVar[bool] = True

    def players(self) -> tuple[nn.Module, nn.Module]:
        """G is told the class, D tells it."""
        heads = {"class": self.classes}
        return self.generator(more_inputs=self.classes), self.discriminator(heads=heads)

    def latents(self, draws: Draws, labels: Tensor | None = None) -> Tensor:
        """``z`` and the class as a one-hot vector, (B, latent + classes)."""
        return torch.cat([super().latents(draws), self.one_hot(self.labels_for(draws, labels))], dim=1)

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log P(S = real | G(z, c))] - E[log P(C = c | G(z, c))]``."""
        c = batch["label"]
        fake = self.d(self.fake(scratch, c))
        return {
            "adversarial": NON_SATURATING.g(fake),
            "class": self.config.auxiliary * class_loss(fake.heads["class"], c),
        }

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-L_S - L_C``, where ``L_C = E[log P(C = c | x)] + E[log P(C = c | G(z, c))]``."""
        c = batch["label"]
        real, fake = judge(self.d, batch["image"], self.fake(scratch, c).detach())
        wrong = class_loss(real.heads["class"], c) + class_loss(fake.heads["class"], c)
        return {"adversarial": NON_SATURATING.d(real, fake), "class": self.config.auxiliary * wrong}


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """``-E[log P(C = c)]`` of logits (B, classes): cross-entropy takes the softmax itself."""
    return F.cross_entropy(at_least_float32(logits), labels)
