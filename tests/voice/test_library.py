"""Voices are found by name, by folder and by path; what is unknown or ambiguous is said with the choices."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tiny_voices import make_voice, tiny_nets  # noqa: F401

from voicegan import storage
from voicegan.errors import VoiceganError
from voicegan.voice import library
from voicegan.voice.library import find_pack, find_voices, installed

pytestmark = pytest.mark.usefixtures("tiny_nets")


def test_voices_are_found_by_name_by_folder_and_by_path(tmp_path):
    voices = storage.home() / "voices"
    make_voice(voices / "slt")
    make_voice(voices / "bdl-quick", name="bdl", sources=["slt"])
    elsewhere = make_voice(tmp_path / "else where" / "clb", name="clb")
    assert find_voices() == {"bdl-quick": voices / "bdl-quick", "slt": voices / "slt"}
    assert find_pack("slt").folder == voices / "slt"
    assert find_pack("bdl").folder == find_pack("bdl-quick").folder == voices / "bdl-quick"
    assert find_pack(str(elsewhere.folder)).name == find_pack(elsewhere.folder).name == "clb"
    assert find_pack(elsewhere.folder / "voice.json").folder == elsewhere.folder


def test_a_folder_of_recordings_does_not_hide_the_voice_of_that_name(tmp_path, monkeypatch):
    make_voice(storage.home() / "voices" / "slt")
    (tmp_path / "slt").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_pack("slt").folder == storage.home() / "voices" / "slt"


def test_the_users_voice_hides_the_bundled_one(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "_BUNDLED", tmp_path / "bundled")
    make_voice(tmp_path / "bundled" / "slt", card="bundled")
    make_voice(tmp_path / "bundled" / "bdl", name="bdl")
    make_voice(storage.home() / "voices" / "slt", card="mine")
    assert find_pack("slt").card == "mine"
    assert list(find_voices()) == ["bdl", "slt"]


def test_a_source_picks_among_voices_of_one_target():
    voices = storage.home() / "voices"
    make_voice(voices / "slt-bdl", sources=["bdl"])
    make_voice(voices / "slt-men", sources=["rms", "ksp"])
    with pytest.raises(VoiceganError, match="2 voices slt.*--from one of: bdl, ksp, rms"):
        find_pack("slt")
    make_voice(voices / "slt-any", sources=["any"])
    assert find_pack("slt").folder.name == "slt-any"  # who says no source means the one that needs none
    assert find_pack("slt", "bdl").folder.name == "slt-bdl"
    assert find_pack("slt", "ksp").folder.name == "slt-men"
    assert find_pack("slt", "somebody").folder.name == "slt-any"
    with pytest.raises(VoiceganError, match="not trained to convert clb.*It has: bdl"):
        find_pack("slt-bdl", "clb")
    make_voice(voices / "slt-again", sources=["bdl"])
    with pytest.raises(VoiceganError, match="Give a path: .*slt-again.*slt-bdl"):
        find_pack("slt", "bdl")


def test_an_unknown_name_lists_the_near_ones_and_all():
    with pytest.raises(VoiceganError, match="none is installed. Train one"):
        find_pack("slt")
    make_voice(storage.home() / "voices" / "slt")
    make_voice(storage.home() / "voices" / "bdl", name="bdl")
    with pytest.raises(VoiceganError, match=r"no voice SLTT; did you mean slt\? Installed: bdl, slt\."):
        find_pack("SLTT")
    with pytest.raises(VoiceganError, match="no voice xyzzy. Installed: bdl, slt"):
        find_pack("xyzzy")


def test_a_damaged_voice_does_not_hide_the_others():
    voices = storage.home() / "voices"
    make_voice(voices / "slt")
    make_voice(voices / "bdl", name="bdl")
    (voices / "bdl" / "voice.json").write_text("{")
    packs, broken = installed()
    assert [pack.name for pack in packs] == ["slt"] and list(broken) == [voices / "bdl"]
    with pytest.raises(VoiceganError, match="not valid JSON"):
        find_pack("bdl")


def test_listing_voices_imports_no_torch():
    code = "import sys, voicegan; voicegan.list_voices(); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
