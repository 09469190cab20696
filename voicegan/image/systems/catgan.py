"""`catgan`: real samples fall clearly into a category, generated ones into none (Springenberg 2015, arXiv:1511.06390).

Nobody names the categories. Where a few labels are known, they do.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import pydantic
from torch import Tensor, nn

from ...core.objectives import at_least_float32
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from .acgan import class_loss
from .base import AdversarialConfig, AdversarialSystem, Data, TellsClasses


class CatGANConfig(AdversarialConfig):
    """Hyper-parameters of the system `catgan`."""

    dropout: float = pydantic.Field(0.3, ge=0, lt=1)
    d_norm: Literal["none", "layer", "batch"] = "layer"
    supervised: float = pydantic.Field(1.0, ge=0)  # λ of the few labels (eq. 9); 0: they are never looked at


class CatGAN(TellsClasses, AdversarialSystem):
    """D is a classifier into K categories, all equally probable, and sure of real samples alone (eq. 7 to 9).

    K is the number of the data's classes, also where ``supervised = 0`` and the categories have to be found. The
    marginal ``p(y)`` is the mean over a batch, so batches should hold many times K. See :class:`CatGANConfig`.
    """

    Config = CatGANConfig
    averaged_players: ClassVar[tuple[str, ...]] = ("g", "d")
    data: ClassVar[Data] = "few-labels"

    def players(self) -> tuple[nn.Module, nn.Module]:
        """D tells categories alone."""
        return self.generator(), self.discriminator(heads={"class": self.classes}, score=False)

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-H[p(y | G)] + E[H[p(y | G(z))]]``: every fake is sure, and all categories are used."""
        fake = self.d(self.fake(scratch)).heads["class"]
        return {"marginal": -marginal_entropy(fake), "conditional": conditional_entropy(fake)}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-H[p(y | X)] + E[H[p(y | x)]] - E[H[p(y | G(z))]] + λ CE(y, p(y | x))``."""
        real, fake = (
            told.heads["class"] for told in judge(self.d, batch["image"], self.fake(scratch).detach())
        )
        terms = {
            "marginal": -marginal_entropy(real),
            "conditional": conditional_entropy(real),
            "fake": -conditional_entropy(fake),
        }
        if self.config.supervised:
            few = self.d(batch["few_image"]).heads["class"]
            terms["supervised"] = self.config.supervised * class_loss(few, batch["few_label"])
        return terms

    @property
    def names_classes(self) -> bool:
        """Where labels were looked at."""
        return bool(self.config.supervised)


def conditional_entropy(logits: Tensor) -> Tensor:
    """``E_x[H[p(y | x)]]`` in nats, of logits (B, K): how unsure single samples are (eq. 3)."""
    log_p = at_least_float32(logits).log_softmax(dim=1)
    return -(log_p.exp() * log_p).sum(dim=1).mean()


def marginal_entropy(logits: Tensor) -> Tensor:
    """``H[E_x[p(y | x)]]`` in nats, of logits (B, K): how evenly categories are used (eq. 4)."""
    log_p = at_least_float32(logits).log_softmax(dim=1)
    log_mean = log_p.logsumexp(dim=0) - math.log(len(logits))
    return -(log_mean.exp() * log_mean).sum()
