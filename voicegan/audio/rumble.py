"""Take out what lies under any voice: handling, wind, traffic, part of a mains hum."""

from __future__ import annotations

import numpy as np

CUTOFF_HZ = 70.0  # the deepest voices speak from about 75 Hz
_ORDER = 4


class RumbleFilter:
    """A causal high-pass (Butterworth, 4th order, -3 dB at 70 Hz) for a sound that arrives in pieces of any size.

    It sets out as if its first sample had lasted for ever, so that a constant offset makes no step.
    """

    def __init__(self, rate_hz: int) -> None:
        from scipy.signal import butter, sosfilt, sosfilt_zi  # slow to import

        self._sections = butter(_ORDER, CUTOFF_HZ, "highpass", fs=rate_hz, output="sos")
        self._filter, self._settled = sosfilt, sosfilt_zi(self._sections)
        self._state: np.ndarray | None = None

    def push(self, x: np.ndarray) -> np.ndarray:
        """Samples (t,) to as many, float32."""
        if not len(x):
            return np.zeros(0, np.float32)
        if self._state is None:
            self._state = self._settled * float(x[0])
        made, self._state = self._filter(self._sections, x.astype(np.float64), zi=self._state)
        return made.astype(np.float32)
