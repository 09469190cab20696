"""Frames are found again by what surrounds them, and lend their envelopes, not their loudness and harmonics."""

import numpy as np
import pytest
from scipy.fft import dct

from voicegan.audio.align import cepstra
from voicegan.voice.retrieval import CEPSTRA, NEIGHBOURS, NearestFrames

MELS = 40


def mel_of(seed: int, frames: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (MELS, frames)).astype(np.float32)


def all_cepstra(mel: np.ndarray) -> np.ndarray:
    return dct(mel, axis=0, norm="ortho")


def test_what_the_target_says_itself_stays_as_it_is():
    mel = mel_of(0)
    frames = NearestFrames([mel] * NEIGHBOURS + [mel_of(1)])
    np.testing.assert_allclose(frames.approached(mel, 1.0), mel, atol=1e-5)


def test_loudness_and_harmonics_are_the_givers_and_the_envelope_is_the_targets():
    frames, mel = NearestFrames([mel_of(0, frames=200)]), mel_of(1)
    given, made = all_cepstra(mel), all_cepstra(frames.approached(mel, 1.0))
    np.testing.assert_allclose(made[0], given[0], atol=1e-5)
    np.testing.assert_allclose(made[CEPSTRA + 1 :], given[CEPSTRA + 1 :], atol=1e-5)
    assert np.abs(made[1 : CEPSTRA + 1] - given[1 : CEPSTRA + 1]).mean() > 0.1


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_share_is_that_part_of_the_way(share):
    frames, mel = NearestFrames([mel_of(0, frames=200)]), mel_of(1)
    whole = frames.approached(mel, 1.0)
    np.testing.assert_allclose(frames.approached(mel, share), mel + share * (whole - mel), atol=1e-5)


def test_of_two_like_frames_the_one_with_the_same_surroundings_is_found():
    here, there, sound = mel_of(0), mel_of(1), mel_of(2, frames=1)
    first, second = here.copy(), there.copy()
    first[:, 15:16] = sound + 0.2 * mel_of(3, frames=1)
    second[:, 15:16] = sound + 0.01 * mel_of(4, frames=1)  # nearer, but for what is around it
    asked = here.copy()
    asked[:, 15:16] = sound
    made = NearestFrames([first] * NEIGHBOURS + [second] * NEIGHBOURS).approached(asked, 1.0)
    np.testing.assert_allclose(cepstra(made, CEPSTRA)[:, 15], cepstra(first, CEPSTRA)[:, 15], atol=1e-5)


def test_frames_looked_up_in_parts_are_those_looked_up_at_once(monkeypatch):
    frames, mel = NearestFrames([mel_of(0, frames=50)]), mel_of(1)
    at_once = frames.approached(mel, 1.0)
    monkeypatch.setattr("voicegan.voice.retrieval._AT_ONCE", 7 * 50)
    np.testing.assert_allclose(frames.approached(mel, 1.0), at_once, atol=1e-5)


def test_hardly_any_speech_to_look_among_will_do():
    assert np.isfinite(NearestFrames([mel_of(0, frames=2)]).approached(mel_of(1), 1.0)).all()
