"""tools/degrade.py: each kind does what it says, and a second run makes the same."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from made_speech import utter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    found = importlib.util.spec_from_file_location("degrade", ROOT / "tools" / "degrade.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["degrade"] = module
    found.loader.exec_module(module)
    return module


def power_db(wav: np.ndarray, rate_hz: int, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(wav)) ** 2
    hz = np.fft.rfftfreq(len(wav), 1 / rate_hz)
    return float(10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].sum()))


def test_each_kind_does_what_it_says(tool: ModuleType) -> None:
    wav = utter(3)
    made = {kind: make(wav, 16000, np.random.default_rng(0)) for kind, make in tool.KINDS.items()}
    added, _ = made["noise"]
    assert 20 * np.log10(tool._rms(wav) / tool._rms(added - wav)) == pytest.approx(15, abs=0.1)
    echoes = made["room"][0] - wav
    assert len(echoes) == len(wav) and -12 < 20 * np.log10(tool._rms(echoes) / tool._rms(wav)) < 0
    called, rate_hz = made["telephone"]
    assert rate_hz == 8000 and len(called) == -(-len(wav) // 2)
    assert power_db(called, 8000, 0, 150) < power_db(called, 8000, 400, 3000) - 30
    thin, _ = made["laptop"]
    change = [
        power_db(thin, 16000, *band) - power_db(wav, 16000, *band) for band in ((60, 150), (2600, 3000))
    ]
    assert change[0] < -10 and 7 < change[1] < 11
    assert tool._rms(made["quiet"][0]) == pytest.approx(0.01 * tool._rms(wav), rel=0.05)


def test_chosen_recordings_keep_their_places_and_come_out_the_same_again(
    tool: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "in" / "anna").mkdir(parents=True)
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / "in" / "anna" / name, utter(1), 16000)
    for out in ("once", "again"):
        assert tool.degrade(tmp_path / "in", tmp_path / out, {"a.wav"}) == 1
    found = sorted(path.relative_to(tmp_path / "once") for path in (tmp_path / "once").rglob("*.wav"))
    assert found == sorted(Path(kind) / "anna" / "a.wav" for kind in tool.KINDS)
    for path in found:
        assert (tmp_path / "once" / path).read_bytes() == (tmp_path / "again" / path).read_bytes()
