"""One reading beside another."""

from __future__ import annotations

import numpy as np
import pytest
from gliding_voice import RATE, syllables

from voicegan.metrics.recording import Recording, compare, pitch_kept


class TestRecording:
    def test_a_reading_an_octave_higher_and_slower(self) -> None:
        low = Recording(syllables(1), RATE)
        high = Recording(syllables(1, pitch_hz=240.0, stretch=1.25), RATE)
        figures = compare(high, low)
        assert figures["f0_shift_semitones"] == pytest.approx(12.0, abs=0.7)
        assert figures["f0_correlation"] > 0.8
        assert figures["duration_ratio"] == pytest.approx(1.25, abs=0.05)
        assert figures["mcd_db"] < compare(Recording(syllables(2), RATE), low)["mcd_db"]

    def test_pitch_kept_frame_by_frame(self) -> None:
        wav = syllables(3)
        assert pitch_kept(Recording(0.5 * wav, RATE), Recording(wav, RATE)) > 0.99

    def test_other_rates_are_judged_at_16_khz(self) -> None:
        wav = syllables(4)
        other = Recording(np.repeat(wav, 2), 2 * RATE)
        assert abs(len(other.wav) - len(wav)) <= 1
        assert other.mel.shape[0] == 80
        assert len(other.f0_hz) == other.mel.shape[1]
