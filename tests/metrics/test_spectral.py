"""Mel-cepstral distortion in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gliding_voice import speech_mel

from voicegan.errors import VoiceganError
from voicegan.metrics import spectral


class TestMcd:
    def test_a_shift_of_one_coefficient_has_the_closed_form(self) -> None:
        # log m(w) = c_k cos(k w): adding d cos(k w) changes c_k by d and nothing else.
        mel = speech_mel(1)
        angle = np.pi * (np.arange(80) + 0.5) / 80
        for k, d in ((1, 0.3), (7, 0.2), (24, 0.1)):
            shifted = mel + d * np.cos(k * angle)[:, None]
            expected = 10 / math.log(10) * math.sqrt(2 * d**2)
            frames = np.arange(mel.shape[1])
            assert spectral.mcd_on_path(shifted, mel, frames, frames) == pytest.approx(expected, rel=1e-5)

    def test_the_level_and_what_lies_above_the_order_do_not_count(self) -> None:
        mel = speech_mel(2)
        high = 0.5 * np.cos(25 * np.pi * (np.arange(80) + 0.5) / 80)[:, None]
        assert spectral.mcd(mel + 1.7, mel) == pytest.approx(0.0, abs=1e-4)
        frames = np.arange(mel.shape[1])
        assert spectral.mcd_on_path(mel + high, mel, frames, frames) == pytest.approx(0.0, abs=1e-4)

    def test_it_does_not_depend_on_the_number_of_mels(self) -> None:
        for mels in (40, 80, 128):
            flat = np.full((mels, 20), -2.0)
            ripple = flat + 0.4 * np.cos(3 * np.pi * (np.arange(mels) + 0.5) / mels)[:, None]
            assert spectral.mcd(ripple, flat) == pytest.approx(
                10 / math.log(10) * math.sqrt(2) * 0.4, rel=1e-4
            )

    def test_a_slower_reading_of_the_same_is_no_distance(self) -> None:
        mel = speech_mel(3)
        slower = np.repeat(mel, 2, axis=1)
        assert spectral.mcd(slower, mel) == pytest.approx(0.0, abs=1e-4)

    def test_silence_at_the_ends_is_cut(self) -> None:
        mel = speech_mel(4)
        padded = np.pad(mel, ((0, 0), (9, 5)), constant_values=math.log(1e-5))
        assert spectral.speech_span(padded) == slice(9, 9 + mel.shape[1])
        assert spectral.mcd(padded, mel) == pytest.approx(0.0, abs=1e-4)

    def test_symmetry_and_order_of_likeness(self) -> None:
        a, near, far = speech_mel(5), speech_mel(5) + 0.05 * speech_mel(6), speech_mel(7)
        assert spectral.mcd(a, far) == pytest.approx(spectral.mcd(far, a), rel=1e-4)
        assert spectral.mcd(a, near) < 0.5 * spectral.mcd(a, far)

    def test_no_frames_is_refused_in_words(self) -> None:
        with pytest.raises(VoiceganError, match="no frames"):
            spectral.mcd(np.zeros((80, 0)), np.zeros((80, 3)))
