"""Speaker cosine."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gliding_voice import RATE, syllables

from voicegan.metrics import speaker


class TestSpeaker:
    def test_cosine_and_centroid(self) -> None:
        a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
        assert speaker.cosine(a, speaker.centroid([a, b])) == pytest.approx(math.sqrt(0.5))
        assert speaker.cosine(a, np.zeros(2)) == 0.0

    def test_nobody_is_judged_against_itself(self) -> None:
        pool = {"x": np.array([1.0, 0.0]), "y": np.array([0.0, 1.0])}
        assert speaker.cosine(pool["x"], speaker.centroid_without(pool, "x")) == 0.0
        assert speaker.cosine(pool["x"], speaker.centroid_without({"x": pool["x"]}, "x")) == 1.0


class TestInstalledJudge:
    """What the real one says of real speech is recorded in recipes."""

    def test_resemblyzer_tells_voices_apart(self) -> None:
        pytest.importorskip("resemblyzer")
        judge = speaker.SpeakerJudge()
        low, also_low, high = (
            judge.embed(syllables(seed, f0)) for seed, f0 in ((1, 110), (2, 110), (3, 230))
        )
        assert speaker.cosine(low, also_low) > speaker.cosine(low, high)
        assert not judge.embed(np.zeros(RATE)).any()
