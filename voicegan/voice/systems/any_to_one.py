"""`any-to-one`: from anyone's speech to one target, trained on the target and a pool of strangers.

A CycleGAN (Zhu et al. 2017) between pictures of a pool's speech and the target's mels. What keeps the words: the
target's own speech in disguise is an exactly aligned source, whoever in the pool reads the target's sentences is an
aligned one, and what a generator back to the pool makes of the target's speech, told whose style to take, is a third.
What a teacher makes of the pool, where there is one, is a fourth: see `voicegan.voice.teacher`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic
import torch
from torch import Tensor

from ...audio.mel import MelSpec
from ...audio.source_filter import SourceFilter
from ...config import Config
from ...core.objectives import OBJECTIVES, ObjectiveName
from ...core.schedules import linear_decay
from ...core.system import Batch, OptimizerSpec, Phase, Progress, Scratch, System
from ...core.tricks import feature_matching, judge
from ..nets.any_to_one import AnyGenerator, PoolGenerator
from ..nets.content import ContentEncoder
from ..nets.light import LightDiscriminator
from ..pool_batches import Disguise
from ..pool_statistics import Statistics
from ..source_picture import is_speech, pitch_of
from .terms import contrast, distance, distance_nearby


class AnyToOneConfig(Config):
    """Hyper-parameters of the any-to-one system."""

    channels: int = pydantic.Field(192, ge=8)
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8)
    reach: int = pydantic.Field(2, ge=0)  # frames that a block may look ahead
    back_channels: int = pydantic.Field(128, ge=8)  # of the generator back to the pool, which is not kept
    d_channels: int = pydantic.Field(32, ge=4)
    crop_frames: int = pydantic.Field(128, ge=16)
    objective: ObjectiveName = "least_squares"
    adversarial: float = pydantic.Field(1.0, ge=0)
    adversarial_back: float = pydantic.Field(0.5, ge=0)
    own: float = pydantic.Field(5.0, ge=0)  # the target's own speech in disguise
    read: float = pydantic.Field(5.0, ge=0)  # others' readings of the target's sentences
    taught: float = pydantic.Field(5.0, ge=0)  # what a teacher made of strangers
    slack: int = pydantic.Field(0, ge=0)  # frames that these may be aligned wrongly by
    matching: float = pydantic.Field(0.5, ge=0)  # of the discriminator's features, for both of these
    cycle: float = pydantic.Field(1.5, ge=0)  # pool -> target -> pool: weak, or the source is smuggled
    cycle_back: float = pydantic.Field(5.0, ge=0)  # target -> pool -> target
    content: float = pydantic.Field(0.0, ge=0)  # what strangers say stays, as an encoder of content hears it
    warp: float = pydantic.Field(0.2, ge=0, le=0.5)  # of the disguise: see Disguise
    colour: float = pydantic.Field(1.0, ge=0)
    noise: float = pydantic.Field(0.35, ge=0, le=1)
    # Tell throats by what is heard, not by the pitch alone: nearer to the target, at a cost in words (see the recipe).
    throat: bool = False
    lr_g: float = pydantic.Field(5e-4, gt=0)
    lr_d: float = pydantic.Field(5e-4, gt=0)
    decay_from: float = pydantic.Field(0.5, ge=0, le=1)  # share of the run with full learning rates
    half_life: float = pydantic.Field(4000.0, ge=0)  # of the averaged generator, in samples


class AnyToOne(System):
    """The any-to-one system. Its batches are those of :class:`voicegan.voice.pool_batches.TargetAndPool`.

    Without a pool only the target's own speech in disguise trains: for a voice that sets out from another.

    Parameters
    ----------
    spec : MelSpec
        The mel contract.
    config : AnyToOneConfig
        Hyper-parameters.
    """

    g_ab: AnyGenerator
    target_mean: Tensor
    target_std: Tensor
    target_envelope: Tensor
    target_log_f0: Tensor
    source_std: Tensor
    Config = AnyToOneConfig
    generator_name = "any-to-one"
    trainer_defaults: Mapping[str, Any] = {"steps": 12_000, "batch": 4}

    def __init__(self, spec: MelSpec, config: AnyToOneConfig) -> None:
        super().__init__()
        self.config, self.mels = config, spec.mels
        self.crop_frames = config.crop_frames
        self.disguise = Disguise(config.warp, config.colour, config.noise)
        self.generator_arguments: dict[str, Any] = {
            "mels": spec.mels,
            "channels": config.channels,
            "dilations": list(config.dilations),
            "reach": config.reach,
        }
        self.g_ab = AnyGenerator(**self.generator_arguments)
        self.g_ba = PoolGenerator(spec.mels, 2 * spec.mels, config.back_channels, reach=config.reach)
        self.d_a = LightDiscriminator(spec.mels, config.d_channels)
        self.d_b = LightDiscriminator(spec.mels, config.d_channels)
        if config.content > 0:
            self.content = ContentEncoder(spec.mels)
        self.filter = SourceFilter(spec)
        for name in ("target_mean", "target_std", "target_envelope", "source_std"):
            self.register_buffer(name, torch.ones(spec.mels))
        self.register_buffer("target_log_f0", torch.zeros(()))
        self.objective = OBJECTIVES[config.objective]
        self.average("g_ab", config.half_life)

    def know(self, statistics: Statistics) -> None:
        """Take over what the material says of itself; once, before the first step."""
        for name in ("target_mean", "target_std", "target_envelope", "source_std"):
            getattr(self, name).copy_(getattr(statistics, name))
        self.target_log_f0.fill_(statistics.target_log_f0)
        for generator in (self.g_ab, self.best("g_ab")):
            assert isinstance(generator, AnyGenerator)
            generator.scale.copy_(statistics.source_std / statistics.target_std)
            generator.offset.copy_(
                (statistics.target_envelope - statistics.target_mean) / statistics.target_std
            )
            generator.harmonics.copy_(statistics.harmonics / statistics.target_std)

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        schedule = linear_decay(self.config.decay_from, floor=0.05)
        optimizers = {
            "g": OptimizerSpec(("g_ab", "g_ba"), self.config.lr_g, (0.5, 0.99), schedule=schedule),
            "d": OptimizerSpec(("d_a", "d_b"), self.config.lr_d, (0.5, 0.99), schedule=schedule),
        }
        if self.config.content > 0:
            optimizers["content"] = OptimizerSpec(
                ("content",), self.config.lr_d, (0.9, 0.99), schedule=schedule
            )
        return optimizers

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        phases = [Phase("g", "g", self.generator_loss), Phase("d", "d", self.discriminator_loss)]
        if self.config.content > 0:
            phases.append(Phase("content", "content", self.content_loss))
        return tuple(phases)

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """Adversarial and cycle-consistency losses (Zhu et al. 2017, eqs. 1-2), and the aligned sources'."""
        c = self.config
        sources = {name: batch[name] for name in ("own", "read", "pool") if name in batch}
        terms: dict[str, Tensor] = {}
        if "pool" in batch:
            pool = batch["pool"][:, : self.mels]
            style = _style(pool)
            # Somebody else of the pool lends the target a style.
            fake_a = self.g_ba(batch["b_envelope"], style.roll(1, dims=0)).float()
            sources["back"] = torch.cat([fake_a, batch["b_more"]], dim=1)
        made = self.g_ab(torch.cat([*sources.values()])).chunk(len(sources))  # in one pass
        fakes = dict(zip(sources, made, strict=True))
        if "pool" in batch:
            envelope = self._envelope(fakes["pool"], batch["pool"])
            cycle_a = self.g_ba(envelope, style)
            if c.content > 0:
                with torch.no_grad():
                    said = self.content(pool)
                terms["content"] = c.content * contrast(said, self.content(envelope), is_speech(pool))
            if "pool_target" in batch:
                terms["taught"] = c.taught * distance(fakes["pool"], batch["pool_target"])
            terms["cycle"] = c.cycle * distance(cycle_a, pool)
            terms["cycle_back"] = c.cycle_back * distance(fakes.pop("back"), batch["b"])
            terms["adversarial_back"] = c.adversarial_back * self.objective.g(self.d_a(fake_a))
            scratch["fake_a"] = fake_a
        scratch["fake_b"] = fake_b = torch.cat([*fakes.values()])

        judged = self.d_b(fake_b)
        terms["adversarial"] = c.adversarial * self.objective.g(judged)
        terms["own"] = c.own * distance(fakes["own"], batch["own_target"])
        aligned = [batch["own_target"]]
        if "read" in batch:
            terms["read"] = c.read * distance_nearby(fakes["read"], batch["read_target"], c.slack)
            aligned.append(batch["read_target"])
        if c.matching > 0:
            wanted = torch.cat(aligned)
            with torch.no_grad():
                real = self.d_b(wanted)
            terms["matching"] = c.matching * feature_matching(real, judged.rows(slice(0, len(wanted))))
        return terms

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """Tell real from generated (Zhu et al. 2017, eq. 1), on the fakes of the generators' phase."""
        real_b, fake_b = judge(self.d_b, torch.cat([batch["b"], batch["own_target"]]), scratch["fake_b"])
        terms = {"b": self.objective.d(real_b, fake_b)}
        if "pool" in batch:
            real_a, fake_a = judge(self.d_a, batch["pool"][:, : self.mels], scratch["fake_a"])
            terms["a"] = self.objective.d(real_a, fake_a)
        return terms

    def content_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """Teach the encoder of content on crops that surely say the same; no generator has a say in it."""
        pairs = [("own", "own_target"), ("read", "read_target")]
        terms: dict[str, Tensor] = {}
        for source, target in pairs:
            if source in batch:
                heard = batch[source][:, : self.mels]
                wanted = self._envelope(batch[target], batch[source])
                terms[f"content_{source}"] = contrast(
                    self.content(heard), self.content(wanted), is_speech(heard)
                )
        if "pool" in batch:  # a stranger, and the same under another throat
            pool = batch["pool"][:, : self.mels].float()
            stretch = (self.config.warp * (2 * scratch.draws.uniform("content warp") - 1)).exp()
            std = self.source_std[:, None]
            other = self.filter.stretched(pool * std, stretch[:, None].expand(-1, pool.shape[2])) / std
            terms["content_pool"] = contrast(self.content(pool), self.content(other), is_speech(pool))
        return terms

    def _envelope(self, made: Tensor, picture: Tensor) -> Tensor:
        """What the generator made ``(B, M, F)`` as an envelope such as the pool's; the pitch is the picture's."""
        log_mel = made.float() * self.target_std[:, None] + self.target_mean[:, None]
        f0_hz = pitch_of(picture, self.target_log_f0)
        envelope = self.filter.envelope(log_mel, f0_hz)
        return (envelope - self.target_envelope[:, None]) / self.source_std[:, None]


def _style(envelope: Tensor) -> Tensor:
    """Mean and deviation over time of a picture's envelope ``(B, M, F)``: ``(B, 2M)``, the latter about 1."""
    envelope = envelope.float()
    return torch.cat([envelope.mean(dim=2), envelope.std(dim=2) - 1.0], dim=1)
