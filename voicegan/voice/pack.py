"""A voice on disk: a folder with voice.json, weights.safetensors and README.md.

A voice is one target. Reading what it is imports no torch; only `build` does. Nothing in the folder can run code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import packs
from ..errors import VoiceganError
from ..packs import CARD as CARD
from ..packs import WEIGHTS as WEIGHTS

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ..audio.mel import MelSpec

FORMAT = 1
SETTINGS = "voice.json"
KIND = packs.Kind("voice", SETTINGS, FORMAT, "Install the voice again, or train it again.")
check_name = KIND.check_name
STATISTICS = ("source.mean", "source.std", "target.mean", "target.std")
PITCHES = ("source.pitch", "target.pitch")
# How far the target's formants lie beyond its pitch (1,), and centres of its sounds (K, ORDER): see `throat`.
THROAT, ORDER = ("target.throat", "target.sounds"), 16
NORMALISERS = ("fixed", "running", "envelope")
ANY_SOURCE = "any"


@dataclass(frozen=True)
class Pack:
    """What voice.json says. The weights stay on disk until `build`."""

    folder: Path
    name: str  # the target speaker
    system: str  # what trained it
    net: str  # the generator's name in the table of networks
    network: Mapping[str, Any]  # its plain arguments
    sources: tuple[str, ...]  # speakers it was trained to convert, or ("any",)
    mel_contract: Mapping[str, Any]
    # "fixed": the sources' statistics; "running": they follow the speaker who is heard; "envelope": the generator is
    # given pictures of envelope and pitch, whose means follow the speaker
    normaliser: str
    vocoder: str
    level_db: float  # active level at which the generator expects its input
    latency_frames: int  # what the generator looks ahead
    sha256: str  # of the weights
    weights_bytes: int
    training: Mapping[str, Any] = field(default_factory=dict)
    licences: tuple[str, ...] = ()
    consent: str = ""

    @property
    def mel(self) -> MelSpec:
        from ..audio.mel import MelSpec

        return MelSpec.from_dict(self.mel_contract)

    @property
    def rate_hz(self) -> int:
        return int(self.mel_contract["sample_rate_hz"])

    @property
    def card(self) -> str:
        """The text of README.md; empty when there is none."""
        return packs.card_of(self.folder)

    def speaks_from(self, source: str) -> bool:
        return source in self.sources or ANY_SOURCE in self.sources

    def build(self, device: torch.device | str = "cpu") -> tuple[nn.Module, dict[str, Tensor]]:
        """The generator, in evaluation mode and fp32, and its statistics: (M,), and (1,) of pitches.

        Raises VoiceganError when the weights are missing, are not those that voice.json describes (SHA-256), do not
        fit the network, or hold a number that is not finite. Nothing in the file can run code.
        """
        tensors = KIND.read_weights(self.folder, self.sha256)
        needed = needed_statistics(self.normaliser)
        known = (*needed, *(THROAT if self.normaliser == "envelope" else ()))
        statistics = {name: tensors.pop(name).float() for name in known if name in tensors}
        self._check_statistics(statistics)
        weights = {name.removeprefix("generator."): value for name, value in tensors.items()}
        generator = KIND.build(self.folder, self.net, network_class(self.net), self.network, weights)
        return generator.to(device), {name: value.to(device) for name, value in statistics.items()}

    def _check_statistics(self, statistics: Mapping[str, Tensor]) -> None:
        for name, shape in zip(THROAT, ((1,), (-1, ORDER)), strict=True):
            if name in statistics and statistics[name].reshape(shape).shape != statistics[name].shape:
                raise VoiceganError(f"{self.folder / WEIGHTS}: {name} has another shape", KIND.again)
        for name in needed_statistics(self.normaliser):
            size = 1 if name in PITCHES else self.mel.mels
            if name not in statistics or tuple(statistics[name].shape) != (size,):
                raise VoiceganError(f"{self.folder / WEIGHTS} lacks {name}, {size} values", KIND.again)
            if name.endswith("std") and not bool((statistics[name] > 0).all()):
                raise VoiceganError(
                    f"{self.folder / WEIGHTS}: {name} has values that are not above zero", KIND.again
                )
            if name in PITCHES and not 20 <= math.exp(min(float(statistics[name]), 100)) <= 2000:
                raise VoiceganError(
                    f"{self.folder / WEIGHTS}: {name} is {float(statistics[name]):g}, not ln Hz of a voice",
                    KIND.again,
                )


def needed_statistics(normaliser: str) -> tuple[str, ...]:
    """Names of the statistics that a voice of this kind has."""
    return STATISTICS + PITCHES if normaliser == "envelope" else STATISTICS


def network_class(name: str) -> Any:
    """The generator class that the table of networks knows as `name`."""
    from .nets import NETS

    return NETS.get(name)


def save_pack(
    folder: Path,
    *,
    name: str,
    system: str,
    generator: nn.Module,
    network: Mapping[str, Any],
    sources: Sequence[str],
    mel: MelSpec,
    statistics: Mapping[str, Tensor],
    card: str,
    net: str | None = None,
    normaliser: str = "fixed",
    vocoder: str = "auto",
    level_db: float = -26.0,
    training: Mapping[str, Any] | None = None,
    licences: Sequence[str] = (),
    consent: str = "",
    half: bool = True,
) -> Pack:
    """Write a voice: whole or not at all. A voice that was in `folder` stays there until the new one is complete.

    Parameters
    ----------
    net
        The generator's name in the table of networks; by default that of the system.
    vocoder
        By name or path; "auto" is the bundled one of the same contract, or Griffin-Lim where there is none.
    network
        The plain arguments with which the table's class builds `generator` again.
    statistics
        "source.mean", "source.std", "target.mean", "target.std", each (M,): stored in fp32. A voice whose normaliser
        is "envelope" has those of the sources' envelopes, and "source.pitch", "target.pitch", each (1,): mean ln Hz.
    half
        Store the weights in float16 (a tensor that does not fit into it stays in fp32).

    Raises VoiceganError for a name that is no file name, weights that are not finite, or a `folder` that exists
    and is not a voice.
    """
    tensors = {f"generator.{key}": packs.stored(value, half) for key, value in generator.state_dict().items()}
    needed = needed_statistics(normaliser)
    needed += tuple(key for key in THROAT if key in statistics)
    tensors |= {key: statistics[key].detach().float().cpu().contiguous() for key in needed}
    context = getattr(generator, "context_frames", None)
    settings = {
        "system": system,
        "net": net or system,
        "network": dict(network),
        "sources": list(sources) or [ANY_SOURCE],
        "mel": mel.to_dict(),
        "normaliser": normaliser,
        "vocoder": vocoder,
        "level_db": level_db,
        "latency_frames": int(context[1]) if context else 0,
        "training": dict(training or {}),
        "licences": list(licences),
        "consent": consent,
    }
    KIND.save(folder, name, settings, tensors, card)
    return load_pack(folder)


def load_pack(folder: Path) -> Pack:
    """Read voice.json of a voice. Raises VoiceganError when it is missing, damaged, or of a newer format."""
    folder = Path(folder)
    read = KIND.read(folder)
    path, weights = read.path, read.inside("weights")
    normaliser = read.take("normaliser", str)
    if normaliser not in NORMALISERS:
        raise VoiceganError(
            f'{path}: normaliser is "{normaliser}", none of {", ".join(NORMALISERS)}', KIND.again
        )
    mel = read.mel_contract()
    level_db = read.take("level_db", (int, float))
    if not math.isfinite(level_db) or not -80 <= level_db <= 0:
        raise VoiceganError(f"{path}: level_db is {level_db}, not between -80 and 0", KIND.again)
    return Pack(
        folder=folder,
        name=check_name(read.take("name", str), path),
        system=read.take("system", str),
        net=read.take("net", str),
        network=read.take("network", dict),
        sources=read.strings("sources"),
        mel_contract=mel,
        normaliser=normaliser,
        vocoder=read.take("vocoder", str),
        level_db=float(level_db),
        latency_frames=read.take("latency_frames", int),
        sha256=weights.take("sha256", str),
        weights_bytes=weights.take("bytes", int),
        training=read.take("training", dict),
        licences=read.strings("licences"),
        consent=read.take("consent", str),
    )
