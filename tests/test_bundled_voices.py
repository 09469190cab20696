"""What the package ships: voices that are whole, licensed and small, and the tool that puts them there."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_voices import make_voice, tiny_nets  # noqa: F401 - a fixture

import voicegan
from voicegan.audio import files
from voicegan.metrics.table import COLUMNS
from voicegan.voice.library import find_pack
from voicegan.voice.pack import load_pack

ROOT = Path(__file__).parent.parent
VOICES = ROOT / "voicegan" / "voices"
RECORDING = VOICES / "demo" / "bdl_a0361.flac"


@pytest.mark.parametrize("name", ["slt", "bdl", "kathleen"])
def test_bundled_voice_is_whole_small_and_licensed(name):
    pack = find_pack(VOICES / name)
    assert (pack.name, pack.sources) == (name, ("any",))
    pack.build()  # checks checksum, shapes and numbers
    assert sum(path.stat().st_size for path in (VOICES / name).iterdir()) <= 8_000_000
    for corpus in ("CMU ARCTIC", "kathleen", "LibriSpeech"):
        assert any(corpus in licence for licence in pack.licences), corpus
    assert pack.consent
    assert "## Measured" in pack.card and "cosine to the target" in pack.card
    assert "/tmp" not in pack.card and "/home" not in pack.card


def test_demo_recording_comes_out_as_long_and_as_loud_and_different():
    wav, rate = files.read(RECORDING)
    converted, rate_out = voicegan.load_voice(VOICES / "slt", device="cpu").convert(wav, rate)
    assert rate_out == rate and len(converted) == len(wav)
    assert np.isfinite(converted).all() and np.abs(converted).max() < 1
    level = 20 * np.log10(np.sqrt(np.mean(converted**2)) / np.sqrt(np.mean(wav**2)))
    assert abs(level) < 2
    assert abs(np.corrcoef(wav, converted)[0, 1]) < 0.5


def test_bundling_copies_the_voice_and_writes_the_figures_on_its_card(tmp_path, tiny_nets, monkeypatch):  # noqa: F811
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import bundle

    make_voice(tmp_path / "slt")
    summary = {"utterances": 40, "mcd_db": {"mean": 5.0, "worst": 6.0}}
    result = {"rows": {row: {"summary": summary} for row in COLUMNS}, "missing": {}, "notes": []}
    (tmp_path / "result.json").write_text(json.dumps(result))
    monkeypatch.setattr(sys, "argv", [
        "bundle.py", str(tmp_path / "slt"), "--measured", str(tmp_path / "result.json"),
        "--command", "voicegan eval slt", "--package", str(tmp_path),
    ])  # fmt: skip
    bundle.main()
    bundled = load_pack(tmp_path / "voices" / "slt")
    bundled.build()
    assert "## Measured\n\n    voicegan eval slt" in bundled.card
    assert "utterances" in bundled.card
