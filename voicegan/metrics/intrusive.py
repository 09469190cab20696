"""Judges that hear a copy beside its recording: PESQ for quality, STOI for intelligibility."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

RATE_HZ = 16_000
# P.862 is made for utterances of 8 to 30 s, and its reference code has room for 50 bursts of speech and crashes
# beyond. A burst and the pause after it take 0.4 s at least.
LONGEST_S = 15.0
SHORTEST_S = 0.25
WORST_PESQ = 1.0


class PesqJudge:
    """PESQ in the wide band (ITU-T P.862.2). Raises ImportError at construction where pesq is missing."""

    def __init__(self) -> None:
        import pesq

        self._pesq = pesq
        self.settings = {
            "model": f"P.862.2 (pesq {version('pesq')})",
            "length": f"equal parts of at most {LONGEST_S:g} s, mean",
        }

    def rate(self, wav: Floats, copy: Floats) -> float | None:
        """Predicted opinion from 1 to 4.64 of a copy (T,) of `wav` (T,), both at 16 kHz.

        None where nothing can be said: under a quarter of a second, or no speech in the recording.
        """
        scores = [self._rate_part(*part) for part in parts(wav, copy)]
        known = [score for score in scores if score is not None]
        return float(np.mean(known)) if known else None

    def _rate_part(self, wav: Floats, copy: Floats) -> float | None:
        if len(wav) <= SHORTEST_S * RATE_HZ or not np.any(wav):
            return None
        if not np.any(copy):  # the reference code would divide by its level
            return WORST_PESQ
        try:
            return float(self._pesq.pesq(RATE_HZ, wav, copy, "wb"))
        except self._pesq.NoUtterancesError:
            return None


class StoiJudge:
    """Short-time objective intelligibility (Taal 2011). Raises ImportError at construction without pystoi."""

    def __init__(self) -> None:
        from pystoi import stoi

        self._stoi = stoi
        self.settings = {"measure": f"STOI, not extended (pystoi {version('pystoi')})"}

    def rate(self, wav: Floats, copy: Floats) -> float | None:
        """Intelligibility from 0 to 1 of a copy (T,) of `wav` (T,), both at 16 kHz; None without 0.4 s of speech."""
        if len(wav) <= SHORTEST_S * RATE_HZ or not np.any(wav):
            return None
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            value = float(self._stoi(wav, copy, RATE_HZ))
        # pystoi says by a warning, and a figure of 1e-5, that too few frames hold speech.
        return None if any("STFT frames" in str(one.message) for one in told) else value


def parts(wav: Floats, copy: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Both in as few equally long parts as keep each within `LONGEST_S`."""
    count = max(1, math.ceil(len(wav) / (LONGEST_S * RATE_HZ)))
    edges = [len(wav) * index // count for index in range(count + 1)]
    for start, stop in pairwise(edges):
        yield wav[start:stop], copy[start:stop]
