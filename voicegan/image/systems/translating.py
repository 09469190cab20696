"""What the systems have in common that translate between two domains and never see a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.system import OptimizerSpec, Phase, Progress, Scratch
from ...errors import VoiceganError
from .base import Data, ImageSystem
from .encoding import AT_ONCE


class TranslatingSystem(ImageSystem):
    """Two generators, each the way back of the other, and a discriminator for each domain.

    Parameters
    ----------
    image_shape : sequence of int
        ``(C, H, W)`` of both domains.
    classes : int
        Not used.
    config : Config
        Hyper-parameters; ``half_life``, ``lr_g``, ``lr_d`` and ``betas`` are used here.

    Attributes
    ----------
    g_ab, g_ba : nn.Module
        The generators, from a to b and from b to a.
    d_a, d_b : nn.Module
        The discriminators of the domains, from pictures to ``Logits``.
    """

    data: ClassVar[Data] = "two-domains"
    kind_of_optimizer: ClassVar[str] = "adam"
    g_ab: nn.Module
    g_ba: nn.Module
    d_a: nn.Module
    d_b: nn.Module

    def __init__(self, image_shape: Sequence[int], classes: int, config: Any) -> None:
        super().__init__(image_shape, classes)
        self.config: Any = config
        self.g_ab, self.g_ba = self.generator(), self.generator()
        self.d_a, self.d_b = self.discriminator(), self.discriminator()
        if config.half_life is not None:
            self.average("g_ab", config.half_life)
            self.average("g_ba", config.half_life)

    def generator(self) -> nn.Module:
        """Build one generator, from pictures to pictures of the same shape."""
        raise NotImplementedError

    def discriminator(self) -> nn.Module:
        """Build one discriminator, from pictures to ``Logits``."""
        raise NotImplementedError

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        c, kind = self.config, self.kind_of_optimizer
        return {
            "g": OptimizerSpec(("g_ab", "g_ba"), c.lr_g, c.betas, kind),
            "d": OptimizerSpec(("d_a", "d_b"), c.lr_d, c.betas, kind),
        }

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        return (Phase("g", "g", self.generator_loss), Phase("d", "d", self.discriminator_loss))

    def generator_loss(self, batch: Any, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """What the generators minimise."""
        raise NotImplementedError

    def discriminator_loss(self, batch: Any, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """What the discriminators minimise."""
        raise NotImplementedError

    def fakes(self, batch: Any, scratch: Scratch) -> tuple[Tensor, Tensor]:
        """``G_BA(b)`` and ``G_AB(a)``: made once for a batch."""
        if "fake_b" not in scratch:
            scratch.update(fake_a=self.g_ba(batch["b"]), fake_b=self.g_ab(batch["a"]))
        return scratch["fake_a"], scratch["fake_b"]

    @torch.no_grad()
    def translate(self, images: Tensor, towards: str = "b") -> Tensor:
        """Pictures (N, C, H, W) of the other domain to the domain `towards`, float32 in [-1, 1]."""
        if towards not in ("a", "b"):
            raise VoiceganError(f"there is no domain {towards!r}", "Choose a or b.")
        name = "g_ab" if towards == "b" else "g_ba"
        with self.outside_training(name) as (generator,):
            return torch.cat([generator(part).float() for part in images.split(AT_ONCE)])
