"""Two domains are read from every layout, pairs stay pairs, and batches are of the kind that was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from voicegan.core.random import Draws
from voicegan.errors import VoiceganError
from voicegan.image import styles
from voicegan.image.data import load_pictures, to_float, to_uint8
from voicegan.image.domains import load_domains
from voicegan.image.sources import DataConfig, DomainSource, gather


def draws(count: int = 16, step: int = 0, first: int = 0) -> Draws:
    return Draws(3, step, 0, range(first, first + count))


def save(path: Path, value: int, shape: tuple[int, ...] = (4, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path, quality=100)


def values(pictures) -> list[int]:
    return [int(image.float().mean().round()) for image in pictures.images]


def side_by_side(path: Path, left: int, right: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([np.full((4, 4), v, np.uint8) for v in (left, right)], 1)).save(path)


# Layouts ---------------------------------------------------------------------------------------------------------


def lay_out(root: Path, layout: str, count: int = 20) -> None:
    """Pairs of flat pictures: b is 100 brighter than a."""
    for number in range(count):
        part = "test" if number >= count - 4 else "train"
        a, b = number, number + 100
        if layout == "a b":
            save(root / "a" / f"{number:02d}.png", a)
            save(root / "b" / f"{number:02d}.bmp", b)
        elif layout == "trainA trainB":
            save(root / f"{part}A" / f"{number}_A.png", a)
            save(root / f"{part}B" / f"{number}_B.png", b)
        elif layout == "train/a":
            save(root / part / "a" / f"{number}.png", a)
            save(root / part / "b" / f"{number}.png", b)
        elif layout == "side by side":
            side_by_side(root / part / f"{number}.png", a, b)
        elif layout == "side by side, undivided":
            side_by_side(root / f"{number}.png", a, b)
        else:
            save(root / "base" / f"cmp_{number}.png", a)
            save(root / "base" / f"cmp_{number}.jpg", b)


LAYOUTS = ["a b", "trainA trainB", "train/a", "side by side", "side by side, undivided", "cmp"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pairs_stay_pairs_in_every_layout(tmp_path: Path, layout: str) -> None:
    lay_out(tmp_path, layout)
    pairs = load_domains([str(tmp_path)], paired=True)
    assert pairs.shape == (1, 4, 4) and pairs.paired
    for part, count in ((pairs.train, None), (pairs.test, None)):
        a, b = values(part.a), values(part.b)
        assert len(a) == len(b) > 0 and all(abs(y - x - 100) <= 1 for x, y in zip(a, b, strict=True)), count
    held_out = 4 if layout in ("trainA trainB", "train/a", "side by side") else 2
    assert len(pairs.test) == held_out and len(pairs.train) == 20 - held_out
    assert not set(values(pairs.train.a)) & set(values(pairs.test.a))
    assert values(load_domains([str(tmp_path)], paired=True).a) == values(pairs.a)


def test_two_folders_are_two_domains_or_pairs(tmp_path: Path) -> None:
    lay_out(tmp_path, "a b")
    both = [str(tmp_path / "a"), str(tmp_path / "b")]
    pairs = load_domains(both, paired=True)
    assert [y - x for x, y in zip(values(pairs.a), values(pairs.b), strict=True)] == [100] * 20
    (tmp_path / "b" / "03.bmp").unlink()
    unpaired = load_domains(both, paired=False)
    assert (len(unpaired.a), len(unpaired.b), unpaired.paired) == (20, 19, False)
    with pytest.raises(VoiceganError, match=r"a/03\.png has no counterpart in the second"):
        load_domains(both, paired=True)
    (tmp_path / "a" / "03.png").unlink()
    (tmp_path / "a" / "04.png").unlink()
    with pytest.raises(VoiceganError, match=r"b/04\.bmp has no counterpart in the first"):
        load_domains(both, paired=True)


def test_size_and_channels_hold_for_both_sides(tmp_path: Path) -> None:
    save(tmp_path / "a" / "x.png", 9, (8, 8, 3))
    save(tmp_path / "b" / "x.png", 9, (6, 6))
    with pytest.raises(VoiceganError, match="differ in size"):
        load_domains([str(tmp_path)], paired=True)
    both = load_domains([str(tmp_path)], paired=True, size=4)
    assert both.a.shape == both.b.shape == (3, 4, 4)
    assert load_domains(["digits-pairs"], True, size=16, channels=3).shape == (3, 16, 16)
    two = load_domains([str(tmp_path / "a"), str(tmp_path / "b")], paired=False, size=4)
    assert two.a.shape == two.b.shape == (3, 4, 4)


def test_data_that_make_no_two_domains_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    with pytest.raises(VoiceganError, match="no data named nowhere"):
        load_domains(["nowhere"], paired=True)
    with pytest.raises(VoiceganError, match="facades is not there.*voicegan data fetch facades"):
        load_domains(["facades"], paired=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(VoiceganError, match="holds no pictures"):
        load_domains([str(tmp_path / "empty")], paired=True)
    (tmp_path / "empty" / "a").mkdir()
    save(tmp_path / "empty" / "b" / "x.png", 1)
    with pytest.raises(VoiceganError, match="the first domain of .* holds no pictures"):
        load_domains([str(tmp_path / "empty")], paired=True)
    save(tmp_path / "square" / "x.png", 1)
    with pytest.raises(VoiceganError, match="neither two domains nor pairs"):
        load_domains([str(tmp_path / "square")], paired=True)
    with pytest.raises(VoiceganError, match="digits-styles holds no pairs"):
        load_domains(["digits-styles"], paired=True)
    with pytest.raises(VoiceganError, match="two domains are needed, not 3"):
        load_domains(["x", "y", "z"], paired=False)


# Rendered from digits --------------------------------------------------------------------------------------------


def test_digits_pairs_are_drawings_of_the_same_digits() -> None:
    pairs = load_domains(["digits-pairs"], paired=True)
    assert torch.equal(pairs.b.images, load_pictures("digits").images)
    assert set(pairs.a.images.unique().tolist()) == {0, 255}
    assert torch.equal(pairs.a.images, styles.drawing(pairs.b.images))
    assert (len(pairs.train), len(pairs.test)) == (1200, 597)


def test_digits_styles_share_no_digit_in_training_and_all_when_held_out() -> None:
    both = load_domains(["digits-styles"], paired=False)
    digits = load_pictures("digits")
    assert (len(both.train.a), len(both.train.b), len(both.test)) == (600, 600, 597)
    assert torch.equal(both.train.a.images, digits.images[0:1200:2])
    assert torch.equal(both.train.b.images, styles.bold_on_light(digits.images[1:1200:2]))
    assert torch.equal(both.test.b.images, styles.bold_on_light(both.test.a.images))
    assert both.b.images.float().mean() > 130 > both.a.images.float().mean()


def test_the_second_style_is_bolder_by_half_a_stroke_to_the_right_and_below() -> None:
    dot = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    dot[0, 0, 1, 1] = 200
    light = 255 - styles.bold_on_light(dot)[0, 0].int()
    assert light[1, 1] == 200 and light[1, 2] == light[2, 1] == light[2, 2] == 100
    assert light.sum() == 500


# Batches ---------------------------------------------------------------------------------------------------------


def test_pairs_come_in_the_same_rows_and_unrelated_pictures_do_not() -> None:
    pairs = gather("pairs", DataConfig())
    batch = pairs.source.batch(draws(64))
    assert set(batch) == {"a", "b"} and batch["a"].shape == batch["b"].shape == (64, 1, 8, 8)
    assert torch.equal(to_uint8(batch["a"]), styles.drawing(to_uint8(batch["b"])))
    turned = gather("pairs", DataConfig(reverse=True)).source.batch(draws(64))
    assert torch.equal(turned["a"], batch["b"])
    unpaired = gather("two-domains", DataConfig(names=("digits-pairs",))).source.batch(draws(64))
    assert not torch.equal(to_uint8(unpaired["a"]), styles.drawing(to_uint8(unpaired["b"])))


def test_mirroring_keeps_pairs_together() -> None:
    batch = gather("pairs", DataConfig(flip=True)).source.batch(draws(64))
    plain = gather("pairs", DataConfig()).source.batch(draws(64))
    assert torch.equal(to_uint8(batch["a"]), styles.drawing(to_uint8(batch["b"])))
    assert 10 < (batch["b"] == plain["b"]).flatten(1).all(1).sum() < 54


def test_jitter_keeps_pairs_together_and_leaves_what_is_kept_aside_alone() -> None:
    """In pairs whose sides are the same picture, both must have been cut at the same place."""
    pairs = gather("pairs", DataConfig(size=16, jitter=0.125))
    both = DomainSource(replace(pairs.data.train, a=pairs.data.train.b), jitter=0.125)
    batch, plain = both.batch(draws(64)), gather("pairs", DataConfig(size=16)).source.batch(draws(64))
    assert torch.equal(batch["a"], batch["b"]) and not torch.equal(batch["b"], plain["b"])
    assert torch.equal(pairs.source.batch(draws(64))["b"], batch["b"])
    apart = DomainSource(replace(pairs.data.train, a=pairs.data.train.b, paired=False), jitter=0.125)
    assert not torch.equal(apart.batch(draws(64))["a"], apart.batch(draws(64))["b"])
    assert pairs.fingerprint == gather("pairs", DataConfig(size=16)).fingerprint


def test_few_labels_are_as_many_of_each_class_and_come_beside_pictures_without() -> None:
    material = gather("few-labels", DataConfig(labels_per_class=3), seed=1)
    assert material.few is not None and len(material.few.unique()) == 30
    digits = load_pictures("digits").train
    assert digits.labels[material.few].bincount().tolist() == [3] * 10
    batch = material.source.batch(draws(64))
    assert set(batch) == {"image", "few_image", "few_label"}
    known = {
        tuple(to_float(digits.images[row]).flatten().tolist()): int(digits.labels[row])
        for row in material.few
    }
    for image, label in zip(batch["few_image"], batch["few_label"], strict=True):
        assert known[tuple(image.flatten().tolist())] == int(label)
    plain = gather("images", DataConfig()).source.batch(draws(64))
    assert torch.equal(batch["image"], plain["image"])
    others = gather("few-labels", DataConfig(labels_per_class=3), seed=2).few
    assert not torch.equal(material.few, others)


@pytest.mark.parametrize("kind", ["images", "few-labels", "two-domains", "pairs"])
def test_every_kind_has_data_without_download_and_depends_on_the_draws_alone(kind: str) -> None:
    material = gather(kind, DataConfig(flip=True, jitter=0.25))
    whole, halves = (
        material.source.batch(draws(8)),
        [material.source.batch(draws(4, first=f)) for f in (0, 4)],
    )
    for name, values in whole.items():
        assert torch.equal(values, torch.cat([half[name] for half in halves]))
        if values.is_floating_point():
            assert values.shape == (8, *material.shape) and values.abs().max() <= 1
    again = gather(kind, DataConfig(flip=True))
    assert material.fingerprint == again.fingerprint
    assert material.fingerprint != gather(kind, DataConfig(size=16)).fingerprint


def test_data_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "x.png", 1)
    for kind, names, said in (
        ("few-labels", (str(tmp_path),), "has no labels"),
        ("few-labels", ("ring-8",), "points, not pictures"),
        ("images", ("digits", "digits"), "one dataset, not from 2"),
    ):
        with pytest.raises(VoiceganError, match=said):
            gather(kind, DataConfig(names=names))
    with pytest.raises(
        VoiceganError, match="pictures of the class . Lower|has .* pictures of the class .*, not 500"
    ):
        gather("few-labels", DataConfig(labels_per_class=500))


def test_data_of_another_kind_are_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind, names, said in (
        (
            "pairs",
            ("digits",),
            "digits is one collection, and this system learns from pairs. Choose digits-pairs, fac",
        ),
        ("two-domains", ("digits",), "digits is one collection, and this system learns from two domains"),
        ("images", ("facades",), "facades holds two domains, and this system learns from one collection"),
        ("few-labels", ("digits-pairs",), "digits-pairs holds two domains"),
        ("two-domains", ("digits", "facades"), "facades holds two domains by itself. Name it alone"),
    ):
        with pytest.raises(VoiceganError, match=said):
            gather(kind, DataConfig(names=names))
    with pytest.raises(VoiceganError, match="one of digits-pairs, facades"):
        gather("pairs", DataConfig(names=("nowhere",)))
    lay_out(tmp_path / "digits", "a b")  # a folder of that name is what is meant
    assert gather("pairs", DataConfig(names=("digits",))).data.paired


def test_folders_are_kept_by_their_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    assert DataConfig(names=("pictures",)).names == (str(tmp_path / "pictures"),)
    assert DataConfig(names=("digits", "nowhere")).names == ("digits", "nowhere")
