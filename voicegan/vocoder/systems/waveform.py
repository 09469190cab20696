"""`waveform`: a generator of samples against several judges of sound (Kong et al. 2020; Siuzdak 2023).

Any network of the table generates: Vocos, HiFi-GAN, MelGAN, BigVGAN. The judges are HiFi-GAN's periods and UnivNet's
resolutions, or GAN-TTS's random windows. At first the spectral losses work alone, which is cheap; then the judges
learn for a while before the generator listens to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pydantic
import torch
from torch import Tensor, nn

from ...audio.mel import MelSpec
from ...config import Config
from ...core.objectives import OBJECTIVES, ObjectiveName
from ...core.random import Draws
from ...core.schedules import linear_decay, warm_up
from ...core.system import Batch, OptimizerSpec, Phase, Progress, Scratch
from ...core.tricks import feature_matching
from ..corpus import Variety
from ..losses import multi_resolution_stft
from ..nets import NETS
from ..nets.discriminators import Ensemble, MultiPeriod, MultiResolution
from ..nets.random_window import RandomWindows
from .base import VocoderSystem

Judge = Literal["periods", "resolutions", "random-windows"]


class WaveformConfig(Config):
    """Hyper-parameters of the system `waveform`."""

    net: str = "vocos"
    network: dict[str, Any] = {}  # the network's own arguments, beyond those that the mel contract decides
    judges: tuple[Judge, ...] = pydantic.Field(("periods", "resolutions"), min_length=1)
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    resolutions: tuple[int, ...] = (512, 1024, 2048)
    d_width: int = pydantic.Field(32, ge=1)  # 32 as published, 64 for random windows
    d_most: int = pydantic.Field(1024, ge=1)  # most channels of the periods' layers
    crop_frames: int = pydantic.Field(64, ge=16)
    gain_db: float = pydantic.Field(6.0, ge=0)  # crops are made louder or softer by up to this, ...
    speed: float = pydantic.Field(0.0, ge=0, lt=1)  # ... faster or slower by up to this share, ...
    colour_db: float = pydantic.Field(
        0.0, ge=0
    )  # ... and bands of their spectrum louder or softer by up to this
    objective: ObjectiveName = "least_squares"
    mel: float = pydantic.Field(45.0, ge=0)  # L1 of the log-mels
    stft: float = pydantic.Field(1.0, ge=0)  # multi-resolution STFT distance
    adversarial: float = pydantic.Field(1.0, ge=0)
    matching: float = pydantic.Field(2.0, ge=0)
    adversarial_from: float = pydantic.Field(0.2, ge=0, le=1)  # share of the run with spectral losses alone
    warm_up: float = pydantic.Field(0.02, ge=0, le=1)  # share in which the judges then learn alone
    d_every: int = pydantic.Field(1, ge=1)  # steps from one adversarial step to the next
    lr_g: float = pydantic.Field(5e-4, gt=0)
    lr_d: float = pydantic.Field(5e-4, gt=0)
    half_life: float = pydantic.Field(4000.0, ge=0)  # of the averaged generator, in samples

    @pydantic.field_validator("net")
    @classmethod
    def _known_net(cls, name: str) -> str:
        net = NETS.get(name)  # raises for an unknown name, listing the near ones
        if getattr(net, "makes", "sound") != "sound":
            raise ValueError("a network that makes sound; the system magnitudes trains the others")
        return name


class WaveformGAN(VocoderSystem):
    """A GAN between log-mels and sound.

    Parameters
    ----------
    spec : MelSpec
        Contract of the log-mels.
    config : WaveformConfig
        Hyper-parameters.
    """

    Config = WaveformConfig
    trainer_defaults = {"steps": 200_000, "batch": 16}

    def __init__(self, spec: MelSpec, config: WaveformConfig) -> None:
        super().__init__(spec)
        self.config = config
        self.crop_frames = config.crop_frames
        self.variety = Variety(config.gain_db, config.speed, config.colour_db)
        self.net_name = config.net
        self.net_arguments = {"mels": spec.mels, **_from_contract(config.net, spec), **config.network}
        self.generator = NETS.get(config.net)(**self.net_arguments)
        self.d = Ensemble(*(self._judge(kind) for kind in config.judges))
        self.objective = OBJECTIVES[config.objective]
        self.average("generator", config.half_life)

    def _judge(self, kind: Judge) -> nn.Module:
        c = self.config
        if kind == "periods":
            return MultiPeriod(c.periods, c.d_width, c.d_most)
        if kind == "resolutions":
            return MultiResolution(c.resolutions, c.d_width)
        samples = c.crop_frames * self.spec.hop
        folds = [fold for fold in (1, 2, 4, 8, 15) if 240 * fold <= samples]
        return RandomWindows(self.spec.mels, self.spec.hop, folds, c.d_width)

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        schedule = warm_up(100, linear_decay(0.3, floor=0.02))
        c = self.config
        return {
            "g": OptimizerSpec(
                ("generator",), c.lr_g, (0.8, 0.99), "adamw", clip_norm=100.0, schedule=schedule
            ),
            "d": OptimizerSpec(("d",), c.lr_d, (0.8, 0.99), "adamw", clip_norm=100.0, schedule=schedule),
        }

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        generator = Phase("g", "g", self.generator_loss)
        if progress.fraction < self.config.adversarial_from:
            return (generator,)
        return generator, Phase("d", "d", self.discriminator_loss, every=self.config.d_every)

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """Kong et al. 2020, eq. 7: adversarial, feature-matching and mel losses; and Yamamoto's STFT distance."""
        c = self.config
        mel, real = self.mel_of(batch), self.wav_of(batch)
        fake = self.generator(mel)
        scratch.update(mel=mel, fake=fake)
        terms = {}
        if c.mel > 0:
            inner = slice(self.spec.n_fft, -self.spec.n_fft)  # the ends are unlike those of a whole recording
            terms["mel"] = c.mel * self._mel_distance(real[:, inner], fake[:, inner])
        if c.stft > 0:
            terms["stft"] = c.stft * multi_resolution_stft(real, fake)
        # The judges cost most of a step; between two steps of theirs the generator follows the spectra.
        if progress.fraction >= c.adversarial_from + c.warm_up and progress.step % c.d_every == 0:
            judged = self.d(fake, mel, scratch.draws)
            terms["adversarial"] = c.adversarial * self.objective.g(judged)
            if c.matching > 0:
                with torch.no_grad():
                    wanted = self.d(real, mel, scratch.draws)
                terms["matching"] = c.matching * feature_matching(wanted, judged)
        return terms

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """Kong et al. 2020, eq. 6: tell recordings from what was generated of their log-mels."""
        draws: Draws = scratch.draws
        mel = scratch["mel"]
        real, fake = self.d(self.wav_of(batch), mel, draws), self.d(scratch["fake"].detach(), mel, draws)
        return {"sound": self.objective.d(real, fake)}

    def _mel_distance(self, real: Tensor, fake: Tensor) -> Tensor:
        return (self.log_mel.of_padded(real) - self.log_mel.of_padded(fake)).abs().mean()


def _from_contract(net: str, spec: MelSpec) -> dict[str, Any]:
    """Those arguments of a network, beyond the mel bins, that the contract decides."""
    if net == "vocos":
        return {"n_fft": spec.n_fft, "hop": spec.hop, "padding": "center" if spec.center else "same"}
    return {}
