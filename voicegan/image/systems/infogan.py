"""`infogan`: codes that can be read off what is generated (Chen et al. 2016, arXiv:1606.03657)."""

from __future__ import annotations

from typing import ClassVar, Literal

import pydantic
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.objectives import NON_SATURATING, at_least_float32
from ...core.random import Draws
from ...core.system import Batch, Logits, Progress, Scratch
from ...core.tricks import judge
from ..augment import warped
from .base import AdversarialConfig, AdversarialSystem, Rate


class InfoGANConfig(AdversarialConfig):
    """Hyper-parameters of the system `infogan`; the codes are those of the paper's digits (section 7.2)."""

    d_norm: Literal["none", "layer", "batch"] = "layer"  # Q is asked for single pictures
    categories: int = pydantic.Field(10, ge=2)  # values of the categorical code
    continuous: int = pydantic.Field(2, ge=0)  # codes uniform in [-1, 1)
    information: float = pydantic.Field(1.0, ge=0)  # λ of the categorical code
    information_continuous: float = pydantic.Field(0.1, ge=0)  # λ of the others
    consistency: float = pydantic.Field(0.0, ge=0)  # of real pictures' categories; 0: Chen et al.
    warp: float = pydantic.Field(0.15, ge=0)  # how far copies of real pictures are off, see `augment.warped`
    lr_g: Rate = 1e-3
    lr_d: Rate = 2e-4


class InfoGAN(AdversarialSystem):
    """The game of GAN, less ``λ L_I(G, Q)``: a lower bound of the information between codes and samples (eq. 5 and 6).

    No label is ever seen. Q shares all of D but its outputs and is trained with D, on samples whose codes are known:
    the fakes; G is trained to be read by it. Which pictures share a category is then G's choice, and may be slants or
    strokes as well as digits. With ``consistency``, Q is asked about real pictures too: a copy that is moved and turned
    a little is to be of the same category, as Elastic-InfoGAN asks (Ojha et al. 2020, arXiv:1910.01112), here by the
    information that the two share (Ji et al. 2019, arXiv:1807.06653). See :class:`InfoGANConfig`.
    """

    Config = InfoGANConfig
    averaged_players: ClassVar[tuple[str, ...]] = ("g", "d")

    def players(self) -> tuple[nn.Module, nn.Module]:
        """G takes the codes beside the noise; the heads of D are Q's."""
        c = self.config
        heads = {"category": c.categories} | ({"mean": c.continuous} if c.continuous else {})
        return self.generator(more_inputs=c.categories + c.continuous), self.discriminator(heads=heads)

    def codes(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """Categories (B,) and continuous codes (B, continuous), drawn from their priors."""
        c = self.config
        return draws.integers("category", c.categories), 2.0 * draws.uniform("codes", c.continuous) - 1.0

    def latents(self, draws: Draws, labels: Tensor | None = None, continuous: Tensor | None = None) -> Tensor:
        """``(z, c)``, (B, latent + categories + continuous); ``labels`` are categories, here without a name."""
        category, drawn = self.codes(draws)
        category = category if labels is None else labels
        one_hot = F.one_hot(category, self.config.categories).float()
        return torch.cat(
            [super().latents(draws), one_hot, drawn if continuous is None else continuous], dim=1
        )

    @property
    def kinds(self) -> int:
        return int(self.config.categories)

    def surprise(self, told: Logits, draws: Draws) -> dict[str, Tensor]:
        """``-λ E[log Q(c | x)]``, which is ``-λ L_I`` but for the constant H(c).

        Categories by their logits, continuous codes as a Gaussian of fixed width around Q's mean.
        """
        c, (category, continuous) = self.config, self.codes(draws)
        terms = {
            "category": c.information * F.cross_entropy(at_least_float32(told.heads["category"]), category)
        }
        if c.continuous:
            off = at_least_float32(told.heads["mean"]) - continuous
            terms["continuous"] = c.information_continuous * 0.5 * off.square().sum(dim=1).mean()
        return terms

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(G(z, c))] - λ L_I``."""
        fake = self.d(self.fake(scratch))
        return {"adversarial": NON_SATURATING.g(fake), **self.surprise(fake, scratch.draws)}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(x)] - E[log(1 - D(G(z, c)))] - λ L_I``, less ``I(Q(x), Q(Tx))`` where asked for."""
        c = self.config
        real, fake = judge(self.d, batch["image"], self.fake(scratch).detach())
        terms = {"adversarial": NON_SATURATING.d(real, fake), **self.surprise(fake, scratch.draws)}
        if c.consistency:
            copy = self.d(warped(batch["image"], scratch.draws, "warp", c.warp))
            same = shared_information(real.heads["category"], copy.heads["category"])
            terms["consistency"] = -c.consistency * same
        return terms

    @torch.no_grad()
    def classify(self, images: Tensor) -> Tensor:
        """Logits (N, categories) of the categorical code: clusters that nobody named."""
        with self.outside_training("d") as (d,):
            logits: Tensor = d(images).heads["category"]
        return logits.float()


def shared_information(first: Tensor, second: Tensor) -> Tensor:
    """``I(c; c')`` in nats of categories told of pictures and of their copies, logits (B, K) each.

    ``P = 1/2B Σ (p p'ᵀ + p' pᵀ)``, ``I = Σ P log(P / (P_c P_c'))`` (Ji et al. 2019, arXiv:1807.06653, eq. 2 and 3): at
    most log K, where all categories are used alike, surely, and the same for both; 0 where all is of one.
    """
    p, q = (at_least_float32(logits).softmax(dim=1) for logits in (first, second))
    joint = p.T @ q / len(p)
    joint = (0.5 * (joint + joint.T)).clamp_min(torch.finfo(joint.dtype).eps)
    apart = joint.sum(0, keepdim=True) * joint.sum(1, keepdim=True)
    return (joint * (joint / apart).log()).sum()
