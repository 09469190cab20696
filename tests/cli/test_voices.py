"""`voicegan voices`: what is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_vocoders import bundled, empty_home, make_vocoder  # noqa: F401
from tiny_voices import make_voice, tiny_nets  # noqa: F401

from voicegan import storage
from voicegan.cli.info import info
from voicegan.cli.voices import voices

pytestmark = pytest.mark.usefixtures("tiny_nets")


def test_nothing_installed_says_what_to_do():
    result = CliRunner().invoke(voices)
    assert result.exit_code == 0 and "voicegan train --a DIR --b DIR" in result.stdout
    assert json.loads(CliRunner().invoke(voices, ["--json"]).stdout) == {
        "format": 1,
        "voices": [],
        "broken": [],
    }


def test_the_table_and_the_json_name_every_voice(tmp_path: Path):
    folder = storage.home() / "voices"
    make_voice(folder / "slt")
    make_voice(folder / "bdl", name="bdl", sources=["slt", "clb"])
    lines = CliRunner().invoke(voices).stdout.splitlines()
    assert lines[0].split() == ["voice", "from", "system", "vocoder", "rate", "size", "where"]
    assert lines[1].startswith("bdl    slt, clb  light   griffin-lim  16000 Hz")
    assert lines[2].split()[0] == "slt" and lines[2].endswith(str(folder / "slt"))
    listed = json.loads(CliRunner().invoke(voices, ["--json"]).stdout)["voices"]
    assert [voice["name"] for voice in listed] == ["bdl", "slt"]
    assert listed[0]["sources"] == ["slt", "clb"] and listed[0]["sample_rate_hz"] == 16000
    assert listed[1]["training"] == {"minutes": 1.5} and listed[1]["folder"] == str(folder / "slt")


@pytest.mark.usefixtures("empty_home")
def test_what_auto_stands_for_is_said():
    make_voice(storage.home() / "voices" / "slt", vocoder="auto")
    assert "  auto (griffin-lim)  " in CliRunner().invoke(voices).stdout
    make_vocoder(bundled() / "universal")
    assert "  auto (universal)  " in CliRunner().invoke(voices).stdout
    assert "auto (universal)" in CliRunner().invoke(info, ["slt"]).stdout
    assert json.loads(CliRunner().invoke(voices, ["--json"]).stdout)["voices"][0]["vocoder"] == "auto"


def test_a_damaged_voice_is_mentioned_and_does_not_hide_the_rest():
    folder = storage.home() / "voices"
    make_voice(folder / "slt")
    make_voice(folder / "bdl")
    (folder / "bdl" / "voice.json").write_text("{}")
    result = CliRunner().invoke(voices)
    assert result.exit_code == 0 and "slt" in result.stdout and str(folder / "bdl") not in result.stdout
    assert result.stderr.startswith("warning: ") and str(folder / "bdl") in result.stderr
    [broken] = json.loads(CliRunner().invoke(voices, ["--json"]).stdout)["broken"]
    assert broken["folder"] == str(folder / "bdl") and "format" in broken["error"]
