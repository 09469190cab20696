"""`cyclegan-vc`: two speakers, no pairs, by cycle consistency (Kaneko & Kameoka 2017, arXiv:1711.11293).

Published settings: 400,000 steps of one crop of 128 frames. What a shorter run does with them is decided by
``decay_from``, a share of the run, and ``identity_until_step``, a number of steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pydantic
import torch
from torch import Tensor, nn

from ...config import Config
from ...core.objectives import LEAST_SQUARES
from ...core.schedules import linear_decay
from ...core.system import Batch, OptimizerSpec, Phase, Progress, Scratch
from ...core.tricks import judge
from ..nets import Condition
from ..nets.cyclegan_vc import FullDiscriminator, Generator1d
from .base import VoiceSystem
from .terms import distance, supervised


class CycleGANVCConfig(Config):
    """Hyper-parameters; the defaults are the paper's (section 4.1)."""

    channels: int = pydantic.Field(128, ge=1)  # of the generators' first layer; the others are multiples
    blocks: int = pydantic.Field(6, ge=0)
    d_channels: int = pydantic.Field(128, ge=1)
    crop_frames: int = pydantic.Field(128, ge=16)
    cycle: float = pydantic.Field(10.0, ge=0)
    identity: float = pydantic.Field(5.0, ge=0)
    identity_until_step: int = pydantic.Field(10_000, ge=0)
    parallel: float = pydantic.Field(1.0, ge=0)  # not in the paper: where the folders hold the same sentences
    lr_g: float = pydantic.Field(2e-4, gt=0)
    lr_d: float = pydantic.Field(1e-4, gt=0)
    betas: tuple[float, float] = (0.5, 0.999)
    decay_from: float = pydantic.Field(0.5, ge=0, le=1)  # share of the run with full learning rates
    half_life: float | None = pydantic.Field(None, gt=0)  # of averaged generators, in samples; None: not kept


class CycleGANVC(VoiceSystem):
    """CycleGAN-VC between two speakers.

    Parameters
    ----------
    mels : int
        Mel bins.
    config : CycleGANVCConfig
        Hyper-parameters.
    """

    Config: ClassVar[type[CycleGANVCConfig]] = CycleGANVCConfig
    config: CycleGANVCConfig
    trainer_defaults: ClassVar[dict[str, Any]] = {"steps": 400_000, "batch": 1}
    generator_name = "cyclegan-vc"
    discriminators: tuple[str, ...] = ("d_a", "d_b")
    d_a: nn.Module
    d_b: nn.Module

    def __init__(self, mels: int, config: CycleGANVCConfig) -> None:
        super().__init__()
        self.config, self.crop_frames = config, config.crop_frames
        self.generator_arguments = {
            "mels": mels,
            "channels": config.channels,
            "blocks": config.blocks,
        }
        self.g_ab, self.g_ba = self.generator(), self.generator()
        for name in self.discriminators:
            self.add_module(name, self.discriminator(mels))
        if config.half_life is not None:
            self.average("g_ab", config.half_life)
            self.average("g_ba", config.half_life)

    def generator(self) -> nn.Module:
        """Build one generator."""
        return Generator1d(**self.generator_arguments)

    def discriminator(self, mels: int) -> nn.Module:
        """Build one discriminator."""
        return FullDiscriminator(mels, self.config.crop_frames, self.config.d_channels)

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        c = self.config
        # Both decay. In common public code both decays act on the generators' optimizer.
        schedule = linear_decay(c.decay_from)
        return {
            "g": OptimizerSpec(("g_ab", "g_ba"), c.lr_g, c.betas, schedule=schedule),
            "d": OptimizerSpec(self.discriminators, c.lr_d, c.betas, schedule=schedule),
        }

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        return (Phase("g", "g", self.generator_loss), Phase("d", "d", self.discriminator_loss))

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``L_adv(G_AB, D_B) + L_adv(G_BA, D_A) + λ_cyc L_cyc + λ_id L_id`` (eqs. 1-3, 5)."""
        c, a, b = self.config, batch["a"], batch["b"]
        mask_a, mask_b = self.masks(a, b, scratch)
        identity = c.identity if progress.step < c.identity_until_step else 0.0
        fake_b, same_b = convert(self.g_ab, a, mask_a, also=b if identity else None)
        fake_a, same_a = convert(self.g_ba, b, mask_b, also=a if identity else None)
        cycle_a, cycle_b = self.g_ba(fake_b), self.g_ab(fake_a)
        scratch.update(fake_a=fake_a, fake_b=fake_b, cycle_a=cycle_a, cycle_b=cycle_b)

        terms = {
            "adversarial": LEAST_SQUARES.g(self.d_b(fake_b)) + LEAST_SQUARES.g(self.d_a(fake_a)),
            "cycle": c.cycle * (distance(cycle_a, a) + distance(cycle_b, b)),
        }
        if same_a is not None and same_b is not None:
            terms["identity"] = identity * (distance(same_a, a) + distance(same_b, b))
        if "a_target" in batch and c.parallel > 0:
            terms["parallel"] = c.parallel * (
                supervised(fake_b, batch["a_target"], batch["a_weight"])
                + supervised(fake_a, batch["b_target"], batch["b_weight"])
            )
        return terms

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``E[(D(y) - 1)²] + E[D(G(x))²]`` for each voice, on the fakes that the generators' phase has made."""
        return {
            "a": LEAST_SQUARES.d(*judge(self.d_a, batch["a"], scratch["fake_a"], joint=True)),
            "b": LEAST_SQUARES.d(*judge(self.d_b, batch["b"], scratch["fake_b"], joint=True)),
        }

    def masks(self, a: Tensor, b: Tensor, scratch: Scratch) -> tuple[Tensor | None, Tensor | None]:
        """Draw which frames the first pass sees; here all of them."""
        return None, None


def convert(
    generator: nn.Module, source: Tensor, mask: Tensor | None, *, also: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Convert ``source``; map ``also`` in the same pass. Instance norm keeps samples apart, so one pass does.

    Parameters
    ----------
    generator : nn.Module
        ``G(mel, condition)``.
    source : Tensor
        Mels of the other voice, ``(B, M, F)``.
    mask : Tensor or None
        ``(B, 1, F)``: frames of ``source`` that the generator sees; ``also`` it sees whole.
    also : Tensor or None
        Mels of the generator's own voice, which it should leave as they are.
    """
    condition = None if mask is None else Condition(mask=mask)
    if also is None:
        return generator(source, condition), None
    if mask is not None:
        whole = mask.new_ones(len(also), 1, also.shape[-1])
        condition = Condition(mask=torch.cat([mask, whole]))
    made = generator(torch.cat([source, also]), condition)
    return made[: len(source)], made[len(source) :]
