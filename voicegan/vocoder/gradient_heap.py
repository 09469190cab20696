"""Phases from magnitudes alone in one pass: phase gradient heap integration.

The phase of a transform under a bell-shaped window is bound to its log-magnitude: what the magnitude does along
frequency says how the phase turns from frame to frame, and what it does along time says how the phase tilts from
bin to bin. So the gradient of the phase is known, and it is summed up from the strongest bins outwards, along the
ridges of the spectrogram, so that what is loud is settled before the errors of what is soft can reach it (Průša,
Balazs, Søndergaard 2017). Frame by frame the same works while sound comes in (Průša and Søndergaard 2016).

Frames begin at their first sample, as those of torch.stft and librosa.stft do; so a sound in a frame's middle
tilts the phase by -π from bin to bin.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..audio.compiled import compiled

# The Gaussian exp(-π t²/γ) nearest to a Hann window of n samples has γ = 0.25645 n² (Průša et al. 2017, table 1).
HANN_WIDTH = 0.25645


class Carried(NamedTuple):
    """What `rtpghi` has to know of the frames before."""

    magnitudes: (
        np.ndarray
    )  # (f, bins), f <= 2: the last frame that has its phases, and the one that waits for them
    phases: np.ndarray  # (1, bins) or, before the first frame, (0, bins)


def pghi(
    magnitudes: np.ndarray,
    hop: int,
    n_fft: int,
    win: int,
    *,
    settled: np.ndarray | None = None,
    tolerance: float = 1e-6,
) -> np.ndarray:
    """Phases for a whole spectrogram.

    magnitudes (F, bins) under a Hann window of `win` samples; phases (F, bins) in radians, float32. settled
    (n, bins): the phases of the first n frames, from which the others go on. tolerance: bins weaker than that times
    the strongest turn on as their frame before.
    """
    logs = log_magnitudes(magnitudes)
    turn, tilt = gradients(logs, hop, n_fft, win)
    phases = np.zeros_like(logs)
    known = 0 if settled is None else len(settled)
    if settled is not None:
        phases[:known] = settled
    if logs.size:
        integrate(logs, turn, tilt, phases, known, float(logs.max() + math.log(tolerance)))
    return phases


def rtpghi(
    magnitudes: np.ndarray,
    hop: int,
    n_fft: int,
    win: int,
    *,
    ahead: int = 1,
    carried: Carried | None = None,
    tolerance: float = 1e-6,
) -> tuple[np.ndarray, Carried]:
    """Phases frame by frame, each from the frame before and at most the one after.

    magnitudes (F, bins): the frames that are new. ahead: 1, or 0 to look only back. Returns the phases of the frames
    that are settled by them (ahead = 1 keeps one frame back until the next comes; the last one is settled by
    pushing it once more), and what to carry into the next call.
    """
    bins = magnitudes.shape[1]
    if carried is None:
        carried = Carried(np.zeros((0, bins), np.float32), np.zeros((0, bins), np.float32))
    window = np.concatenate([carried.magnitudes, magnitudes.astype(np.float32)])
    known = len(carried.phases)
    logs = log_magnitudes(window)
    turn, tilt = gradients(logs, hop, n_fft, win)
    if not ahead:
        tilt[1:] = -math.pi - HANN_WIDTH * win**2 / (hop * n_fft) * (logs[1:] - logs[:-1])
    last = len(logs) - ahead
    phases = np.zeros_like(logs)
    phases[:known] = carried.phases
    for n in range(known, last):
        first = max(0, n - 1)
        pair = slice(first, n + 1)
        least = float(logs[pair].max() + math.log(tolerance))
        integrate(logs[pair], turn[pair], tilt[pair], phases[pair], n - first, least)
    keep = max(0, last - 1)
    return phases[known:last], Carried(window[keep:], phases[keep:last])


def log_magnitudes(magnitudes: np.ndarray) -> np.ndarray:
    """Natural logarithms (F, bins), float32, of magnitudes >= 0."""
    return np.log(np.maximum(magnitudes, 1e-10), dtype=np.float32)


def gradients(logs: np.ndarray, hop: int, n_fft: int, win: int) -> tuple[np.ndarray, np.ndarray]:
    """How the phase turns from frame to frame and tilts from bin to bin, both (F, bins), by log-magnitudes (F, bins).

    Differences are central; at the ends of the spectrogram they are one-sided.
    """
    width = HANN_WIDTH * win**2 / (hop * n_fft)
    frames, bins = logs.shape
    advance = np.arange(bins, dtype=np.float32) * np.float32(2 * math.pi * hop / n_fft)
    turn = np.empty_like(logs)
    turn[:, 1:-1] = (logs[:, 2:] - logs[:, :-2]) * np.float32(0.5 / width)
    turn[:, 0] = 0.0  # a real sound's spectrum is even about 0 and about half the rate
    turn[:, -1] = 0.0
    turn += advance
    tilt = np.full_like(logs, -math.pi)
    if frames > 1:
        tilt[1:-1] -= (logs[2:] - logs[:-2]) * np.float32(0.5 * width)
        tilt[0] -= (logs[1] - logs[0]) * np.float32(width)
        tilt[-1] -= (logs[-1] - logs[-2]) * np.float32(width)
    return turn, tilt


@compiled
def integrate(
    logs: np.ndarray,
    turn: np.ndarray,
    tilt: np.ndarray,
    phases: np.ndarray,
    known: int,
    least: float,
) -> None:
    """Sum up the gradient from the strongest bins outwards, into phases (F, bins), whose first `known` frames stand.

    Bins with logs < least turn on from the frame before.
    """
    frames, bins = logs.shape
    keys = np.empty(frames * bins, np.float32)  # a binary heap, the strongest bin on top
    places = np.empty(frames * bins, np.int32)
    size = 0
    open_ = np.empty((frames, bins), np.bool_)
    for n in range(frames):
        for m in range(bins):
            open_[n, m] = n >= known and logs[n, m] >= least
    if known > 0:
        for m in range(bins):
            key, child = logs[known - 1, m], size
            size += 1
            while child > 0 and keys[(child - 1) // 2] < key:
                keys[child], places[child] = keys[(child - 1) // 2], places[(child - 1) // 2]
                child = (child - 1) // 2
            keys[child], places[child] = key, (known - 1) * bins + m
    two_pi = np.float32(2 * np.pi)
    while True:
        if size == 0:  # begin an island where it is strongest
            best, best_n, best_m = -np.inf, -1, -1
            for n in range(known, frames):
                for m in range(bins):
                    if open_[n, m] and logs[n, m] > best:
                        best, best_n, best_m = logs[n, m], n, m
            if best_n < 0:
                break
            open_[best_n, best_m] = False
            phases[best_n, best_m] = 0.0
            keys[0], places[0] = best, best_n * bins + best_m
            size = 1
        n, m = places[0] // bins, places[0] % bins
        size -= 1
        key, place, parent = keys[size], places[size], 0
        while True:
            child = 2 * parent + 1
            if child >= size:
                break
            if child + 1 < size and keys[child + 1] > keys[child]:
                child += 1
            if keys[child] <= key:
                break
            keys[parent], places[parent] = keys[child], places[child]
            parent = child
        keys[parent], places[parent] = key, place
        for way in range(4):
            if way == 0:
                to_n, to_m = n + 1, m
            elif way == 1:
                to_n, to_m = n - 1, m
            elif way == 2:
                to_n, to_m = n, m + 1
            else:
                to_n, to_m = n, m - 1
            if to_n < 0 or to_n >= frames or to_m < 0 or to_m >= bins or not open_[to_n, to_m]:
                continue
            if way < 2:
                step = (turn[n, m] + turn[to_n, to_m]) * np.float32(0.5 * (to_n - n))
            else:
                step = (tilt[n, m] + tilt[to_n, to_m]) * np.float32(0.5 * (to_m - m))
            phase = phases[n, m] + step
            phases[to_n, to_m] = phase - two_pi * np.floor(phase / two_pi)
            open_[to_n, to_m] = False
            key, child = logs[to_n, to_m], size
            size += 1
            while child > 0 and keys[(child - 1) // 2] < key:
                keys[child], places[child] = keys[(child - 1) // 2], places[(child - 1) // 2]
                child = (child - 1) // 2
            keys[child], places[child] = key, to_n * bins + to_m
    for n in range(known, frames):
        for m in range(bins):
            if logs[n, m] < least:
                phase = phases[n - 1, m] + turn[n, m] if n > 0 else np.float32(np.pi) * m
                phases[n, m] = phase - two_pi * np.floor(phase / two_pi)
