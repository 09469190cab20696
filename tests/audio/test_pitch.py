"""Pitch against sounds whose pitch is known, and against librosa."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_speech import pause, utter

from voicegan.audio.pitch import StreamPitch, f0

HOP = 256


def voice(pitch_hz: np.ndarray, rate: int = 16000, harmonics: int = 20) -> np.ndarray:
    """A buzz that follows a pitch given for each sample, with falling harmonics."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate
    parts = [np.sin(k * phase) / k * (k * pitch_hz < rate / 2) for k in range(1, harmonics + 1)]
    return (0.1 * np.sum(parts, axis=0)).astype(np.float32)


def semitones(a: np.ndarray, b: np.ndarray | float) -> np.ndarray:
    return 12 * np.log2(a / b)


@pytest.mark.parametrize("pitch_hz", [65.0, 80.0, 117.3, 200.0, 333.0, 480.0])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_a_steady_voice_has_its_pitch(pitch_hz: float, rate: int) -> None:
    found = f0(voice(np.full(rate, pitch_hz), rate), rate, HOP)
    inside = found[6:-6]
    assert (inside > 0).all()
    assert np.abs(semitones(inside, pitch_hz)).max() < 0.15


@pytest.mark.parametrize("strongest", [1, 2, 3, 5])
def test_the_octave_is_right_whichever_harmonic_is_strong(strongest: int) -> None:
    time_s = np.arange(16000) / 16000
    parts = [np.sin(2 * np.pi * 130 * k * time_s) * (1.0 if k == strongest else 0.25) for k in range(1, 9)]
    found = f0((0.1 * np.sum(parts, axis=0)).astype(np.float32), 16000, HOP)[6:-6]
    assert np.abs(semitones(found, 130.0)).max() < 0.1


def test_a_glide_is_followed_on_the_frame_grid() -> None:
    pitch_hz = 100 * 2 ** (np.arange(32000) / 32000)
    found = f0(voice(pitch_hz), 16000, HOP)
    expected = pitch_hz[np.minimum(np.arange(len(found)) * HOP, 31999)]
    assert np.abs(semitones(found[6:-6], expected[6:-6])).max() < 0.2


def test_noise_silence_and_pauses_are_unvoiced() -> None:
    noise = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    assert (f0(noise, 16000, HOP) > 0).mean() < 0.1
    assert not f0(np.zeros(16000, np.float32), 16000, HOP).any()
    assert not f0(np.full(16000, 0.3, np.float32), 16000, HOP).any()
    buzz = voice(np.full(8000, 150.0))
    found = f0(np.concatenate([buzz, 0 * buzz + 0.01 * noise[:8000], buzz]), 16000, HOP)
    voiced = found > 0
    assert voiced[4:28].all()
    assert voiced[34:60].mean() < 0.15
    assert voiced[67:88].all()


def test_level_and_offset_do_not_matter() -> None:
    buzz = voice(np.full(16000, 150.0))
    for other in (0.001 * buzz, 3 * buzz, buzz + 0.2):
        np.testing.assert_allclose(f0(other, 16000, HOP)[2:-2], f0(buzz, 16000, HOP)[2:-2], rtol=1e-3)


def test_librosa_finds_the_same_in_something_like_speech() -> None:
    time_s = np.arange(48000) / 16000
    pitch_hz = 140 + 40 * np.sin(2 * np.pi * 0.8 * time_s) + 5 * np.sin(2 * np.pi * 5 * time_s)
    gate = np.clip(3 * np.sin(2 * np.pi * 1.5 * time_s) + 1, 0, 1)
    hiss = 0.003 * np.random.default_rng(0).standard_normal(48000)
    wav = (voice(pitch_hz) * gate + hiss).astype(np.float32)
    theirs, voiced, _ = librosa.pyin(wav, fmin=60, fmax=500, sr=16000, hop_length=HOP, frame_length=1024)
    ours = f0(wav, 16000, HOP)
    both = (ours > 0) & voiced
    assert ((ours > 0) == voiced).mean() > 0.85
    assert np.abs(semitones(ours[both], theirs[both])).max() < 0.7
    expected = pitch_hz[np.minimum(np.arange(len(ours)) * HOP, 47999)]
    assert np.median(np.abs(semitones(ours[ours > 0], expected[ours > 0]))) < 0.05


@settings(max_examples=40, deadline=None)
@given(
    samples=st.integers(0, 3000),
    rate=st.sampled_from([8000, 16000, 22050, 48000]),
    hop=st.sampled_from([80, 256]),
)
def test_any_length_gives_a_frame_for_each_hop(samples: int, rate: int, hop: int) -> None:
    wav = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    found = f0(wav, rate, hop)
    assert found.shape == (1 + samples // hop,)
    assert found.dtype == np.float32
    assert (((found >= 55) & (found <= 540)) | (found == 0)).all()


# In pieces ------------------------------------------------------------------------------------------------------------


def streamed(wav: np.ndarray, sizes: list[int], window: int, rate: int = 16000, hop: int = HOP) -> np.ndarray:
    stream = StreamPitch(rate, hop, window)
    parts, at, turn = [], 0, 0
    while at < len(wav):
        parts.append(stream.push(wav[at : at + sizes[turn % len(sizes)]]))
        at += sizes[turn % len(sizes)]
        turn += 1
    return np.concatenate([np.zeros(0, np.float32), *parts, stream.flush()])


@pytest.mark.parametrize("window", [5, 16, 512])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_pieces_of_any_size_have_the_same_pitch(rate: int, window: int) -> None:
    wav = utter(1, rate_hz=rate)
    whole = streamed(wav, [len(wav)], window, rate)
    assert (whole > 0).mean() > 0.3
    for sizes in ([1, 7, 20000, 333], [4096], [HOP]):
        assert np.array_equal(streamed(wav, sizes, window, rate), whole)


@pytest.mark.parametrize("samples", [0, 1, 255, 256, 257, 4095, 4096, 4097, 16384])
def test_every_hop_has_a_frame_when_it_is_over(samples: int) -> None:
    wav = np.resize(utter(2), samples)
    for window in (1, 16):
        assert streamed(wav, [1000], window).shape == (1 + samples // HOP if samples else 0,)


@pytest.mark.parametrize("window", [16, 512])
@pytest.mark.parametrize(("rate", "hop"), [(16000, 256), (44100, 512), (22050, 256)])
def test_what_is_near_tells_the_pitch(rate: int, hop: int, window: int) -> None:
    wav = np.concatenate(
        [utter(3, rate_hz=rate), pause(1.5, rate_hz=rate), utter(4, pitch_hz=210.0, rate_hz=rate)]
    )
    whole, parts = f0(wav, rate, hop), streamed(wav, [3000], window, rate, hop)
    both = (whole > 0) & (parts > 0)
    assert ((whole > 0) == (parts > 0)).mean() > 0.95
    assert (np.abs(parts[both] / whole[both] - 1) < 0.01).mean() > 0.99


def test_frames_come_when_they_were_promised() -> None:
    stream, wav, frames = StreamPitch(16000, HOP, 16), utter(5), 0
    for at in range(len(wav)):
        if stream.samples_for(frames + 1) == at + 1:
            assert len(stream.push(wav[at : at + 1])) == 16
            frames += 16
        else:
            assert not len(stream.push(wav[at : at + 1]))
    assert frames > 100


def test_a_hum_far_under_the_voice_is_silent_also_when_it_is_alone() -> None:
    hum = 0.0002 * voice(np.full(80000, 100.0))
    wav = np.concatenate([utter(6), hum])
    found = streamed(wav, [4000], 16)
    assert not found[len(utter(6)) // HOP + 6 :].any()
    assert (streamed(hum, [4000], 16)[6:-6] > 0).all()


def test_a_long_sound_needs_no_more_memory() -> None:
    stream, wav = StreamPitch(16000, HOP, 16), utter(7)
    for _ in range(20):
        stream.push(wav)
        assert stream._held.base is None and len(stream._held) < 2 * 16000
