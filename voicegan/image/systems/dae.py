"""`dae`: deep and denoising autoencoders (Hinton & Salakhutdinov 2006; Vincent et al. 2008 and 2010).

An autoencoder that could copy its input learns little. This one is shown a spoilt picture and asked for the clean one,
so it has to know what pictures look like. Without noise it is the plain deep autoencoder, whose narrow code is then
the only thing that keeps it from copying.
"""

from __future__ import annotations

from typing import Literal

import pydantic
import torch
from torch import Tensor

from ...core.random import Draws
from ...core.system import Batch, Phase, Progress, Scratch
from .encoding import EncodingConfig, EncodingSystem


class DAEConfig(EncodingConfig):
    """Hyper-parameters of the system `dae`; kinds of noise and their names are those of Vincent 2010, section 3.3."""

    noise: Literal["gaussian", "masking", "none"] = "gaussian"
    sigma: float = pydantic.Field(0.5, ge=0)  # deviation of gaussian noise; pictures span [-1, 1]
    masked: float = pydantic.Field(0.25, ge=0, le=1)  # share of the pixels that masking noise makes black


class DAE(EncodingSystem):
    """One network from spoilt pictures to clean ones. It makes no new ones. See :class:`DAEConfig`."""

    Config = DAEConfig

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        return (Phase("autoencoder", "autoencoder", self.loss),)

    def corrupt(self, images: Tensor, draws: Draws) -> Tensor:
        """``x̃ ~ q(x̃ | x)``: spoil pictures (B, \\*image_shape), each by its own draws."""
        c = self.config
        if c.noise == "gaussian":
            return images + c.sigma * draws.normal("corruption", *self.image_shape)
        if c.noise == "masking":
            hidden = draws.uniform("corruption", 1, *self.image_shape[1:]) < c.masked
            return torch.where(hidden, -1.0, images)
        return images

    def loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``E ‖x - g(f(x̃))‖²`` (Vincent 2010, eq. 5 with the squared error), a mean over pixels."""
        image = batch["image"]
        cleaned = self.g(self.e(self.corrupt(image, scratch.draws)))
        return {"reconstruction": (cleaned - image).square().mean()}
