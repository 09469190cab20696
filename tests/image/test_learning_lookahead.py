"""Looking ahead keeps modes; and digits of black and white pixels are learnt without a gradient through them."""

from __future__ import annotations

from pathlib import Path

import pytest
from image.lessons import SLOW, taught

pytestmark = SLOW


@pytest.mark.parametrize("recipe", ["unrolled-ring-8", "unrolled-grid-25"])
def test_looking_ahead_keeps_modes(recipe: str, tmp_path: Path) -> None:
    """The same networks for as many steps: more modes, the further ahead G looks.

    In seconds few samples come within the customary three deviations of a centre, so a mode counts as found within
    twelve: an eighth of the ring's radius, less than a third of the grid's spacing. That is what is held: that samples
    do not collapse. On the grid it is all there is: they lie all over the square, where points anywhere would reach
    every mode too (`share_far` beside its `naive`; recipes/image/README.md).
    """
    far = taught(recipe, tmp_path / "5")[1]["modes_far"].value
    near = taught(recipe, tmp_path / "0", "model.unroll=0")[1]["modes_far"].value
    assert far > 2 * near


@pytest.mark.parametrize(
    ("recipe", "allowed"),
    [
        # Random pixels are nearer to black and white digits than an untrained generator's grey is to digits: a distance
        # of 66, not of 318. A quarter of that is half of what the other systems may leave.
        ("bgan-discrete", 0.25),
        ("bgan-continuous", 0.1),
    ],
)
def test_boundary_seeking_learns_digits(recipe: str, allowed: float, tmp_path: Path) -> None:
    """Discrete samples are judged beside real digits made black and white too."""
    _, figures = taught(recipe, tmp_path)
    assert figures["frechet"].left < allowed
    assert figures["classes"].value == 10
