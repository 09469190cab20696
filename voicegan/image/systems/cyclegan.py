"""`cyclegan`: two domains, no pairs, by cycle consistency (Zhu et al. 2017, arXiv:1703.10593).

A discriminator alone is content with any picture of the other domain. That the way back has to lead to where it
started keeps the content. A step makes four passes of a generator, and two more where identity is asked for, which go
through together with the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pydantic
import torch
from torch import Tensor, nn

from ...core.objectives import LEAST_SQUARES, at_least_float32
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import HistoryPool, judge
from ..nets.patch import PatchDiscriminator
from ..nets.resnet import ResNetGenerator
from .base import GameConfig
from .translating import TranslatingSystem


class CycleGANConfig(GameConfig):
    """Hyper-parameters of the system `cyclegan`; the defaults are the paper's (section 4, appendix 7)."""

    width: int = pydantic.Field(64, ge=1)
    blocks: int | None = pydantic.Field(None, ge=0)  # residual; by the size of the pictures where left out
    d_width: int = pydantic.Field(64, ge=1)
    d_strides: int = pydantic.Field(3, ge=1)  # patches of 70 pixels, as the size allows
    cycle: float = pydantic.Field(10.0, ge=0)  # λ
    identity: float = pydantic.Field(
        0.0, ge=0
    )  # 0.5 λ for paintings, which else change their tint (section 5.2)
    pool: int = pydantic.Field(50, ge=0)  # earlier fakes that the discriminators are shown, of each domain
    decay_from: float = pydantic.Field(0.5, ge=0, le=1)  # the second half of its epochs (appendix 7.1)


class CycleGAN(TranslatingSystem):
    """``L_GAN(G_AB, D_B) + L_GAN(G_BA, D_A) + λ L_cyc`` (eq. 3) with least squares. See :class:`CycleGANConfig`.

    Parameters
    ----------
    image_shape : sequence of int
        ``(C, H, W)`` of both domains.
    classes : int
        Not used.
    config : CycleGANConfig
        Hyper-parameters.
    """

    Config = CycleGANConfig
    trainer_defaults: ClassVar[dict[str, Any]] = {"steps": 200_000, "batch": 1}

    def __init__(self, image_shape: Sequence[int], classes: int, config: CycleGANConfig) -> None:
        super().__init__(image_shape, classes, config)
        self.pool_a, self.pool_b = HistoryPool(config.pool), HistoryPool(config.pool)

    def generator(self) -> nn.Module:
        return ResNetGenerator(self.image_shape, self.config.width, self.config.blocks)

    def discriminator(self) -> nn.Module:
        c, (channels, *size) = self.config, self.image_shape
        return PatchDiscriminator(channels, size, c.d_width, c.d_strides, "instance")

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``E[(D_B(G_AB(a)) - 1)²] + E[(D_A(G_BA(b)) - 1)²] + λ L_cyc``, and ``L_identity`` where asked for."""
        c, a, b = self.config, batch["a"], batch["b"]
        fake_b, same_b = mapped(self.g_ab, a, also=b if c.identity else None)
        fake_a, same_a = mapped(self.g_ba, b, also=a if c.identity else None)
        cycle_a, cycle_b = self.g_ba(fake_b), self.g_ab(fake_a)
        scratch.update(fake_a=fake_a, fake_b=fake_b)
        terms = {
            "adversarial": LEAST_SQUARES.g(self.d_b(fake_b)) + LEAST_SQUARES.g(self.d_a(fake_a)),
            "cycle": c.cycle * (distance(cycle_a, a) + distance(cycle_b, b)),  # eq. 2
        }
        if same_a is not None and same_b is not None:
            terms["identity"] = c.identity * (distance(same_a, a) + distance(same_b, b))
        return terms

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``½ (E[(D(y) - 1)²] + E[D(ŷ)²])`` for each domain, ŷ from the last fakes and earlier ones."""
        fake_a, fake_b = self.fakes(batch, scratch)
        seen_a = self.pool_a(fake_a, scratch.draws.uniform("pool a", 2))
        seen_b = self.pool_b(fake_b, scratch.draws.uniform("pool b", 2))
        return {
            "a": 0.5 * LEAST_SQUARES.d(*judge(self.d_a, batch["a"], seen_a, joint=True)),
            "b": 0.5 * LEAST_SQUARES.d(*judge(self.d_b, batch["b"], seen_b, joint=True)),
        }


def distance(one: Tensor, other: Tensor) -> Tensor:
    """``E ‖x - y‖₁``, a mean over pixels."""
    return (at_least_float32(one) - other).abs().mean()


def mapped(generator: nn.Module, source: Tensor, also: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Map `source`, and `also` in the same pass: instance norm keeps samples apart."""
    if also is None:
        return generator(source), None
    made = generator(torch.cat([source, also]))
    return made[: len(source)], made[len(source) :]
