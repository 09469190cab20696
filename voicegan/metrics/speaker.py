"""Whose voice is it? Cosine similarity of speaker embeddings (Resemblyzer's GE2E encoder)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

RATE_HZ = 16_000
# Cosines above which published work accepts two utterances as one speaker's, with this encoder.
ACCEPT_THRESHOLDS = (0.7406, 0.7492)


class SpeakerJudge:
    """Embeds utterances. Raises ImportError at construction where Resemblyzer or its voice detector is
    missing.

    Resemblyzer is installed without its declared requirements: `typing` is obsolete, and `webrtcvad` must be
    compiled, while `webrtcvad-wheels` provides the same module ready-made.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # It imports a SciPy name that is deprecated; nothing that a user of this command could mend.
            warnings.simplefilter("ignore")
            from resemblyzer import VoiceEncoder, preprocess_wav
        self._preprocess = preprocess_wav
        self._encoder = VoiceEncoder("cpu", verbose=False)
        self.settings = {
            "encoder": f"resemblyzer {version('resemblyzer')}",
            "utterance": "its own preprocessing (level, long silences cut), 1.3 windows a second, mean, L2",
            "thresholds": list(ACCEPT_THRESHOLDS),
            "accepted": "cosine to the target's centroid at or above the threshold (in s3prl: to its own reading)",
        }

    def embed(self, wav: Floats) -> Floats:
        """Unit embedding (256,) of an utterance (T,) at 16 kHz; silence embeds as zeros."""
        # The voice detector takes 16-bit samples: beyond full scale they would wrap round.
        wav = np.clip(np.asarray(wav, np.float32), -1.0, 1.0)
        if not np.any(wav):
            return np.zeros(256, np.float32)
        speech = self._preprocess(wav, RATE_HZ)
        return np.asarray(self._encoder.embed_utterance(speech if speech.size else wav))


def centroid(embeddings: Iterable[Floats]) -> Floats:
    """Unit mean of unit embeddings (D,): a speaker."""
    mean = np.mean(list(embeddings), axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def centroid_without(pool: Mapping[str, Floats], name: str) -> Floats:
    """The speaker's centroid from all utterances but `name`, so that none is judged against itself."""
    others = [embedding for key, embedding in pool.items() if key != name]
    return centroid(others or pool.values())


def cosine(a: Floats, b: Floats) -> float:
    """Cosine similarity of two vectors (D,); 0 where one of them is zero."""
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.dot(a, b)) / scale if scale > 0 else 0.0
