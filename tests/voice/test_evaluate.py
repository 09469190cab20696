"""Judging conversions: measures in closed form, transcripts, plans, evaluations with stand-in judges."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voicegan.audio.mel import PRESETS
from voicegan.errors import VoiceganError
from voicegan.metrics import plan, prosody, speaker, spectral, table, transcripts, words
from voicegan.metrics.judges import Judges
from voicegan.metrics.recording import Recording, compare, pitch_kept
from voicegan.metrics.summary import summarise
from voicegan.metrics.words import Errors, normalise
from voicegan.voice import validation
from voicegan.voice.evaluate import Settings, evaluate

RATE = 16_000


def speech_mel(seed: int, frames: int = 60, mels: int = 80) -> np.ndarray:
    """A smooth random log-mel, loud enough throughout that nothing of it is taken for silence."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(-3.0, 0.7, (mels // 8 + 1, frames // 5 + 1))
    rows = np.linspace(0, coarse.shape[0] - 1, mels)
    columns = np.linspace(0, coarse.shape[1] - 1, frames)
    along = np.array([np.interp(columns, np.arange(coarse.shape[1]), row) for row in coarse])
    return np.array([np.interp(rows, np.arange(coarse.shape[0]), column) for column in along.T]).T


def syllables(seed: int, pitch_hz: float = 120.0, stretch: float = 1.0, count: int = 8) -> np.ndarray:
    """A voice-like sound: harmonics of a gliding pitch under formants that change with every syllable."""
    rng = np.random.default_rng(seed)
    formants = rng.uniform((300, 900, 2200), (800, 2000, 3200), (count, 3))
    samples = int(RATE * 0.16 * stretch) * count
    place = np.linspace(0, count - 1, samples)
    f0 = pitch_hz * 2 ** (0.25 * np.sin(np.linspace(0, 9, samples)))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    wav = np.zeros(samples)
    for harmonic in range(1, int(5000 / pitch_hz)):
        gain = np.zeros(samples)
        for formant in range(3):
            centre = np.interp(place, np.arange(count), formants[:, formant])
            gain += np.exp(-0.5 * ((harmonic * f0 - centre) / 120.0) ** 2) / (1 + formant)
        wav += gain * np.sin(harmonic * phase)
    wav *= 0.3 / np.abs(wav).max()
    room = rng.normal(0, 1e-3, samples + 2 * (RATE // 5))
    return (np.pad(wav, RATE // 5) + room).astype(np.float32)


class TestMcd:
    def test_a_shift_of_one_coefficient_has_the_closed_form(self) -> None:
        # log m(w) = c_k cos(k w): adding d cos(k w) changes c_k by d and nothing else.
        mel = speech_mel(1)
        angle = np.pi * (np.arange(80) + 0.5) / 80
        for k, d in ((1, 0.3), (7, 0.2), (24, 0.1)):
            shifted = mel + d * np.cos(k * angle)[:, None]
            expected = 10 / math.log(10) * math.sqrt(2 * d**2)
            frames = np.arange(mel.shape[1])
            assert spectral.mcd_on_path(shifted, mel, frames, frames) == pytest.approx(expected, rel=1e-5)

    def test_the_level_and_what_lies_above_the_order_do_not_count(self) -> None:
        mel = speech_mel(2)
        high = 0.5 * np.cos(25 * np.pi * (np.arange(80) + 0.5) / 80)[:, None]
        assert spectral.mcd(mel + 1.7, mel) == pytest.approx(0.0, abs=1e-4)
        frames = np.arange(mel.shape[1])
        assert spectral.mcd_on_path(mel + high, mel, frames, frames) == pytest.approx(0.0, abs=1e-4)

    def test_it_does_not_depend_on_the_number_of_mels(self) -> None:
        for mels in (40, 80, 128):
            flat = np.full((mels, 20), -2.0)
            ripple = flat + 0.4 * np.cos(3 * np.pi * (np.arange(mels) + 0.5) / mels)[:, None]
            assert spectral.mcd(ripple, flat) == pytest.approx(
                10 / math.log(10) * math.sqrt(2) * 0.4, rel=1e-4
            )

    def test_a_slower_reading_of_the_same_is_no_distance(self) -> None:
        mel = speech_mel(3)
        slower = np.repeat(mel, 2, axis=1)
        assert spectral.mcd(slower, mel) == pytest.approx(0.0, abs=1e-4)

    def test_silence_at_the_ends_is_cut(self) -> None:
        mel = speech_mel(4)
        padded = np.pad(mel, ((0, 0), (9, 5)), constant_values=math.log(1e-5))
        assert spectral.speech_span(padded) == slice(9, 9 + mel.shape[1])
        assert spectral.mcd(padded, mel) == pytest.approx(0.0, abs=1e-4)

    def test_symmetry_and_order_of_likeness(self) -> None:
        a, near, far = speech_mel(5), speech_mel(5) + 0.05 * speech_mel(6), speech_mel(7)
        assert spectral.mcd(a, far) == pytest.approx(spectral.mcd(far, a), rel=1e-4)
        assert spectral.mcd(a, near) < 0.5 * spectral.mcd(a, far)

    def test_no_frames_is_refused_in_words(self) -> None:
        with pytest.raises(VoiceganError, match="no frames"):
            spectral.mcd(np.zeros((80, 0)), np.zeros((80, 3)))


class TestProsody:
    def test_an_octave_is_twelve_semitones(self) -> None:
        f0 = np.linspace(100, 150, 50)
        figures = prosody.compare_pitch(2 * f0, f0)
        assert figures["f0_shift_semitones"] == pytest.approx(12.0)
        assert figures["f0_rmse_semitones"] == pytest.approx(12.0)
        assert figures["f0_rmse_hz"] == pytest.approx(float(np.sqrt(np.mean(f0**2))))
        assert figures["f0_correlation"] == pytest.approx(1.0)
        assert figures["voicing_agreement"] == 1.0

    def test_only_frames_voiced_in_both_count(self) -> None:
        a, b = np.linspace(100, 120, 40), np.linspace(100, 120, 40)
        a[:10], b[30:] = 0.0, 0.0
        figures = prosody.compare_pitch(a, b)
        assert figures["f0_rmse_hz"] == pytest.approx(0.0)
        assert figures["voicing_agreement"] == pytest.approx(0.5)

    def test_too_little_voice_or_a_flat_contour_gives_no_figure(self) -> None:
        few = np.zeros(50)
        few[:5] = 120.0
        assert prosody.compare_pitch(few, few)["f0_correlation"] is None
        flat = np.full(50, 120.0)
        figures = prosody.compare_pitch(flat, np.linspace(100, 140, 50))
        assert figures["f0_correlation"] is None
        assert figures["f0_rmse_hz"] is not None

    def test_contours_of_different_length_are_a_mistake_of_the_caller(self) -> None:
        with pytest.raises(ValueError, match="not aligned"):
            prosody.compare_pitch(np.zeros(3), np.zeros(4))


class TestRecording:
    def test_a_reading_an_octave_higher_and_slower(self) -> None:
        low = Recording(syllables(1), RATE)
        high = Recording(syllables(1, pitch_hz=240.0, stretch=1.25), RATE)
        figures = compare(high, low)
        assert figures["f0_shift_semitones"] == pytest.approx(12.0, abs=0.7)
        assert figures["f0_correlation"] > 0.8
        assert figures["duration_ratio"] == pytest.approx(1.25, abs=0.05)
        assert figures["mcd_db"] < compare(Recording(syllables(2), RATE), low)["mcd_db"]

    def test_pitch_kept_frame_by_frame(self) -> None:
        wav = syllables(3)
        assert pitch_kept(Recording(0.5 * wav, RATE), Recording(wav, RATE)) > 0.99

    def test_other_rates_are_judged_at_16_khz(self) -> None:
        wav = syllables(4)
        other = Recording(np.repeat(wav, 2), 2 * RATE)
        assert abs(len(other.wav) - len(wav)) <= 1
        assert other.mel.shape[0] == 80
        assert len(other.f0_hz) == other.mel.shape[1]


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


class TestSpeaker:
    def test_cosine_and_centroid(self) -> None:
        a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
        assert speaker.cosine(a, speaker.centroid([a, b])) == pytest.approx(math.sqrt(0.5))
        assert speaker.cosine(a, np.zeros(2)) == 0.0

    def test_nobody_is_judged_against_itself(self) -> None:
        pool = {"x": np.array([1.0, 0.0]), "y": np.array([0.0, 1.0])}
        assert speaker.cosine(pool["x"], speaker.centroid_without(pool, "x")) == 0.0
        assert speaker.cosine(pool["x"], speaker.centroid_without({"x": pool["x"]}, "x")) == 1.0


class TestTranscripts:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("MANIFEST.tsv", 'file\tseconds\ttranscript\nbdl/a1.flac\t3\tSay "ah", now.\n'),
            ("metadata.csv", 'file,transcript\nbdl/a1.wav,"Say ""ah"", now."\n'),
            ("metadata.csv", 'a1|say|Say "ah", now.\n'),
            ("txt.done.data", '( a1 "Say "ah", now." )\n'),
            ("84-121.trans.txt", 'a1 Say "ah", now.\n'),
            ("a1.txt", 'Say "ah", now.\n'),
        ],
    )
    def test_forms_of_public_corpora(self, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / "bdl").mkdir()
        (tmp_path / "bdl" / name).write_text(text)
        found = transcripts.find_transcripts(tmp_path / "bdl")
        assert found is not None
        assert found.of(tmp_path / "bdl/a1.flac") == 'Say "ah", now.'
        assert found.of(tmp_path / "bdl/a2.flac") is None

    def test_a_table_above_the_speakers_and_ambiguous_names(self, tmp_path: Path) -> None:
        (tmp_path / "s1").mkdir()
        (tmp_path / "MANIFEST.tsv").write_text("file\ttranscript\ns1/001.wav\tone\ns2/001.wav\ttwo\n")
        found = transcripts.find_transcripts(tmp_path / "s1")
        assert found is not None
        assert found.of(tmp_path / "s1/001.flac") == "one"
        assert found.of(Path("elsewhere/001.flac")) is None

    def test_nothing_to_find(self, tmp_path: Path) -> None:
        (tmp_path / "speaker").mkdir()
        assert transcripts.find_transcripts(tmp_path / "speaker") is None
        with pytest.raises(VoiceganError, match="no transcript was found"):
            transcripts.read_transcripts(tmp_path / "speaker")
        with pytest.raises(VoiceganError, match="does not exist"):
            transcripts.read_transcripts(tmp_path / "missing.tsv")


class TestPlan:
    def test_matching_and_pools(self, tmp_path: Path) -> None:
        folder(tmp_path / "a", [f"s{i:02d}" for i in range(12)])
        folder(tmp_path / "b", [f"s{i:02d}" for i in range(2, 14)])
        made = plan.make_plan(tmp_path / "a", tmp_path / "b", names=["corpus/a/s01.flac", "s03"], pool=4)
        assert [(trial.name, trial.target_name) for trial in made.trials] == [("s03", "s03")]
        assert made.notes == ("1 of the 2 listed files are not in the source folder",)
        assert [name for name, _ in made.targets] == ["s03"]
        assert len(made.target_pool) == 4
        assert all(name != "s03" for name, _ in made.target_pool)
        assert all(name != "s03" for name, _ in made.source_pools["a"])

    def test_listed_files_with_folders(self, tmp_path: Path) -> None:
        folder(tmp_path / "a", ["s1", "s2", "s3"])
        folder(tmp_path / "b", ["s1", "s2"])
        made = plan.make_plan(tmp_path / "a", tmp_path / "b", names=["a/s2.wav", "b/s1.wav"])
        assert [trial.name for trial in made.trials] == ["s2"]
        with pytest.raises(VoiceganError, match="none of the 1 listed files"):
            plan.make_plan(tmp_path / "a", tmp_path / "b", names=["s9.wav"])

    def test_speakers_in_sub_folders_and_no_names_in_common(self, tmp_path: Path) -> None:
        folder(tmp_path / "pool/p1", ["x1", "x2"])
        folder(tmp_path / "pool/p2", ["y1"])
        folder(tmp_path / "b", [f"s{i}" for i in range(9)])
        made = plan.make_plan(tmp_path / "pool", tmp_path / "b")
        assert [(trial.name, trial.speaker, trial.target) for trial in made.trials] == [
            ("p1/x1", "p1", None), ("p1/x2", "p1", None), ("p2/y1", "p2", None),
        ]  # fmt: skip
        assert [name for name, _ in made.targets] == ["s0", "s3", "s6"]

    def test_conversions_are_found_by_name_and_gaps_are_told(self, tmp_path: Path) -> None:
        folder(tmp_path / "a", ["s1", "s2"])
        folder(tmp_path / "b", ["s1", "s2"])
        folder(tmp_path / "out", ["s2"])
        made = plan.make_plan(tmp_path / "a", tmp_path / "b", converted=tmp_path / "out")
        assert [trial.converted for trial in made.trials] == [tmp_path / "out/s2.wav"]
        assert "1 source recordings have no conversion" in made.notes[0]
        folder(tmp_path / "alien", ["t1"])
        with pytest.raises(VoiceganError, match="named after"):
            plan.make_plan(tmp_path / "a", tmp_path / "b", converted=tmp_path / "alien")

    def test_folders_that_are_none(self, tmp_path: Path) -> None:
        folder(tmp_path / "a", ["s1"])
        (tmp_path / "empty").mkdir()
        with pytest.raises(VoiceganError, match="is not a folder"):
            plan.make_plan(tmp_path / "a", tmp_path / "missing")
        with pytest.raises(VoiceganError, match="holds no audio"):
            plan.make_plan(tmp_path / "a", tmp_path / "empty")

    def test_lists(self, tmp_path: Path) -> None:
        (tmp_path / "list.txt").write_text("# kept aside\n\na1.flac\n  b/a2.flac \n")
        assert plan.read_names(tmp_path / "list.txt") == ["a1.flac", "b/a2.flac"]
        (tmp_path / "none.txt").write_text("# nothing\n")
        with pytest.raises(VoiceganError, match="names no file"):
            plan.read_names(tmp_path / "none.txt")
        with pytest.raises(VoiceganError, match="cannot be read"):
            plan.read_names(tmp_path / "missing.txt")


class TestSummary:
    def test_worst_is_the_bad_end_of_each_figure(self) -> None:
        utterances = [
            {"name": "x", "speaker": "p", "cosine_target": 0.9, "cosine_source": 0.5, "cer": 0.1,
             "duration_ratio": 0.8, "edits": [1, 10, 1, 2]},
            {"name": "y", "speaker": "q", "cosine_target": 0.7, "cosine_source": 0.8, "cer": 0.3,
             "duration_ratio": 1.1, "edits": [9, 30, 2, 6]},
        ]  # fmt: skip
        summary = summarise(utterances)
        assert summary["cosine_target"] == {"mean": 0.8, "worst": 0.7, "worst_file": "y", "count": 2}
        assert summary["cosine_source"]["worst_file"] == "y"
        assert summary["cer"]["worst"] == 0.3
        assert summary["duration_ratio"]["worst"] == 0.8
        assert summary["share_above_source"] == 0.5
        assert summary["accept_rate"] == {"0.7406": 0.5, "0.7492": 0.5}
        assert summary["cer_pooled"] == 0.25
        assert summary["speakers"]["q"]["cosine_target"] == 0.7
        assert "mcd_db" not in summary

    def test_figures_that_some_utterances_lack(self) -> None:
        summary = summarise(
            [{"name": "x", "speaker": "p", "mcd_db": None}, {"name": "y", "speaker": "p", "mcd_db": 5.0}]
        )
        assert summary["mcd_db"]["count"] == 1
        assert summarise([]) == {"utterances": 0}


class Parrot:
    """A recogniser that hears how loud it was said."""

    settings = {"recogniser": "parrot"}

    def transcribe(self, wav: np.ndarray) -> str:
        return "loud words" if np.abs(wav).max() > 0.2 else "soft words"


class Ear:
    """A speaker judge that knows voices by their brightness."""

    settings = {"encoder": "ear"}

    def embed(self, wav: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.rfft(wav, 8192))[:2048].reshape(16, -1).sum(axis=1)
        return power / np.linalg.norm(power)


def missing() -> None:
    raise ModuleNotFoundError("No module named 'speechmos'")


def folder(path: Path, names: list[str], **voice: float) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        seed = sum(map(ord, name))
        wav = syllables(seed, **voice) if voice else np.full(1600, 0.1, np.float32)
        soundfile.write(path / f"{name}.wav", wav, RATE)
    return path


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

    def test_something_must_be_judged(self, home: Path, judges: Judges) -> None:
        with pytest.raises(VoiceganError, match="not clear what to judge"):
            evaluate(home, home, judges=judges)

    def test_settings_say_what_the_figures_depend_on(self) -> None:
        settings = Settings().to_dict()
        assert settings["mcd"]["order"] == 24
        assert settings["copy_synthesis"]["mel"] == PRESETS["16k"].to_dict()
        json.dumps(settings)


class TestInstalledJudges:
    """The real judges, where their packages are installed; recipes record what they say of real speech."""

    def test_dnsmos_is_remembered(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("speechmos")
        from voicegan.metrics.naturalness import NaturalnessJudge

        judge = NaturalnessJudge()
        first = judge.rate(syllables(1))
        assert set(first) == {"dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak", "dnsmos_p808"}
        assert all(1.0 <= value <= 5.0 for value in first.values())
        monkeypatch.setattr(judge, "_rate", missing)
        assert judge.rate(syllables(1)) == first

    def test_resemblyzer_tells_voices_apart(self) -> None:
        pytest.importorskip("resemblyzer")
        judge = speaker.SpeakerJudge()
        low, also_low, high = (
            judge.embed(syllables(seed, f0)) for seed, f0 in ((1, 110), (2, 110), (3, 230))
        )
        assert speaker.cosine(low, also_low) > speaker.cosine(low, high)
        assert not judge.embed(np.zeros(RATE)).any()

    def test_pocketsphinx_does_not_remember_what_it_heard_before(self, home: Path) -> None:
        pytest.importorskip("pocketsphinx")
        a, b = syllables(1), syllables(2, pitch_hz=200.0)
        alone = words.PocketSphinx()._decode(a)
        after = words.PocketSphinx()
        after._decode(b)
        assert after._decode(a) == alone
