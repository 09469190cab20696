"""A teacher converts again what it converted: through sound, at the voice's level, frame for frame."""

from dataclasses import replace

import made_pool
import numpy as np
import pytest
import torch
from made_pool import SPEC, a_voice

from voicegan.audio.mel import PRESETS
from voicegan.errors import VoiceganError
from voicegan.voice.retrieval import NearestFrames
from voicegan.voice.teacher import Teacher


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return a_voice(tmp_path_factory.mktemp("teacher") / "slt")


@pytest.fixture
def utterance():
    return made_pool.a_reading(3, 120.0)


@pytest.mark.parametrize("frames", [2, 37, 60])
def test_a_lesson_has_the_frames_of_what_it_is_made_of(voice, frames):
    for passes in (1, 2):
        made = Teacher(voice, SPEC, passes).convert(made_pool.a_reading(3, 120.0, frames=frames))
        assert made.shape == (SPEC.mels, frames) and np.isfinite(made).all()


def test_two_passes_are_one_pass_over_the_sound_of_one(voice, utterance):
    once, twice = Teacher(voice, SPEC, passes=1), Teacher(voice, SPEC, passes=2)
    mel, f0 = twice._heard(torch.from_numpy(once.convert(utterance)))
    again = once.convert(replace(utterance, mel=mel, f0=f0))
    frames = min(again.shape[1], utterance.frames)
    made = twice.convert(utterance)
    assert made.shape == utterance.mel.shape
    np.testing.assert_allclose(made[:, :frames], again[:, :frames], atol=1e-5)
    assert np.abs(made - once.convert(utterance)).mean() > 0.01


def test_silence_teaches_nothing_that_is_not_finite(voice, utterance):
    quiet = replace(utterance, mel=np.full_like(utterance.mel, SPEC.floor), f0=np.zeros_like(utterance.f0))
    assert np.isfinite(Teacher(voice, SPEC).convert(quiet)).all()


def test_who_cannot_teach_is_named(voice, tmp_path):
    with pytest.raises(VoiceganError, match="cannot teach: it converts bdl, not anyone"):
        Teacher(replace(voice, normaliser="fixed", sources=("bdl",)), SPEC)
    with pytest.raises(VoiceganError, match="this training"):
        Teacher(voice, PRESETS["hifigan-22k"])


def test_lessons_move_towards_the_targets_own_frames(voice, utterance):
    teacher = Teacher(voice, SPEC, passes=1)
    made = teacher.convert(utterance)
    own = [made_pool.a_reading(4, 200.0)]
    teacher.retrieve(own, 0.5)
    moved = teacher.convert(utterance)
    np.testing.assert_allclose(moved, NearestFrames([own[0].mel]).approached(made, 0.5), atol=1e-5)
    assert np.abs(moved - made).mean() > 0.01
    teacher.retrieve(own, 0.0)
    np.testing.assert_array_equal(teacher.convert(utterance), made)
