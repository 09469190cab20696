"""Every image recipe runs: two steps on digits, or on made pictures under the names that the recipe gives."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from voicegan import config
from voicegan.cli import main
from voicegan.image.domains import Domains
from voicegan.image.pack import load_model_pack
from voicegan.image.sources import DataConfig, gather
from voicegan.image.systems import SYSTEMS

ROOT = Path(__file__).parent.parent
RECIPES = sorted((ROOT / "recipes" / "image").glob("*/*.toml"))
SMALL = {"width": 4, "d_width": 4, "latent": 4}


def make_mnist(folder: Path) -> None:
    chooser = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for part, count in (("train", 120), ("t10k", 20)):
        images = chooser.integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (folder / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))


def make_facades(folder: Path) -> None:
    """As `voicegan data fetch facades` puts them: photos, here grey, as A, and labels, here blue, as B."""
    chooser = np.random.default_rng(0)
    for part, count in (("train", 9), ("test", 3)):
        for number in range(count):
            photo = chooser.integers(0, 256, (40, 40, 1), np.uint8).repeat(3, 2)
            labels = np.zeros((40, 40, 3), np.uint8)
            labels[..., 2] = 255
            for side, pixels in (("A", photo), ("B", labels)):
                (folder / f"{part}{side}").mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / f"{part}{side}" / f"{number}_{side}.jpg")


def test_there_is_a_recipe_on_digits_for_every_system() -> None:
    taught = {config.read_toml(path)["system"] for path in RECIPES if path.parent.name == "digits"}
    assert taught == set(SYSTEMS)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_image_recipe_runs_two_steps(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    make_mnist(tmp_path / "home" / "data" / "mnist")
    make_facades(tmp_path / "home" / "data" / "facades")
    known = SYSTEMS.get(config.read_toml(recipe)["system"]).Config.model_fields
    smaller = [f"model.{key}={value}" for key, value in SMALL.items() if key in known]
    if recipe.parent.name == "facades":
        smaller.append("data.size=32")
    changes = ["judge=none", "trainer.batch=4", "trainer.check_every=2", *smaller]
    result = CliRunner().invoke(main, [
        "image", "train", "--config", str(recipe), "--name", "m", "--steps", "2", "--out", str(tmp_path / "out"),
        "--device", "cpu", *[word for change in changes for word in ("--set", change)],
    ])  # fmt: skip
    assert result.exit_code == 0, result.output
    pack = load_model_pack(tmp_path / "out" / "m")
    assert pack.training["steps"] == 2
    assert pack.build().image_shape == pack.shape


def test_facades_are_made_of_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path))
    make_facades(tmp_path / "data" / "facades")
    recipe = config.read_toml(ROOT / "recipes" / "image" / "facades" / "pix2pix.toml")
    found = gather("pairs", config.build(DataConfig, recipe["data"])).data
    assert isinstance(found, Domains) and (len(found.train), len(found.test)) == (9, 3)
    blue = found.a.images.float().mean(dim=(0, 2, 3))
    assert blue[2] > 200 and blue[:2].max() < 50
    assert found.b.images.float().diff(dim=1).abs().max() < 10


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_image_recipe_begins_with_its_command(recipe: Path) -> None:
    place = recipe.relative_to(ROOT).as_posix()
    assert recipe.read_text(encoding="utf-8").startswith(f"# voicegan image train --config {place} --name ")


def test_the_page_names_every_recipe() -> None:
    page = (ROOT / "recipes" / "image" / "README.md").read_text(encoding="utf-8")
    for recipe in RECIPES:
        assert f"{recipe.parent.name}/{recipe.name}" in page, recipe
