"""From log-mel back to sound, behind one small protocol that every vocoder keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..core.registry import Registry
from . import library
from .pack import KIND, VocoderPack

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

    @property
    def lookahead_frames(self) -> int:
        """How many frames a stream waits for before it gives the samples of one."""
        ...

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
            "no training; 0.4 s of look-ahead",
        ),
        "griffin-lim-live": (
            "voicegan.vocoder.griffin_lim:LiveGriffinLim",
            "the same in smaller steps, for live use",
        ),
        "pghi": (
            "voicegan.vocoder.gradient_vocoder:GradientHeap",
            "no training, in one pass: phase gradients under guessed harmonics",
        ),
        "pghi-live": (
            "voicegan.vocoder.gradient_vocoder:LiveGradientHeap",
            "the same with the least look-ahead, for live use",
        ),
    },
)


AUTO = "auto"  # the bundled neural vocoder where one fits, otherwise what needs no training
WEIGHTLESS = "griffin-lim"
# What the table's vocoders look ahead in the contract `16k`, so that a list can say it without importing them.
LOOKAHEAD_FRAMES = {"griffin-lim": 25, "griffin-lim-live": 13, "pghi": 33, "pghi-live": 3}


def load(name: str, spec: MelSpec, device: torch.device | str = "cpu") -> Vocoder:
    """A vocoder on a device, for mels of the contract `spec`.

    Parameters
    ----------
    name
        Of the table `VOCODERS`, of an installed vocoder, or the path of one; "auto" is the bundled vocoder of this
        contract, or Griffin-Lim where there is none.

    Raises VoiceganError for an unknown name, for a vocoder that was made for another contract (the fields that differ
    are named), and for one that is damaged.
    """
    called, pack = choose(name, spec.to_dict())
    if pack is None:
        vocoder: Vocoder = VOCODERS.get(called)(spec)
        return vocoder.to(device)
    spec.require_same(pack.mel, "the voice", f"the vocoder {pack.name}")
    return pack.vocoder(device, called)


def choose(name: str, contract: Mapping[str, Any]) -> tuple[str, VocoderPack | None]:
    """What `name` means for mels of a contract: the vocoder's own name, and its pack where it is a neural one.

    Raises VoiceganError for an unknown name. A neural vocoder that is asked for by name may have another contract.
    Imports no torch.
    """
    if name in VOCODERS:
        return name, None
    if name != AUTO:
        return str(name), library.find_vocoder(name, VOCODERS)
    pack = library.bundled_for(contract)
    return (WEIGHTLESS, None) if pack is None else (pack.folder.name, pack)


def resolve(name: str, spec: MelSpec) -> str:
    """`name` as it is understood from any folder: a path becomes absolute.

    Raises VoiceganError for an unknown one, and for one that was made for another contract.
    """
    _, pack = choose(name, spec.to_dict())
    if pack is not None:
        spec.require_same(pack.mel, "the voice", f"the vocoder {pack.name}")
    folder = None if pack is None else KIND.folder_at(name)
    return name if folder is None else str(folder.absolute())


def in_blocks(vocoder: Vocoder, frames: int) -> Vocoder:
    """The same vocoder with streams that make `frames` at once, where it leaves the choice; itself where it does not.

    Fewer frames come sooner, more are quicker to compute.
    """
    change = getattr(vocoder, "in_blocks", None)
    return change(frames) if change else vocoder
