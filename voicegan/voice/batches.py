"""Batches of normalised mel crops from two speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..core.random import Draws
from ..core.system import Batch
from .corpus import Speaker
from .parallel import Pair, Parallel


def normalised(speaker: Speaker, mel: np.ndarray) -> np.ndarray:
    """Bring a mel ``(M, F)`` to mean 0 and deviation 1 per bin, by the speaker's statistics."""
    return (mel - speaker.mean[:, None]) / speaker.std[:, None]


@dataclass(frozen=True)
class Tape:
    """All of a speaker's training utterances end to end.

    Crops may run over a seam, as speech runs over a pause: short utterances are joined, none is dropped.

    Attributes
    ----------
    mel : Tensor
        Normalised, ``(M, F)``.
    target : Tensor or None
        The other speaker's reading, frame for frame, normalised by the other's statistics, ``(M, F)``.
    weight : Tensor or None
        1 where ``target`` is known, else 0, ``(1, F)``.
    """

    mel: Tensor
    target: Tensor | None = None
    weight: Tensor | None = None

    @classmethod
    def of(cls, speaker: Speaker, least_frames: int) -> Tape:
        """Join a speaker's utterances, repeated until one crop fits."""
        mel = np.concatenate([normalised(speaker, u.mel) for u in speaker.utterances], axis=1)
        return cls(_repeated(mel, least_frames))

    @classmethod
    def with_target(cls, speaker: Speaker, other: Speaker, maps: dict[int, tuple[int, np.ndarray]],
                    least_frames: int) -> Tape:  # fmt: skip
        """Join a speaker's utterances, and beside them what the other reads at the same moment.

        ``maps`` gives for an utterance's index the other's index and, per frame, the other's frame.
        """
        mels: list[np.ndarray] = []
        targets: list[np.ndarray] = []
        weights: list[np.ndarray] = []
        for index, utterance in enumerate(speaker.utterances):
            mel = normalised(speaker, utterance.mel)
            target, weight = np.zeros_like(mel), np.zeros((1, mel.shape[1]), np.float32)
            if index in maps:
                partner, frames = maps[index]
                target = normalised(other, other.utterances[partner].mel)[:, frames]
                weight += 1.0
            for part, parts in ((mel, mels), (target, targets), (weight, weights)):
                parts.append(part)
        joined = (np.concatenate(parts, axis=1) for parts in (mels, targets, weights))
        return cls(*(_repeated(part, least_frames) for part in joined))

    def crops(self, draws: Draws, name: str, frames: int) -> dict[str, Tensor]:
        """Cut one random crop per row: ``{name, name_target, name_weight}``."""
        starts = draws.integers(name, self.mel.shape[1] - frames + 1).tolist()
        parts = {name: self.mel, f"{name}_target": self.target, f"{name}_weight": self.weight}
        return {
            key: torch.stack([part[:, start : start + frames] for start in starts])
            for key, part in parts.items()
            if part is not None
        }


class TwoSpeakers:
    """Crops of two speakers; where they read the same sentences, with the aligned targets.

    A batch holds ``a`` and ``b``, each ``(B, M, F)``, of unrelated moments; and with ``parallel``
    ``a_target``, ``b_target`` ``(B, M, F)`` and ``a_weight``, ``b_weight`` ``(B, 1, F)``.
    """

    def __init__(self, a: Speaker, b: Speaker, frames: int, parallel: Parallel | None = None) -> None:
        self.frames = frames
        if parallel is None:
            self.a, self.b = Tape.of(a, frames), Tape.of(b, frames)
        else:
            self.a = Tape.with_target(a, b, _maps(parallel.pairs, forward=True), frames)
            self.b = Tape.with_target(b, a, _maps(parallel.pairs, forward=False), frames)

    def batch(self, draws: Draws) -> Batch:
        return {**self.a.crops(draws, "a", self.frames), **self.b.crops(draws, "b", self.frames)}


def _maps(pairs: Sequence[Pair], *, forward: bool) -> dict[int, tuple[int, np.ndarray]]:
    if forward:
        return {pair.index_a: (pair.index_b, pair.index_ab) for pair in pairs}
    return {pair.index_b: (pair.index_a, pair.index_ba) for pair in pairs}


def _repeated(mel: np.ndarray, least_frames: int) -> Tensor:
    times = -(-least_frames // mel.shape[1])
    return torch.from_numpy(np.ascontiguousarray(np.tile(mel, (1, times)), dtype=np.float32))
