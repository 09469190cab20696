"""`context-encoder`: features by inpainting (Pathak et al. 2016, arXiv:1604.07379).

A quarter of the picture is missing. Squared error alone fills it with the mean of all that could be there; a
discriminator of the filling makes it choose.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pydantic
import torch
from torch import Tensor, nn

from ...core.objectives import NON_SATURATING, at_least_float32
from ...core.random import Draws
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from ..nets.context import ContextNet
from ..nets.dcgan import ConvDiscriminator
from .base import GameConfig, GameSystem, Rate
from .encoding import AT_ONCE


class ContextEncoderConfig(GameConfig):
    """Hyper-parameters of the system `context-encoder`; the defaults are the paper's (section 5.1)."""

    place: Literal["centre", "anywhere"] = "centre"  # of the hole, which is half as high and half as wide
    width: int = pydantic.Field(64, ge=1)
    d_width: int = pydantic.Field(64, ge=1)
    reconstruction: float = pydantic.Field(0.999, ge=0)  # λ_rec
    adversarial: float = pydantic.Field(0.001, ge=0)  # λ_adv; 0: squared error alone
    lr_g: Rate = 2e-3  # ten times the discriminator's


class ContextEncoder(GameSystem):
    """``λ_rec L_rec + λ_adv L_adv`` (eq. 3) on a rectangle that the network does not see.

    Parameters
    ----------
    image_shape : sequence of int
        ``(C, H, W)``, H and W at least 8.
    classes : int
        Not used.
    config : ContextEncoderConfig
        Hyper-parameters.

    Attributes
    ----------
    g : nn.Module
        From pictures with a hole to whole ones; the hole is grey, 0.
    d : nn.Module
        The discriminator of fillings (C, H / 2, W / 2). It does not see what is around them: it would only look for
        the seam (section 3.2).
    """

    Config = ContextEncoderConfig
    trainer_defaults: ClassVar[dict[str, Any]] = {"steps": 100_000, "batch": 64}

    def players(self) -> tuple[nn.Module, nn.Module]:
        c, channels = self.config, self.image_shape[0]
        return ContextNet(self.image_shape, c.width), ConvDiscriminator((channels, *self.hole), c.d_width)

    @property
    def hole(self) -> tuple[int, int]:
        """Height and width of the hole."""
        _, height, width = self.image_shape
        return height // 2, width // 2

    @property
    def contested(self) -> bool:
        return bool(self.config.adversarial)

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``λ_rec ‖M̂ ⊙ (x - F((1 - M̂) ⊙ x))‖² - λ_adv E[log D(F(...))]`` (eqs. 1 and 2), means over pixels."""
        c, fake = self.config, self.filling(batch["image"], scratch)
        error = at_least_float32(fake) - self.cut(batch["image"], scratch.draws)
        terms = {"reconstruction": c.reconstruction * error.square().mean()}
        if c.adversarial:
            terms["adversarial"] = c.adversarial * NON_SATURATING.g(self.d(fake))
        return terms

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(x)] - E[log(1 - D(F((1 - M̂) ⊙ x)))]`` (eq. 2), of what is in the hole."""
        real = self.cut(batch["image"], scratch.draws)
        fake = self.filling(batch["image"], scratch).detach()
        return {"adversarial": NON_SATURATING.d(*judge(self.d, real, fake))}

    def filling(self, image: Tensor, scratch: Scratch) -> Tensor:
        """What the network puts into the holes (B, C, H / 2, W / 2): made once for a batch."""
        if "filling" not in scratch:
            hidden = self.mask(scratch.draws)
            scratch["filling"] = self.cut(self.g(image.masked_fill(hidden, 0.0)), scratch.draws)
        filling: Tensor = scratch["filling"]
        return filling

    def corner(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """The upper row and the left column of each hole, (B,) twice."""
        _, height, width = self.image_shape
        if self.config.place == "centre":
            top, left = (
                torch.full((len(draws),), side // 4, device=draws.device) for side in (height, width)
            )
            return top, left
        return (
            draws.integers("row", height - height // 2 + 1),
            draws.integers("column", width - width // 2 + 1),
        )

    def mask(self, draws: Draws) -> Tensor:
        """``M̂``: True in the hole, (B, 1, H, W)."""
        row, column = (
            (at[:, None] <= places) & (places < at[:, None] + len(places) // 2)
            for at, places in zip(
                self.corner(draws),
                (torch.arange(side, device=draws.device) for side in self.image_shape[1:]),
                strict=True,
            )
        )
        return row[:, None, :, None] & column[:, None, None, :]

    def cut(self, images: Tensor, draws: Draws) -> Tensor:
        """What is in the hole of each picture, (B, C, H / 2, W / 2)."""
        inside = images[self.mask(draws).expand_as(images)]
        return inside.view(len(images), images.shape[1], *self.hole)

    @torch.no_grad()
    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Fill what the mask (N, 1, H, W), bool, marks in pictures (N, C, H, W); the rest stays as it is."""
        with self.outside_training("g") as (generator,):
            parts = [
                torch.where(hidden, generator(part.masked_fill(hidden, 0.0)).float(), part)
                for part, hidden in zip(images.split(AT_ONCE), mask.split(AT_ONCE), strict=True)
            ]
        return torch.cat(parts)
