"""The real parts together: the light generator, Griffin-Lim, and the program as a process."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tiny_voices import make_voice, speech_like

from voicegan.audio.mel import PRESETS, LogMel
from voicegan.voice.converter import Converter
from voicegan.voice.nets.light import LightGenerator
from voicegan.voice.pack import Pack


@pytest.fixture(scope="module")
def pack(tmp_path_factory) -> Pack:
    """A light voice that was never trained: it changes nothing, so the sound must survive the way through."""
    torch.manual_seed(0)
    network = {"channels": 32, "dilations": [1, 2, 4]}
    folder = tmp_path_factory.mktemp("voices") / "same"
    return make_voice(folder, net="light", generator=LightGenerator(**network), network=network)


def test_a_generator_that_changes_nothing_gives_the_sound_back(pack):
    wav = speech_like(4.0, 16000, level_db=-21)
    made, _ = Converter(pack, device="cpu").convert(wav, 16000)
    mel = LogMel(PRESETS["16k"])
    before, after = (mel(torch.from_numpy(sound)[None])[0].numpy() for sound in (wav, made))
    loud = before.max(axis=0) > before.max() - 4
    assert np.abs(after - before)[:, loud].mean() < 0.5  # nepers: 4 dB
    envelopes = [
        np.exp(picture).sum(axis=0) - np.exp(picture).sum(axis=0).mean() for picture in (before, after)
    ]
    lags = {lag: float(np.roll(envelopes[1], lag) @ envelopes[0]) for lag in range(-8, 9)}
    assert max(lags, key=lags.__getitem__) == 0, "the output is late or early"


@pytest.mark.parametrize("rate", [16000, 44100])
def test_block_sizes_do_not_matter_with_griffin_lim(pack, rate):
    voice = Converter(pack, device="cpu")
    wav = speech_like(2.2, rate)
    outputs = []
    for step in (len(wav), 1000, 61):
        stream = voice.stream(rate)
        parts = [stream.push(wav[at : at + step]) for at in range(0, len(wav), step)]
        outputs.append(np.concatenate([*parts, stream.flush()]))
    assert len(outputs[0]) == len(wav) and np.abs(outputs[0]).max() > 0.05
    assert np.array_equal(outputs[0], outputs[1]) and np.array_equal(outputs[0], outputs[2])


def test_samples_come_within_the_stated_look_ahead_with_griffin_lim(pack):
    voice = Converter(pack, device="cpu", vocoder="griffin-lim-live")
    stream = voice.stream(44100, chunk_frames=4)
    wav, emitted, worst = speech_like(3.0, 44100), 0, 0.0
    for at in range(0, len(wav), 441):
        worst = max(worst, (at - emitted) / 44100)
        emitted += len(stream.push(wav[at : at + 441]))
    assert 0.5 * stream.latency_s < worst <= stream.latency_s < 0.7


def program(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "voicegan", *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, timeout=120, env=environment, **options)


def test_the_program_converts_through_pipes(pack, tmp_path: Path):
    wav = speech_like(1.5, 22050)
    soundfile.write(tmp_path / "in.wav", wav, 22050)
    done = program("convert", "-", "--to", str(pack.folder), input=(tmp_path / "in.wav").read_bytes())
    assert done.returncode == 0 and done.stderr == b""
    made, rate = soundfile.read(io.BytesIO(done.stdout))
    assert (len(made), rate) == (len(wav), 22050)


def test_the_program_ends_with_one_line_and_no_traceback(pack, tmp_path: Path):
    (tmp_path / "bad.wav").write_bytes(b"nothing to hear")
    done = program("convert", str(tmp_path / "bad.wav"), "--to", str(pack.folder))
    assert done.returncode == 2 and done.stdout == b""
    assert done.stderr.decode().startswith("error: ") and done.stderr.count(b"\n") == 1
    unknown = program("convert", str(tmp_path / "bad.wav"), "--to", "nobody")
    assert unknown.returncode == 2 and b"there is no voice nobody" in unknown.stderr


def test_the_program_ends_quietly_when_nobody_reads_on(pack, tmp_path: Path):
    soundfile.write(tmp_path / "in.wav", speech_like(20.0, 22050), 22050)
    command = f'"{sys.executable}" -m voicegan convert in.wav --to "{pack.folder}" --out - | head -c 100 > /dev/null'
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, timeout=120, env=environment
    )
    assert done.stderr == b""


def test_converting_imports_nothing_heavy_besides_torch_and_numba(pack, tmp_path: Path):
    soundfile.write(tmp_path / "in.wav", speech_like(0.5), 16000)
    code = (
        "import sys, voicegan; voicegan.convert('in.wav', to=sys.argv[1], device='cpu');"
        # numba, which the phase gradient is compiled by, brings scipy
        "heavy = 'librosa pydantic lightning_fabric lightning torchaudio matplotlib PIL rich'.split();"
        "print([name for name in heavy if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(pack.folder)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, timeout=120, env=environment, check=True
    )
    assert done.stdout == b"[]\n"
