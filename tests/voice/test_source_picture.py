"""The parts of a picture: a held pitch, moved within bounds, and the way back to hertz."""

import math

import numpy as np
import pytest
import torch
from made_pool import FILTER, SPEC, a_pool, a_target
from made_speech import utter

from voicegan.audio.mel import LogMel
from voicegan.audio.pitch import f0
from voicegan.voice.analysis import analyses_for
from voicegan.voice.pool_batches import Disguise, TargetAndPool, picture_of
from voicegan.voice.source_picture import HIGHEST_HZ, LOWEST_HZ, held, moved, picture, pitch_of

M = SPEC.mels


def test_a_held_pitch_is_the_last_one_heard():
    random = np.random.default_rng(0)
    f0_hz = np.where(random.random(200) < 0.4, 0.0, random.uniform(70, 400, 200)).astype(np.float32)
    made, last = held(f0_hz, 111.0), 111.0
    for value, frame in zip(f0_hz, made, strict=True):
        last = float(value) if value > 0 else last
        assert frame == np.float32(last)
    assert np.array_equal(held(made, 99.0), made)  # holding what is held changes nothing
    assert held(f0_hz[:0], 111.0).shape == (0,)


@pytest.mark.parametrize("shift", [-3.0, -0.4, 0.0, 0.4, 3.0])
def test_a_moved_pitch_keeps_its_course_within_bounds(shift):
    held_hz = torch.linspace(50.0, 600.0, 100)[None]
    made = moved(held_hz, 5.0, 5.0 + shift)
    assert made.min() >= LOWEST_HZ and made.max() <= HIGHEST_HZ and made.isfinite().all()
    inside = (made > LOWEST_HZ) & (made < HIGHEST_HZ)
    torch.testing.assert_close(made[inside].log(), held_hz[inside].log() + shift, atol=1e-5, rtol=0)
    assert (made.diff() >= 0).all()


def test_pitches_are_moved_row_by_row():
    held_hz = torch.full((2, 3), 100.0)
    made = moved(held_hz, torch.tensor([[math.log(100.0)], [math.log(200.0)]]), math.log(150.0))
    torch.testing.assert_close(made[:, 0], torch.tensor([150.0, 75.0]))


def test_a_pictures_pitch_is_found_again():
    hz = torch.rand(3, 40) * 400 + 70
    voiced = torch.rand(3, 40).round()
    made = picture(torch.randn(3, M, 40), hz, voiced, math.log(190.0), FILTER)
    torch.testing.assert_close(pitch_of(made, math.log(190.0)), hz)
    torch.testing.assert_close(
        pitch_of(made.bfloat16(), torch.tensor(math.log(190.0))), hz, atol=0, rtol=0.02
    )
    assert torch.equal(made[:, 2 * M], voiced)


@pytest.mark.parametrize("pitch_hz", [110.0, 220.0])
def test_a_stream_shows_what_the_training_saw(pitch_hz):
    """The picture of a recording as it is trained on, and as a converter hears it after some seconds."""
    source = TargetAndPool(a_target(), a_pool(), 32, Disguise())
    s = source.statistics
    wav = np.concatenate([utter(sentence, pitch_hz=pitch_hz) for sentence in range(3)])
    mel = LogMel(SPEC)(torch.from_numpy(wav)[None])[0].numpy()
    track = f0(wav, SPEC.sample_rate_hz, SPEC.hop)[: mel.shape[1]].astype(np.float32)
    trained = picture_of(mel, track, s, source.filter, source.frames_per_s)
    statistics = {
        "source.mean": s.source_mean, "source.std": s.source_std,
        "source.pitch": torch.tensor([s.source_log_f0]), "target.pitch": torch.tensor([s.target_log_f0]),
        "target.throat": torch.tensor([s.throat]), "target.sounds": s.sounds,
    }  # fmt: skip
    heard = analyses_for("envelope", SPEC, statistics)(16)
    streamed = torch.cat([heard.push(wav), heard.flush()], dim=1).numpy()
    assert streamed.shape == trained.shape
    late = slice(-150, -10)
    agree = (trained[2 * M, late] == streamed[2 * M, late]).mean()
    assert agree > 0.9
    both = (trained[2 * M, late] > 0) & (streamed[2 * M, late] > 0)
    apart = (trained - streamed)[:, late][:, both]
    assert np.median(np.abs(apart[2 * M + 1])) < 0.15  # of a third of a neper
    assert np.abs(apart[:M]).mean() < 0.25 * np.abs(trained[:M, late]).mean()
