"""VoiceganError: one line, and whole after a journey between processes."""

from __future__ import annotations

import pickle

import pytest

from voicegan.errors import VoiceganError


@pytest.mark.parametrize(
    ("message", "hint", "line"),
    [
        ("bob.wav is silent", "", "bob.wav is silent"),
        ("bob.wav is silent", "Remove it.", "bob.wav is silent. Remove it."),
        ("bob.wav is silent.", "Remove it.", "bob.wav is silent. Remove it."),
        ("is that audio?", "Look again.", "is that audio? Look again."),
        ("two\nlines  here", "and\nmore", "two lines here. and more"),
    ],
)
def test_str_is_one_line(message, hint, line):
    error = VoiceganError(message, hint)
    assert (error.message, error.hint) == (message, hint)
    assert str(error) == line


def test_survives_pickling():
    error = pickle.loads(pickle.dumps(VoiceganError("what", "then what")))
    assert (error.message, error.hint) == ("what", "then what")
