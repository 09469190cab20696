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


# Where the frame after is not known, the central difference of log-magnitudes over time is foretold from the two
# differences before: fitted to speech, at 75 % overlap. (A difference that looks back alone leaves -15 dB of
# spectral convergence on speech, this one -19, a true central one -21.)
FORETELL = (0.6, -0.1)


class Carried(NamedTuple):
    """What `rtpghi` has to know of the frames before; magnitudes of one frame more than phases where one waits."""

    magnitudes: np.ndarray  # (f, bins), f <= 3
    phases: np.ndarray  # (n, bins), n <= 2


def pghi(
    magnitudes: np.ndarray,
    hop: int,
    n_fft: int,
    win: int,
    *,
    settled: np.ndarray | None = None,
    tolerance: float = 1e-5,
) -> np.ndarray:
    """Phases for a whole spectrogram.

    magnitudes (F, bins) under a Hann window of `win` samples; phases (F, bins) in radians, float32. settled
    (n, bins): the phases of the first n frames, from which the others go on. tolerance: bins weaker than that
    times the strongest turn on as their frame before.
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
    tolerance: float = 1e-5,
) -> tuple[np.ndarray, Carried]:
    """Phases frame by frame, each from the frame before and at most the one after.

    magnitudes (F, bins): the frames that are new. ahead: 1, which keeps a frame back until the next one comes,
    or 0, which settles all that there are. Returns the phases of the frames that are settled now, and what to
    carry into the next call; calls may differ in `ahead`, so the last one takes 0.
    """
    bins = magnitudes.shape[1]
    if carried is None:
        carried = Carried(np.zeros((0, bins), np.float32), np.zeros((0, bins), np.float32))
    window = np.concatenate([carried.magnitudes, magnitudes.astype(np.float32, copy=False)])
    known, last = len(carried.phases), len(window) - ahead
    logs = log_magnitudes(window)
    turn, tilt = gradients(logs, hop, n_fft, win, central=ahead > 0)
    phases = np.zeros_like(logs)
    phases[:known] = carried.phases
    floor = math.log(tolerance)
    for n in range(known, last):
        pair = slice(max(0, n - 1), n + 1)
        integrate(
            logs[pair], turn[pair], tilt[pair], phases[pair], min(n, 1), float(logs[pair].max() + floor)
        )
    keep = max(0, last - 2)
    return phases[known : max(known, last)], Carried(window[keep:], phases[keep : max(0, last)])


def log_magnitudes(magnitudes: np.ndarray) -> np.ndarray:
    """Natural logarithms (F, bins), float32, of magnitudes >= 0. What is not a number counts as nothing."""
    return np.log(np.fmin(np.fmax(magnitudes, np.float32(1e-10)), np.float32(1e30)), dtype=np.float32)


def gradients(
    logs: np.ndarray, hop: int, n_fft: int, win: int, central: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """How the phase turns from frame to frame and tilts from bin to bin, both (F, bins), by log-magnitudes (F,
    bins).

    central: over time, differences take the frame after into account wherever there is one.
    """
    width = np.float32(HANN_WIDTH * win**2 / (hop * n_fft))
    turn = np.zeros_like(logs)  # a real sound's spectrum is even about 0 and about half the rate
    turn[:, 1:-1] = (logs[:, 2:] - logs[:, :-2]) * np.float32(0.5 / width)
    turn += np.arange(logs.shape[1], dtype=np.float32) * np.float32(2 * math.pi * hop / n_fft)
    change = np.diff(logs, axis=0, prepend=logs[:1])
    near, far = (np.float32(share) for share in FORETELL)
    slope = near * change
    slope[1:] += far * change[:-1]
    if central and len(logs) > 1:
        slope[0] = near * change[1]
        slope[1:-1] = np.float32(0.5) * (change[1:-1] + change[2:])
    return turn, np.float32(-math.pi) - width * slope


@compiled
def integrate(
    logs: np.ndarray, turn: np.ndarray, tilt: np.ndarray, phases: np.ndarray, known: int, least: float
) -> None:
    """Sum up the gradient from the strongest bins outwards, into phases (F, bins), whose first `known` frames
    stand. Bins with logs < least turn on from the frame before.

    What the papers keep in a heap is here in linked lists by class of loudness: half a decibel decides nothing, and
    a list gives its first in one step.
    """
    frames, bins = logs.shape
    loudest = logs.max()
    per_class = np.float32(255) / max(loudest - np.float32(least), np.float32(1e-3))
    heads = np.full(256, -1, np.int32)  # the bins from which it goes on
    seeds = np.full(256, -1, np.int32)  # where an island of loud bins may begin
    following = np.empty(frames * bins, np.int32)
    seeds_following = np.empty(frames * bins, np.int32)
    is_open = np.zeros(frames * bins, np.bool_)
    top, top_seed = -1, -1
    two_pi = np.float32(2 * np.pi)
    if known > 0:
        for m in range(bins):
            level = max(0, int((logs[known - 1, m] - least) * per_class))
            place = (known - 1) * bins + m
            following[place] = heads[level]
            heads[level] = place
            top = max(top, level)
    for n in range(known, frames):
        for m in range(bins):
            if logs[n, m] >= least:
                level = int((logs[n, m] - least) * per_class)
                place = n * bins + m
                is_open[place] = True
                seeds_following[place] = seeds[level]
                seeds[level] = place
                top_seed = max(top_seed, level)
    while True:
        while top >= 0 and heads[top] < 0:
            top -= 1
        if top >= 0:
            place = heads[top]
            heads[top] = following[place]
        else:  # begin an island where it is strongest
            while top_seed >= 0 and (seeds[top_seed] < 0 or not is_open[seeds[top_seed]]):
                if seeds[top_seed] < 0:
                    top_seed -= 1
                else:
                    seeds[top_seed] = seeds_following[seeds[top_seed]]
            if top_seed < 0:
                break
            place = seeds[top_seed]
            is_open[place] = False
            phases[place // bins, place % bins] = 0.0
        n = place // bins
        m = place - n * bins
        phase = phases[n, m]
        for way in range(4):
            if way == 0:
                if n + 1 == frames or not is_open[place + bins]:
                    continue
                to, to_n, to_m = place + bins, n + 1, m
                to_phase = phase + np.float32(0.5) * (turn[n, m] + turn[to_n, to_m])
            elif way == 1:
                if n == 0 or not is_open[place - bins]:
                    continue
                to, to_n, to_m = place - bins, n - 1, m
                to_phase = phase - np.float32(0.5) * (turn[n, m] + turn[to_n, to_m])
            elif way == 2:
                if m + 1 == bins or not is_open[place + 1]:
                    continue
                to, to_n, to_m = place + 1, n, m + 1
                to_phase = phase + np.float32(0.5) * (tilt[n, m] + tilt[to_n, to_m])
            else:
                if m == 0 or not is_open[place - 1]:
                    continue
                to, to_n, to_m = place - 1, n, m - 1
                to_phase = phase - np.float32(0.5) * (tilt[n, m] + tilt[to_n, to_m])
            phases[to_n, to_m] = to_phase - two_pi * np.floor(to_phase / two_pi)
            is_open[to] = False
            level = int((logs[to_n, to_m] - least) * per_class)
            following[to] = heads[level]
            heads[level] = to
            top = max(top, level)
    for n in range(known, frames):
        for m in range(bins):
            if logs[n, m] < least:
                to_phase = phases[n - 1, m] + turn[n, m] if n > 0 else np.float32(np.pi) * m
                phases[n, m] = to_phase - two_pi * np.floor(to_phase / two_pi)
