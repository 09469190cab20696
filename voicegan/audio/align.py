"""Dynamic time warping: which frame of one utterance says what a frame of the other says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import VoiceganError
from .compiled import compiled

_DIAGONAL, _IN_A, _IN_B = 0, 1, 2


@dataclass(frozen=True)
class Alignment:
    """A path through both utterances. path_a, path_b: int32 (P,), each step moves one or both on by one
    frame.

    cost: the mean distance of the pairs on the path.
    """

    path_a: np.ndarray
    path_b: np.ndarray
    cost: float


def align(a: np.ndarray, b: np.ndarray, *, band: float | None = None) -> Alignment:
    """The path of the least summed Euclidean distance between a (D, Fa) and b (D, Fb), from corner to corner.

    Steps are (1, 1), (1, 0) and (0, 1), all of weight 1; of equal paths the most diagonal one is taken. band
    limits the path to that share of the longer utterance around the diagonal (Sakoe and Chiba 1978); None
    searches everything. Raises VoiceganError where an utterance has no frames or the two have different
    dimensions.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[0] or 0 in (a.shape[1], b.shape[1]):
        raise VoiceganError(
            f"features of the shapes {a.shape} and {b.shape} cannot be aligned",
            "Both need frames and the same size.",
        )
    frames_a, frames_b = a.shape[1], b.shape[1]
    # Wide enough at least for a path to exist.
    radius = max(frames_a, frames_b) if band is None else band * max(frames_a, frames_b)
    radius = max(radius, 1.0 + frames_b / frames_a)
    total, path_a, path_b = _search(
        np.ascontiguousarray(a.T, np.float64), np.ascontiguousarray(b, np.float64), radius
    )
    return Alignment(path_a, path_b, float(total) / len(path_a))


@compiled
def _search(a: np.ndarray, b: np.ndarray, radius: float) -> tuple[float, np.ndarray, np.ndarray]:
    """a (Fa, D), b (D, Fb): the least sum and its path. Keeps two rows of sums and a byte per pair for the
    way back.
    """
    frames_a, frames_b = a.shape[0], b.shape[1]
    steps = np.zeros((frames_a, frames_b), np.uint8)
    above = np.full(frames_b, np.inf)
    row = np.full(frames_b, np.inf)
    distance = np.empty(frames_b)
    for i in range(frames_a):
        centre = i * frames_b / frames_a
        first = max(0, int(np.ceil(centre - radius)))
        last = min(frames_b - 1, int(np.floor(centre + radius)))
        distance[first : last + 1] = 0.0
        for d in range(a.shape[1]):
            value = a[i, d]
            for j in range(first, last + 1):
                difference = value - b[d, j]
                distance[j] += difference * difference
        row[:] = np.inf
        for j in range(first, last + 1):
            if i == 0 and j == 0:
                row[0] = np.sqrt(distance[0])
                continue
            best, step = np.inf, _DIAGONAL
            if i > 0 and j > 0:
                best = above[j - 1]
            if i > 0 and above[j] < best:
                best, step = above[j], _IN_A
            if j > 0 and row[j - 1] < best:
                best, step = row[j - 1], _IN_B
            row[j] = best + np.sqrt(distance[j])
            steps[i, j] = step
        above, row = row, above
    path_a = np.empty(frames_a + frames_b, np.int32)
    path_b = np.empty(frames_a + frames_b, np.int32)
    i, j, place = frames_a - 1, frames_b - 1, frames_a + frames_b
    while True:
        place -= 1
        path_a[place], path_b[place] = i, j
        if i == 0 and j == 0:
            break
        step = steps[i, j]
        if step != _IN_B:
            i -= 1
        if step != _IN_A:
            j -= 1
    return above[frames_b - 1], path_a[place:].copy(), path_b[place:].copy()


def cepstra(log_mel: np.ndarray, order: int = 24) -> np.ndarray:
    """Mel cepstra c1 ... c_order (order, F) of a natural log-mel (M, F): its orthonormal DCT-II, without c0
    (loudness).
    """
    return (cosines(log_mel.shape[0], order) @ log_mel.astype(np.float64)).astype(np.float32)


def cosines(mels: int, order: int) -> np.ndarray:
    """The orthonormal rows (order, M) that c1 ... c_order of `mels` bands are taken with."""
    index = np.arange(1, order + 1)[:, None]
    basis: np.ndarray = np.sqrt(2 / mels) * np.cos(np.pi / mels * (np.arange(mels) + 0.5) * index)
    return basis


def align_mels(a: np.ndarray, b: np.ndarray, *, band: float | None = None) -> Alignment:
    """`align` by the cepstra of two natural log-mels (M, Fa) and (M, Fb).

    Each one's mean is taken off: it holds the speaker and the microphone, not the words.
    """
    return align(*(c - c.mean(axis=1, keepdims=True) for c in (cepstra(a), cepstra(b))), band=band)


def warp_index(alignment: Alignment, frames_a: int) -> np.ndarray:
    """For each of a's frames the frame of b it is matched with: int (Fa,), never falling.

    A frame that is matched with several gets their median.
    """
    first = np.searchsorted(alignment.path_a, np.arange(frames_a), "left")
    last = np.searchsorted(alignment.path_a, np.arange(frames_a), "right") - 1
    return alignment.path_b[(first + last) // 2].astype(np.int64)


def alignment_cost(mel_a: np.ndarray, mel_b: np.ndarray, *, order: int = 12, every: int = 2) -> float:
    """How badly two utterances fit each other, from natural log-mels (M, F): the same words cost clearly
    less.

    Their means are taken off, for two speakers differ in theirs; every second frame is enough to compare.
    """
    a, b = (cepstra(mel[:, ::every], order) for mel in (mel_a, mel_b))
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    scale = np.sqrt((a.var(axis=1).sum() + b.var(axis=1).sum()) / 2)
    return align(a, b).cost / max(float(scale), 1e-6)
