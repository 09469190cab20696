"""`voicegan vocoder resynth`: files, folders and pipes through a vocoder and back."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from tiny_voices import noise_vocoder, speech_like  # noqa: F401

from voicegan import vocoder
from voicegan.cli.vocoder_resynth import resynth
from voicegan.errors import VoiceganError
from voicegan.vocoder import resynthesis


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise_vocoder: None) -> Path:  # noqa: F811
    monkeypatch.setattr(resynthesis, "load", vocoder.load)
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def record(path: str, rate: int = 22050, seconds: float = 0.6, channels: int = 1) -> np.ndarray:
    wav = speech_like(seconds, rate)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.stack([wav] * channels, axis=1), rate)
    return wav


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(resynth, [*arguments], input=stdin)


def fault(result: Result) -> str:
    assert isinstance(result.exception, VoiceganError), result.output
    return str(result.exception)


def test_a_file_keeps_its_rate_and_length():
    wav = record("in.wav", channels=2)
    result = run("in.wav", "--out", "copy.flac", "--vocoder", "griffin-lim")
    assert result.exit_code == 0 and "in.wav -> copy.flac (0.6 s of sound" in result.stdout
    with soundfile.SoundFile("copy.flac") as file:
        assert (file.frames, file.samplerate, file.channels) == (len(wav), 22050, 1)
        assert "copy-synthesis by the vocoder noise" in file.comment
    run("in.wav", "--out", "own.wav", "--rate", "vocoder")
    assert soundfile.info("own.wav").samplerate == 16000
    assert "such as 48000, or the word vocoder" in fault(run("in.wav", "--rate", "fast"))


def test_a_folder_keeps_its_tree_and_one_fault_does_not_stop_the_others():
    record("in/a/one.wav")
    record("in/two.wav", rate=8000)
    Path("in/three.wav").write_bytes(b"no sound")
    result = run("in", "--out", "copies", "--vocoder", "griffin-lim")
    assert result.exit_code == 1
    assert "error: in/three.wav is not audio" in result.stderr
    assert "1 of 3 recordings were not resynthesised" in result.stderr
    assert {str(path.relative_to("copies")) for path in Path("copies").rglob("*.wav")} == {
        "a/one.wav",
        "two.wav",
    }
    assert "exist already" in fault(run("in", "--out", "copies"))


def test_names_without_out_and_pipes():
    wav = record("in.wav")
    assert run("in.wav", "--vocoder", "griffin-lim", "--quiet").output == ""
    assert run("in.wav").exit_code == 0
    assert sorted(os.listdir()) == ["in.wav", "in_copy.wav", "in_griffin-lim.wav"]
    assert run("-", "--out", "piped.wav", stdin=Path("in.wav").read_bytes()).exit_code == 0
    assert soundfile.info("piped.wav").frames == len(wav)


def test_silence_is_no_fault():
    soundfile.write("quiet.wav", np.zeros(5000), 16000)
    assert run("quiet.wav", "--out", "out.wav").exit_code == 0
    assert np.abs(soundfile.read("out.wav")[0]).max() < 1e-4


def test_a_missing_file_is_one_line():
    assert "nothing.wav does not exist" in fault(run("nothing.wav", "--out", "out.wav"))
    assert not os.listdir()
