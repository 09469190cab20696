"""`voicegan image` with trained models: samples, latent vectors, translations, holes, and figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from image.tiny_models import make_model
from PIL import Image

from voicegan.cli import main
from voicegan.image.systems import SYSTEMS


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def image(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["image", *map(str, arguments)])


def one_line(result: Result) -> str:
    assert result.exit_code == 2, result.output
    said = [line for line in result.output.splitlines() if line.lower().startswith("error")]
    assert len(said) == 1 and "Traceback" not in result.output and "fault in voicegan" not in result.output
    return said[0]


def first_able(ability: str) -> str:
    found = [name for name in SYSTEMS if SYSTEMS.get(name).can(ability)]
    if not found:
        pytest.skip(f"no system is able to {ability}")
    return found[0]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def some_pictures(folder: Path, count: int = 3, shape: tuple[int, int] = (8, 8)) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        values = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(values).save(folder / f"p{number}.png")
    return folder


# Samples ---------------------------------------------------------------------------------------------------------


def test_samples_are_those_of_the_model_and_of_the_seed(home: Path, tmp_path: Path) -> None:
    pack = make_model(home / "images" / "tiny")
    assert image("sample", "tiny", "--out", tmp_path / "grid.png", "--count", 6).exit_code == 0
    assert (
        image("sample", home / "images" / "tiny", "--out", tmp_path / "single", "--count", 3).exit_code == 0
    )
    names = sorted(path.name for path in (tmp_path / "single").iterdir())
    assert names == [f"sample-{number:05d}.png" for number in range(3)]
    expected = ((pack.build().sample(3, 0)[:, 0] + 1) * 127.5).round().to(torch.uint8).numpy()
    for number, name in enumerate(names):
        assert (pixels(tmp_path / "single" / name) == expected[number]).all()
    again = tmp_path / "again.png"
    assert image("sample", "tiny", "--out", again, "--count", 6).exit_code == 0
    assert again.read_bytes() == (tmp_path / "grid.png").read_bytes()
    assert image("sample", "tiny", "--out", again, "--count", 6, "--seed", 1).exit_code == 0
    assert again.read_bytes() != (tmp_path / "grid.png").read_bytes()


def test_models_that_cannot_be_used_are_refused(home: Path, tmp_path: Path) -> None:
    make_model(home / "images" / "tiny")
    out = ["--out", tmp_path / "x.png"]
    assert "there is no model tny; did you mean tiny" in one_line(image("sample", "tny", *out))
    assert "cannot be asked for classes" in one_line(image("sample", "tiny", *out, "--class", "1"))
    assert "neither a .png nor a folder" in one_line(image("sample", "tiny", "--out", tmp_path / "x.jpg"))
    assert "translates no pictures" in one_line(image("translate", "tiny", tmp_path, *out))
    assert "fills no holes" in one_line(image("inpaint", "tiny", tmp_path, *out))
    weights = home / "images" / "tiny" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "is damaged" in one_line(image("sample", "tiny", *out))
    settings = home / "images" / "tiny" / "model.json"
    settings.write_text(settings.read_text().replace('"system": "dcgan"', '"system": "evil.py:Evil"'))
    assert "Name its code" in one_line(image("sample", "tiny", *out))


def test_classes_are_asked_for_by_name_or_number(home: Path, tmp_path: Path) -> None:
    conditional = [name for name in SYSTEMS if SYSTEMS.get(name).conditional]
    if not conditional:
        pytest.skip("no system knows classes")
    make_model(home / "images" / "tiny", conditional[0])
    by_name, by_number, all_ = tmp_path / "name.png", tmp_path / "number.png", tmp_path / "all.png"
    assert image("sample", "tiny", "--out", by_name, "--count", 4, "--class", "bar 2").exit_code == 0
    assert image("sample", "tiny", "--out", by_number, "--count", 4, "--class", "2").exit_code == 0
    assert image("sample", "tiny", "--out", all_).exit_code == 0
    assert by_name.read_bytes() == by_number.read_bytes()
    assert "knows no class '9'" in one_line(image("sample", "tiny", "--out", by_name, "--class", 9))
    done = image(
        "arithmetic", "tiny", "class:1 - class:2 + seed:3", "--class", "2", "--out", tmp_path / "sum.png"
    )
    assert done.exit_code == 0, done.output


# Latent vectors --------------------------------------------------------------------------------------------------


def test_ways_begin_and_end_at_the_samples_of_their_seeds(home: Path, tmp_path: Path) -> None:
    make_model(home / "images" / "tiny")
    out = tmp_path / "ways.png"
    assert image("interpolate", "tiny", "--out", out, "--seeds", "4,7,9", "--steps", 5).exit_code == 0
    grid = pixels(out)
    cell = (grid.shape[1] - 2) // 5
    assert grid.shape[0] == 2 * cell + 2  # two ways
    for seed, (row, column) in ((4, (0, 0)), (7, (0, 4)), (7, (1, 0)), (9, (1, 4))):
        alone = tmp_path / f"{seed}.png"
        image("sample", "tiny", "--out", alone, "--seed", seed, "--count", 1)
        top, left = row * cell, column * cell
        difference = grid[top : top + cell, left : left + cell].astype(int) - pixels(alone)[:cell, :cell]
        assert abs(difference).max() <= 1
    assert "two numbers, not of" in one_line(image("interpolate", "tiny", "--out", out, "--plane", 4))
    assert "--seeds is '4'" in one_line(image("interpolate", "tiny", "--out", out, "--seeds", "4"))
    assert "no name of a PNG" in one_line(image("interpolate", "tiny", "--out", tmp_path / "x"))


def test_vectors_are_added_and_subtracted(home: Path, tmp_path: Path) -> None:
    make_model(home / "images" / "tiny")
    out = tmp_path / "sum.png"
    assert image("arithmetic", "tiny", "seed:5 - seed:5 + 8", "--out", out).exit_code == 0
    grid = pixels(out)
    cell = (grid.shape[1] - 2) // 4
    # a - a + c is c.
    assert (grid[:, 2 * cell : 3 * cell] == grid[:, 3 * cell : 4 * cell]).all()
    assert "is no sum" in one_line(image("arithmetic", "tiny", "seed:x", "--out", out))
    assert "is no sum" in one_line(image("arithmetic", "tiny", "1 2", "--out", out))
    assert "knows no class 'ten'" in one_line(image("arithmetic", "tiny", "class:ten", "--out", out))
    make_model(home / "images" / "odd", data="my-cats")
    assert "its data have no judge. Name one with --judge" in one_line(
        image("arithmetic", "odd", "class:1", "--out", out)
    )
    few = image("arithmetic", "tiny", "class:7 + class:1", "--out", out)  # it has learnt nothing
    assert few.exit_code == 0 or "too few pictures of the class" in one_line(few)


# Translations and holes ------------------------------------------------------------------------------------------


def test_pictures_are_translated_under_their_own_names(home: Path, tmp_path: Path) -> None:
    make_model(home / "images" / "tiny", first_able("translate"))
    folder = some_pictures(tmp_path / "in")
    assert image("translate", "tiny", folder, "--out", tmp_path / "out").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["p0.png", "p1.png", "p2.png"]
    assert image("translate", "tiny", folder / "p0.png", "--out", tmp_path / "one.png").exit_code == 0
    assert "would be replaced" in one_line(image("translate", "tiny", folder, "--out", folder))
    assert "does not exist" in one_line(image("translate", "tiny", tmp_path / "no", "--out", tmp_path / "o"))
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in one_line(
        image("translate", "tiny", tmp_path / "empty", "--out", tmp_path / "o")
    )


def test_places_of_results_are_checked_before_the_work(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicegan.cli.image_models.read_pictures", lambda *_: pytest.fail("it was begun"))
    folder = some_pictures(tmp_path / "in")
    (tmp_path / "file").write_text("x")
    (tmp_path / "out" / "p1.png").mkdir(parents=True)
    for command, system in (
        ("translate", first_able("translate")),
        ("inpaint", first_able("inpaint")),
        ("complete", "dcgan"),
    ):
        make_model(home / "images" / command, system)
        for given, out, said in (
            (folder / "p0.png", "x.jpg", "x.jpg is neither a .png nor a folder"),
            (folder, "file", "file is neither a .png nor a folder"),
            (folder, "file/o", "file is a file, not a folder"),
            (folder, "file/x.png", "file is a file, not a folder"),
            (folder, "out", "p1.png is a folder, not a picture"),
            (folder, "in", "would be replaced"),
        ):
            told = one_line(image(command, command, given, "--out", tmp_path / out))
            assert said in told and ".part" not in told
    assert "x.png is a folder" in one_line(
        image("interpolate", "complete", "--out", _made(tmp_path / "x.png"))
    )
    assert "file is a file" in one_line(image("eval", "complete", "--json", tmp_path / "file" / "f.json"))
    assert "file is a file" in one_line(image("sample", "complete", "--out", tmp_path / "file" / "s"))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_results_lie_as_their_originals_do(home: Path, tmp_path: Path) -> None:
    make_model(home / "images" / "tiny", first_able("translate"))
    for part in ("a", "b/c"):
        some_pictures(tmp_path / "in" / part, 1)
    assert image("translate", "tiny", tmp_path / "in", "--out", tmp_path / "out.v2" / "x").exit_code == 0
    found = sorted(
        path.relative_to(tmp_path / "out.v2" / "x").as_posix() for path in tmp_path.rglob("x/**/*.png")
    )
    assert found == ["a/p0.png", "b/c/p0.png"]
    Image.open(tmp_path / "in" / "a" / "p0.png").save(tmp_path / "in" / "a" / "p0.jpg")
    twice = one_line(image("translate", "tiny", tmp_path / "in", "--out", tmp_path / "o"))
    assert "p0.jpg and" in twice and "differ in their endings alone" in twice


def test_pictures_that_are_not_square_are_learnt_and_translated(tmp_path: Path) -> None:
    for side in "ab":
        some_pictures(tmp_path / "data" / side, 10, (16, 24))
    brief = ["--steps", 1, "--device", "cpu", "--set", "model.width=4", "--set", "trainer.batch=2"]
    done = image(
        "train", "pix2pix", "--data", tmp_path / "data", *brief, "--out", tmp_path / "o", "--name", "m"
    )
    assert done.exit_code == 0, done.output
    made = image("translate", tmp_path / "o" / "m", tmp_path / "data" / "a", "--out", tmp_path / "made")
    assert made.exit_code == 0, made.output
    assert pixels(tmp_path / "made" / "p0.png").shape == (16, 24)
    assert image("eval", tmp_path / "o" / "m", "--data", tmp_path / "data").exit_code == 0


def test_holes_are_filled_and_nothing_else(home: Path, tmp_path: Path) -> None:
    make_model(home / "images" / "tiny", first_able("inpaint"))
    folder = some_pictures(tmp_path / "in")
    assert image("inpaint", "tiny", folder, "--out", tmp_path / "out", "--hole", "1,2,3,4").exit_code == 0
    changed = pixels(tmp_path / "out" / "p0.png") != pixels(folder / "p0.png")
    outside = np.ones((8, 8), bool)
    outside[1:4, 2:6] = False
    assert changed.any() and not changed[outside].any()


def test_models_of_points_are_given_no_pictures(tmp_path: Path) -> None:
    brief = [
        "--steps",
        1,
        "--device",
        "cpu",
        "--set",
        "model.width=4",
        "--out",
        tmp_path / "o",
        "--name",
        "m",
    ]
    assert image("train", "gan", "--data", "ring-8", *brief).exit_code == 0
    model, out = tmp_path / "o" / "m", tmp_path / "x.png"
    given = some_pictures(tmp_path / "in")
    assert "makes points, not pictures" in one_line(image("complete", model, given, "--out", out))
    told = one_line(image("arithmetic", model, "class:1 + seed:2", "--out", out))
    assert "m makes points, which have no classes. Use seeds" in told


def test_a_search_completes_what_the_generator_can_make(home: Path, tmp_path: Path) -> None:
    pack = make_model(home / "images" / "tiny")
    image("sample", "tiny", "--out", tmp_path / "in", "--count", 2, "--seed", 3)
    search = ["--steps", 40, "--tries", 2]
    done = image("complete", "tiny", tmp_path / "in", "--out", tmp_path / "out", *search)
    assert done.exit_code == 0, done.output
    changed = pixels(tmp_path / "in" / "sample-00000.png") != pixels(tmp_path / "out" / "sample-00000.png")
    assert not changed[:2].any() and not changed[:, :2].any() and not changed[6:].any()
    whole = image("complete", "tiny", tmp_path / "in", "--out", tmp_path / "x.png", "--hole", "0,0,8,8")
    assert "nothing that is known" in one_line(whole)
    assert "nan is not a finite number" in one_line(
        image("complete", "tiny", tmp_path / "in", "--out", tmp_path / "x", "--prior", "nan")
    )
    outside = image("complete", "tiny", tmp_path / "in", "--out", tmp_path / "x.png", "--hole", "6,6,4,4")
    assert "not within the model's 8×8" in one_line(outside)
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(tmp_path / "mask.png")
    by_mask = ["--mask", tmp_path / "mask.png", "--no-blend", *search]
    assert image("complete", "tiny", tmp_path / "in", "--out", tmp_path / "m", *by_mask).exit_code == 0
    changed = pixels(tmp_path / "in" / "sample-00000.png") != pixels(tmp_path / "m" / "sample-00000.png")
    assert not changed[~np.eye(8, dtype=bool)].any()
    assert pack.shape == (1, 8, 8)


# Figures and lists -----------------------------------------------------------------------------------------------


def test_figures_stand_beside_real_and_untrained(home: Path, tmp_path: Path) -> None:
    make_model(home / "images" / "tiny")
    done = image("eval", "tiny", "--json", tmp_path / "f.json", "--count", 100)
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "f.json").read_text())
    figures = {figure["name"]: figure for figure in result["figures"]}
    assert {"frechet", "precision", "recall", "classes"} <= set(figures)
    assert figures["frechet"]["real"] < figures["frechet"]["value"] and figures["precision"]["real"] > 0.5
    assert (
        result["judge"]["name"] == "digits" and result["samples"] == 100 and result["model"]["name"] == "tiny"
    )
    assert "frechet" in done.output and "judge digits (accuracy 0.98" in done.output
    assert "nothing about this model can be measured" in one_line(image("eval", "tiny", "--judge", "none"))
    assert "--judge (there are digits, mnist)" in one_line(image("eval", "tiny", "--judge", "none"))
    assert "there is no data named nowhere" in one_line(image("eval", "tiny", "--data", "nowhere"))


@pytest.mark.parametrize("ability", ["translate", "inpaint", "reconstruct"])
def test_other_abilities_are_measured_too(home: Path, ability: str) -> None:
    system = first_able(ability)
    make_model(home / "images" / "tiny", system)
    data = {"two-domains": "digits-styles", "pairs": "digits-pairs"}.get(SYSTEMS.get(system).data, "digits")
    done = image("eval", "tiny", "--data", data, "--count", 50)
    assert done.exit_code == 0, done.output
    assert {"translate": "ssim", "inpaint": "hole_psnr", "reconstruct": "reconstruction_psnr"}[
        ability
    ] in done.output


def test_systems_and_models_are_listed(home: Path) -> None:
    make_model(home / "images" / "tiny")
    (home / "images" / "broken").mkdir()
    (home / "images" / "broken" / "model.json").write_text("{")
    plain = image("list").output
    assert all(name in plain for name in SYSTEMS) and "tiny" in plain and "Radford et al. 2015" in plain
    assert "warning: " in plain
    listed = json.loads(CliRunner().invoke(main, ["image", "list", "--json"]).stdout)
    assert [system["name"] for system in listed["systems"]] == list(SYSTEMS)
    assert all(system["paper"] and system["about"] and system["steps"] for system in listed["systems"])
    able = {system["name"]: system["abilities"] for system in listed["systems"]}
    assert {"sample", "decode", "interpolate", "arithmetic", "complete"} <= set(able["dcgan"])
    assert "interpolate" in able["cgan"] and "complete" not in able["cgan"]
    assert not {"decode", "interpolate", "complete"} & set(able["pix2pix"])
    assert listed["models"][0]["shape"] == [1, 8, 8] and len(listed["broken"]) == 1
