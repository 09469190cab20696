"""What the systems of an encoder and a decoder have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import pydantic
import torch
from torch import Tensor, nn

from ...config import Config
from ...core.random import Draws
from ...core.system import OptimizerSpec
from ..nets import ENCODERS, GENERATORS
from .base import Betas, ImageSystem, Rate

AT_ONCE = 256
"""Pictures that go through the networks together outside training."""


class EncodingConfig(Config):
    """Hyper-parameters that all systems of an encoder and a decoder have."""

    net: Literal["mlp", "mlp-norm", "dcgan"] = "dcgan"  # mlp-norm: batch norm in encoder and decoder
    latent: int = pydantic.Field(64, ge=1)  # size of a code
    width: int = pydantic.Field(32, ge=1)  # hidden units (mlp), or channels at the finest size (dcgan)
    lr: Rate = 1e-3
    betas: Betas = (0.9, 0.999)
    half_life: float | None = pydantic.Field(None, gt=0)  # of averaged networks, in samples


class EncodingSystem(ImageSystem):
    """An encoder `e` from samples to codes, and a decoder `g` from codes to samples.

    Parameters
    ----------
    image_shape : sequence of int
        Shape of a sample.
    classes : int
        Not used.
    config : EncodingConfig
        Hyper-parameters.
    outputs, inputs : int, optional
        Sizes of what the encoder gives and of what the decoder takes; ``config.latent`` where left out.
    bounded : bool
        Whether the decoder ends in tanh.
    """

    trainer_defaults: ClassVar[dict[str, Any]] = {"steps": 20_000, "batch": 64}
    e: nn.Module

    def __init__(
        self,
        image_shape: Sequence[int],
        classes: int,
        config: EncodingConfig,
        outputs: int | None = None,
        inputs: int | None = None,
        bounded: bool = True,
    ) -> None:
        super().__init__(image_shape, classes)
        self.config: Any = config
        self.e = ENCODERS.get(config.net)(self.image_shape, outputs or config.latent, config.width)
        self.g = GENERATORS.get(config.net)(inputs or config.latent, self.image_shape, config.width, bounded)
        if config.half_life is not None:
            self.average("e", config.half_life)
            self.average("g", config.half_life)

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        return {"autoencoder": OptimizerSpec(("e", "g"), self.config.lr, self.config.betas)}

    def code(self, encoded: Tensor) -> Tensor:
        """From what the encoder gives to codes (B, D), which the decoder takes; here they are the same."""
        return encoded

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Codes (N, D), float32, of samples (N, \\*image_shape)."""
        with self.outside_training("e") as (encoder,):
            parts = [self.code(encoder(part)).float() for part in images.split(AT_ONCE)]
        return torch.cat(parts)

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """What is left of samples (N, \\*image_shape) after they went through their codes, in [-1, 1]."""
        with self.outside_training("e", "g") as (encoder, decoder):
            parts = [
                self.finish(decoder(self.code(encoder(part))), Draws(0, 0, 0, range(len(part)), part.device))
                for part in images.split(AT_ONCE)
            ]
        return torch.cat(parts).float()
