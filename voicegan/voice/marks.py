"""The note that a converted file carries, so that nobody takes it for a recording."""

from __future__ import annotations

from .. import __version__
from .pack import Pack

MADE_BY = "made by voicegan"


def made_by(pack: Pack) -> str:
    """For the comment of a sound file: program, version, voice."""
    return f"{MADE_BY} {__version__}: voice {pack.name} from {', '.join(pack.sources)} ({pack.system})"
