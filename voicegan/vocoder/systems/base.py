"""What every vocoder system has, besides being a system."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from ...audio.mel import LogMel, MelSpec
from ...config import Config
from ...core.system import Batch, System
from ..corpus import Variety


class VocoderSystem(System):
    """One generator from log-mels of a contract to what they were taken of.

    A subclass is built as ``System(spec, config)`` with an instance of its ``Config``. Its batches hold ``wav``,
    crops ``(B, (F - 1)·hop + n_fft)`` of recordings that F whole frames fit into; and where a vocoder is fitted to
    mels that were not taken of the sound itself, ``mel`` (B, M, F). See :class:`voicegan.vocoder.corpus.Crops`.

    Attributes
    ----------
    Config : type
        The system's settings.
    trainer_defaults : dict
        Steps and batch size where nobody says otherwise.
    net_name : str
        The generator's name in the table of networks.
    net_arguments : dict
        Plain arguments that build the generator again.
    crop_frames : int
        Length of the training crops.
    variety : Variety
        How far crops are changed by chance.
    generator : nn.Module
        The generator.
    """

    Config: ClassVar[type[Config]]
    trainer_defaults: ClassVar[dict[str, Any]]
    net_name: str
    net_arguments: dict[str, Any]
    crop_frames: int
    variety: Variety
    generator: nn.Module

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.log_mel = LogMel(spec)

    def mel_of(self, batch: Batch) -> Tensor:
        """The log-mels ``(B, M, F)`` of a batch: those it brings, else those of its sound."""
        given: Tensor | None = batch.get("mel")
        return self.log_mel.of_padded(batch["wav"]) if given is None else given

    def wav_of(self, batch: Batch) -> Tensor:
        """The sound ``(B, F·hop)`` that the frames of a batch stand for."""
        wav: Tensor = batch["wav"]
        pad, hop = self.spec.pad_samples, self.spec.hop
        frames = (wav.shape[1] - self.spec.n_fft) // hop + 1
        return wav[:, pad : pad + frames * hop]
