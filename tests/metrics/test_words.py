"""Character and word error rates."""

from __future__ import annotations

from pathlib import Path

import pytest
from gliding_voice import Parrot, syllables

from voicegan.metrics import words
from voicegan.metrics.words import Errors, normalise


class TestWords:
    def test_normalising(self) -> None:
        assert (
            normalise("  “Don\u2019t,” she said: it's the dog's  —NOT 'his'! ")
            == "don't she said it's the dog's not his"
        )
        assert normalise("...") == ""

    def test_errors_count_edits(self) -> None:
        pytest.importorskip("jiwer")
        judge = words.WordsJudge(recogniser=Parrot())
        errors = judge.errors("The cat sat.", "the hat sat down")
        assert errors == Errors(character_edits=6, characters=11, word_edits=2, words=3)
        assert errors.cer == pytest.approx(6 / 11)
        assert judge.errors("the cat", "").wer == 1.0
        assert judge.errors("...", "anything") is None

    def test_pooling_adds_edits(self) -> None:
        assert (Errors(1, 10, 1, 2) + Errors(3, 30, 1, 8)).cer == pytest.approx(0.1)


class TestInstalledJudge:
    """What the real one says of real speech is recorded in recipes."""

    def test_pocketsphinx_does_not_remember_what_it_heard_before(self, home: Path) -> None:
        pytest.importorskip("pocketsphinx")
        a, b = syllables(1), syllables(2, pitch_hz=200.0)
        alone = words.PocketSphinx()._decode(a)
        after = words.PocketSphinx()
        after._decode(b)
        assert after._decode(a) == alone
