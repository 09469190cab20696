"""Opinion scores without a reference."""

from __future__ import annotations

from pathlib import Path

import pytest
from gliding_voice import syllables


def missing() -> None:
    raise ModuleNotFoundError("No module named 'speechmos'")


class TestInstalledJudge:
    """What the real one says of real speech is recorded in recipes."""

    def test_dnsmos_is_remembered(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("speechmos")
        from voicegan.metrics.naturalness import NaturalnessJudge

        judge = NaturalnessJudge()
        first = judge.rate(syllables(1))
        assert set(first) == {"dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak", "dnsmos_p808"}
        assert all(1.0 <= value <= 5.0 for value in first.values())
        monkeypatch.setattr(judge, "_rate", missing)
        assert judge.rate(syllables(1)) == first
