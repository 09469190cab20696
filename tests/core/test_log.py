"""The metrics file survives crashes and resumes; the progress line says what people ask."""

import io
import json
import sys

import pytest

from voicegan.core.log import MetricsFile, ProgressLine, TensorBoard, clock, series
from voicegan.errors import VoiceganError


def test_resuming_drops_later_and_broken_lines(tmp_path):
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path)
    for step in (1, 2, 3):
        file.write(step, {"loss": float(step)})
    with path.open("a") as raw:
        raw.write('{"step": 4, "lo')
    resumed = MetricsFile(path, step=2)
    resumed.write(3, {"loss": 30.0})
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["step"], row["loss"]) for row in rows] == [(1, 1.0), (2, 2.0), (3, 30.0)]
    assert series(path) == {"loss": [(1, 1.0), (2, 2.0), (3, 30.0)]}


def test_numbers_that_json_lacks_become_null(tmp_path):
    file = MetricsFile(tmp_path / "m.jsonl")
    file.write(1, {"loss": float("nan"), "other": float("inf"), "fine": 0.5})
    assert json.loads(file.path.read_text()) == {"step": 1, "loss": None, "other": None, "fine": 0.5}


def test_progress_tells_rate_time_left_and_losses():
    out = io.StringIO()
    line = ProgressLine(100, start=10, stream=out, pause_s=0.0)
    line._began -= 10.0  # as if ten seconds had passed
    line.show(30, {"g/adversarial": 0.51234})
    assert "30/100  30 %  2.00 step/s  35 s left  g/adversarial 0.512" in out.getvalue()


def test_progress_elsewhere_than_on_a_terminal_is_rare():
    out = io.StringIO()
    line = ProgressLine(100, stream=out)
    for step in range(50):
        line.show(step, {})
    assert out.getvalue() == ""
    line.show(100, {}, force=True)
    assert out.getvalue().count("\n") == 1


def test_reading_a_series_leaves_the_file_alone(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert series(path) == {} and not path.exists()
    path.write_text('{"step": 1, "loss": 2}\n{"step": 2, "lo')
    assert series(path) == {"loss": [(1, 2)]}
    assert path.read_text().endswith('"lo')


def test_tensorboard_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(VoiceganError, match="needs the package tensorboard.*pip install tensorboard"):
        TensorBoard(tmp_path)


def test_clock_reads_like_people_write():
    assert [clock(5), clock(750), clock(3 * 3600 + 300)] == ["5 s", "12:30 min", "3:05 h"]
