"""The fundamental frequency of a voice, and where there is one."""

from __future__ import annotations

import math

import numpy as np

from .compiled import compiled
from .resample import resample

LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0
# Pitch needs no high frequencies, and the work grows with the square of the rate.
_RATE_HZ = 16000
_WINDOW_S = 0.025
_STEPS_PER_SEMITONE = 4
# Costs are those of the normalised difference: 0 for a perfect period, about 1 for noise.
_UNVOICED_COST = 0.5
_CHANGE_COST = 0.12  # of becoming voiced or unvoiced
_SEMITONE_COST = 0.04  # of moving by a semitone from one frame (of 16 ms) to the next
_OCTAVE_COST = 0.06  # two periods repeat as well as one: the shorter is meant
_SILENT_DB = -50.0  # under the loud frames
_LOUD_MEMORY_S = 30.0  # how long a stream remembers how loud those were


def f0(wav: np.ndarray, rate: int, hop: int, fmin: float = LOWEST_HZ, fmax: float = HIGHEST_HZ) -> np.ndarray:
    """The pitch of samples (T,) in Hz, float32 (1 + T // hop,); 0 where unvoiced. Frame k is centred on sample k·hop.

    The cumulative mean normalised difference of YIN (de Cheveigné and Kawahara 2002) says for each lag how badly the
    sound repeats after it; the path of least cost through candidates a quarter of a semitone apart, and through
    "unvoiced", decides (as in pYIN, Mauch and Dixon 2014); a parabola gives the rest of the precision.
    """
    return _tracked(wav, rate, hop, fmin, fmax, 0.0)[0]


class StreamPitch:
    """The pitch of a sound that arrives in pieces: that of `f0`, as far as a second before and a moment after tell.

    `f0` hears windows that lie on the absolute frame grid, each with what surrounds it, and of what it finds there the
    middle is kept: the sizes of the pieces change nothing. What is silent is judged by the loudest of the last half
    minute, not of the whole.

    Parameters
    ----------
    rate, hop
        As for `f0`.
    window_frames
        How many frames are found at once: more are cheaper, and later.
    past_s, future_s
        What is heard before and after a window. The path through the candidates needs it to begin and end well.
    """

    def __init__(
        self, rate: int, hop: int, window_frames: int, *, past_s: float = 1.0, future_s: float = 0.16
    ) -> None:
        self.rate, self.hop, self.window_frames = rate, hop, window_frames
        self.samples = 0
        self.frames = 0
        self._past, self._future = (math.ceil(seconds * rate / hop) for seconds in (past_s, future_s))
        self._keep = math.exp(-window_frames * hop / rate / _LOUD_MEMORY_S)
        self._loud = 0.0
        self._held = np.zeros(0, np.float32)
        self._held_from = 0  # position of the first held sample in the sound, a whole number of hops

    def samples_for(self, frames: int) -> int:
        """How many samples have to be known before the first `frames` frames have come out."""
        windows = -(-frames // self.window_frames)
        return (windows * self.window_frames - 1 + self._future) * self.hop if windows else 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Samples (t,) to the pitch in Hz (f,) float32 of the windows that they complete; f may be 0."""
        self.samples += len(samples)
        self._held = np.concatenate([self._held, np.asarray(samples, np.float32)])
        found = [np.zeros(0, np.float32)]
        while self.samples >= self.samples_for(self.frames + 1):
            found.append(self._run(self.frames + self.window_frames))
        return np.concatenate(found)

    def flush(self) -> np.ndarray:
        """The rest (f,): 1 + T // hop frames of T samples have then come out; none of no samples."""
        found = [np.zeros(0, np.float32)]
        total = 1 + self.samples // self.hop if self.samples else 0
        while self.frames < total:
            found.append(self._run(min(self.frames + self.window_frames, total)))
        return np.concatenate(found)

    def _run(self, until: int) -> np.ndarray:
        """Frames self.frames ... until - 1; forgets the samples that no later window hears."""
        first = self._held_from // self.hop
        heard = self._held[: (until - 1 + self._future - first) * self.hop]
        found, self._loud = _tracked(
            heard, self.rate, self.hop, LOWEST_HZ, HIGHEST_HZ, self._loud * self._keep
        )
        kept = found[self.frames - first : until - first]
        self.frames = until
        drop = max(0, until - self._past - first) * self.hop
        self._held = self._held[drop:].copy()  # a view would hold on to the whole of a large piece
        self._held_from += drop
        return kept


def _tracked(
    wav: np.ndarray, rate: int, hop: int, fmin: float, fmax: float, loud: float
) -> tuple[np.ndarray, float]:
    """The pitch (F,) of samples (T,), and the energy of loud frames, which is at least `loud`."""
    frames = 1 + len(wav) // hop
    work_hz = min(rate, _RATE_HZ)
    work = resample(np.asarray(wav, np.float32), rate, work_hz)
    work = work - work.mean() if len(work) else work
    longest = math.ceil(work_hz / fmin) + 2
    shortest = max(2, math.floor(work_hz / fmax) - 1)
    window = round(_WINDOW_S * work_hz)
    span = window + longest
    centres = np.round(np.arange(frames) * (hop * work_hz / rate)).astype(np.int64)
    padded = np.pad(work, (span // 2, span - span // 2 + 1))
    octaves = math.log2(fmax / fmin)
    steps = np.arange(math.ceil(12 * _STEPS_PER_SEMITONE * octaves) + 1)
    lags = work_hz / np.minimum(fmin * 2.0 ** (steps / (12 * _STEPS_PER_SEMITONE)), fmax)
    frame_s = hop / rate
    difference, energies = _differences(padded.astype(np.float32), centres, window, longest)
    loud = max(loud, float(np.percentile(energies, 95)))
    silent = energies <= max(loud * 10 ** (_SILENT_DB / 10), 1e-12)
    move = _SEMITONE_COST / _STEPS_PER_SEMITONE * (0.016 / max(frame_s, 1e-3))
    return _track(difference, silent, lags, shortest, move, float(work_hz)), loud


@compiled
def _differences(
    padded: np.ndarray, centres: np.ndarray, window: int, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """YIN's normalised difference (F, longest + 1) for every whole lag, and the energy of every frame (F,)."""
    frames = len(centres)
    out = np.ones((frames, longest + 1), np.float32)
    energies = np.zeros(frames)
    for k in range(frames):
        start = centres[k]
        mean = np.float32(0.0)
        for j in range(window + longest):
            mean += padded[start + j]
        mean /= np.float32(window + longest)
        energy = 0.0
        for j in range(window + longest):
            energy += (padded[start + j] - mean) ** 2
        energies[k] = energy / (window + longest)
        if energies[k] < 1e-12:
            continue
        total = 0.0
        for lag in range(1, longest + 1):
            # Both ends of every pair lie evenly around the frame's centre; otherwise a gliding pitch comes early.
            first = start + (longest - lag) // 2
            early, late = padded[first : first + window], padded[first + lag : first + lag + window]
            summed = np.float32(0.0)
            for j in range(window):
                step = early[j] - late[j]
                summed += step * step
            total += summed
            out[k, lag] = summed * lag / total if total > 0 else 1.0
    return out, energies


@compiled
def _track(
    difference: np.ndarray, silent: np.ndarray, lags: np.ndarray, shortest: int, move: float, rate: float
) -> np.ndarray:
    """The path of least cost over candidates (lags, falling) and unvoiced; its frequencies (F,)."""
    frames, candidates = len(silent), len(lags)
    half_step = (lags[0] / lags[1]) ** 0.5 if candidates > 1 else 1.0
    local = np.empty(candidates)
    cost = np.zeros(candidates + 1)  # the last one is unvoiced
    following = np.empty(candidates + 1)
    came_from = np.zeros((frames, candidates + 1), np.int32)
    reach = 12 * _STEPS_PER_SEMITONE
    for k in range(frames):
        for c in range(candidates):
            lag = lags[c]
            first, last = int(np.ceil(lag / half_step)), int(np.floor(lag * half_step))
            whole = int(lag)
            part = lag - whole
            best = (1 - part) * difference[k, whole] + part * difference[k, whole + 1]
            for nearby in range(first, last + 1):
                best = min(best, difference[k, nearby])
            local[c] = best + _OCTAVE_COST * np.log2(lag / lags[candidates - 1])
        voiced_best, voiced_place = np.inf, 0
        for c in range(candidates):
            if cost[c] < voiced_best:
                voiced_best, voiced_place = cost[c], c
        for c in range(candidates):
            best, place = cost[candidates] + _CHANGE_COST, candidates
            for p in range(max(0, c - reach), min(candidates, c + reach + 1)):
                through = cost[p] + move * abs(p - c)
                if through < best:
                    best, place = through, p
            following[c] = best + (10.0 if silent[k] else local[c])
            came_from[k, c] = place
        following[candidates] = cost[candidates]
        came_from[k, candidates] = candidates
        if voiced_best + _CHANGE_COST < cost[candidates]:
            following[candidates] = voiced_best + _CHANGE_COST
            came_from[k, candidates] = voiced_place
        following[candidates] += _UNVOICED_COST
        cost, following = following, cost
    pitch = np.zeros(frames, np.float32)
    if frames == 0:
        return pitch
    state = np.argmin(cost)
    for k in range(frames - 1, -1, -1):
        if state < candidates:
            # The deepest whole lag of the candidate's range, and the parabola through it and its neighbours.
            lag = max(shortest, int(np.rint(lags[state])))
            first, last = int(np.floor(lags[state] / half_step)), int(np.ceil(lags[state] * half_step))
            for nearby in range(max(shortest, first), min(difference.shape[1] - 2, last) + 1):
                if difference[k, nearby] < difference[k, lag]:
                    lag = nearby
            left, middle, right = difference[k, lag - 1], difference[k, lag], difference[k, lag + 1]
            bend = left - 2 * middle + right
            shift = 0.5 * (left - right) / bend if bend > 0 else 0.0
            pitch[k] = rate / (lag + min(max(shift, -0.5), 0.5))
        state = came_from[k, state]
    return pitch
