"""The plain systems learn: digits within seconds, judged by a classifier of real ones and not by their own losses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from image.lessons import build, digits, judged, train
from scipy.stats import spearmanr

from voicegan.core.trainer import Trainer, TrainerConfig
from voicegan.image.data import ImageSource

# The papers' rates are for hours of training. Momentum 0 goes with penalised and spectral discriminators (Gulrajani
# 2017; Miyato 2018, for their residual networks). Here as everywhere, samples come from the averaged generator.
FAST = {"lr_g": 1e-3, "lr_d": 1e-3}
FASTER = {"lr_g": 2e-3, "lr_d": 2e-3, "betas": (0.0, 0.9)}
CLIPPED = {"lr_g": 2e-3, "lr_d": 2e-3, "clip": 0.05, "width": 16}
LEFT = 0.1  # share of the untrained generator's distance that may be left; the same for all
# Name -> steps, changes of the config.
CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "gan": (3000, FAST),
    "dcgan": (1000, FAST),
    "lsgan": (1000, FAST),
    "wgan-gp": (500, FAST),
    "dragan": (1000, FASTER),
    "sngan": (600, {**FASTER, "d_repeats": 2, "width": 16}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_digits_are_learnt(name: str, tmp_path: Path) -> None:
    steps, changes = CASES[name]
    system = build(name, **changes)
    before = judged(system)
    seconds = train(system, steps, tmp_path).seconds
    after = judged(system)
    left = after.distance / before.distance
    print(f"{name}: {left:.3f} of {before.distance:.0f} is left, {after.counts}, {seconds:.0f} s")
    assert left < LEFT
    assert after.covered == 10


@pytest.mark.slow
def test_the_critics_gap_falls_as_samples_improve(tmp_path: Path) -> None:
    """Arjovsky et al. 2017, figure 3: the critic's loss tells how good the samples are. Besides, digits are learnt."""
    steps, every = 800, 50
    system = build("wgan", **CLIPPED)
    before = judged(system).distance
    distances: list[float] = []

    def measure(*_: object) -> dict[str, float]:
        distances.append(judged(system).distance / before)
        return {}

    config = TrainerConfig(
        steps=steps, batch=64, device="cpu", precision="fp32", check_every=every, log_every=every
    )
    Trainer(system, ImageSource(digits().train), config, tmp_path, validate=measure).fit(quiet=True)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    gaps = [-row["d/adversarial"] for row in rows if "d/adversarial" in row]
    rank = spearmanr(gaps, distances).statistic
    print(f"wgan: {distances[-1]:.3f} of {before:.0f} is left, rank correlation {rank:.2f}")
    assert len(gaps) == len(distances) == steps // every
    assert rank > 0.7
    assert distances[-1] < LEFT and judged(system).covered == 10
