"""The distortion that others publish: closed forms, and the packages themselves where they are installed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from gliding_voice import RATE, syllables

from voicegan.metrics.recording import Recording
from voicegan.metrics.world import WORLD, WorldJudge, mel_cepstra_of


def spectrum(cepstra: np.ndarray, alpha: float, bins: int = 513) -> np.ndarray:
    """The power spectra (bins, F) of which these are the warped cepstra (K, F)."""
    w = np.pi * np.arange(bins) / (bins - 1)
    warped = w + 2 * np.arctan(alpha * np.sin(w) / (1 - alpha * np.cos(w)))
    return np.exp(2 * np.cos(warped[:, None] * np.arange(len(cepstra))) @ cepstra)


@pytest.mark.parametrize("alpha", [0.0, 0.42, 0.466])
def test_cepstra_of_a_spectrum_that_is_made_of_them(alpha: float) -> None:
    made = np.random.default_rng(1).normal(size=(40, 5)) * np.exp(-0.1 * np.arange(40))[:, None]
    np.testing.assert_allclose(mel_cepstra_of(spectrum(made, alpha), 39, alpha), made, atol=1e-6)


def test_twice_the_power_is_in_the_first_coefficient_alone() -> None:
    power = spectrum(np.random.default_rng(2).normal(0, 0.1, (40, 3)), 0.42)
    difference = mel_cepstra_of(2 * power, 39, 0.42) - mel_cepstra_of(power, 39, 0.42)
    np.testing.assert_allclose(difference[0], np.log(2) / 2, atol=1e-9)
    np.testing.assert_allclose(difference[1:], 0.0, atol=1e-9)


def test_cepstra_are_those_of_the_public_package() -> None:
    pysptk = pytest.importorskip("pysptk")
    power = np.exp(np.random.default_rng(3).normal(0, 2, (513, 4)))
    expected = np.stack([pysptk.sp2mc(one, 39, 0.42) for one in power.T], axis=1)
    np.testing.assert_allclose(mel_cepstra_of(power, 39, 0.42), expected, atol=1e-6)


def test_settings_can_be_written() -> None:
    for name, settings in WORLD.items():
        assert json.loads(json.dumps(settings.to_dict()))["alpha"] == (0.466 if "24k" in name else 0.42)


class TestWithWorld:
    @pytest.fixture
    def judge(self) -> WorldJudge:
        pytest.importorskip("pyworld")
        return WorldJudge()

    def test_a_reading_is_near_itself_and_far_from_another_voice(self, judge: WorldJudge) -> None:
        one = Recording(syllables(1), RATE)
        slow = Recording(syllables(1, stretch=1.2), RATE)
        other = Recording(syllables(2, pitch_hz=220.0), RATE)
        assert judge.rate(one, one) == 0.0
        near, far = judge.rate(one, slow), judge.rate(one, other)
        assert near is not None and far is not None and 0 < near < far
        assert judge.rate(other, one) == pytest.approx(far, rel=1e-9)

    def test_the_level_counts(self, judge: WorldJudge) -> None:
        one, half = Recording(syllables(1), RATE), Recording(0.5 * syllables(1), RATE)
        # c0 alone differs, by ln 2: 10 / ln 10 * sqrt(2) * ln 2.
        assert judge.rate(one, half) == pytest.approx(10 / np.log(10) * np.sqrt(2) * np.log(2), abs=0.1)

    def test_silence_and_clicks_have_no_figure(self, judge: WorldJudge) -> None:
        one = Recording(syllables(1), RATE)
        assert judge.rate(one, Recording(np.zeros(RATE), RATE)) is None
        assert judge.rate(Recording(np.full(100, 0.1), RATE), one) is None
