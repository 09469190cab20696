"""Which voices are installed, and which one a name means.

Several folders may hold the same target, learnt from different sources; its name is then ambiguous until a source is
given. Nothing here imports torch.
"""

from __future__ import annotations

from pathlib import Path

from .. import storage
from ..errors import VoiceganError
from ..packs import read_all
from .pack import ANY_SOURCE, KIND, Pack, load_pack

_BUNDLED = Path(__file__).resolve().parent.parent / "voices"


def voice_folders() -> tuple[Path, ...]:
    """Where voices are looked for, first come first served: the user's data folder, then the package."""
    return storage.home() / "voices", _BUNDLED


def find_voices() -> dict[str, Path]:
    """Installed voices: folder name to folder. The user's own hide bundled ones of the same folder name."""
    return KIND.find(voice_folders())


def installed() -> tuple[list[Pack], dict[Path, VoiceganError]]:
    """The voices that can be read, and what is wrong with the others."""
    return read_all(find_voices().values(), load_pack)


def find_pack(name: str | Path, source: str | None = None) -> Pack:
    """The voice with this name (of the target, or of the folder) or at this path.

    `source` picks among voices that share a target; without one, the voice for any source is meant. Raises
    VoiceganError for an unknown name (the near ones and what is installed are listed), an ambiguous one (the choices
    are listed) and a source that the voice lacks.
    """
    if (folder := KIND.folder_at(name)) is not None:
        return _with_source([load_pack(folder)], str(name), source)
    name = str(name)
    packs, broken = installed()
    named = [pack for pack in packs if pack.name == name] or [
        pack for pack in packs if pack.folder.name == name
    ]
    if named:
        return _with_source(named, name, source)
    for place, error in broken.items():
        if place.name == name:
            raise error
    names = [each for pack in packs for each in (pack.name, pack.folder.name)]
    raise KIND.unknown(name, names, "Train one: voicegan train --a DIR --b DIR.")


def _with_source(packs: list[Pack], name: str, source: str | None) -> Pack:
    matching = packs if source is None else [pack for pack in packs if pack.speaks_from(source)]
    if source is not None and any(source in pack.sources for pack in matching):
        matching = [
            pack for pack in matching if source in pack.sources
        ]  # made for it, rather than for anybody
    elif source is None and len(anyone := [pack for pack in packs if ANY_SOURCE in pack.sources]) == 1:
        matching = anyone  # whoever says no source gets the voice that needs none
    known = ", ".join(sorted({origin for pack in packs for origin in pack.sources}))
    if not matching:
        raise VoiceganError(f"the voice {name} was not trained to convert {source}", f"It has: {known}.")
    if len(matching) > 1:
        if len({pack.sources for pack in matching}) == len(matching):
            raise VoiceganError(
                f"there are {len(matching)} voices {name}", f"Choose with --from one of: {known}."
            )
        folders = ", ".join(str(pack.folder) for pack in matching)
        raise VoiceganError(
            f"there are {len(matching)} voices {name} from the same source", f"Give a path: {folders}."
        )
    return matching[0]
