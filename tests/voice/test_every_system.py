"""Every registered voice system: it builds, steps, saves, resumes, and its voice converts."""

import made_speech
import numpy as np
import pytest
import torch

import voicegan
from voicegan.core import state
from voicegan.voice import training
from voicegan.voice.systems import SYSTEMS

# Widths that take seconds; the papers' own are checked in tests/voice/nets and tests/voice/systems.
SMALL_PAPER = {"channels": 8, "d_channels": 8, "blocks": 1}
SMALL = {
    "light": {"channels": 8, "dilations": [1, 2], "d_channels": 4, "crop_frames": 32},
    "cyclegan-vc": SMALL_PAPER,
    "cyclegan-vc2": SMALL_PAPER,
    "mask-cyclegan-vc": SMALL_PAPER,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("speakers")
    return [
        made_speech.read_aloud(root / "anna", range(8), pitch_hz=190.0),
        made_speech.read_aloud(root / "ben", range(8), pitch_hz=110.0),
    ]


def settings_for(name, steps):
    model = SMALL[name]
    trainer = {"steps": steps, "batch": 1, "check_every": 1, "device": "cpu", "precision": "fp32"}
    return training.resolve(
        {"system": name, "model": model, "corpus": {"least_speech_s": 3.0}, "trainer": trainer}
    )


def a_training(name, folders, out, steps):
    settings = settings_for(name, steps)
    material = training.gather(*folders, settings)
    places = training.Places.of(("anna", "ben"), name, out)
    return training.Training(material, settings, ("anna", "ben"), places)


@pytest.mark.parametrize("name", SYSTEMS.names())
def test_system_trains_resumes_and_converts(name, folders, tmp_path):
    first = a_training(name, folders, tmp_path, steps=1)
    first.save_plan()
    first.run(quiet=True)
    again = a_training(name, folders, tmp_path, steps=2)
    assert again.resume()
    again.run(quiet=True)
    saved = state.latest(tmp_path / "run")[1]
    assert saved["step"] == 2
    assert all(torch.isfinite(value).all() for value in saved["system"].values() if value.is_floating_point())
    wav = made_speech.utter(99)
    converted, rate = voicegan.load_voice(tmp_path / "ben", device="cpu").convert(wav, made_speech.RATE_HZ)
    assert rate == made_speech.RATE_HZ and len(converted) == len(wav)
    assert np.isfinite(converted).all() and np.abs(converted).max() > 1e-3
