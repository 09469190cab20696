"""`voicegan info`: a voice's card facts, a recording's figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from tiny_voices import make_voice, speech_like, tiny_nets  # noqa: F401

from voicegan import storage
from voicegan.cli.info import info
from voicegan.errors import VoiceganError

pytestmark = pytest.mark.usefixtures("tiny_nets")


def told(*arguments: str) -> str:
    result = CliRunner().invoke(info, [*arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_voice_by_name_by_path_and_by_its_json():
    folder = storage.home() / "voices" / "slt"
    make_voice(folder)
    text = told("slt")
    for fact in (
        "voice",
        "bdl",
        "tiny-local",
        "MB, intact",
        "griffin-lim",
        "CC0",
        "given",
        "training: minutes",
        "1.5",
    ):
        assert fact in text
    assert told(str(folder)) == told(str(folder / "voice.json")) == text
    facts = json.loads(told("slt", "--json"))
    assert (facts["kind"], facts["name"], facts["weights"], facts["latency_frames"]) == (
        "voice",
        "slt",
        "intact",
        5,
    )


@pytest.mark.parametrize("state", ["damaged", "missing"])
def test_the_state_of_the_weights_is_looked_at(state):
    folder = storage.home() / "voices" / "slt"
    make_voice(folder)
    if state == "damaged":
        (folder / "weights.safetensors").write_bytes(b"x")
    else:
        (folder / "weights.safetensors").unlink()
    assert json.loads(told("slt", "--json"))["weights"] == state


def test_a_recording(tmp_path: Path):
    path = str(tmp_path / "a b.wav")
    wav = speech_like(2.0, 44100, level_db=-20)
    soundfile.write(path, np.stack([wav, wav], axis=1), 44100, subtype="PCM_24")
    text = told(path)
    for fact in ("WAV, PCM_24", "44100 Hz", "2.00 s (88200 samples)", "-20.", "dBFS", "no voice"):
        assert fact in text
    facts = json.loads(told(path, "--json"))
    assert (facts["kind"], facts["channels"], facts["frames"], facts["made_by"]) == (
        "recording",
        2,
        88200,
        None,
    )
    assert facts["active_db"] == pytest.approx(-20, abs=1.5) and facts["warnings"] == []


def test_silence_has_no_level(tmp_path: Path):
    path = str(tmp_path / "silent.wav")
    soundfile.write(path, np.zeros(1000), 16000)
    facts = json.loads(told(path, "--json"))
    assert facts["active_db"] is None and facts["peak_db"] is None and "silent" in told(path)


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ("missing.wav", "missing.wav does not exist"),
        ("nobody", "no voice nobody"),
        ("some/folder", "is not a voice"),
    ],
)
def test_what_is_not_there_is_one_line(thing, message):
    result = CliRunner().invoke(info, [thing])
    assert isinstance(result.exception, VoiceganError) and message in str(result.exception)


def test_a_file_that_is_no_recording_is_one_line(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("hello, this is not audio at all")
    result = CliRunner().invoke(info, [str(path)])
    assert isinstance(result.exception, VoiceganError) and "not audio" in str(result.exception)
