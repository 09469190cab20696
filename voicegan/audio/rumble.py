"""Take out what lies under any voice: handling, wind, traffic, part of a mains hum."""

from __future__ import annotations

import math

import numpy as np

from .compiled import compiled

CUTOFF_HZ = 70.0  # the deepest voices speak from about 75 Hz
# Two sections of second order with these make a Butterworth filter of fourth.
_QUALITIES = 1 / (2 * math.sin(math.pi / 8)), 1 / (2 * math.sin(3 * math.pi / 8))


class RumbleFilter:
    """A causal high-pass (Butterworth, 4th order, -3 dB at 70 Hz) for a sound that arrives in pieces of any size.

    It sets out as if its first sample had lasted for ever, so that a constant offset makes no step. SciPy's `sosfilt`
    gives the same, and takes more than half a second to import, which every conversion would wait for.
    """

    def __init__(self, rate_hz: int) -> None:
        self._sections = np.array([_high_pass(rate_hz, quality) for quality in _QUALITIES])
        self._state: np.ndarray | None = None

    def push(self, x: np.ndarray) -> np.ndarray:
        """Samples (t,) to as many, float32."""
        if not len(x):
            return np.zeros(0, np.float32)
        if self._state is None:
            # Of a constant the first section lets nothing through; what it holds of it is this.
            self._state = np.zeros((len(self._sections), 2))
            self._state[0] = float(x[0]) * self._sections[0, 0] * np.array([-1.0, 1.0])
        return _filtered(np.ascontiguousarray(x, np.float32), self._sections, self._state)


def _high_pass(rate_hz: int, quality: float) -> tuple[float, float, float]:
    """One section by the bilinear transform: b0 = b2 = -b1/2, a1 and a2 (a0 is 1)."""
    angle = 2 * math.pi * CUTOFF_HZ / rate_hz
    alpha, cosine = math.sin(angle) / (2 * quality), math.cos(angle)
    return (1 + cosine) / (2 * (1 + alpha)), -2 * cosine / (1 + alpha), (1 - alpha) / (1 + alpha)


@compiled
def _filtered(x: np.ndarray, sections: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Samples (t,) through sections (n, 3), transposed direct form II; state (n, 2) is brought forward."""
    made = np.empty(len(x), np.float32)
    for k in range(len(x)):
        value = np.float64(x[k])
        for n in range(len(sections)):
            b, a1, a2 = sections[n]
            out = b * value + state[n, 0]
            state[n, 0] = -2 * b * value - a1 * out + state[n, 1]
            state[n, 1] = b * value - a2 * out
            value = out
        made[k] = value
    return made
