"""The systems learn: digits within seconds, judged by a classifier of real ones and not by their own losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from voicegan.core.trainer import Trainer, TrainerConfig
from voicegan.image.data import ImageSource, load
from voicegan.image.judge import load_judge
from voicegan.image.metrics import class_coverage, frechet_distance, frechet_floor
from voicegan.image.systems import SYSTEMS

# The papers' rates are for hours of training. Momentum 0 goes with penalised and spectral discriminators (Gulrajani
# 2017; Miyato 2018, for their residual networks). Here as everywhere, samples come from the averaged generator.
FAST = {"lr_g": 1e-3, "lr_d": 1e-3}
FASTER = {"lr_g": 2e-3, "lr_d": 2e-3, "betas": (0.0, 0.9)}
LEFT = 0.1  # share of the untrained generator's distance that may be left; the same for all
# Name -> steps, changes of the config.
CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "gan": (3000, FAST),
    "dcgan": (1000, FAST),
    "lsgan": (1000, FAST),
    "wgan": (800, {"lr_g": 2e-3, "lr_d": 2e-3, "clip": 0.05, "width": 16}),
    "wgan-gp": (500, FAST),
    "dragan": (1000, FASTER),
    "sngan": (600, {**FASTER, "d_repeats": 2, "width": 16}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_digits_are_learnt(name: str, tmp_path: Path) -> None:
    steps, changes = CASES[name]
    digits, judge = load("digits").train, load_judge("digits")
    real, _ = judge(digits.floats())
    torch.manual_seed(0)
    kind = SYSTEMS.get(name)
    system = kind(digits.shape, 10, kind.Config(**changes))
    config = TrainerConfig(steps=steps, batch=64, device="cpu", precision="fp32", check_every=steps)
    run = Trainer(system, ImageSource(digits), config, tmp_path)

    features, logits = judge(system.sample(len(digits), seed=1))
    before = frechet_distance(real, features)
    run.fit(quiet=True)
    features, logits = judge(system.sample(len(digits), seed=1))
    after = frechet_distance(real, features)
    covered, counts = class_coverage(logits, at_least=len(digits) // 100)
    print(f"{name}: {before:.1f} -> {after:.2f}, floor {frechet_floor(real):.2f}, {counts.tolist()}")
    assert after < LEFT * before
    assert covered == 10
