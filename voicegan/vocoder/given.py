"""Log-mels that are given for recordings instead of their own, such as those that come out of a converter.

Made once, kept in the cache, and mapped. Who makes them is no matter of this room: it is told as a plain function.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import storage
from ..errors import VoiceganError

if TYPE_CHECKING:
    from ..audio.folders import Progress
    from ..audio.mel import MelSpec
    from .corpus import Corpus, Recordings

FORMAT = 1  # of the mels in the cache; raise it when their meaning changes


class Given(NamedTuple):
    """The log-mel of one recording, and what was done to the sound before: ``(wav - offset) · gain``."""

    mel: np.ndarray  # (M, F), F as many as the recording has; frame f is about the same samples
    gain: float
    offset: float


@dataclass(frozen=True)
class Through:
    """What recordings pass through before a vocoder learns from their log-mels.

    Attributes
    ----------
    parts : tuple
        ``(name, hash)`` of each part, in order; everything that changes what is given is in the hash.
    give : callable
        A recording's samples (T,) float32, at the contract's rate, to what is given for it.
    licences : tuple
        ``(licence, part)`` of the recordings that the parts were made of.
    """

    parts: tuple[tuple[str, str], ...]
    give: Callable[[np.ndarray], Given]
    licences: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class GivenMels:
    """The log-mels of a side of a corpus, frame after frame.

    Attributes
    ----------
    starts : ndarray
        ``(N + 1,)`` first frame of each recording, and the number of frames in all.
    values : ndarray
        ``(F, M)`` float16, mapped from a file.
    gains, offsets : ndarray
        ``(N,)`` what was done to the sound of each.
    """

    starts: np.ndarray
    values: np.ndarray
    gains: np.ndarray
    offsets: np.ndarray

    def mel(self, index: int, first: int = 0, last: int | None = None) -> np.ndarray:
        """Frames ``first`` to ``last`` (one past, at most as many as there are) of one recording, (M, f) float32."""
        begin, end = int(self.starts[index]), int(self.starts[index + 1])
        stop = end if last is None else min(begin + last, end)
        return np.ascontiguousarray(self.values[begin + first : stop].T, np.float32)


def with_mels(corpus: Corpus, through: Through, progress: Progress | None = None) -> Corpus:
    """The same recordings with what is given for each of them; what was made once is read from the cache."""
    training, held_out = (
        replace(side, mels=_given(side, corpus.spec, through, progress)) if len(side) else side
        for side in (corpus.training, corpus.held_out)
    )
    return replace(corpus, training=training, held_out=held_out, through=through.parts)


def _given(side: Recordings, spec: MelSpec, through: Through, progress: Progress | None) -> GivenMels:
    content = hashlib.sha256(np.ascontiguousarray(side.samples).data).hexdigest()
    parts = [FORMAT, spec.to_dict(), through.parts, side.starts.tolist(), content]
    key = storage.sha256(json.dumps(parts).encode())[:24]
    values, index = (storage.cache_home() / "mels" / f"{key}{suffix}" for suffix in (".f16", ".json"))
    frames = [spec.frames(int(length)) for length in np.diff(side.starts)]
    size = 2 * spec.mels * sum(frames)
    known = _made_before(values, index, size, len(side))
    if known is None:
        known = _make_into(values, side, spec, frames, through, progress)
        storage.write_json(index, known)
    starts = np.concatenate([[0], np.cumsum(frames)]).astype(np.int64)
    mapped = np.memmap(values, np.float16, "r", shape=(sum(frames), spec.mels))
    return GivenMels(starts, mapped, np.array(known["gains"]), np.array(known["offsets"]))


def _made_before(values: Path, index: Path, size: int, recordings: int) -> dict[str, list[float]] | None:
    """What the cache holds, where it is whole."""
    try:
        known: dict[str, Any] = storage.read_json(index)
        whole = values.stat().st_size == size
        whole &= all(len(known[name]) == recordings for name in ("gains", "offsets"))
    except (OSError, VoiceganError, KeyError, TypeError):
        return None
    return known if whole else None


def _make_into(
    values: Path,
    side: Recordings,
    spec: MelSpec,
    frames: list[int],
    through: Through,
    progress: Progress | None,
) -> dict[str, list[float]]:
    """Write all frames to one file; return each recording's gain and offset."""
    gains, offsets = [], []
    with storage.atomic_path(values) as temporary, open(temporary, "wb") as file:
        for index, path in enumerate(side.paths):
            mel, gain, offset = through.give(side.wav(index))
            if mel.shape != (spec.mels, frames[index]):
                raise ValueError(f"{mel.shape} was given for {path}, not {(spec.mels, frames[index])}")
            np.ascontiguousarray(mel.T, np.float16).tofile(file)
            gains.append(float(gain))
            offsets.append(float(offset))
            if progress:
                progress(index + 1, len(side), path.name)
    return {"gains": gains, "offsets": offsets}
