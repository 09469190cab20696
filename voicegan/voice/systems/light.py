"""`light`: the default voice system. Small networks, a CycleGAN's losses, pairs where there are any.

Two generators and two discriminators (Zhu et al. 2017) on normalised log-mels. Where the folders hold the
same sentences, each crop brings the target's own reading aligned to it, and an L1 term joins in.
"""

from __future__ import annotations

from collections.abc import Mapping

import pydantic
import torch
from torch import Tensor

from ...config import Config
from ...core.objectives import OBJECTIVES, ObjectiveName
from ...core.schedules import linear_decay
from ...core.system import Batch, OptimizerSpec, Phase, Progress, Scratch
from ...core.tricks import fading, feature_matching, judge
from ..nets.light import LightDiscriminator, LightGenerator
from .base import VoiceSystem
from .terms import distance, supervised


class LightConfig(Config):
    """Hyper-parameters of the light system."""

    channels: int = pydantic.Field(192, ge=8)
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8)
    reach: int = pydantic.Field(2, ge=0)  # frames that a block may look ahead
    d_channels: int = pydantic.Field(32, ge=4)
    crop_frames: int = pydantic.Field(128, ge=16)
    objective: ObjectiveName = "least_squares"
    adversarial: float = pydantic.Field(1.0, ge=0)
    cycle: float = pydantic.Field(5.0, ge=0)
    identity: float = pydantic.Field(2.0, ge=0)  # fades out over the first half
    parallel: float = pydantic.Field(10.0, ge=0)  # where the folders hold the same sentences
    matching: float = pydantic.Field(2.0, ge=0)  # features of fakes against aligned targets, likewise
    lr_g: float = pydantic.Field(5e-4, gt=0)
    lr_d: float = pydantic.Field(5e-4, gt=0)
    decay_from: float = pydantic.Field(0.5, ge=0, le=1)  # share of the run with full learning rates
    half_life: float = pydantic.Field(2000.0, ge=0)  # of the averaged generators, in samples


class Light(VoiceSystem):
    """The light system between two speakers.

    Parameters
    ----------
    mels : int
        Mel bins.
    config : LightConfig
        Hyper-parameters.
    """

    Config = LightConfig
    generator_name = "light"
    trainer_defaults = {"steps": 8000, "batch": 8}

    def __init__(self, mels: int, config: LightConfig) -> None:
        super().__init__()
        self.config = config
        self.crop_frames = config.crop_frames
        self.generator_arguments = {
            "mels": mels,
            "channels": config.channels,
            "dilations": list(config.dilations),
            "reach": config.reach,
        }
        self.g_ab = LightGenerator(**self.generator_arguments)
        self.g_ba = LightGenerator(**self.generator_arguments)
        self.d_a = LightDiscriminator(mels, config.d_channels)
        self.d_b = LightDiscriminator(mels, config.d_channels)
        self.objective = OBJECTIVES[config.objective]
        self.average("g_ab", config.half_life)
        self.average("g_ba", config.half_life)

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        schedule = linear_decay(self.config.decay_from, floor=0.05)
        return {
            "g": OptimizerSpec(("g_ab", "g_ba"), self.config.lr_g, (0.5, 0.99), schedule=schedule),
            "d": OptimizerSpec(("d_a", "d_b"), self.config.lr_d, (0.5, 0.99), schedule=schedule),
        }

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        return (Phase("g", "g", self.generator_loss), Phase("d", "d", self.discriminator_loss))

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """Adversarial, cycle-consistency and identity losses (Zhu et al. 2017, eqs. 1-3 and 5.2), pairs."""
        c, a, b = self.config, batch["a"], batch["b"]
        identity = fading(progress.fraction, c.identity, until=0.5)
        if identity > 0:  # both inputs of a generator go through it in one pass
            fake_b, same_b = self.g_ab(torch.cat([a, b])).chunk(2)
            fake_a, same_a = self.g_ba(torch.cat([b, a])).chunk(2)
        else:
            fake_b, fake_a = self.g_ab(a), self.g_ba(b)
        scratch.update(fake_a=fake_a, fake_b=fake_b)
        judged_a, judged_b = self.d_a(fake_a), self.d_b(fake_b)
        terms = {"adversarial": c.adversarial * (self.objective.g(judged_a) + self.objective.g(judged_b))}
        terms["cycle"] = c.cycle * (distance(self.g_ba(fake_b), a) + distance(self.g_ab(fake_a), b))
        if identity > 0:
            terms["identity"] = identity * (distance(same_a, a) + distance(same_b, b))
        if "a_target" in batch:
            terms["parallel"] = c.parallel * (
                supervised(fake_b, batch["a_target"], batch["a_weight"])
                + supervised(fake_a, batch["b_target"], batch["b_weight"])
            )
            if c.matching > 0:
                with torch.no_grad():
                    wanted_a, wanted_b = self.d_a(batch["b_target"]), self.d_b(batch["a_target"])
                terms["matching"] = c.matching * (
                    feature_matching(wanted_a, judged_a) + feature_matching(wanted_b, judged_b)
                )
        return terms

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """Tell real from generated (Zhu et al. 2017, eq. 1), on the fakes of the generators' phase."""
        real_a, fake_a = judge(self.d_a, batch["a"], scratch["fake_a"])
        real_b, fake_b = judge(self.d_b, batch["b"], scratch["fake_b"])
        return {"a": self.objective.d(real_a, fake_a), "b": self.objective.d(real_b, fake_b)}
