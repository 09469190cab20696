"""Copy-synthesis as a stream: any length, any rate, any blocks, silence."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_vocoders import empty_home, make_vocoder  # noqa: F401
from tiny_voices import NoiseVocoder, speech_like

from voicegan import storage
from voicegan.audio.mel import PRESETS
from voicegan.errors import VoiceganError
from voicegan.vocoder import VOCODERS, load
from voicegan.vocoder.resynthesis import CopyStream, copy_file, copy_samples, open_vocoder

SPEC = PRESETS["16k"]


def in_blocks(stream: CopyStream, wav: np.ndarray, sizes: list[int]) -> np.ndarray:
    given, start, turn = [], 0, 0
    while start < len(wav):
        size = sizes[turn % len(sizes)]
        given.append(stream.push(wav[start : start + size]))
        start, turn = start + size, turn + 1
    return np.concatenate([*given, stream.flush()])


@settings(max_examples=8, deadline=None)
@given(
    samples=st.integers(1, 12_000),
    rate=st.sampled_from([8000, 16000, 22050, 48000]),
    rate_out=st.sampled_from([None, 16000, 44100]),
    preset=st.sampled_from(["16k", "melgan-22k"]),
    sizes=st.lists(st.integers(100, 5000), min_size=1, max_size=4),
)
def test_any_length_in_any_blocks_comes_out_whole(samples, rate, rate_out, preset, sizes):
    wav = speech_like(2.0, rate)[:samples]
    vocoder = NoiseVocoder(PRESETS[preset])
    whole = copy_samples(vocoder, wav, rate, rate_out)
    pieces = in_blocks(CopyStream(vocoder, rate, rate_out), wav, sizes)
    expected = len(wav) if rate_out is None else round(len(wav) * rate_out / rate + 1e-9)
    assert abs(len(whole) - expected) <= (0 if rate_out is None else 1)
    assert np.isfinite(whole).all()
    # The resampler rounds as its pieces come.
    np.testing.assert_allclose(pieces, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", list(VOCODERS))
def test_every_vocoder_keeps_time_and_level(name):
    wav = speech_like(1.1)
    copy = copy_samples(load(name, SPEC), wav, 16000)
    assert len(copy) == len(wav)
    levels = [np.sqrt(np.mean(one[:17600].reshape(-1, 1600) ** 2, axis=1)) for one in (wav, copy)]
    assert np.corrcoef(*levels)[0, 1] > 0.97
    assert np.sqrt(np.mean(copy**2)) == pytest.approx(np.sqrt(np.mean(wav**2)), rel=0.2)


@pytest.mark.parametrize("name", list(VOCODERS))
@pytest.mark.parametrize("rate", [16000, 44100])
def test_silence_stays_silence(name, rate, tmp_path: Path):
    soundfile.write(tmp_path / "in.wav", np.zeros(rate), rate)
    copy_file(load(name, SPEC), tmp_path / "in.wav", tmp_path / "out.wav")
    copy, rate_out = soundfile.read(tmp_path / "out.wav")
    assert (len(copy), rate_out) == (rate, rate) and not copy.any()


def test_a_trained_vocoder_brings_its_contract(empty_home, tmp_path: Path):  # noqa: F811
    make_vocoder(storage.home() / "vocoders" / "small")
    assert open_vocoder("small", "44k").spec == SPEC
    assert open_vocoder("griffin-lim", "44k").spec == PRESETS["44k"]
    assert open_vocoder("auto").name == "griffin-lim"  # nothing is bundled
    assert len(copy_samples(open_vocoder("small"), speech_like(0.5, 22050), 22050)) == 11025
    with pytest.raises(VoiceganError, match=r"no mel preset 22k\. Choose one of 16k"):
        open_vocoder("griffin-lim", "22k")
    with pytest.raises(VoiceganError, match="smal"):
        open_vocoder("smal")


def test_long_sounds_do_not_fill_the_memory(tmp_path: Path):
    wav = speech_like(20.0)
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 16000, 1) as file:
        for _ in range(12):
            file.write(wav)
    vocoder = NoiseVocoder(SPEC)
    copy_file(vocoder, tmp_path / "long.wav", tmp_path / "warm.wav")
    tracemalloc.start()
    done = copy_file(vocoder, tmp_path / "long.wav", tmp_path / "out.wav")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert done.seconds == 240 and soundfile.info(tmp_path / "out.wav").frames == 12 * len(wav)
    assert peak < 9e6, peak  # the whole sound is 15 MB in float32
