"""Checkpoints: whole or absent, named when damaged, pruned with care."""

import logging

import pytest
import torch

from voicegan.core import state
from voicegan.errors import VoiceganError


def payload(value=1.0):
    return {"weights": {"w": torch.full((3,), value)}, "note": "text"}


def test_what_is_saved_is_read_back(tmp_path):
    path = state.save(tmp_path, 7, payload(2.0))
    read = state.load(path)
    assert read["step"] == 7 and read["note"] == "text"
    assert torch.equal(read["weights"]["w"], torch.full((3,), 2.0))


def test_name_carries_the_checksum_of_the_content(tmp_path):
    path = state.save(tmp_path, 7, payload())
    renamed = path.rename(path.with_name(f"step-00000007-{'0' * 16}.pt"))
    with pytest.raises(VoiceganError, match="checksum does not match"):
        state.load(renamed)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_damaged_checkpoint_is_named_and_the_one_before_it_used(tmp_path, caplog, damage):
    state.save(tmp_path, 1, payload(1.0))
    newest = state.save(tmp_path, 2, payload(2.0))
    data = bytearray(newest.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "flip":
        data[len(data) // 2] ^= 1
    else:
        data = b""
    newest.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        _, read = state.latest(tmp_path)
    assert read["step"] == 1
    assert newest.name in caplog.text


def test_nothing_but_damage_is_an_error(tmp_path):
    state.save(tmp_path, 1, payload()).write_bytes(b"x")
    with pytest.raises(VoiceganError, match="none of the 1 checkpoints"):
        state.latest(tmp_path)


def test_empty_folder_has_no_state(tmp_path):
    assert state.latest(tmp_path) is None
    assert state.latest(tmp_path / "missing") is None


def test_newest_and_best_stay(tmp_path):
    for step in range(1, 7):
        state.save(tmp_path, step, payload(), keep=2, best=3 if step >= 3 else None)
    assert [step for step, _ in state.found(tmp_path)] == [6, 5, 3]


def test_checkpoint_just_written_survives_later_ones_of_an_abandoned_run(tmp_path):
    state.save(tmp_path, 1000, payload(), keep=1)
    path = state.save(tmp_path, 500, payload(), keep=1)
    assert [found for _, found in state.found(tmp_path)] == [path]


def test_checkpoint_of_the_same_step_replaces_an_earlier_attempt(tmp_path):
    state.save(tmp_path, 5, payload(1.0))
    path = state.save(tmp_path, 5, payload(2.0))
    assert [found for _, found in state.found(tmp_path)] == [path]


def test_newer_format_is_refused_rather_than_passed_over(tmp_path, monkeypatch):
    state.save(tmp_path, 1, payload())
    monkeypatch.setattr(state, "FORMAT", 2)
    state.save(tmp_path, 2, payload())
    monkeypatch.setattr(state, "FORMAT", 1)
    with pytest.raises(VoiceganError, match="format 2"):
        state.latest(tmp_path)


def test_code_in_a_checkpoint_does_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    path = tmp_path / "plain.pt"
    torch.save({"format": 1, "bomb": Bomb()}, path)
    with pytest.raises(VoiceganError, match="no checkpoint that can be read"):
        state.load(path)
    assert not (tmp_path / "pwned").exists()


def test_remains_of_a_killed_writer_are_swept(tmp_path):
    remains = tmp_path / ".step-00000001.abc.part.pt"
    remains.write_bytes(b"half")
    state.save(tmp_path, 1, payload())
    assert not remains.exists()
