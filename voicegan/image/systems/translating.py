"""What the systems have in common that translate between two domains and never see a pair."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.system import Scratch
from ...errors import VoiceganError
from .base import Data, GameSystem
from .encoding import AT_ONCE


class TranslatingSystem(GameSystem):
    """Two generators, each the way back of the other, and a discriminator for each domain.

    Parameters
    ----------
    image_shape : sequence of int
        ``(C, H, W)`` of both domains.
    classes : int
        Not used.
    config : GameConfig
        Hyper-parameters.

    Attributes
    ----------
    g_ab, g_ba : nn.Module
        The generators, from a to b and from b to a.
    d_a, d_b : nn.Module
        The discriminators of the domains, from pictures to ``Logits``.
    """

    data: ClassVar[Data] = "two-domains"
    generators: ClassVar[tuple[str, ...]] = ("g_ab", "g_ba")
    discriminators: ClassVar[tuple[str, ...]] = ("d_a", "d_b")
    g_ab: nn.Module
    g_ba: nn.Module
    d_a: nn.Module
    d_b: nn.Module

    def players(self) -> tuple[nn.Module, ...]:
        return self.generator(), self.generator(), self.discriminator(), self.discriminator()

    def generator(self) -> nn.Module:
        """Build one generator, from pictures to pictures of the same shape."""
        raise NotImplementedError

    def discriminator(self) -> nn.Module:
        """Build one discriminator, from pictures to ``Logits``."""
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
