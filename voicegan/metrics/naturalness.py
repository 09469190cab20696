"""How natural does it sound? DNSMOS, which predicts listeners' opinions without a reference (speechmos)."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from .recall import Recall

RATE_HZ = 16_000


class NaturalnessJudge:
    """Rates utterances. Raises ImportError at construction where speechmos or onnxruntime is missing."""

    def __init__(self) -> None:
        from speechmos import dnsmos

        self._rate = dnsmos.run
        self.settings = {
            "model": f"DNSMOS (speechmos {version('speechmos')})",
            "level": "as given, samples clipped to full scale",
            "length": "the utterance repeated to 9.01 s, then windows each second",
        }
        self._recall = Recall("dnsmos", self.settings)

    def rate(self, wav: NDArray[np.floating]) -> dict[str, float]:
        """Opinion scores from 1 to 5 of an utterance (T,) at 16 kHz.

        ``dnsmos_ovrl``, ``dnsmos_sig``, ``dnsmos_bak`` (P.835: overall, speech, background) and
        ``dnsmos_p808`` (overall, trained on P.808 ratings).
        """
        wav = np.clip(np.asarray(wav, np.float32), -1.0, 1.0)
        return self._recall(wav, lambda: self._measure(wav))

    def _measure(self, wav: NDArray[np.float32]) -> dict[str, float]:
        scores = self._rate(wav, RATE_HZ)
        return {
            f"dnsmos_{kind}": round(float(scores[f"{kind}_mos"]), 4)
            for kind in ("ovrl", "sig", "bak", "p808")
        }
