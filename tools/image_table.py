#!/usr/bin/env python3
"""Train every system of recipes/image/digits, judge it, and write the table of recipes/image/README.md.

    .venv/bin/python tools/image_table.py [--systems gan,dcgan] [--seeds 0,1,2] [--minutes 30]

Each run is what `voicegan image train --config recipes/image/digits/NAME.toml --seed S` and `voicegan image eval` do.
Its figures and grid go to runs/image-table/NAME-S; a run that is there is not repeated, so that the tool can be stopped
and started again, unless its recipe says something else by now. --minutes begins no run after so long. --write only
writes the table of the runs that are there. Recipes of which no run is there keep the rows that the table has of them.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from voicegan import config, storage
from voicegan.image.data import to_uint8
from voicegan.image.domains import Domains
from voicegan.image.evaluate import evaluate
from voicegan.image.judge import load_judge
from voicegan.image.monitor import judge_for
from voicegan.image.own import ALL
from voicegan.image.pack import load_model_pack
from voicegan.image.show import show
from voicegan.image.sources import gather
from voicegan.image.training import Places, Training, make_system, resolve

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes" / "image"
RUNS = ROOT / "runs" / "image-table"
RESULT = "result.json"
BEGIN, END = "<!-- table: tools/image_table.py -->", "<!-- end of the table -->"
ROWS, COLUMNS = 5, 10  # of a grid
CELL = 32  # pixels that a small picture is enlarged to
SAMPLES = ("frechet", "precision", "recall", "classes")  # the figures of the first table
TITLES = ("### Samples", "### What else they are able to do")


# Runs ---------------------------------------------------------------------------------------------------------


def systems() -> list[str]:
    """The recipes on digits, by name."""
    return sorted(path.stem for path in (RECIPES / "digits").glob("*.toml"))


def asked(recipe: Path) -> str:
    """What a recipe says, as a hash: comments aside."""
    told = json.dumps(config.read_toml(recipe), sort_keys=True)
    return storage.sha256(told.encode())


def run(recipe: Path, seed: int, folder: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Train what a recipe says, judge the model that is released, and write figures and grid to `folder`."""
    settings = resolve(
        config.merge(config.read_toml(recipe), [f"trainer.seed={seed}", *overrides]), str(recipe)
    )
    material = gather(ALL.get(settings.system).data, settings.data, seed)
    if folder.exists():
        shutil.rmtree(folder)
    training = Training(material, settings, recipe.stem, Places(folder / "run", folder / "model"))
    began = time.process_time()
    training.run(quiet=True).require_whole()
    seconds = time.process_time() - began
    built = load_model_pack(folder / "model").build()
    judge = load_judge("digits") if isinstance(material.data, Domains) else judge_for("auto", material.data)

    def untrained() -> Any:
        return make_system(settings, material.shape, len(material.classes)).eval()

    result = evaluate(built, material.data, judge, untrained=untrained)
    result |= {
        "recipe": recipe.stem,
        "recipe_sha256": asked(recipe),
        "train_seed": seed,
        "steps": settings.trainer.steps,
        "cpu_s": round(seconds, 1),
    }
    if (shown := show(built, material, rows=ROWS, columns=COLUMNS)) is not None:
        save_grid(*shown, folder / "grid.png")
    shutil.rmtree(folder / "run")
    storage.write_json(folder / RESULT, result)  # the last: it says that the run is done
    return result


def save_grid(images: Tensor, columns: int, path: Path) -> None:
    """Write pictures (N, C, H, W) in [-1, 1] as a grid of few bytes: enlarged, grey or of 64 colours."""
    factor = max(1, CELL // max(images.shape[-2:]))
    pixels = to_uint8(images).repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    _, channels, height, width = pixels.shape
    rows = -(-len(pixels) // columns)
    canvas = torch.full(
        (channels, rows * (height + 2) - 2, columns * (width + 2) - 2), 255, dtype=torch.uint8
    )
    for number, picture in enumerate(pixels):
        top, left = number // columns * (height + 2), number % columns * (width + 2)
        canvas[:, top : top + height, left : left + width] = picture
    drawn = Image.fromarray(
        canvas[0].numpy() if channels == 1 else canvas.permute(1, 2, 0).contiguous().numpy()
    )
    buffer = io.BytesIO()
    drawn.quantize(16 if channels == 1 else 64).save(buffer, "PNG", optimize=True)
    storage.write_atomic(path, buffer.getvalue())


# The table ----------------------------------------------------------------------------------------------------


def result_of(folder: Path) -> dict[str, Any] | None:
    """The result of a run; None where it is not done, or of a recipe that is no more or says something else by now."""
    path = folder / RESULT
    if not path.is_file():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    recipe = RECIPES / "digits" / f"{result['recipe']}.toml"
    return result if recipe.is_file() and result.get("recipe_sha256") == asked(recipe) else None


def found(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The results of all runs that are done, by recipe and in the order of their seeds."""
    results: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*/")):
        if (result := result_of(path)) is not None:
            results.setdefault(result["recipe"], []).append(result)
    return {name: sorted(runs, key=lambda r: r["train_seed"]) for name, runs in sorted(results.items())}


def outdated(folder: Path) -> set[str]:
    """The recipes that say something else by now than when a run that is there was made."""
    done = [path for path in folder.glob("*/") if (path / RESULT).is_file() and result_of(path) is None]
    return {json.loads((path / RESULT).read_text(encoding="utf-8"))["recipe"] for path in done}


def rows_of(table: str) -> list[dict[str, list[str]]]:
    """The rows of both tables in Markdown, by recipe."""
    rows: list[dict[str, list[str]]] = [{} for _ in TITLES]
    at = 0
    for line in table.splitlines():
        at = TITLES.index(line) if line in TITLES else at
        if line.startswith("| ["):
            rows[at].setdefault(line[3:].partition("]")[0], []).append(line)
    return rows


def render(
    results: Mapping[str, Sequence[Mapping[str, Any]]], kept: Sequence[Mapping[str, Sequence[str]]]
) -> str:
    """Two tables in Markdown, of samples and of all that is not samples, and the grids of the first seeds.

    `kept` are rows of either for recipes without a result.
    """
    measured = [name for name in systems() if name in results or any(name in rows for rows in kept)]
    samples = ["| System | Fréchet | real | untrained | precision | recall | classes | seeds | steps | CPU s |",
               "|---|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    others = ["| System | Figure | value | real | naive | which are | seeds | steps | CPU s |",
              "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for name in measured:
        if name not in results:
            samples += kept[0].get(name, [])
            others += kept[1].get(name, [])
            continue
        runs = results[name]
        figures = [{figure["name"]: figure for figure in result["figures"]} for result in runs]
        seeds = ", ".join(str(result["train_seed"]) for result in runs)
        rest = f"{seeds} | {runs[0]['steps']} | {spread([result['cpu_s'] for result in runs])} |"
        link = f"[{name}](digits/{name}.toml)"
        of_samples = "frechet" in figures[0] and "precision" in figures[0]
        if of_samples:
            shown = [_column(figures, "frechet", key) for key in ("value", "real", "naive")]
            shown += [_column(figures, key, "value") for key in SAMPLES[1:]]
            samples.append(f"| {link} | {' | '.join(shown)} | {rest}")
        for key in figures[0]:
            if of_samples and key in SAMPLES:
                continue
            shown = [_column(figures, key, part) for part in ("value", "real", "naive")]
            label = key.replace("_", " ")
            others.append(f"| {link} | {label} | {' | '.join(shown)} | {figures[0][key]['note']} | {rest}")
    grids = [f'<img src="digits/{name}.png" alt="{name}" width="330"><br>{name}' for name in measured
             if (RECIPES / "digits" / f"{name}.png").is_file()]  # fmt: skip
    cells = [grids[at : at + 2] for at in range(0, len(grids), 2)]
    pictures = ["| | |", "|---|---|", *(f"| {' | '.join([*row, ''][:2])} |" for row in cells)]
    missing = [f"[{name}](digits/{name}.toml)" for name in systems() if name not in measured]
    note = ["", f"Not measured yet: {', '.join(missing)}."] if missing else []
    parts = [TITLES[0], "", *samples, "", TITLES[1], "", *others, *note,
             "", "### Grids, seed 0", "", *pictures]  # fmt: skip
    return "\n".join(parts)


def _column(figures: Sequence[Mapping[str, Any]], name: str, part: str) -> str:
    values = [each[name][part] for each in figures]
    return "-" if None in values else spread(values)


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation, where there are several values; as many digits as tell something."""
    mean = statistics.fmean(values)
    digits = 3 if abs(mean) < 2 else 1 if abs(mean) < 100 else 0
    if len(values) == 1 or statistics.stdev(values) == 0:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def write(page: Path, results: Mapping[str, Sequence[Mapping[str, Any]]], gone: set[str]) -> None:
    """Put the table between the page's markers; of recipes without a result, but for some, it keeps its rows."""
    text = page.read_text(encoding="utf-8")
    before, marker, rest = text.partition(BEGIN)
    table, end, after = rest.partition(END)
    if not (marker and end):
        raise SystemExit(f"{page} has no place for the table: {BEGIN} ... {END}")
    kept = [{name: rows for name, rows in part.items() if name not in gone} for part in rows_of(table)]
    storage.write_atomic(page, f"{before}{BEGIN}\n\n{render(results, kept)}\n\n{END}{after}")


# Command ------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--systems", default=",".join(systems()), help="recipes, one after the other; all by default"
    )
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--no-write", action="store_true", help="Train, and leave the page as it is.")
    parser.add_argument("--write", action="store_true", help="Write the page, and train nothing.")
    given = parser.parse_args()
    logging.getLogger("voicegan").setLevel(logging.WARNING)
    until = time.monotonic() + 60 * given.minutes
    plan = [(name, int(seed)) for seed in given.seeds.split(",") for name in given.systems.split(",")]
    for name, seed in [] if given.write else plan:
        folder = given.runs / f"{name}-{seed}"
        if result_of(folder) is not None:
            continue
        if time.monotonic() > until:
            print(f"no time is left for {name}, seed {seed}, and what follows")
            break
        result = run(RECIPES / "digits" / f"{name}.toml", seed, folder)
        told = ", ".join(f"{figure['name']} {figure['value']:.3f}" for figure in result["figures"])
        print(f"{name}, seed {seed}: {told}; {result['cpu_s']} s", flush=True)
    if not given.no_write:
        results = found(given.runs)
        for name in results:
            first = given.runs / f"{name}-{results[name][0]['train_seed']}" / "grid.png"
            if first.is_file():
                shutil.copyfile(first, RECIPES / "digits" / f"{name}.png")
        write(RECIPES / "README.md", results, outdated(given.runs))


if __name__ == "__main__":
    main()
