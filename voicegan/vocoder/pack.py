"""A neural vocoder on disk: a folder with vocoder.json, weights.safetensors and README.md.

It carries the mel contract that it was trained on. Reading what it is imports no torch; only `build` does. Nothing in
the folder can run code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import packs
from ..errors import VoiceganError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ..audio.mel import MelSpec
    from . import Vocoder
    from .neural import NeuralVocoder
    from .spectral import SpectralVocoder

FORMAT = 1
SETTINGS = "vocoder.json"
KIND = packs.Kind("vocoder", SETTINGS, FORMAT, "Install the vocoder again, or import or train it again.")
# Frames of a sound that are made at once where somebody waits for them; many at once are quicker to compute.
LIVE_BLOCK_FRAMES = 16


@dataclass(frozen=True)
class VocoderPack:
    """What vocoder.json says. The weights stay on disk until `build`."""

    folder: Path
    name: str
    net: str  # the network's name in the table of networks
    network: Mapping[str, Any]  # its plain arguments
    mel_contract: Mapping[str, Any]
    context_frames: tuple[int, int]  # frames before and after it that a hop of samples depends on
    sha256: str  # of the weights
    weights_bytes: int
    training: Mapping[str, Any] = field(default_factory=dict)
    licences: tuple[str, ...] = ()
    source: str = ""  # where the weights are from

    @property
    def mel(self) -> MelSpec:
        from ..audio.mel import MelSpec

        return MelSpec.from_dict(self.mel_contract)

    @property
    def rate_hz(self) -> int:
        return int(self.mel_contract["sample_rate_hz"])

    @property
    def lookahead_frames(self) -> int:
        """What a stream in blocks of `LIVE_BLOCK_FRAMES` looks ahead."""
        return LIVE_BLOCK_FRAMES - 1 + self.context_frames[1]

    @property
    def card(self) -> str:
        """The text of README.md; empty when there is none."""
        return packs.card_of(self.folder)

    def build(self, device: torch.device | str = "cpu") -> nn.Module:
        """The network, in evaluation mode and fp32.

        Raises VoiceganError when the weights are missing, are not those that vocoder.json describes (SHA-256), do not
        fit the network, or hold a number that is not finite, and when the network does not fit the mel contract.
        """
        weights = KIND.read_weights(self.folder, self.sha256)
        net = KIND.build(self.folder, self.net, network_class(self.net), self.network, weights)
        from .neural import require_fit

        require_fit(net, self.mel, f"the network of {self.folder}")
        return net.to(device)

    def vocoder(self, device: torch.device | str = "cpu", called: str | None = None) -> Vocoder:
        """The network as a vocoder, which says of itself that it is `called` so."""
        return as_vocoder(called or self.name, self.mel, self.build(device)).to(device)


def network_class(name: str) -> Any:
    """The network class that the table of networks knows as `name`."""
    from .nets import NETS

    return NETS.get(name)


def as_vocoder(name: str, mel: MelSpec, net: nn.Module) -> NeuralVocoder | SpectralVocoder:
    """A network of the table, in evaluation mode, as a vocoder for mels of this contract.

    Raises VoiceganError for a network that does not fit the contract.
    """
    from .neural import NeuralVocoder, gives_magnitudes
    from .spectral import SpectralVocoder

    kind: type[NeuralVocoder | SpectralVocoder] = SpectralVocoder if gives_magnitudes(net) else NeuralVocoder
    return kind(name, mel, net)


def save_vocoder(
    folder: Path,
    *,
    name: str,
    net: str,
    network: Mapping[str, Any],
    generator: nn.Module,
    mel: MelSpec,
    card: str,
    training: Mapping[str, Any] | None = None,
    licences: Sequence[str] = (),
    source: str = "",
    half: bool = True,
) -> VocoderPack:
    """Write a vocoder: whole or not at all. One that was in `folder` stays there until the new one is complete.

    Parameters
    ----------
    net, network
        The network's name in the table of networks, and the plain arguments with which that builds `generator` again.
    mel
        The contract of the mels that it was trained on.
    source
        Where the weights are from: a command, a paper, an address.
    half
        Store the weights in float16 (a tensor that does not fit into it stays in fp32).

    Raises VoiceganError for a name that is no file name, weights that are not finite or not those of the network, a
    network that does not fit the contract, or a `folder` that exists and is not a vocoder.
    """
    from .neural import require_fit

    state = generator.state_dict()
    if differing := packs.differences(network_class(net)(**network).state_dict(), state):
        raise VoiceganError(
            f"{name} is not saved: its weights are not those of the network {net}: {differing}",
            "Remove weight norm, and give the arguments that the network was made with.",
        )
    require_fit(generator, mel, f"the network of {name}")
    settings = {
        "net": net,
        "network": dict(network),
        "mel": mel.to_dict(),
        "context_frames": list(as_vocoder(name, mel, generator).context_frames),
        "training": dict(training or {}),
        "licences": list(licences),
        "source": source,
    }
    tensors = {key: packs.stored(value, half) for key, value in state.items()}
    KIND.save(folder, name, settings, tensors, card)
    return load_vocoder_pack(folder)


def load_vocoder_pack(folder: Path) -> VocoderPack:
    """Read vocoder.json. Raises VoiceganError when it is missing, damaged, or of a newer format."""
    folder = Path(folder)
    read = KIND.read(folder)
    weights = read.inside("weights")
    context = read.take("context_frames", list)
    if len(context) != 2 or not all(isinstance(reach, int) and 0 <= reach < 100_000 for reach in context):
        raise VoiceganError(f"{read.path} is damaged: context_frames is {context!r}", KIND.again)
    return VocoderPack(
        folder=folder,
        name=KIND.check_name(read.take("name", str), read.path),
        net=read.take("net", str),
        network=read.take("network", dict),
        mel_contract=read.mel_contract(),
        context_frames=(context[0], context[1]),
        sha256=weights.take("sha256", str),
        weights_bytes=weights.take("bytes", int),
        training=read.take("training", dict),
        licences=read.strings("licences"),
        source=read.take("source", str),
    )
