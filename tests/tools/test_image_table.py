"""tools/image_table.py: runs that are done are not repeated, and the page gets their figures."""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from voicegan.core.trainer import Outcome, Trainer
from voicegan.errors import VoiceganError

ROOT = Path(__file__).resolve().parents[2]
TINY = """system = "{system}"
[model]
width = 4
[trainer]
steps = 2
batch = 4
device = "cpu"
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool, with two tiny recipes of its own and an empty page."""
    spec = importlib.util.spec_from_file_location("image_table", ROOT / "tools" / "image_table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RECIPES", tmp_path)
    (tmp_path / "digits").mkdir()
    for name, system in (("one", "dcgan"), ("two", "context-encoder")):
        (tmp_path / "digits" / f"{name}.toml").write_text(TINY.format(system=system))
    (tmp_path / "README.md").write_text(f"# Page\n{module.BEGIN}\nold\n{module.END}\nThe end.\n")
    return module


def call(table: ModuleType, monkeypatch: pytest.MonkeyPatch, *words: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["image_table.py", *map(str, words)])
    table.main()


def test_runs_are_made_once_and_fill_the_page(
    table: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    call(table, monkeypatch, "--runs", runs, "--seeds", "0")
    result = json.loads((runs / "one-0" / "result.json").read_text())
    assert result["train_seed"] == 0 and result["steps"] == 2 and result["cpu_s"] > 0
    frechet = {figure["name"]: figure for figure in result["figures"]}["frechet"]
    assert frechet["real"] < frechet["value"]
    page = (tmp_path / "README.md").read_text()
    assert page.startswith("# Page\n") and page.endswith("The end.\n") and "old" not in page
    assert "| [one](digits/one.toml) |" in page and "hole psnr" in page
    for name in ("one", "two"):
        with Image.open(tmp_path / "digits" / f"{name}.png") as grid:
            assert grid.width == 10 * 34 - 2
    capsys.readouterr()
    before = (runs / "one-0" / "result.json").stat().st_mtime_ns
    call(table, monkeypatch, "--runs", runs, "--seeds", "0", "--systems", "one", "--minutes", "0")
    assert (runs / "one-0" / "result.json").stat().st_mtime_ns == before
    call(table, monkeypatch, "--runs", runs, "--seeds", "1", "--systems", "one", "--minutes", "0")
    assert "no time is left for one, seed 1" in capsys.readouterr().out and not (runs / "one-1").exists()


def test_runs_of_a_recipe_that_has_changed_are_repeated(
    table: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, recipe = tmp_path / "runs", tmp_path / "digits" / "two.toml"
    call(table, monkeypatch, "--runs", runs, "--seeds", "0", "--systems", "two")
    recipe.write_text("# Said otherwise.\n" + recipe.read_text())
    assert table.result_of(runs / "two-0") is not None
    recipe.write_text(recipe.read_text().replace("steps = 2", "steps = 1"))
    call(table, monkeypatch, "--runs", runs, "--write")
    assert (
        "Not measured yet: [one](digits/one.toml), [two](digits/two.toml)."
        in (tmp_path / "README.md").read_text()
    )
    call(table, monkeypatch, "--runs", runs, "--seeds", "0", "--systems", "two")
    assert table.result_of(runs / "two-0")["steps"] == 1


def test_what_was_measured_elsewhere_stays_on_the_page(
    table: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever trains one system anew has none of the others' runs."""
    page = tmp_path / "README.md"
    call(table, monkeypatch, "--runs", tmp_path / "there", "--seeds", "0")
    first = page.read_text()
    call(table, monkeypatch, "--runs", tmp_path / "nothing", "--write")
    assert page.read_text() == first
    call(table, monkeypatch, "--runs", tmp_path / "here", "--seeds", "1", "--systems", "two")

    def rows(text: str, name: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith(f"| [{name}]")]

    second = page.read_text()
    assert rows(second, "one") == rows(first, "one") != []
    assert len(rows(second, "two")) == len(rows(first, "two")) and rows(second, "two") != rows(first, "two")


def test_a_run_that_a_signal_ends_is_not_done(
    table: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the page would give its figures as those of all steps, for ever: what is done is not repeated."""
    fit, runs = Trainer.fit, tmp_path / "runs"

    def signalled(self: Trainer, *, quiet: bool) -> Outcome:
        return replace(fit(self, quiet=quiet), step=1, interrupted=signal.SIGTERM)

    monkeypatch.setattr(Trainer, "fit", signalled)
    with pytest.raises(VoiceganError, match="ended at step 1 by SIGTERM"):
        call(table, monkeypatch, "--runs", runs, "--seeds", "0", "--systems", "one")
    assert table.result_of(runs / "one-0") is None


def test_several_seeds_give_mean_and_deviation(table: ModuleType) -> None:
    assert table.spread([10.0]) == "10.0"
    assert table.spread([10.0, 12.0]) == "11.0 ± 1.4"
    assert table.spread([0.5, 0.5, 0.5]) == "0.500"


def test_grids_are_small(table: ModuleType, tmp_path: Path) -> None:
    levels = torch.from_numpy(np.random.default_rng(0).integers(0, 17, (50, 1, 8, 8)))
    table.save_grid(levels / 8.0 - 1.0, 10, tmp_path / "grid.png")
    assert (tmp_path / "grid.png").stat().st_size < 10_000
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.size == (10 * 34 - 2, 5 * 34 - 2)
