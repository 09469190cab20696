"""Voices that speak through a neural vocoder, by each name that it can have."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_vocoders import bundled, empty_home, make_vocoder  # noqa: F401
from tiny_voices import make_voice, speech_like, tiny_nets  # noqa: F401

from voicegan.errors import VoiceganError
from voicegan.vocoder.library import user_folder
from voicegan.voice import training
from voicegan.voice.converter import Converter

pytestmark = pytest.mark.usefixtures("tiny_nets", "empty_home")


def streamed(stream, wav, block):
    blocks = [stream.push(wav[at : at + block]) for at in range(0, len(wav), block)]
    return np.concatenate([*blocks, stream.flush()])


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("level", ["running", -26.0])
def test_blocks_of_any_size_give_the_same_samples(tmp_path, rate, level):
    make_vocoder(user_folder() / "v1")
    voice = Converter(make_voice(tmp_path / "slt", vocoder="v1"), device="cpu")
    assert voice.vocoder.name == "v1"
    wav = speech_like(2.0, rate)
    made = [streamed(voice.stream(rate, level=level), wav, block) for block in (160, 4801, len(wav))]
    assert len(made[0]) == len(wav) and np.abs(made[0]).max() > 0.01
    assert all(np.array_equal(made[0], other) for other in made[1:])


def test_a_live_stream_keeps_its_stated_latency(tmp_path):
    make_vocoder(user_folder() / "v1")
    voice = Converter(make_voice(tmp_path / "slt"), device="cpu", vocoder="v1")
    live, measured = voice.stream(16000), voice.stream(16000, level=-26.0)
    assert voice.latency_s == live.latency_s < 1.2 < measured.latency_s
    wav, given = speech_like(4.0), 0
    for at in range(0, len(wav), 256):
        given += len(live.push(wav[at : at + 256]))
        assert at + 256 - given <= live.latency_s * 16000


def test_digital_silence_stays_silent(tmp_path):
    make_vocoder(user_folder() / "v1")
    voice = Converter(make_voice(tmp_path / "slt"), device="cpu", vocoder=str(user_folder() / "v1"))
    wav = np.concatenate([speech_like(1.0), np.zeros(32000, np.float32), speech_like(1.0)])
    assert not voice.convert(wav, 16000)[0][18000:46000].any()


def test_a_voice_that_says_auto_takes_what_is_bundled_for_its_contract(tmp_path):
    make_vocoder(user_folder() / "v1")
    pack = make_voice(tmp_path / "slt", vocoder="auto")
    assert Converter(pack, device="cpu").vocoder.name == "griffin-lim"
    make_vocoder(bundled() / "universal")
    assert Converter(pack, device="cpu").vocoder.name == "universal"
    assert Converter(pack, device="cpu", vocoder="griffin-lim-live").vocoder.name == "griffin-lim-live"


def test_training_takes_every_name_and_refuses_another_contract(tmp_path, monkeypatch):
    make_vocoder(user_folder() / "v1")
    make_vocoder(tmp_path / "elsewhere" / "v2")
    monkeypatch.chdir(tmp_path)
    assert training.resolve({}).vocoder == "auto"
    assert training.resolve({"vocoder": "v1"}).vocoder == "v1"
    assert training.resolve({"vocoder": "elsewhere/v2"}).vocoder == str(tmp_path / "elsewhere" / "v2")
    with pytest.raises(VoiceganError, match="did you mean v1"):
        training.resolve({"vocoder": "vl"})
    with pytest.raises(
        VoiceganError, match="sample_rate_hz is 22050 in the voice and 16000 in the vocoder v1"
    ):
        training.resolve({"vocoder": "v1", "corpus": {"mel": "hifigan-22k"}})
