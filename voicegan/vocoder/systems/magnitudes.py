"""`magnitudes`: learn the full spectrum of a log-mel; Griffin-Lim finds the phases afterwards.

First a regression. Where it is uncertain, in noise above all, a regression gives the median, which is smoother than
speech; so a discriminator that sees spectra as pictures can take part in the end.
"""

from __future__ import annotations

from collections.abc import Mapping

import pydantic
import torch
from torch import Tensor

from ...audio.mel import MelSpec
from ...config import Config
from ...core.objectives import OBJECTIVES, ObjectiveName
from ...core.schedules import linear_decay, warm_up
from ...core.system import Batch, Logits, OptimizerSpec, Phase, Progress, Scratch
from ...core.tricks import feature_matching, judge
from ..corpus import Variety
from ..nets.discriminators import SpectrumDiscriminator, join
from ..nets.magnitudes import Magnitudes
from .base import VocoderSystem


class MagnitudeConfig(Config):
    """Hyper-parameters of the system `magnitudes`."""

    dim: int = pydantic.Field(256, ge=8)
    intermediate: int = pydantic.Field(768, ge=8)
    layers: int = pydantic.Field(8, ge=1)
    reach: int = pydantic.Field(1, ge=0, le=6)  # frames that each layer looks ahead; 3 measured no better
    crop_frames: int = pydantic.Field(64, ge=16)
    gain_db: float = pydantic.Field(10.0, ge=0)  # crops are made louder or softer by up to this, ...
    speed: float = pydantic.Field(0.15, ge=0, lt=1)  # ... faster or slower by up to this share, ...
    colour_db: float = pydantic.Field(
        6.0, ge=0
    )  # ... and bands of their spectrum louder or softer by up to this
    objective: ObjectiveName = "least_squares"
    adversarial: float = pydantic.Field(0.0, ge=0)  # weight; 0 is the regression alone
    compressed: float = pydantic.Field(2.0, ge=0)  # weight of the distance of magnitudes to the power of 0.3
    matching: float = pydantic.Field(0.0, ge=0)  # features of the discriminator
    adversarial_from: float = pydantic.Field(0.0, ge=0, le=1)  # share of the run that is regression alone
    warm_up: float = pydantic.Field(0.02, ge=0, le=1)  # share in which the discriminator then learns alone
    d_width: int = pydantic.Field(16, ge=1)
    d_every: int = pydantic.Field(2, ge=1)  # steps from one update of the discriminator to the next
    lr_g: float = pydantic.Field(1e-3, gt=0)
    lr_d: float = pydantic.Field(5e-4, gt=0)
    half_life: float = pydantic.Field(4000.0, ge=0)  # of the averaged generator, in samples


class MagnitudeGAN(VocoderSystem):
    """The full spectrum's magnitudes from log-mels.

    Parameters
    ----------
    spec : MelSpec
        Contract of the log-mels.
    config : MagnitudeConfig
        Hyper-parameters.
    """

    Config = MagnitudeConfig
    trainer_defaults = {"steps": 20_000, "batch": 16}
    net_name = "magnitudes"

    def __init__(self, spec: MelSpec, config: MagnitudeConfig) -> None:
        super().__init__(spec)
        self.config = config
        self.crop_frames = config.crop_frames
        self.variety = Variety(config.gain_db, config.speed, config.colour_db)
        self.net_arguments = Magnitudes.arguments(spec) | {
            "dim": config.dim,
            "intermediate": config.intermediate,
            "layers": config.layers,
            "reach": config.reach,
        }
        generator = Magnitudes(**self.net_arguments)
        generator.begin_at(spec)
        self.generator: Magnitudes = generator
        self.objective = OBJECTIVES[config.objective]
        if self.adversarial:
            self.d = SpectrumDiscriminator(config.d_width)
        self.average("generator", config.half_life)

    @property
    def adversarial(self) -> bool:
        """Whether a discriminator ever takes part."""
        return self.config.adversarial > 0 or self.config.matching > 0

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        schedule = warm_up(100, linear_decay(0.0, floor=0.02))
        specs = {
            "g": OptimizerSpec(
                ("generator",), self.config.lr_g, (0.8, 0.99), "adamw", clip_norm=5.0, schedule=schedule
            )
        }
        if self.adversarial:
            specs["d"] = OptimizerSpec(("d",), self.config.lr_d, (0.8, 0.99), "adamw", schedule=schedule)
        return specs

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        generator = Phase("g", "g", self.generator_loss)
        if not self.adversarial or progress.fraction < self.config.adversarial_from:
            return (generator,)
        return generator, Phase("d", "d", self.discriminator_loss, every=self.config.d_every)

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``E |log(s + floor) - log(ŝ + floor)| + w · E |s^0.3 - ŝ^0.3|``, and what the discriminator thinks.

        The logarithm weighs all bins alike; the power law gives the audible ones more.
        """
        c = self.config
        real = self.log_magnitudes_of(batch["wav"])
        fake = self.generator.log_magnitudes(self.mel_of(batch))
        scratch.update(real=real, fake=fake)
        terms = {"magnitudes": (fake - real).abs().mean()}
        if c.compressed > 0:
            terms["compressed"] = c.compressed * ((0.3 * fake).exp() - (0.3 * real).exp()).abs().mean()
        if self.adversarial and progress.fraction >= c.adversarial_from + c.warm_up:
            judged = self._judge(fake)
            terms["adversarial"] = c.adversarial * self.objective.g(judged)
            if c.matching > 0:
                with torch.no_grad():
                    wanted = self._judge(real)
                terms["matching"] = c.matching * feature_matching(wanted, judged)
        return terms

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """Tell spectra of recordings from generated ones."""
        real, fake = judge(self._judge, scratch["real"], scratch["fake"].detach())
        return {"spectra": self.objective.d(real, fake)}

    def log_magnitudes_of(self, wav: Tensor) -> Tensor:
        """wav (B, T) to what the generator should say of it, (B, F, bins)."""
        spec = self.spec
        with torch.autocast(wav.device.type, enabled=False):
            window = torch.hann_window(spec.win, device=wav.device)
            spectrum = torch.stft(
                wav.float(), spec.n_fft, spec.hop, spec.win, window, center=False, return_complex=True
            )
            return (spectrum.abs() + self.generator.floor).log().transpose(1, 2)

    def _judge(self, log_magnitudes: Tensor) -> Logits:
        """log_magnitudes (B, F, bins) to a judgement; of about unit size within."""
        return join([self.d(log_magnitudes.transpose(1, 2) / 2.0 + 1.5)])
