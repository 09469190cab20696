"""What becomes of several channels, and what makes a recording worse than it might be."""

from __future__ import annotations

import numpy as np

DEAD_DB = -40.0
"""A channel this far under the loudest one adds nothing to the mean but lessens it."""


class ChannelMix:
    """Decides which channels make the mono sound, from their powers and how they hang together.

    The mean of all is wrong twice: one microphone on eight inputs loses 18 dB, and two channels of opposite
    polarity erase each other.
    """

    def __init__(self, name: str, channels: int) -> None:
        self.name = name
        self.live = np.arange(channels)
        self.warnings: list[str] = []
        self._products = np.zeros((channels, channels))

    def see(self, block: np.ndarray) -> None:
        """Take note of samples (t, channels)."""
        wide = block.astype(np.float64)
        self._products += wide.T @ wide

    def decide(self) -> None:
        """Settle `live`, the indices of the channels whose mean is taken."""
        power = np.diag(self._products)
        total = len(power)
        if power.max() == 0:
            return
        self.live = np.flatnonzero(power >= power.max() * 10 ** (DEAD_DB / 10))
        count = len(self.live)
        if count < total:
            used = f"the mean of the other {count}" if count > 1 else f"only channel {self.live[0] + 1}"
            self.warnings.append(
                f"{self.name} has {total} channels, of which {total - count} "
                f"{'are' if total - count > 1 else 'is'} silent: {used} is used."
            )
        # Unrelated channels of equal power leave 1/count of it in their mean. A tenth of that means
        # cancellation.
        mean_power = self._products[np.ix_(self.live, self.live)].sum() / count**2
        if count > 1 and mean_power < 0.1 * power[self.live].mean() / count:
            self.live = np.array([int(power.argmax())])
            self.warnings.append(
                f"{self.name} has channels of opposite polarity, which cancel: only channel {self.live[0] + 1} "
                "is used. Check the cables or the export."
            )


class QualityWatch:
    """Notices clipping and a DC offset while the samples go by."""

    CLIPPED_SHARE = 1e-4
    OFFSET = 0.01
    OFFSET_S = 0.1  # what is shorter has a mean because it ends within a wave

    def __init__(self, name: str, sample_rate_hz: int, subtype: str) -> None:
        self.name = name
        self.rate = sample_rate_hz
        # The largest positive value of 8 bit samples is 127/128.
        self._full = 0.99 if subtype in ("PCM_U8", "PCM_S8") else 0.999
        self._clipped = 0
        self._count = 0
        self._sum: np.ndarray | float = 0.0

    def see(self, block: np.ndarray) -> None:
        """Take note of samples (t, channels)."""
        self._clipped += int(np.count_nonzero(np.abs(block).max(axis=1) >= self._full))
        self._sum = self._sum + block.sum(axis=0, dtype=np.float64)
        self._count += len(block)

    def verdicts(self) -> list[str]:
        """One line for each fault found."""
        lines = []
        if self._clipped >= 10 and self._clipped > self.CLIPPED_SHARE * self._count:
            lines.append(
                f"{self.name} is clipped: {self._clipped} samples ({100 * self._clipped / self._count:.2g} %) are at "
                "full scale, which sounds rough. Record it at a lower level."
            )
        offset = float(np.abs(self._sum / max(1, self._count)).max()) if self._count else 0.0
        if offset > self.OFFSET and self._count >= self.OFFSET_S * self.rate:
            lines.append(
                f"{self.name} has a DC offset of {100 * offset:.1f} % of full scale, which spoils levels. "
                "Remove it with a high-pass filter."
            )
        return lines
