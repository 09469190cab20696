"""From a recording to what a network trains on: levelled, trimmed, as log-mel and pitch, cached."""

from __future__ import annotations

import hashlib
import json
import threading
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import storage
from . import measure

if TYPE_CHECKING:
    from ..audio.mel import LogMel, MelSpec
    from .measure import Facts

FORMAT = 1  # of the cached file; raise it when the way to the features changes

PAUSE_S = 0.30  # silences inside an utterance are shortened to this
EDGE_S = 0.10  # and this is left before the first and after the last word
_SHORTEST_SOUND_S = 0.05  # what is shorter between two pauses is a click
_LONG_S = 60.0  # recordings over this go through the mel in pieces, so that memory stays bounded


@dataclass(frozen=True)
class Features:
    """One recording as a network sees it."""

    mel: np.ndarray  # (M, F) float32
    f0: np.ndarray  # (F,) float32 Hz, 0 where unvoiced
    facts: Facts


@dataclass(frozen=True)
class Recipe:
    """How features are made; everything that changes their values, hence part of the cache's key."""

    spec: MelSpec
    level_db: float
    trim: bool

    @property
    def key(self) -> str:
        """Hash of the contract: sixteen hexadecimal digits."""
        contract: dict[str, Any] = {
            "format": FORMAT,
            "facts": measure.FORMAT,
            "spec": self.spec.to_dict(),
            "level_db": self.level_db,
            "trim": [PAUSE_S, EDGE_S] if self.trim else None,
        }
        return hashlib.sha256(json.dumps(contract, sort_keys=True).encode()).hexdigest()[:16]


def features_of(path: Path, content_sha256: str, recipe: Recipe) -> Features:
    """Features of a file, read from the cache without decoding when this content was seen before.

    Raises VoiceganError as `measure.measure` does. Files are written under a temporary name and renamed, so
    that interruption leaves nothing half done and two processes at once merely do the same work twice.
    """
    cached = features_path(content_sha256, recipe)
    if (known := _read(cached)) is not None:
        return known
    measured = measure.measure(path, recipe.spec.sample_rate_hz, recipe.spec.hop)
    features = make(measured, recipe)
    _write(cached, features)
    if (measured.rate_hz, recipe.spec.hop) == (measure.RATE_HZ, measure.HOP):
        measure.write_facts(measure.facts_path(content_sha256), measured.facts)
    return features


def features_path(content_sha256: str, recipe: Recipe) -> Path:
    return storage.cache_home() / "features" / recipe.key / f"{content_sha256}.npz"


def make(measured: measure.Measured, recipe: Recipe) -> Features:
    """Level, trim, and take the log-mel. A silent recording has no frames."""
    facts, hop = measured.facts, recipe.spec.hop
    if facts.silent:
        return Features(np.zeros((recipe.spec.mels, 0), np.float32), np.zeros(0, np.float32), facts)
    # No guard against clipping: these samples are floats that nobody will hear.
    wav = measured.wav * np.float32(10 ** ((recipe.level_db - facts.active_db) / 20))
    f0 = measured.f0
    if recipe.trim:
        levels = measure.block_levels(wav, hop)
        kept = kept_blocks(measure.speech_blocks(levels, recipe.level_db), hop / recipe.spec.sample_rate_hz)
        wav, f0 = cut(wav, f0, kept, hop)
    mel = log_mel(wav, recipe.spec)
    return Features(mel, f0[: mel.shape[1]], facts)


def kept_blocks(speech: np.ndarray, block_s: float) -> np.ndarray:
    """Which blocks stay when silences are shortened: boolean (B,); all where there is no speech.

    Pauses longer than `PAUSE_S` lose their middle; at the ends `EDGE_S` stays.
    """
    speech = _without_short_runs(speech, round(_SHORTEST_SOUND_S / block_s))
    if not speech.any():
        return np.ones_like(speech)
    kept = np.ones_like(speech)
    half, edge = max(1, round(PAUSE_S / 2 / block_s)), max(1, round(EDGE_S / block_s))
    for first, last in _runs(~speech):
        before = 0 if first == 0 else half
        after = 0 if last == len(speech) else half
        if first == 0:
            after = edge
        if last == len(speech):
            before = min(before, edge)
        if last - first > before + after:
            kept[first + before : last - after] = False
    return kept


def cut(wav: np.ndarray, f0: np.ndarray, kept: np.ndarray, hop: int) -> tuple[np.ndarray, np.ndarray]:
    """Keep the marked blocks of `wav` (T,) and their frames of `f0`; joints are cross-faded over 4 ms.

    Cutting whole blocks keeps the frame grid, so the pitch track is cut by the same marks.
    """
    if kept.all():
        return wav, f0
    spans = _runs(kept)
    fade = min(64, hop // 2)
    ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
    parts = [wav[first * hop : last * hop].copy() for first, last in spans]
    if spans[-1][1] == len(kept):  # the samples after the last whole block belong to it
        parts[-1] = wav[spans[-1][0] * hop :].copy()
    for part, (first, _) in zip(parts[:-1], spans[1:], strict=True):
        # The end of a part slides into what came just before the next one: no step, no change of length.
        part[-fade:] = part[-fade:] * (1 - ramp) + wav[first * hop - fade : first * hop] * ramp
    joined = np.concatenate(parts)
    frames = np.concatenate([f0[first:last] for first, last in spans])
    return joined, np.pad(frames, (0, max(0, 1 + len(joined) // hop - len(frames))))


def log_mel(wav: np.ndarray, spec: MelSpec) -> np.ndarray:
    """Log-mel (M, F) float32 of a signal (T,), in bounded memory."""
    import torch

    from ..audio.mel import StreamMel

    if len(wav) <= _LONG_S * spec.sample_rate_hz:
        with torch.inference_mode():
            return _transform(spec)(torch.from_numpy(wav)[None])[0].numpy()
    stream, step = StreamMel(_transform(spec)), int(_LONG_S * spec.sample_rate_hz)
    parts = [np.asarray(stream.push(wav[at : at + step])) for at in range(0, len(wav), step)]
    return np.concatenate([*parts, np.asarray(stream.flush())], axis=1).astype(np.float32, copy=False)


@lru_cache(maxsize=4)
def _transform(spec: MelSpec) -> LogMel:
    from ..audio.mel import LogMel

    return LogMel(spec)


# numpy reads a header with ast.literal_eval, which Python 3.11 now and then does not survive in two threads.
_ONE_READER = threading.Lock()


def _read(cached: Path) -> Features | None:
    try:
        with _ONE_READER, np.load(cached, allow_pickle=False) as stored:
            facts = measure.Facts.from_json(str(stored["facts"]))
            return Features(stored["mel"], stored["f0"], facts)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None  # not there, or damaged: it is made again


def _write(cached: Path, features: Features) -> None:
    try:
        with storage.atomic_path(cached) as temporary:
            np.savez(temporary, mel=features.mel, f0=features.f0, facts=np.array(features.facts.to_json()))
    except OSError:  # a cache that cannot be written costs time, nothing else; `voicegan doctor` tells of it
        return


def _runs(marked: np.ndarray) -> list[tuple[int, int]]:
    """Runs of true values as (first, one past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], marked.astype(np.int8), [0]))))
    return [(int(first), int(last)) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def _without_short_runs(marked: np.ndarray, shortest: int) -> np.ndarray:
    cleaned = marked.copy()
    for first, last in _runs(marked):
        if last - first < shortest:
            cleaned[first:last] = False
    return cleaned
