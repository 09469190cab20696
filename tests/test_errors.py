"""VoiceganError: one line, and whole after a journey between processes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from voicegan.errors import VoiceganError, is_out_of_memory


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


@pytest.mark.parametrize(
    "ask",
    [lambda: torch.empty(2**52), lambda: np.empty(2**52), lambda: bytearray(2**60)],
    ids=["torch", "numpy", "python"],
)
def test_knows_when_memory_ran_out(ask):
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        ask()
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))


def test_other_errors_are_not_taken_for_it():
    with pytest.raises(RuntimeError) as caught:
        torch.ones(2) + torch.ones(3)
    assert not is_out_of_memory(caught.value)
