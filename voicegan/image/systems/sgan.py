"""`sgan`: a classifier that learns from few labels and many pictures (Salimans et al. 2016, arXiv:1606.03498).

Section 5, and Odena 2016, arXiv:1606.01583: generated samples are one class more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import pydantic
from torch import Tensor, nn

from ...core.objectives import NON_SATURATING, at_least_float32
from ...core.system import Batch, Logits, Progress, Scratch
from ...core.tricks import add_noise, judge, mean_feature_matching
from .acgan import class_loss
from .base import AdversarialConfig, AdversarialSystem, Data, TellsClasses


class SGANConfig(AdversarialConfig):
    """Hyper-parameters of the system `sgan`."""

    d_norm: Literal["none", "layer", "batch"] = "layer"
    dropout: float = pydantic.Field(0.3, ge=0, lt=1)
    noise: float = pydantic.Field(0.0, ge=0)  # deviation of what is added to all pictures that D sees
    g_loss: Literal["feature_matching", "adversarial"] = "feature_matching"


class SGAN(TellsClasses, AdversarialSystem):
    """``L = L_supervised + L_unsupervised``, over K logits: that of the class "generated" may be fixed at 0.

    Then ``D(x) = Z / (Z + 1)`` with ``Z = Σ exp l_k(x)``, whose logit is ``log Z``: see :func:`as_score`.
    See :class:`SGANConfig`.
    """

    Config = SGANConfig
    averaged_players: ClassVar[tuple[str, ...]] = ("g", "d")
    data: ClassVar[Data] = "few-labels"

    def players(self) -> tuple[nn.Module, nn.Module]:
        """D tells classes alone, and among them whether a sample is real."""
        return self.generator(), self.discriminator(heads={"class": self.classes}, score=False)

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``‖E[f(x)] - E[f(G(z))]‖²``, f being D's last hidden layer (section 3.1); or ``-E[log D(G(z))]``."""
        if self.config.g_loss == "adversarial":
            fake = self.d(self.seen("fake", self.fake(scratch), scratch))
            return {"adversarial": NON_SATURATING.g(as_score(fake))}
        image = self.seen("image", batch["image"], scratch)
        real, fake = judge(self.d, image, self.seen("fake", self.fake(scratch), scratch))
        return {"features": mean_feature_matching(last_layer(real), last_layer(fake))}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log p(y | x, y ≤ K)]`` of the few, and ``-E[log D(x)] - E[log(1 - D(G(z)))]`` of all."""
        image = self.seen("image", batch["image"], scratch)
        real, fake = judge(self.d, image, self.seen("fake", self.fake(scratch).detach(), scratch))
        few = self.d(self.seen("few", batch["few_image"], scratch)).heads["class"]
        return {
            "supervised": class_loss(few, batch["few_label"]),
            "unsupervised": NON_SATURATING.d(as_score(real), as_score(fake)),
        }

    def seen(self, which: str, images: Tensor, scratch: Scratch) -> Tensor:
        """Pictures as D sees them while it learns: under instance noise (section 5.1), the same for both players."""
        sigma, name = self.config.noise, f"noise of {which}"
        if not sigma:
            return images
        if name not in scratch:
            scratch[name] = scratch.draws.normal(name, *self.image_shape)
        return add_noise(images, scratch[name], sigma)


def as_score(judged: Logits) -> Logits:
    """The logit of D among the classes': ``log Σ exp l_k``, (B, 1)."""
    score = at_least_float32(judged.heads["class"]).logsumexp(dim=1, keepdim=True)
    return replace(judged, scores=(score,))


def last_layer(judged: Logits) -> Logits:
    """The same judgement with the features of the last layer alone."""
    return replace(judged, features=tuple(layers[-1:] for layers in judged.features))
