"""From log-mel back to sound, behind one small protocol that every vocoder keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..core.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..audio.mel import MelSpec


class VocoderStream(Protocol):
    """One sound in the making. The pieces in which the mel comes do not change the samples."""

    def push(self, mel: Tensor) -> Tensor:
        """mel (M, f) to those samples (t,) that can be given now."""
        ...

    def flush(self, total_samples: int | None = None) -> Tensor:
        """The last samples (t,).

        After F frames the pushes and the flush have given total_samples together; where that is None,
        spec.samples(F), the shortest sound of F frames.
        """
        ...


class Vocoder(Protocol):
    """Turns log-mels of one contract, `spec`, into sound.

    lookahead_frames: once n frames are pushed into a stream, at least (n - lookahead_frames)·hop samples have
    come out. Whatever goes in, no sample is NaN or infinite; a mel at its floor gives silence.
    """

    name: str
    spec: MelSpec
    lookahead_frames: int

    def synthesize(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to wav (B, spec.samples(F)): the samples that a stream would give."""
        ...

    def stream(self) -> VocoderStream:
        """Begin a sound."""
        ...

    def to(self, device: Any) -> Vocoder:
        """Move to a device."""
        ...


VOCODERS = Registry(
    "vocoder",
    {
        "griffin-lim": (
            "voicegan.vocoder.griffin_lim:GriffinLim",
            "no training; half a second of look-ahead",
        ),
        "griffin-lim-live": (
            "voicegan.vocoder.griffin_lim:LiveGriffinLim",
            "the same in smaller steps, for live use",
        ),
    },
)


def load(name: str, spec: MelSpec, device: torch.device | str = "cpu") -> Vocoder:
    """The vocoder of that name on a device, for mels of the contract `spec`.

    Raises VoiceganError for an unknown name, and for a vocoder that was made for another contract.
    """
    vocoder: Vocoder = VOCODERS.get(name)(spec)
    spec.require_same(vocoder.spec, "the voice", f"the vocoder {name}")
    return vocoder.to(device)
