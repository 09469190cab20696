"""Means and worst cases."""

from __future__ import annotations

from voicegan.metrics.summary import summarise


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
