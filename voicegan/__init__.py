"""voicegan turns a recording of one speaker into another, with adversarial networks that it trains itself.

>>> import voicegan
>>> voicegan.list_voices()  # doctest: +SKIP
>>> voicegan.convert("in.wav", to="slt")  # doctest: +SKIP
>>> wav, rate = voicegan.load_voice("slt").convert(wav, sample_rate)  # doctest: +SKIP

Importing this package costs nothing: each public name brings its module in when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .voice.api import convert, list_voices, load_voice

__version__ = "0.1.0"

_HOMES = {
    "load_voice": "voicegan.voice.api",
    "convert": "voicegan.voice.api",
    "list_voices": "voicegan.voice.api",
}

__all__ = ["__version__", "convert", "list_voices", "load_voice"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
