"""`voicegan vocoder list`: those that need no training, and what is installed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tiny_vocoders import TINY, bundled, empty_home, make_vocoder, tiny_net  # noqa: F401

from voicegan.audio.mel import PRESETS
from voicegan.cli.vocoder_list import list_, mel_in_words
from voicegan.vocoder import VOCODERS
from voicegan.vocoder.library import user_folder

pytestmark = pytest.mark.usefixtures("empty_home")


def test_the_table_names_every_vocoder():
    make_vocoder(bundled() / "universal")
    network = TINY | {"padding": "same"}
    make_vocoder(
        user_folder() / "mine", mel=PRESETS["hifigan-22k"], network=network, generator=tiny_net(**network)
    )
    lines = CliRunner().invoke(list_).stdout.splitlines()
    assert lines[0].split() == ["vocoder", "kind", "rate", "mel", "size", "look-ahead", "where"]
    assert [line.split()[0] for line in lines[1:]] == [*VOCODERS.names(), "mine", "universal"]
    assert "400 ms" in next(line for line in lines if line.startswith("griffin-lim "))
    mine, universal = lines[-2:]
    assert "vocos" in mine and "22050 Hz" in mine and "not centred" in mine
    assert mine.endswith(str(user_folder() / "mine")) and universal.endswith(str(bundled() / "universal"))
    assert "80 mels 0-8000 Hz, 1024/256, slaney, ln, centred" in universal and "0.0 MB" in universal


def test_the_json_tells_everything():
    pack = make_vocoder(user_folder() / "mine")
    listed = json.loads(CliRunner().invoke(list_, ["--json"]).stdout)
    assert listed["format"] == 1 and listed["broken"] == []
    lim, mine = listed["vocoders"][0], listed["vocoders"][-1]
    assert (lim["name"], lim["kind"], lim["lookahead_ms"]) == ("griffin-lim", "no training", 400)
    assert mine["name"] == "mine" and mine["mel"] == PRESETS["16k"].to_dict() and mine["licences"] == ["CC0"]
    assert mine["lookahead_frames"] == pack.lookahead_frames
    assert mine["lookahead_ms"] == 16 * pack.lookahead_frames


def test_a_damaged_vocoder_is_mentioned_and_does_not_hide_the_rest():
    make_vocoder(user_folder() / "v1")
    make_vocoder(user_folder() / "v2")
    make_vocoder(user_folder() / "v3", mel=PRESETS["16k"])
    (user_folder() / "v1" / "vocoder.json").write_text("{}")
    path = user_folder() / "v3" / "vocoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mel": {"sample_rate_hz": 16000}}))
    result = CliRunner().invoke(list_)
    assert result.exit_code == 0 and str(user_folder() / "v1") not in result.stdout
    assert str(user_folder() / "v2") in result.stdout and "unreadable" in result.stdout
    assert result.stderr.startswith("warning: ") and str(user_folder() / "v1") in result.stderr
    [broken] = json.loads(CliRunner().invoke(list_, ["--json"]).stdout)["broken"]
    assert broken["folder"] == str(user_folder() / "v1") and "format" in broken["error"]


def test_contracts_are_told_apart_in_words():
    assert len({mel_in_words(spec.to_dict()) for spec in PRESETS.values()}) == len(PRESETS)
    assert (
        mel_in_words(PRESETS["vocos-24k"].to_dict())
        == "100 mels 0-12000 Hz, 1024/256, htk with no norm, ln, centred"
    )
