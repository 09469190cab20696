"""Which neural vocoders are installed, and which one a name means. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import storage
from ..errors import VoiceganError
from ..packs import read_all
from .pack import KIND, VocoderPack, load_vocoder_pack

_BUNDLED = Path(__file__).resolve().parent.parent / "vocoders"


def user_folder() -> Path:
    """Where imported and trained vocoders go."""
    return storage.home() / "vocoders"


def vocoder_folders() -> tuple[Path, ...]:
    """Where vocoders are looked for, first come first served: the user's data folder, then the package."""
    return user_folder(), _BUNDLED


def installed() -> tuple[list[VocoderPack], dict[Path, VoiceganError]]:
    """The vocoders that can be read, and what is wrong with the others. The user's own hide bundled ones."""
    return read_all(KIND.find(vocoder_folders()).values(), load_vocoder_pack)


def find_vocoder(name: str | Path, others: Iterable[str] = ()) -> VocoderPack:
    """The vocoder with this name (of its folder, or its own) or at this path.

    Raises VoiceganError for an unknown name (the near ones and what is installed are listed, with the `others` that
    exist besides) and for a damaged vocoder.
    """
    if (folder := KIND.folder_at(name)) is not None:
        return load_vocoder_pack(folder)
    name = str(name)
    packs, broken = installed()
    for pack in packs:
        if pack.folder.name == name:
            return pack
    for pack in packs:
        if pack.name == name:
            return pack
    for place, error in broken.items():
        if place.name == name:
            raise error
    raise KIND.unknown(name, [*others, *(pack.folder.name for pack in packs)], "See: voicegan vocoder list.")


def bundled_for(contract: Mapping[str, Any]) -> VocoderPack | None:
    """The bundled vocoder that was made for mels of this contract, where there is one."""
    packs, _ = read_all(KIND.find([_BUNDLED]).values(), load_vocoder_pack)
    return next((pack for pack in packs if pack.mel_contract == contract), None)
