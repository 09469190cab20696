"""Change of sample rate, whole or as a stream (the SoX resampler, linear phase, without delay)."""

from __future__ import annotations

import numpy as np
import soxr

QUALITY = "HQ"


class StreamResampler:
    """Resample a mono sound that arrives in pieces. The result does not depend on the sizes of the pieces.

    In total round(T · out_hz / in_hz) samples come out of T, and sample 0 stays at time 0.
    """

    def __init__(self, in_hz: int, out_hz: int) -> None:
        self.in_hz = in_hz
        self.out_hz = out_hz
        self._taken = 0
        self._given = 0
        self._engine = None if in_hz == out_hz else soxr.ResampleStream(in_hz, out_hz, 1, "float32", QUALITY)

    def push(self, x: np.ndarray) -> np.ndarray:
        """Samples (T,) float32 to those (T',) that can be known now."""
        x = np.ascontiguousarray(x, np.float32)
        if self._engine is None:
            return x
        self._taken += len(x)
        out = self._engine.resample_chunk(x)[: max(0, self._total() - self._given)]
        self._given += len(out)
        return out

    def flush(self) -> np.ndarray:
        """The rest (T',). The stream is over after this."""
        if self._engine is None:
            return np.zeros(0, np.float32)
        out = self._engine.resample_chunk(np.zeros(0, np.float32), last=True)
        missing = self._total() - self._given
        out = np.pad(out, (0, max(0, missing - len(out))))[:missing]
        self._given += len(out)
        return out

    def _total(self) -> int:
        return resampled_length(self._taken, self.in_hz, self.out_hz)


def resampled_length(samples: int, in_hz: int, out_hz: int) -> int:
    """round(T · out_hz / in_hz), halves upwards, in whole numbers."""
    return (2 * samples * out_hz + in_hz) // (2 * in_hz)


def resample(x: np.ndarray, in_hz: int, out_hz: int) -> np.ndarray:
    """Samples (T,) to (round(T · out_hz / in_hz),), float32."""
    stream = StreamResampler(in_hz, out_hz)
    return np.concatenate([stream.push(x), stream.flush()])
