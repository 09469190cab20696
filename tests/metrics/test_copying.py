"""Measures of a copy beside its recording."""

from __future__ import annotations

import numpy as np
import pytest
from gliding_voice import RATE, syllables

from voicegan.metrics import copying, intrusive
from voicegan.metrics.copying import compare_copy, mel_distance, stft_distance
from voicegan.metrics.judges import CopyJudges
from voicegan.metrics.summary import COPY_FIGURES, summarise


def missing() -> None:
    raise ModuleNotFoundError("No module named 'pesq'")


@pytest.fixture
def no_judges() -> CopyJudges:
    return CopyJudges(pesq=missing, stoi=missing, naturalness=missing)


def noisy(wav: np.ndarray, level: float, seed: int = 0) -> np.ndarray:
    return (wav + level * np.random.default_rng(seed).standard_normal(len(wav))).astype(np.float32)


class TestDistances:
    def test_a_copy_without_fault_is_at_no_distance(self) -> None:
        wav = syllables(1)
        assert stft_distance(wav, wav.copy()) == mel_distance(wav, wav.copy()) == 0.0

    def test_a_gain_has_the_closed_form(self) -> None:
        # Nothing of loud noise lies at the floor: half the level is |0.5| of convergence and ln 2 of logarithms.
        wav = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
        assert stft_distance(wav, 0.5 * wav) == pytest.approx(0.5 + np.log(2), rel=1e-3)
        assert mel_distance(wav, 0.5 * wav) == pytest.approx(np.log(2), rel=1e-3)

    def test_more_noise_is_further(self) -> None:
        wav = syllables(2)
        copies = [noisy(wav, level) for level in (1e-3, 1e-2, 1e-1)]
        for distance in (stft_distance, mel_distance):
            values = [distance(wav, copy) for copy in copies]
            assert values == sorted(values) and values[0] > 0

    def test_the_phase_does_not_count(self) -> None:
        wav = syllables(3)
        assert stft_distance(wav, -wav) == pytest.approx(0.0, abs=1e-6)

    def test_a_long_sound_is_judged_in_parts(self) -> None:
        wav = np.random.default_rng(1).standard_normal(40 * RATE + 7).astype(np.float32)
        pieces = list(intrusive.parts(wav, wav))
        assert len(pieces) == 3 and {len(piece) // 100 for piece, _ in pieces} == {(40 * RATE + 7) // 300}
        assert np.array_equal(np.concatenate([piece for piece, _ in pieces]), wav)
        assert stft_distance(wav, 0.5 * wav) == pytest.approx(0.5 + np.log(2), rel=1e-3)

    @pytest.mark.parametrize("samples", [1, 10, 700])
    def test_any_length_has_a_distance(self, samples: int) -> None:
        wav = np.random.default_rng(1).standard_normal(samples).astype(np.float32)
        assert stft_distance(wav, 0.5 * wav) > 0 and mel_distance(wav, 0.5 * wav) > 0

    def test_silence_is_finite(self) -> None:
        wav, silence = syllables(1), np.zeros_like(syllables(1))
        values = [stft_distance(silence, silence), stft_distance(wav, silence), stft_distance(silence, wav)]
        assert values[0] == 0 and np.isfinite(values).all()


class TestCompare:
    def test_without_judges_the_distances_remain(self, no_judges: CopyJudges) -> None:
        wav = syllables(1)
        assert set(compare_copy(wav, noisy(wav, 0.01), no_judges)) == {"mr_stft", "mel_l1"}
        assert "needs a C compiler" in no_judges.missing["PESQ"] and "[eval]" in no_judges.missing["STOI"]

    def test_judges_are_asked_and_dnsmos_stands_beside_the_recordings(self) -> None:
        class Ear:
            settings = {"ear": 1}

            def rate(self, wav: np.ndarray) -> dict[str, float]:
                loud = 2.0 + float(np.abs(wav).max())
                return {"dnsmos_ovrl": loud, "dnsmos_p808": 2 * loud}

        class Half:
            settings = {"half": 1}

            def rate(self, wav: np.ndarray, copy: np.ndarray) -> float:
                return 0.5

        judges = CopyJudges(pesq=Half, stoi=Half, naturalness=Ear)
        wav = syllables(1)
        figures = compare_copy(wav, 0.5 * wav, judges)
        peak = float(np.abs(wav).max())
        assert figures["pesq_wb"] == figures["stoi"] == 0.5
        assert figures["dnsmos_ovrl_loss"] == pytest.approx(0.5 * peak)
        assert figures["dnsmos_p808_loss"] == pytest.approx(peak)
        assert not judges.missing and set(judges.settings()) == {"pesq", "stoi", "naturalness"}

    def test_a_copy_of_another_length_is_a_mistake_of_the_caller(self, no_judges: CopyJudges) -> None:
        with pytest.raises(ValueError, match="length of its recording"):
            compare_copy(np.zeros(10), np.zeros(11), no_judges)

    def test_settings_name_the_mel_contract(self) -> None:
        assert copying.settings()["mel_l1"]["mel"] == "16k"


def test_the_worst_speaker_of_each_figure_is_named() -> None:
    rows = [
        {"name": "a1", "speaker": "a", "pesq_wb": 3.0, "mel_l1": 0.1},
        {"name": "a2", "speaker": "a", "pesq_wb": 2.0, "mel_l1": 0.2},
        {"name": "b1", "speaker": "b", "pesq_wb": 2.4, "mel_l1": 0.3},
        {"name": "c1", "speaker": "c", "pesq_wb": None, "mel_l1": 0.1},
    ]
    summary = summarise(rows, COPY_FIGURES)
    assert summary["worst_speakers"] == {"pesq_wb": "b", "mel_l1": "b"}  # the worst recording is one of a's
    assert summary["pesq_wb"] == {"mean": 2.4667, "worst": 2.0, "worst_file": "a2", "count": 3}
    assert summary["speakers"]["a"]["pesq_wb"] == 2.5 and "pesq_wb" not in summary["speakers"]["c"]


class TestInstalledJudges:
    """The real ones, where they are installed; recipes record what they say of real speech."""

    def test_pesq(self) -> None:
        pytest.importorskip("pesq")
        judge = intrusive.PesqJudge()
        wav = syllables(1, count=12)
        scores = [judge.rate(wav, copy) for copy in (wav, noisy(wav, 3e-3), noisy(wav, 0.1))]
        assert scores[0] == pytest.approx(4.64, abs=0.01) and scores[0] > scores[1] > scores[2]
        assert judge.rate(wav, np.zeros_like(wav)) == 1.0
        assert judge.rate(np.zeros_like(wav), wav) is None
        assert judge.rate(wav[:3000], wav[:3000]) is None

    def test_pesq_of_what_its_reference_code_has_no_room_for(self) -> None:
        pytest.importorskip("pesq")
        rng = np.random.default_rng(0)
        bursts = 0.2 * rng.standard_normal(32 * RATE) * (np.arange(32 * RATE) / RATE % 0.42 < 0.21)
        wav = noisy(bursts, 1e-5)
        assert intrusive.PesqJudge().rate(wav, noisy(bursts, 1e-3)) > 1.0

    def test_stoi(self) -> None:
        pytest.importorskip("pystoi")
        judge = intrusive.StoiJudge()
        wav = syllables(1)
        scores = [judge.rate(wav, copy) for copy in (wav, noisy(wav, 0.03), noisy(wav, 0.5))]
        assert scores[0] == pytest.approx(1.0, abs=1e-6) and scores[0] > scores[1] > scores[2]
        assert judge.rate(wav[:4500], wav[:4500]) is None
        assert judge.rate(wav[:10], wav[:10]) is None
