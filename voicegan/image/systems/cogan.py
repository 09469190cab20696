"""`cogan`: pairs of pictures from two domains, learnt without a pair (Liu & Tuzel 2016, arXiv:1606.07536).

Two GANs, one for each domain, share the layers that decide what is shown and keep to themselves how it looks. One
latent vector then gives the same thing in both domains.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pydantic
import torch
from torch import Tensor, nn

from ...core.objectives import NON_SATURATING
from ...core.random import Draws
from ...core.system import Batch, Progress, Scratch
from ..nets.coupled import CoupledDiscriminator, CoupledGenerator
from .base import Data, GameConfig, GameSystem
from .encoding import AT_ONCE


class CoGANConfig(GameConfig):
    """Hyper-parameters of the system `cogan`; latent and rates are the paper's (section 4)."""

    latent: int = pydantic.Field(100, ge=1)
    width: int = pydantic.Field(32, ge=1)
    d_norm: Literal["none", "layer", "batch"] = "batch"
    half_life: float | None = pydantic.Field(10_000, gt=0)  # of averaged generators, in samples


class CoGAN(GameSystem):
    """``min_{G_a, G_b} max_{D_a, D_b} V(D_a, G_a) + V(D_b, G_b)`` under shared weights (eqs. 5 and 6).

    Parameters
    ----------
    image_shape : sequence of int
        ``(C, H, W)`` of both domains.
    classes : int
        Not used.
    config : CoGANConfig
        Hyper-parameters.

    Attributes
    ----------
    g : nn.Module
        Both generators, from latent vectors to pairs of pictures.
    d : nn.Module
        Both discriminators, from pictures of both domains to a judgement of each.
    """

    Config = CoGANConfig
    data: ClassVar[Data] = "two-domains"
    trainer_defaults: ClassVar[dict[str, Any]] = {"steps": 25_000, "batch": 128}

    def players(self) -> tuple[nn.Module, nn.Module]:
        c, shape = self.config, self.image_shape
        return CoupledGenerator(c.latent, shape, c.width), CoupledDiscriminator(shape, c.width, c.d_norm)

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D_a(G_a(z))] - E[log D_b(G_b(z))]``, one z for both."""
        of_a, of_b = self.d(*self.fakes(scratch))
        return {"a": NON_SATURATING.g(of_a), "b": NON_SATURATING.g(of_b)}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(x)] - E[log(1 - D(G(z)))]`` in each domain; real pictures are no pairs."""
        fake_a, fake_b = self.fakes(scratch)
        real_a, real_b = self.d(batch["a"], batch["b"])
        made_a, made_b = self.d(fake_a.detach(), fake_b.detach())
        return {"a": NON_SATURATING.d(real_a, made_a), "b": NON_SATURATING.d(real_b, made_b)}

    def fakes(self, scratch: Scratch) -> tuple[Tensor, Tensor]:
        """``G_a(z)`` and ``G_b(z)``: made once for a batch."""
        if "fakes" not in scratch:
            scratch["fakes"] = self.g(self.latents(scratch.draws))
        a, b = scratch["fakes"]
        return a, b

    def latents(self, draws: Draws, labels: Tensor | None = None) -> Tensor:
        """``z ~ U(-1, 1)``, (B, latent)."""
        return 2 * draws.uniform("z", self.config.latent) - 1

    def finish(self, generated: Any, draws: Draws) -> Tensor:
        """Of a pair, the picture of the domain b. See :meth:`pairs` for both."""
        picture: Tensor = generated[1]
        return picture

    @torch.no_grad()
    def pairs(self, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Make n pictures of each domain, (n, C, H, W) in float32; row i of both shows the same thing."""
        a: list[Tensor] = []
        b: list[Tensor] = []
        with self.outside_training("g") as (generator,):
            device = next(generator.parameters()).device
            for start in range(0, n, AT_ONCE):
                draws = Draws(seed, 0, 0, range(start, min(n, start + AT_ONCE)), device)
                for made, part in zip((a, b), generator(self.latents(draws)), strict=True):
                    made.append(part.float())
        return torch.cat(a), torch.cat(b)
