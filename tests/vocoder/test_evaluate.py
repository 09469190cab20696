"""Judging vocoders by copy-synthesis, with stand-in judges."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_vocoders import empty_home, make_vocoder  # noqa: F401
from tiny_voices import speech_like

from voicegan import storage
from voicegan.audio.mel import PRESETS
from voicegan.errors import VoiceganError
from voicegan.metrics.copy_table import render
from voicegan.metrics.judges import CopyJudges
from voicegan.vocoder import VOCODERS
from voicegan.vocoder.evaluate import contenders, evaluate

pytestmark = pytest.mark.usefixtures("empty_home")


class Ear:
    """Hears how loud it is."""

    settings = {"model": "ear"}

    def rate(self, wav: np.ndarray) -> dict[str, float]:
        loud = 3.0 + float(np.sqrt(np.mean(wav**2)))
        return {"dnsmos_ovrl": loud, "dnsmos_p808": loud}


class Beside:
    """Correlates envelopes."""

    settings = {"model": "beside"}

    def rate(self, wav: np.ndarray, copy: np.ndarray) -> float:
        a, b = (one[: len(one) // 400 * 400].reshape(-1, 400) for one in (wav, copy))
        return float(np.corrcoef(np.abs(a).mean(axis=1), np.abs(b).mean(axis=1))[0, 1])


def missing() -> None:
    raise ModuleNotFoundError("No module named 'pystoi'")


@pytest.fixture
def judges() -> CopyJudges:
    return CopyJudges(pesq=Beside, stoi=missing, naturalness=Ear)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two speakers of three recordings at two rates."""
    for seed, (speaker, rate) in enumerate((("ann", 16000), ("bob", 22050))):
        (tmp_path / "corpus" / speaker).mkdir(parents=True)
        for number in range(3):
            wav = speech_like(0.5 + 0.1 * number, rate, seed=seed)
            soundfile.write(tmp_path / "corpus" / speaker / f"s{number}.wav", wav, rate)
    return tmp_path / "corpus"


def test_a_whole_evaluation(corpus: Path, tmp_path: Path, judges: CopyJudges):
    pack = make_vocoder(storage.home() / "vocoders" / "small")
    told: list[tuple[int, int, str]] = []
    result = evaluate(
        corpus, vocoders=["griffin-lim-live", "small", "small"], judges=judges, keep=tmp_path / "kept",
        pictures_to=tmp_path / "pictures", progress=lambda *call: told.append(call),
    )  # fmt: skip
    assert list(result["rows"]) == ["recordings", "griffin-lim-live", "small"]
    rows = {row: entry["summary"] for row, entry in result["rows"].items()}
    assert {summary["utterances"] for summary in rows.values()} == {6}
    # An untrained network is no vocoder, and every figure says so.
    good, bad = rows["griffin-lim-live"], rows["small"]
    assert good["mr_stft"]["mean"] < bad["mr_stft"]["mean"] and good["mel_l1"]["mean"] < bad["mel_l1"]["mean"]
    assert good["pesq_wb"]["mean"] > 0.95 and good["pesq_wb"]["mean"] > bad["pesq_wb"]["mean"]
    assert set(good["speakers"]) == {"ann", "bob"} and good["worst_speakers"]["mel_l1"] in good["speakers"]
    own, copied = (result["rows"][row]["utterances"][0] for row in ("recordings", "griffin-lim-live"))
    assert copied["dnsmos_ovrl_loss"] == pytest.approx(own["dnsmos_ovrl"] - copied["dnsmos_ovrl"], abs=2e-5)
    assert "pesq_wb" not in own and set(result["missing"]) == {"STOI"}
    facts = result["vocoders"]["small"]
    assert facts["weights_sha256"] == pack.sha256 and facts["parameters"] > 1000
    assert facts["mel"] == PRESETS["16k"].to_dict() and facts["lookahead_ms"] > 0
    assert result["vocoders"]["griffin-lim-live"]["cpu_s_per_s"] > 0
    assert result["vocoders"]["small"]["audio_s"] == pytest.approx(3.6, abs=0.01)
    assert len(result["recordings"][0]["sha256"]) == 64 and "torch" in result["versions"]
    copy, rate = soundfile.read(tmp_path / "kept/small/bob/s1.wav")
    assert (len(copy), rate) == (9600, 16000)
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 2  # a recording of each speaker
    assert [call[:2] for call in told] == [(2 * number, 12) for number in range(6)]
    json.dumps(result, allow_nan=False)
    text = render(result, by_speaker=True)
    assert "PESQ-WB by speaker" in text and "STOI: not measured" in text and "2 speakers" in text
    assert "Worst for small: " in text


def test_some_files_of_each_speaker(corpus: Path, judges: CopyJudges):
    result = evaluate(corpus, vocoders=["griffin-lim-live"], limit=1, judges=judges)
    assert [one["speaker"] for one in result["recordings"]] == ["ann", "bob"]
    listed = {"ann/s1.wav": "", "bob/s2.wav": "robert"}
    result = evaluate(corpus, vocoders=["griffin-lim-live"], listed=listed, judges=judges)
    assert [(one["name"], one["speaker"]) for one in result["recordings"]] == [
        ("ann/s1", "ann"), ("bob/s2", "robert"),
    ]  # fmt: skip
    one = evaluate(corpus / "ann", vocoders=["griffin-lim-live"], limit=2, judges=judges)
    assert "speakers" not in one["rows"]["griffin-lim-live"]["summary"]
    assert "Mean (worst recording) of 2 recordings" in render(one)


def test_broken_recordings_are_named_and_the_others_judged(corpus: Path, judges: CopyJudges):
    (corpus / "ann" / "s0.wav").write_bytes(b"no sound")
    soundfile.write(corpus / "ann" / "s1.wav", np.zeros(8000), 16000)
    result = evaluate(corpus, vocoders=["griffin-lim-live"], judges=judges)
    assert [Path(one["file"]).name for one in result["failed"]] == ["s0.wav", "s1.wav"]
    assert "is silent" in result["failed"][1]["error"] and len(result["recordings"]) == 4
    with pytest.raises(VoiceganError, match="none of the recordings .* can be read: .*s0.wav is not audio"):
        evaluate(corpus, vocoders=["griffin-lim-live"], listed={"ann/s0.wav": ""}, judges=judges)


def test_without_names_all_that_fit_are_judged(tmp_path: Path):
    make_vocoder(storage.home() / "vocoders" / "small")
    make_vocoder(storage.home() / "vocoders" / "other", mel=PRESETS["hifigan-22k"])
    notes: list[str] = []
    assert [one.name for one in contenders([], notes=notes)] == [*VOCODERS, "small"]
    assert len(notes) == 1 and notes[0].startswith("other is made for other mels than 16k")
    assert [one.name for one in contenders(["other", "auto"])] == ["other", "griffin-lim"]
    path = str(storage.home() / "vocoders" / "small")
    assert contenders([path])[0].pack.name == "small"
    with pytest.raises(VoiceganError, match="grifin-lim"):
        contenders(["grifin-lim"])


def test_a_very_short_recording_has_figures_where_it_can(corpus: Path, tmp_path: Path, judges: CopyJudges):
    (tmp_path / "short").mkdir()
    soundfile.write(tmp_path / "short" / "x.wav", speech_like(0.05), 16000)
    judges.pesq = None
    result = evaluate(tmp_path / "short", vocoders=["griffin-lim-live"], judges=judges)
    assert result["rows"]["griffin-lim-live"]["summary"]["mel_l1"]["count"] == 1
    assert "PESQ-WB" not in render(result)
