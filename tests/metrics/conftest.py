"""Answers that judges remember are kept apart from the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    return tmp_path
