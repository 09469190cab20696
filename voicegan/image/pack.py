"""A trained image system on disk: a folder with model.json, weights.safetensors and README.md.

All of its networks are there, so that whatever it is able to do, it can do from there. Reading what it is imports no
torch; only `build` does. Nothing in the folder can run code: a system of the user's own has to be named again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import packs, storage
from ..errors import VoiceganError
from . import own

if TYPE_CHECKING:
    import torch

    from .systems.base import ImageSystem

FORMAT = 1
SETTINGS = "model.json"
KIND = packs.Kind("model", SETTINGS, FORMAT, "Train the model again.")


@dataclass(frozen=True)
class ModelPack:
    """What model.json says. The weights stay on disk until `build`."""

    folder: Path
    name: str
    system: str  # a name of the table, or file:Class of a system of somebody's own
    model: Mapping[str, Any]  # the system's settings
    shape: tuple[int, int, int]  # (C, H, W) of its pictures
    classes: tuple[str, ...]  # of the data
    data: Mapping[str, Any]  # what it has learnt from, as the training was told
    sha256: str  # of the weights
    weights_bytes: int
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def card(self) -> str:
        """The text of README.md; empty when there is none."""
        return packs.card_of(self.folder)

    def build(self, device: torch.device | str = "cpu", system: str | None = None) -> ImageSystem:
        """The system, in evaluation mode and without gradients.

        Parameters
        ----------
        device
            Where it goes.
        system
            The class of a system of one's own, ``my_gan.py:MyGAN``, which is needed to build such a one: the folder
            itself may not name code to be run.

        Raises
        ------
        VoiceganError
            The weights are missing, not those that model.json describes, or not finite; the settings do not fit the
            system; or it is a system of somebody's own that is not named.
        """
        from .. import config

        if own.is_own(self.system) and system is None:
            raise VoiceganError(
                f"{self.folder} was trained by a system of somebody's own, {self.system}",
                f"Name its code, which will be run: --system {self.system}",
            )
        kind = own.ALL.get(system or self.system)
        weights = KIND.read_weights(self.folder, self.sha256)
        settings = config.build(kind.Config, dict(self.model), str(self.folder / SETTINGS))

        def make() -> Any:
            return kind(self.shape, len(self.classes), settings)  # type: ignore[call-arg]

        built = KIND.build(self.folder, self.system, make, {}, weights)
        made: ImageSystem = built.to(device)  # type: ignore[assignment]
        return made


def save_model(
    folder: Path,
    *,
    name: str,
    system: ImageSystem,
    called: str,
    settings: Mapping[str, Any],
    classes: tuple[str, ...],
    data: Mapping[str, Any],
    card: str,
    training: Mapping[str, Any],
) -> None:
    """Write a model: whole or not at all. One that was in `folder` stays there until the new one is complete.

    called: the system's name in the table, or file:Class of one's own. settings: the system's, as plain values.
    """
    place, _, attribute = called.rpartition(":")
    values = {
        # The folders of this machine are nobody else's business.
        "system": f"{Path(place).name}:{attribute}" if own.is_own(called) else called,
        "model": dict(settings),
        "shape": list(system.image_shape),
        "classes": list(classes),
        "data": dict(data),
        "training": dict(training),
    }
    tensors = {key: packs.stored(value, half=False) for key, value in _kept(system).items()}
    KIND.save(folder, name, values, tensors, card)


def _kept(system: ImageSystem) -> dict[str, torch.Tensor]:
    """All tensors of a system, with its pools of old fakes emptied: these are of use to its training alone."""
    from ..core.tricks import HistoryPool

    tensors = dict(system.state_dict())
    for name, module in system.named_modules():
        if isinstance(module, HistoryPool):
            fresh = HistoryPool(module.capacity).state_dict()
            tensors |= {f"{name}.{key}": value for key, value in fresh.items()}
    return tensors


def load_model_pack(folder: Path) -> ModelPack:
    """Read model.json. Raises VoiceganError when it is missing, damaged, or of a newer format."""
    folder = Path(folder)
    read = KIND.read(folder)
    weights = read.inside("weights")
    shape = read.take("shape", list)
    if len(shape) != 3 or not all(isinstance(extent, int) and 0 < extent < 100_000 for extent in shape):
        raise VoiceganError(f"{read.path} is damaged: shape is {shape!r}", KIND.again)
    return ModelPack(
        folder=folder,
        name=KIND.check_name(read.take("name", str), read.path),
        system=read.take("system", str),
        model=read.take("model", dict),
        shape=(shape[0], shape[1], shape[2]),
        classes=read.strings("classes"),
        data=read.take("data", dict),
        sha256=weights.take("sha256", str),
        weights_bytes=weights.take("bytes", int),
        training=read.take("training", dict),
    )


# Where models are ---------------------------------------------------------------------------------------------


def user_folder() -> Path:
    """Where trained models go."""
    return storage.home() / "images"


def installed() -> tuple[list[ModelPack], dict[Path, VoiceganError]]:
    """The models of the user's folder that can be read, and what is wrong with the others."""
    return packs.read_all(KIND.find([user_folder()]).values(), load_model_pack)


def find_model(name: str | Path) -> ModelPack:
    """The model with this name or at this path.

    Raises VoiceganError for an unknown name (the near ones are listed) and for a damaged model.
    """
    if (folder := KIND.folder_at(name)) is not None:
        return load_model_pack(folder)
    found = KIND.find([user_folder()])
    if str(name) not in found:
        raise KIND.unknown(str(name), found, "Train one: voicegan image train dcgan --data digits.")
    return load_model_pack(found[str(name)])
