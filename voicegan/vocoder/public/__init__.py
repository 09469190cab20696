"""Read the public checkpoints of HiFi-GAN, MelGAN, Vocos and BigVGAN as networks of this package.

A layout is told by the names of its tensors. Its settings are read from the file beside it as plain values: a class
that they name is looked up in a list here and never imported. What comes out is checked against the network: every
tensor there, none left over, shapes and numbers sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ... import packs
from ...audio.mel import MelSpec
from ...errors import VoiceganError
from ..nets import NETS
from . import hifigan, melgan, vocos
from .checkpoints import plain_weights, read_checkpoint
from .layout import Found, Tensors
from .settings import Settings

LAYOUTS = (*vocos.LAYOUTS, *hifigan.LAYOUTS, *melgan.LAYOUTS)


@dataclass(frozen=True)
class Public:
    """A public checkpoint as this package understands it.

    Attributes
    ----------
    net, network : str, dict
        Name in the table of networks, and the plain arguments that make the network.
    state : dict of Tensor
        The network's state_dict: plain weights in fp32.
    spec : MelSpec
        The contract of the mels that it was trained on.
    source : str
        What the checkpoint is, for the card of the vocoder.
    """

    net: str
    network: dict[str, Any]
    state: Tensors
    spec: MelSpec
    source: str


def read_public(file: Path, config: Path | None = None) -> Public:
    """Recognise and read a checkpoint.

    Parameters
    ----------
    file : Path
        What torch.save wrote, or safetensors. Nothing in it is run.
    config : Path or None
        Its settings, JSON or YAML; None: config.json or config.yaml in the same folder. MelGAN needs none, nor does
        the published Vocos for 24 kHz.

    Raises
    ------
    VoiceganError
        The file or its settings cannot be read, are of no layout known here, do not go together, or hold numbers that
        are not finite.
    """
    file = Path(file)
    tensors, others = read_checkpoint(file)
    weights = plain_weights(tensors, file)
    for layout in LAYOUTS:
        if layout.marks <= set(weights):
            settings = layout.settings(file, config, others)
            found = layout.read(weights, settings, file)
            _require_fit(found, file, settings)
            return Public(found.net, found.network, found.state, found.spec, f"a checkpoint of {layout.name}")
    shown = ", ".join(sorted(weights)[:3])
    raise VoiceganError(
        f"{file} is of no layout that is known here (it holds {shown}, ...)",
        f"Known are the generators of {', '.join(layout.name for layout in LAYOUTS)}, as their authors publish them.",
    )


def _require_fit(found: Found, file: Path, settings: Settings | None) -> None:
    said = str(settings.path) if settings else "its shapes"
    try:
        with torch.device("meta"):  # shapes without memory
            built = NETS.get(found.net)(**found.network)
    except (TypeError, ValueError, RuntimeError) as error:
        raise VoiceganError(
            f"the network that {said} describes cannot be: {error}",
            "Give the checkpoint's own settings: --config.",
        ) from None
    if differing := packs.differences(built.state_dict(), found.state):
        raise VoiceganError(
            f"{file} is not the network that {said} describes: {differing}",
            "Give the checkpoint's own settings: --config.",
        )
    for what, net, mel in (
        ("bands", found.network["mels"], found.spec.mels),
        ("samples a frame", built.hop, found.spec.hop),
    ):
        if net != mel:
            raise VoiceganError(
                f"the network that {said} describes has {net} {what}, and its mels have {mel}",
                "Give the checkpoint's own settings: --config.",
            )
    for name, value in found.state.items():
        if not bool(value.isfinite().all()):
            raise VoiceganError(f"{file} holds numbers that are not finite, in {name}", "Download it again.")
