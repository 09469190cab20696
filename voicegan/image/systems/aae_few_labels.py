"""`aae-few-labels`: the adversarial autoencoder that classifies with few labels (Makhzani et al. 2015, section 5).

The encoder gives a class and a style. One discriminator holds the classes to one-hot vectors, which is what makes
unlabelled pictures tell the classes apart; another holds the styles to N(0, I), and few labels name the classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pydantic
import torch
import torch.nn.functional as F
from torch import Tensor

from ...core.objectives import NON_SATURATING, at_least_float32
from ...core.random import Draws
from ...core.system import Batch, OptimizerSpec, Phase, Progress, Scratch
from ...core.tricks import judge
from ..nets.mlp import MLPDiscriminator
from .aae import AAEConfig
from .base import Data
from .encoding import AT_ONCE, EncodingSystem


class FewLabelsAAEConfig(AAEConfig):
    """Hyper-parameters of the system `aae-few-labels`; `latent` is the size of the style."""

    supervised: float = pydantic.Field(1.0, ge=0)  # weight of the cross-entropy on the few


class FewLabelsAAE(EncodingSystem):
    """Reconstruction, regularisation and classification in turn (figure 6).

    Parameters
    ----------
    image_shape : sequence of int
        Shape of a sample.
    classes : int
        Of the data, at least 2.
    config : FewLabelsAAEConfig
        Hyper-parameters.

    Attributes
    ----------
    d_class, d_style : nn.Module
        The discriminators of class vectors (B, classes) and of styles (B, latent).
    """

    Config = FewLabelsAAEConfig
    data: ClassVar[Data] = "few-labels"
    conditional = True

    def __init__(self, image_shape: Sequence[int], classes: int, config: FewLabelsAAEConfig) -> None:
        size = classes + config.latent
        super().__init__(image_shape, classes, config, outputs=size, inputs=size)
        self.d_class = MLPDiscriminator((classes,), config.d_width)
        self.d_style = MLPDiscriminator((config.latent,), config.d_width)

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        c = self.config
        return {**super().optimizers(), "d": OptimizerSpec(("d_class", "d_style"), c.lr_d, c.betas)}

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        return (
            Phase("reconstruction", "autoencoder", self.reconstruction_loss),
            Phase("d", "d", self.discriminator_loss),
            Phase("regularisation", "autoencoder", self.regularisation_loss),
            Phase("classification", "autoencoder", self.classification_loss),
        )

    def reconstruction_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``E ‖x - g(softmax y(x), s(x))‖²`` on pictures without labels, a mean over pixels."""
        scratch["code"] = self.code(self.e(batch["image"]))
        return {"squares": (self.g(scratch["code"]) - batch["image"]).square().mean()}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(c)] - E[log(1 - D(y(x)))]``, c one-hot by chance, and the same of styles and N(0, I)."""
        code = scratch["code"] if "code" in scratch else self.code(self.e(batch["image"]))
        drawn, made = self.latents(scratch.draws), code.detach()
        k = self.classes
        return {
            "class": NON_SATURATING.d(*judge(self.d_class, drawn[:, :k], made[:, :k])),
            "style": NON_SATURATING.d(*judge(self.d_style, drawn[:, k:], made[:, k:])),
        }

    def regularisation_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(y(x))]``, and the same of the styles."""
        weight, made = self.config.adversarial, self.code(self.e(batch["image"]))
        return {
            "class": weight * NON_SATURATING.g(self.d_class(made[:, : self.classes])),
            "style": weight * NON_SATURATING.g(self.d_style(made[:, self.classes :])),
        }

    def classification_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """Cross-entropy of the logits y(x), on the few pictures that have labels."""
        logits = at_least_float32(self.e(batch["few_image"])[:, : self.classes])
        return {"few": self.config.supervised * F.cross_entropy(logits, batch["few_label"])}

    def code(self, encoded: Tensor) -> Tensor:
        """The class as probabilities, then the style: (B, classes + latent)."""
        encoded = at_least_float32(encoded)
        return torch.cat([encoded[:, : self.classes].softmax(dim=1), encoded[:, self.classes :]], dim=1)

    def latents(self, draws: Draws, labels: Tensor | None = None) -> Tensor:
        """A class, one-hot, and a style from N(0, I): (B, classes + latent)."""
        chosen = self.one_hot(self.labels_for(draws, labels))
        return torch.cat([chosen, draws.normal("style", self.config.latent)], dim=1)

    @torch.no_grad()
    def classify(self, images: Tensor) -> Tensor:
        """Logits (N, classes), float32, of samples (N, \\*image_shape)."""
        with self.outside_training("e") as (encoder,):
            return torch.cat([encoder(part)[:, : self.classes].float() for part in images.split(AT_ONCE)])
