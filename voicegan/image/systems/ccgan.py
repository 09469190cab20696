"""`ccgan`: filling holes teaches a classifier what pictures hold (Denton et al. 2016, arXiv:1611.06430)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pydantic
import torch
from torch import Tensor, nn

from ...core.objectives import NON_SATURATING, over_heads
from ...core.random import Draws
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from ..nets.dcgan import ConvDiscriminator
from ..nets.filling import HoleFiller
from .acgan import class_loss
from .base import Data, GameConfig, GameSystem, TellsClasses


class CCGANConfig(GameConfig):
    """Hyper-parameters of the system `ccgan`."""

    width: int = pydantic.Field(32, ge=1)
    d_norm: Literal["none", "layer", "batch"] = "layer"
    dropout: float = pydantic.Field(0.3, ge=0, lt=1)  # in D
    hole: float = pydantic.Field(0.5, gt=0, lt=1)  # side of the hole, of the picture's
    supervised: float = pydantic.Field(1.0, ge=0)  # λ_c
    whole: float = pydantic.Field(0.0, ge=0)  # of G's whole pictures among the fakes; 1: CC-GAN²
    half_life: float | None = pydantic.Field(10_000, gt=0)  # of both averages, in samples


class CCGAN(TellsClasses, GameSystem):
    """``min_G max_D E[log D(x)] + E[log(1 - D(x_I))] + λ_c E[log D_c(y | x_l)]`` (eq. 3).

    ``x_I = (1 - m) ⊙ x + m ⊙ G(m, x)``: the picture itself with a square hole filled by G. D sees whole pictures and
    is never told where the hole was, so it has to know what belongs together; and it tells classes, which it learns
    from the few pictures that have a label. See :class:`CCGANConfig`.

    The paper's CC-GAN² shows D the whole of what G has made besides, ``x_G = G(m, x)``: ``whole`` adds
    ``E[log(1 - D(x_G))]``. The picture of few pixels that the paper may give G for large holes is not here: it tells
    what was in the hole, and who has a hole to fill has none.
    """

    Config = CCGANConfig
    data: ClassVar[Data] = "few-labels"
    trainer_defaults: ClassVar[dict[str, Any]] = {"steps": 20_000, "batch": 64}
    averaged_players: ClassVar[tuple[str, ...]] = ("g", "d")

    def players(self) -> tuple[nn.Module, nn.Module]:
        """D tells classes besides."""
        c, shape, heads = self.config, self.image_shape, {"class": self.classes}
        return HoleFiller(shape, c.width), ConvDiscriminator(shape, c.width, c.d_norm, 0, heads, c.dropout)

    def holes(self, draws: Draws) -> Tensor:
        """A square hole somewhere in each picture, (B, 1, H, W), True inside."""
        inside = []
        for side, name in zip(self.image_shape[1:], ("row", "column"), strict=True):
            size = max(1, round(side * self.config.hole))
            first = draws.integers(name, side - size + 1)[:, None]
            place = torch.arange(side, device=draws.device)[None]
            inside.append((first <= place) & (place < first + size))
        rows, columns = inside
        return (rows[:, :, None] & columns[:, None, :])[:, None]

    def filled(self, image: Tensor, scratch: Scratch) -> Tensor:
        """``x_I``, made once for a batch; ``x_G`` is beside it in the scratch."""
        if "filled" not in scratch:
            hole = self.holes(scratch.draws)
            scratch["made"] = self.g(image, hole).to(image.dtype)
            scratch["filled"] = torch.where(hole, scratch["made"], image)
        filled: Tensor = scratch["filled"]
        return filled

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(x_I)]``, and ``-E[log D(x_G)]`` where asked for."""
        terms = {"adversarial": NON_SATURATING.g(self.d(self.filled(batch["image"], scratch)))}
        if self.config.whole:
            terms["whole"] = self.config.whole * NON_SATURATING.g(self.d(scratch["made"]))
        return terms

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(x)] - E[log(1 - D(x_I))] - λ_c E[log D_c(y | x_l)]``, and ``-E[log(1 - D(x_G))]``."""
        c = self.config
        real, fake = judge(self.d, batch["image"], self.filled(batch["image"], scratch).detach())
        few = self.d(batch["few_image"]).heads["class"]
        terms = {
            "adversarial": NON_SATURATING.d(real, fake),
            "class": c.supervised * class_loss(few, batch["few_label"]),
        }
        if c.whole:
            terms["whole"] = c.whole * over_heads(NON_SATURATING.on_fake, self.d(scratch["made"].detach()))
        return terms

    @torch.no_grad()
    def inpaint(self, images: Tensor, mask: Tensor) -> Tensor:
        """Fill what the mask (N, 1, H, W) marks as True; the rest of the images (N, C, H, W) stays as it is."""
        with self.outside_training("g") as (g,):
            return torch.where(mask, g(images, mask).to(images.dtype), images)
