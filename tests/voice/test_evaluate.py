"""Judging conversions: what validation measures, and evaluations with stand-in judges."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from gliding_voice import RATE, Parrot, folder, speech_mel, syllables

from voicegan.audio.mel import PRESETS
from voicegan.errors import VoiceganError
from voicegan.metrics import spectral, table, words
from voicegan.metrics.judges import Judges
from voicegan.voice import validation
from voicegan.voice.evaluate import Settings, evaluate


class TestValidation:
    def test_frechet_of_gaussians_in_closed_form(self) -> None:
        # Diagonal covariances: |m1 - m2|^2 + sum (s1 - s2)^2.
        mean_a, mean_b = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 1.0])
        scale_a, scale_b = np.array([1.0, 2.0, 0.5]), np.array([3.0, 1.0, 0.5])
        expected = ((mean_a - mean_b) ** 2).sum() + ((scale_a - scale_b) ** 2).sum()
        turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
        value = validation.frechet_squared(
            turn @ mean_a,
            turn @ np.diag(scale_a**2) @ turn.T,
            turn @ mean_b,
            turn @ np.diag(scale_b**2) @ turn.T,
        )
        assert value == pytest.approx(expected, rel=1e-9)

    def test_a_shifted_cloud_is_as_far_as_its_mcd(self) -> None:
        mels = [speech_mel(seed) for seed in range(4)]
        shift = 0.25 * np.cos(2 * np.pi * (np.arange(80) + 0.5) / 80)[:, None]
        distance = validation.frechet_cepstra([mel + shift for mel in mels], mels)
        assert distance == pytest.approx(10 / math.log(10) * math.sqrt(2) * 0.25, rel=1e-3)

    def test_frechet_is_zero_for_the_same_cloud_in_any_order_and_symmetric(self) -> None:
        mels = [speech_mel(seed) for seed in range(4)]
        others = [0.5 * speech_mel(seed) - 2 for seed in range(4, 8)]
        assert validation.frechet_cepstra(mels, mels[::-1]) == pytest.approx(0.0, abs=1e-3)
        there, back = validation.frechet_cepstra(mels, others), validation.frechet_cepstra(others, mels)
        assert there == pytest.approx(back, rel=1e-6)
        assert there > 1.0

    def test_frechet_needs_frames(self) -> None:
        with pytest.raises(VoiceganError, match="no distribution"):
            validation.frechet_cepstra([], [speech_mel(1)])

    def test_content_is_kept_by_another_voice_and_lost_by_other_words(self) -> None:
        source, other = speech_mel(1), speech_mel(2)
        angle = np.pi * (np.arange(80) + 0.5) / 80
        timbre = 0.8 * source + 0.5 * np.cos(angle)[:, None] - 0.3
        assert validation.content_drift(source, source) == pytest.approx(0.0, abs=1e-6)
        assert validation.content_drift(source, timbre) == pytest.approx(0.0, abs=0.02)
        assert 0.6 < validation.content_drift(source, other) < 1.4
        mumble = np.repeat(source.mean(axis=1, keepdims=True), source.shape[1], axis=1)
        assert validation.content_drift(source, mumble) == pytest.approx(1.0, abs=1e-6)

    def test_content_needs_equal_frames_and_a_source_that_varies(self) -> None:
        with pytest.raises(VoiceganError, match="differ in shape"):
            validation.content_drift(speech_mel(1), speech_mel(1)[:, 1:])
        with pytest.raises(VoiceganError, match="does not vary"):
            validation.content_drift(np.full((80, 9), -3.0), np.full((80, 9), -3.0))

    def test_parallel_mcd_is_the_mean_over_pairs(self) -> None:
        a, b, c = (speech_mel(seed) for seed in range(3))
        expected = (spectral.mcd(a, b) + spectral.mcd(a, c)) / 2
        assert validation.parallel_mcd([(a, b), (a, c)]) == pytest.approx(expected)
        with pytest.raises(VoiceganError, match="no pairs"):
            validation.parallel_mcd([])


class Ear:
    """A speaker judge that knows voices by their brightness."""

    settings = {"encoder": "ear"}

    def embed(self, wav: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.rfft(wav, 8192))[:2048].reshape(16, -1).sum(axis=1)
        return power / np.linalg.norm(power)


def missing() -> None:
    raise ModuleNotFoundError("No module named 'speechmos'")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def judges() -> Judges:
    return Judges(speaker=Ear, words=missing, naturalness=missing)


class TestEvaluate:
    def test_a_whole_evaluation(self, home: Path, judges: Judges) -> None:
        names = [f"s{i}" for i in range(3)]
        low = folder(home / "low", names, pitch_hz=110.0)
        high = folder(home / "high", names, pitch_hz=220.0)
        told: list[tuple[int, int, str]] = []
        result = evaluate(
            low, high, convert=lambda wav, rate: (0.5 * wav, rate), judges=judges, keep=home / "kept",
            progress=lambda *call: told.append(call),
        )  # fmt: skip
        rows = {row: entry["summary"] for row, entry in result["rows"].items()}
        assert list(rows) == ["source", "converted", "copy-synthesis", "target"]
        assert result["settings"]["parallel"] is True
        # Halving the level converts nothing: the conversion must be judged as the floor is.
        assert rows["converted"]["mcd_db"]["mean"] == pytest.approx(
            rows["source"]["mcd_db"]["mean"], abs=0.05
        )
        assert rows["copy-synthesis"]["mcd_db"]["mean"] < 0.6 * rows["source"]["mcd_db"]["mean"]
        assert rows["source"]["f0_rmse_semitones"]["mean"] == pytest.approx(12.0, abs=1.0)
        assert rows["converted"]["f0_source_correlation"]["mean"] > 0.99
        assert rows["target"]["cosine_target"]["mean"] > rows["source"]["cosine_target"]["mean"]
        assert set(result["missing"]) == {"CER, WER", "DNSMOS"}
        assert "pip install 'voicegan[eval]'" in result["missing"]["DNSMOS"]
        assert "cer" not in rows["source"]
        assert len(result["recordings"]["trials"][0]["source"]["sha256"]) == 64
        assert (home / "kept/converted/s0.wav").is_file()
        assert (home / "kept/copy-synthesis/s2.wav").is_file()
        assert len(told) == 12
        assert told[-1][:2] == (11, 12)
        json.dumps(result, allow_nan=False)
        text = table.render(result)
        assert "MCD, dB" in text
        assert "DNSMOS: not measured" in text

    def test_the_classical_conversion_stands_beside(self, home: Path, judges: Judges) -> None:
        names = ["s0", "s1"]
        low, high = folder(home / "low", names, pitch_hz=110.0), folder(home / "high", names, pitch_hz=220.0)
        told: list[tuple[int, int, str]] = []
        result = evaluate(
            low, high, convert=lambda wav, rate: (wav, rate), classical=lambda wav, rate: (0.5 * wav, rate),
            judges=judges, keep=home / "kept", progress=lambda *call: told.append(call),
        )  # fmt: skip
        assert list(result["rows"]) == ["source", "classical", "converted", "copy-synthesis", "target"]
        assert result["rows"]["classical"]["summary"]["utterances"] == 2
        assert told[-1][:2] == (9, 10)
        assert result["conversion"]["audio_s"] < 2 * 10  # what the voice itself converted, and no more
        kept = (
            soundfile.read(home / "kept/classical/s0.wav")[0],
            soundfile.read(home / "kept/converted/s0.wav")[0],
        )
        assert np.abs(kept[0]).max() == pytest.approx(np.abs(kept[1]).max() / 2, rel=0.01)
        assert "means and pitch" in table.render(result) and "(classical)" in table.render(result)

    def test_equal_names_of_other_sentences_are_not_parallel(self, home: Path, judges: Judges) -> None:
        low = folder(home / "low", ["s0", "s1", "s2", "s3"], pitch_hz=110.0)
        high = home / "high"
        high.mkdir()
        for index in range(4):
            soundfile.write(high / f"s{index}.wav", syllables(50 + index, pitch_hz=220.0), RATE)
        result = evaluate(low, high, converted=low, judges=judges)
        assert result["settings"]["parallel"] is False
        assert any("not parallel (names match" in note for note in result["notes"])
        assert "mcd_db" not in result["rows"]["source"]["summary"]
        assert result["conversion"] is None

    def test_without_common_names_the_target_is_still_judged(self, home: Path, judges: Judges) -> None:
        low = folder(home / "low", ["s0", "s1"], pitch_hz=110.0)
        high = folder(home / "high", ["t0", "t1", "t2"], pitch_hz=220.0)
        result = evaluate(low, high, converted=low, judges=judges, limit=1)
        assert result["rows"]["target"]["summary"]["utterances"] == 1
        assert "cosine_target" in result["rows"]["target"]["summary"]
        assert any("no names match" in note for note in result["notes"])

    def test_words_against_transcripts_and_against_the_recogniser_itself(self, home: Path) -> None:
        pytest.importorskip("jiwer")
        low = folder(home / "low", ["s0", "s1"], pitch_hz=110.0)
        high = folder(home / "high", ["s0", "s1"], pitch_hz=220.0)

        def judges() -> Judges:
            return Judges(speaker=missing, words=lambda: words.WordsJudge(Parrot()), naturalness=missing)

        def soften(wav: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
            return 0.1 * wav, rate

        heard = evaluate(low, high, convert=soften, judges=judges())
        assert heard["rows"]["source"]["summary"]["wer"]["mean"] == 0.0
        assert heard["rows"]["converted"]["summary"]["wer"]["mean"] == 0.5
        (home / "said.tsv").write_text("file\ttranscript\ns0.wav\tSoft words.\ns1.wav\tSoft words.\n")
        written = evaluate(low, high, convert=soften, judges=judges(), transcripts=home / "said.tsv")
        assert written["rows"]["source"]["summary"]["wer"]["mean"] == 0.5
        assert written["rows"]["converted"]["summary"]["wer"]["mean"] == 0.0
        assert written["rows"]["converted"]["utterances"][0]["understood"] == "soft words"

    def test_at_one_level_loudness_is_not_judged(self, home: Path) -> None:
        pytest.importorskip("jiwer")
        low = folder(home / "low", ["s0", "s1"], pitch_hz=110.0)
        high = folder(home / "high", ["s0", "s1"], pitch_hz=220.0)
        judges = Judges(speaker=Ear, words=lambda: words.WordsJudge(Parrot()), naturalness=missing)
        result = evaluate(
            low, high, convert=lambda wav, rate: (0.1 * wav, rate), judges=judges,
            settings=Settings(level_db=-23.0),
        )  # fmt: skip
        assert result["rows"]["converted"]["summary"]["wer"]["mean"] == 0.0  # the parrot takes it for loud
        assert result["settings"]["level_db"] == -23.0
        assert "every recording judged at -23 dBFS" in result["notes"]
        assert "every recording judged at -23 dBFS" in table.render(result)

    def test_something_must_be_judged(self, home: Path, judges: Judges) -> None:
        with pytest.raises(VoiceganError, match="not clear what to judge"):
            evaluate(home, home, judges=judges)

    def test_settings_say_what_the_figures_depend_on(self) -> None:
        settings = Settings().to_dict()
        assert settings["mcd"]["order"] == 24
        assert settings["copy_synthesis"]["mel"] == PRESETS["16k"].to_dict()
        json.dumps(settings)
