"""Pitch beside pitch, in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from voicegan.metrics import prosody


class TestProsody:
    def test_an_octave_is_twelve_semitones(self) -> None:
        f0 = np.linspace(100, 150, 50)
        figures = prosody.compare_pitch(2 * f0, f0)
        assert figures["f0_shift_semitones"] == pytest.approx(12.0)
        assert figures["f0_rmse_semitones"] == pytest.approx(12.0)
        assert figures["f0_rmse_hz"] == pytest.approx(float(np.sqrt(np.mean(f0**2))))
        assert figures["f0_correlation"] == pytest.approx(1.0)
        assert figures["voicing_agreement"] == 1.0

    def test_only_frames_voiced_in_both_count(self) -> None:
        a, b = np.linspace(100, 120, 40), np.linspace(100, 120, 40)
        a[:10], b[30:] = 0.0, 0.0
        figures = prosody.compare_pitch(a, b)
        assert figures["f0_rmse_hz"] == pytest.approx(0.0)
        assert figures["voicing_agreement"] == pytest.approx(0.5)

    def test_too_little_voice_or_a_flat_contour_gives_no_figure(self) -> None:
        few = np.zeros(50)
        few[:5] = 120.0
        assert prosody.compare_pitch(few, few)["f0_correlation"] is None
        flat = np.full(50, 120.0)
        figures = prosody.compare_pitch(flat, np.linspace(100, 140, 50))
        assert figures["f0_correlation"] is None
        assert figures["f0_rmse_hz"] is not None

    def test_contours_of_different_length_are_a_mistake_of_the_caller(self) -> None:
        with pytest.raises(ValueError, match="not aligned"):
            prosody.compare_pitch(np.zeros(3), np.zeros(4))
