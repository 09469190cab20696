"""The plain systems learn: digits within seconds, judged by a classifier of real ones and not by their own losses.

The recipes on digits say with which settings and for how long; the figures are those of `voicegan image eval`.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest
from image.lessons import SLOW, Lesson, taught
from scipy.stats import spearmanr

from voicegan.core.system import Progress, System

pytestmark = SLOW

LEFT = 0.1  # share of the way from an untrained generator to real digits that may be left; the same for all


@pytest.mark.parametrize("recipe", ["gan", "dcgan", "lsgan", "wgan-gp", "dragan", "sngan"])
def test_digits_are_learnt(recipe: str, tmp_path: Path) -> None:
    _, figures = taught(recipe, tmp_path)
    assert figures["frechet"].left < LEFT
    assert figures["classes"].value == 10


def test_the_critics_gap_falls_as_samples_improve(tmp_path: Path) -> None:
    """Arjovsky et al. 2017, figure 3: the critic's loss tells how good the samples are. Besides, digits are learnt."""
    lesson = Lesson("wgan", "trainer.check_every=50", "trainer.log_every=50")
    distances: list[float] = []

    def measure(system: System, progress: Progress) -> dict[str, float]:
        distances.append(lesson.figures(system)["frechet"].value)
        return {}

    system = lesson.learn(tmp_path, validate=measure)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    gaps = [-row["d/adversarial"] for row in rows if "d/adversarial" in row]
    rank = spearmanr(gaps, distances).statistic
    figures = lesson.figures(system)
    print(f"wgan: rank correlation {rank:.2f}")
    assert len(gaps) == len(distances) == lesson.settings.trainer.steps // 50
    assert rank > 0.7
    assert figures["frechet"].left < LEFT and figures["classes"].value == 10


def test_a_penalised_critic_covers_the_grid(tmp_path: Path) -> None:
    """The authors' 25 Gaussians, in two fifths of the recipe's steps: samples lie on the modes, and on most of these.

    Points anywhere reach every mode as well: how many samples are on one says that they are learnt.
    """
    _, figures = taught("wgan-gp-grid-25", tmp_path, "trainer.steps=2000")
    found, good = figures["modes"], figures["high_quality"]
    assert good.naive is not None and good.value > 5 * good.naive
    assert found.value >= 20


def test_convolutions_are_better_than_hidden_layers(tmp_path: Path) -> None:
    """DCGAN's samples lie nearer to real digits than GAN's, on average over three starts; as their recipes train them.

    Not from every start: the best of GAN's (10.8) lies before the worst of DCGAN's (11.2).
    """
    gan, dcgan = (
        fmean(
            taught(recipe, tmp_path / f"{recipe}-{seed}", seed=seed)[1]["frechet"].value for seed in range(3)
        )
        for recipe in ("gan", "dcgan")
    )
    print(f"mean distances: gan {gan:.1f}, dcgan {dcgan:.1f}")
    assert dcgan < gan
