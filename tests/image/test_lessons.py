"""The learning tests' own tool: what it hands to them has been trained as its recipe says."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from image.lessons import Lesson

from voicegan.core.random import Draws
from voicegan.core.system import Batch
from voicegan.core.trainer import Source
from voicegan.errors import VoiceganError

TINY = ("model.width=4", "trainer.batch=4", "trainer.steps=3")


class Impatient:
    """A source during whose second batch somebody, such as `timeout`, asks the process to end."""

    def __init__(self, source: Source) -> None:
        self.source, self.asked = source, 0

    def batch(self, draws: Draws) -> Batch:
        self.asked += 1
        if self.asked == 2:
            signal.raise_signal(signal.SIGTERM)
        return self.source.batch(draws)


def test_a_lesson_that_a_signal_cuts_short_is_none(tmp_path: Path) -> None:
    """A learning test took the figures of 966 steps for those of 2,000: the trainer ends early and in order."""
    lesson = Lesson("dcgan", *TINY)
    with pytest.raises(VoiceganError, match="ended at step 2 by SIGTERM"):
        lesson.learn(tmp_path, source=Impatient(lesson.material.source))
    assert lesson.trainer.step == 2


def test_the_same_seed_gives_the_same_lesson(tmp_path: Path) -> None:
    """Whatever else the process has done before: no number comes from a state that others change."""
    lessons = [Lesson("dcgan", *TINY, seed=seed) for seed in (2, 0, 2)]
    first, other, again = (lesson.learn(tmp_path / str(at)).state_dict() for at, lesson in enumerate(lessons))
    assert all(first[name].equal(again[name]) for name in first)
    assert not all(first[name].equal(other[name]) for name in first)
