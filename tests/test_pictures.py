"""Pictures: sizes, orientation, scale and legible faults, read back from the PNG."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from voicegan import pictures


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_mel_picture_has_low_frequencies_at_the_bottom(tmp_path):
    mel = np.zeros((80, 100), np.float32)
    mel[:20] = 1.0  # the lowest bands are loud
    pictures.mel_picture([("source", mel)], tmp_path / "mel.png")
    image = pixels(tmp_path / "mel.png")[28:188, 8:208].sum(axis=-1)
    assert (image[-40:] > 600).all()
    assert (image[:-40] < 100).all()


def test_mel_picture_rows_share_one_scale(tmp_path):
    quiet, loud = np.full((40, 50), -8.0), np.full((40, 50), 0.0)
    pictures.mel_picture(
        [("quiet", quiet), ("loud", loud), ("quiet again", quiet)], tmp_path / "m.png", lo=-10, hi=2
    )
    image = pixels(tmp_path / "m.png")
    first, second, third = (image[40 + 108 * row, 30] for row in range(3))
    assert (first == third).all()
    assert second.sum() > first.sum() + 200


def test_mel_picture_shows_what_is_not_a_number(tmp_path):
    mel = np.random.default_rng(0).normal(size=(80, 64))
    mel[30:50, 20:40] = np.nan
    pictures.mel_picture([("broken", mel)], tmp_path / "mel.png")
    green = (pixels(tmp_path / "mel.png") == (0, 200, 80)).all(axis=-1)
    assert green.sum() == 20 * 20 * 4


@pytest.mark.parametrize("frames", [1, 900, 901, 50_000])
def test_mel_picture_of_any_length_stays_within_a_page(tmp_path, frames):
    pictures.mel_picture(
        [("x", np.zeros((80, frames), np.float32)), ("y", np.ones((80, 1)))], tmp_path / "mel.png"
    )
    assert Image.open(tmp_path / "mel.png").width <= 4200


def test_heat_rises_evenly_in_lightness(tmp_path):
    """A perceptual scale: louder is always lighter."""
    ramp = np.asarray(pictures._heat(np.linspace(0, 1, 64)[None], 0, 1)).reshape(64, 3)
    luminance = ramp @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(luminance) > 0).all()


def test_image_grid_places_rows_first_and_enlarges_whole_pixels(tmp_path):
    images = np.stack([np.full((32, 32), value, np.uint8) for value in (0, 60, 120, 180, 240)])
    pictures.image_grid(images, tmp_path / "grid.png", columns=3)
    grid = pixels(tmp_path / "grid.png")
    assert grid.shape == (2 * 66 + 2, 3 * 66 + 2, 3)
    centres = [grid[34 + 66 * row, 34 + 66 * column, 0] for row in range(2) for column in range(3)]
    assert centres == [0, 60, 120, 180, 240, 255]


def test_image_grid_takes_floats_and_colours(tmp_path):
    red = np.zeros((1, 64, 64, 3))
    red[..., 0] = 1.7  # beyond the range: clipped, not wrapped
    red[0, 0, 0] = np.nan
    pictures.image_grid(red, tmp_path / "grid.png")
    grid = pixels(tmp_path / "grid.png")
    assert (grid[30, 30] == (255, 0, 0)).all()
    assert (grid[2, 2] == 0).all()


@pytest.mark.parametrize("shape", [(0, 8, 8), (2, 8, 8, 2), (8, 8)])
def test_image_grid_refuses_other_shapes(tmp_path, shape):
    with pytest.raises(ValueError, match="shape"):
        pictures.image_grid(np.zeros(shape), tmp_path / "grid.png")


def test_curves_draw_each_series_and_leave_gaps(tmp_path):
    points = [(x, float("nan") if 40 < x < 60 else 1.0) for x in range(101)]
    pictures.curves({"cycle": points, "flat": [(0, 2.0), (100, 2.0)]}, tmp_path / "c.png", title="losses")
    image = pixels(tmp_path / "c.png")
    blue = (image[..., 2] - image[..., 0] > 60)[:, :660]  # without the legend
    columns = np.flatnonzero(blue.any(axis=0))
    assert columns.max() - columns.min() > 600
    assert np.diff(columns).max() > 90  # a fifth of the plot's width is missing
    assert (image[..., 0] - image[..., 2] > 60).sum() > 600


def test_numbers_stand_beside_points_and_in_the_legend(tmp_path):
    points = {"first": [(0.0, 1.0)], "second": [(1.0, 2.0)], "third": [(0.5, float("nan"))]}
    for numbered in (False, True):
        pictures.curves(points, tmp_path / f"{numbered}.png", numbered=numbered)
    plain, numbers = (Image.open(tmp_path / f"{each}.png") for each in (False, True))
    assert numbers.width == plain.width + 20
    before, after = (pixels(tmp_path / f"{each}.png")[:340, :700] for each in (False, True))
    columns = np.flatnonzero((before != after).any(axis=(0, 2)))
    assert columns.min() < 60 and columns.max() > 650, "at the left and the right point"


@pytest.mark.parametrize(
    "series",
    [{}, {"empty": []}, {"nan": [(0.0, float("nan"))]}, {"one": [(3.0, 4.0)]}, {"constant": [(0, 1e6), (1, 1e6)]},
     {"tiny": [(0, 1e-12), (1e-9, 3e-12)]}, {"wide": [(0, -1e30), (1e9, 1e30)]}],
    ids=lambda series: next(iter(series), "none"),
)  # fmt: skip
def test_curves_of_anything_are_drawn(tmp_path, series):
    pictures.curves(series, tmp_path / "c.png")
    assert Image.open(tmp_path / "c.png").height > 300


@pytest.mark.parametrize(("lo", "hi"), [(0, 1), (0.3, 0.31), (-5, 1e6), (1e-9, 2e-9), (0, 7), (12, 99)])
def test_ticks_are_few_round_and_enclose(lo, hi):
    ticks = pictures._ticks(lo, hi, most=8)
    step = ticks[1] - ticks[0]
    assert ticks[0] <= lo + 1e-9 * step
    assert ticks[-1] >= hi - 1e-9 * step
    assert 3 <= len(ticks) <= 10
    assert len({pictures._tick_text(value, ticks) for value in ticks}) == len(ticks)


def test_mel_pictures_stand_side_by_side(tmp_path):
    mels = [("a", np.zeros((40, 200))), ("b", np.ones((40, 200))), ("c", np.zeros((40, 200)))]
    pictures.mel_picture(mels, tmp_path / "two.png", columns=2)
    pictures.mel_picture(mels, tmp_path / "one.png")
    two, one = pixels(tmp_path / "two.png"), pixels(tmp_path / "one.png")
    assert two.shape[0] < one.shape[0] and two.shape[1] > one.shape[1]
    assert two[60, 500].sum() > 600 and (two[60, 100] == two[170, 100]).all()  # b beside a, c under a


def test_spectrograms_of_many_bins_stay_within_a_page(tmp_path):
    pictures.mel_picture([("x", np.zeros((257, 100)))], tmp_path / "mel.png")
    assert Image.open(tmp_path / "mel.png").height < 320
