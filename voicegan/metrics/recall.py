"""Remember what slow judges said about exactly these samples under exactly these settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import storage
from ..errors import VoiceganError

T = TypeVar("T")


class Recall:
    """A judge's answers on disk, one small JSON file for each, under the user's cache folder.

    The floor and the ceiling of an evaluation are the same recordings every time: judging them once is
    enough. The key is the SHA-256 of the judge's settings and the samples, so a changed package or setting
    asks anew. A folder that cannot be written, or a broken entry, costs time and nothing else.
    """

    def __init__(self, judge: str, settings: Mapping[str, object]) -> None:
        self._folder = storage.cache_home() / "evaluation" / judge
        self._settings = json.dumps(settings, sort_keys=True).encode()

    def __call__(self, wav: NDArray[np.floating], measure: Callable[[], T]) -> T:
        """The remembered answer for `wav` (T,), else that of `measure` (plain JSON types), remembered."""
        key = storage.sha256(self._settings + np.ascontiguousarray(wav, np.float32).tobytes())
        path = self._folder / f"{key}.json"
        if path.exists():
            with suppress(VoiceganError):
                remembered: T = storage.read_json(path)
                return remembered
        answer = measure()
        with suppress(OSError):
            storage.write_json(path, answer)
        return answer
