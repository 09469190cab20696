"""What a training run tells: a progress line for people, ``metrics.jsonl`` for programs."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from torch import Tensor

from ..errors import VoiceganError
from ..storage import write_atomic


class RunningMeans:
    """Means of named numbers since they were last taken, kept where the numbers are: adding one waits for no device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def note(self, name: str, value: Tensor) -> None:
        """Count one number in."""
        self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()
        self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The means, which begin anew."""
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self.clear()
        return means

    def clear(self) -> None:
        """Forget everything."""
        self._sums.clear()
        self._counts.clear()


class MetricsFile:
    """One JSON object per line, each with ``step``; complete lines only, also after a crash.

    Opening it for a run that resumes at ``step`` drops later lines, which that run will write again.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line, row in _rows(path) if row["step"] <= step]
        if path.exists() or kept:
            write_atomic(path, "".join(kept))

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Append one line; numbers that JSON has no word for become null."""
        row = {"step": step, **{name: _plain(value) for name, value in values.items()}}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def series(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Read every numeric column of a metrics file as (step, value) pairs; none where there is no file."""
    columns: dict[str, list[tuple[float, float]]] = {}
    for _, row in _rows(path):
        for name, value in row.items():
            if name != "step" and isinstance(value, (int, float)):
                columns.setdefault(name, []).append((row["step"], value))
    return columns


def _rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Read the lines that are whole; a crash can leave the last one cut off."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if line.endswith("\n") and isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append((line, row))
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


class TensorBoard:
    """The same numbers for TensorBoard (the ``tensorboard`` extra)."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise VoiceganError(
                "trainer.tensorboard needs the package tensorboard, which is not installed",
                "Install it: pip install tensorboard",
            ) from None

        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Add the numbers of one step."""
        for name, value in values.items():
            if isinstance(value, (int, float)):
                self._writer.add_scalar(name, value, step)
        self._writer.flush()


class ProgressLine:
    """A line that says how far, how fast, how long still, and how the losses stand.

    On a terminal it is rewritten in place; elsewhere a new line is printed at most every ``pause_s``.
    """

    def __init__(
        self, total: int, start: int = 0, stream: TextIO | None = None, pause_s: float = 30.0
    ) -> None:
        self.stream = stream or sys.stderr
        self.total, self.start = total, start
        self.live = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.pause_s = 0.2 if self.live else pause_s
        self._began = self._shown = time.monotonic()
        self._text = ""

    def show(self, step: int, values: Mapping[str, float], *, force: bool = False) -> None:
        """Show the state after ``step`` steps, unless something was shown just now."""
        now = time.monotonic()
        if not force and now - self._shown < self.pause_s:
            return
        self._shown = now
        rate = (step - self.start) / max(now - self._began, 1e-9)
        left = clock((self.total - step) / rate) if rate > 0 else "?"
        losses = "  ".join(f"{name} {value:.3g}" for name, value in values.items())
        speed = f"{rate:.2f} step/s" if rate >= 1 or rate == 0 else f"{1 / rate:.2f} s/step"
        self._text = (
            f"{step}/{self.total}  {100 * step / max(1, self.total):.0f} %  {speed}  {left} left  {losses}"
        )
        if self.live:
            columns = os.get_terminal_size(self.stream.fileno()).columns if self.stream.isatty() else 100
            self.stream.write("\r\x1b[2K" + self._text[: columns - 1])
        else:
            self.stream.write(self._text + "\n")
        self.stream.flush()

    def say(self, text: str) -> None:
        """Print a line of its own above the progress line."""
        if self.live:
            self.stream.write("\r\x1b[2K")
        self.stream.write(text + "\n")
        self.stream.flush()

    def close(self) -> None:
        """End the line."""
        if self.live and self._text:
            self.stream.write("\n")
            self.stream.flush()


def clock(seconds: float) -> str:
    """Write a duration the way people read it: ``45 s``, ``12:30 min``, ``3:05 h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
