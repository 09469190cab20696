"""Looking ahead keeps modes; and digits of black and white pixels are learnt without a gradient through them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from image.lessons import build, digits, judged, train

from voicegan.core.trainer import Trainer, TrainerConfig
from voicegan.image.data import Points, PointSource, load
from voicegan.image.metrics import Modes, count_modes
from voicegan.image.systems import SYSTEMS
from voicegan.image.systems.bgan import black_and_white

# As in the authors' toy experiment, D is several times slower than G. In seconds few samples come within the customary
# three deviations of a centre, so a mode counts as found within twelve: an eighth of the ring's radius, less than a
# third of the grid's spacing.
SLOW_D = {"lr_g": 1e-3, "lr_d": 2e-4, "width": 64, "latent": 16}
REACH = 12.0


def modes(density: str, unroll: int, steps: int, folder: Path, seed: int = 0) -> Modes:
    data = load(density)
    assert isinstance(data, Points)
    torch.manual_seed(seed)
    kind = SYSTEMS.get("unrolled")
    system = kind(data.shape, len(data.classes), kind.Config(unroll=unroll, **SLOW_D))
    config = TrainerConfig(
        steps=steps, batch=128, seed=seed, device="cpu", precision="fp32", check_every=steps
    )
    Trainer(system, PointSource(data.train), config, folder).fit(quiet=True)
    return count_modes(system.sample(2000, seed=1), data.centres, data.deviation, REACH)


@pytest.mark.slow
@pytest.mark.parametrize(("density", "steps"), [("ring-8", 800), ("grid-25", 800)])
def test_looking_ahead_keeps_modes(density: str, steps: int, tmp_path: Path) -> None:
    """The same networks for as many steps: more modes, the further ahead G looks."""
    found = [modes(density, unroll, steps, tmp_path / str(unroll)) for unroll in (0, 5)]
    print(f"unrolled, {density}: {found}")
    assert found[1].found > 2 * found[0].found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "steps", "changes", "allowed"),
    [
        # Random pixels are nearer to black and white digits than an untrained generator's grey is to digits: a distance
        # of 66, not of 318. A quarter of that is half of what the other systems may leave.
        ("discrete", 1000, {"lr_g": 2e-3, "lr_d": 5e-4}, 0.25),
        ("continuous", 800, {"lr_g": 1e-3, "lr_d": 1e-3, "d_norm": "batch"}, 0.1),
    ],
)
def test_boundary_seeking_learns_digits(
    kind: str, steps: int, changes: dict[str, Any], allowed: float, tmp_path: Path
) -> None:
    """Discrete samples are judged against real digits made black and white too."""
    system = build("bgan", kind=kind, **changes)
    real = digits().train.floats()
    real = black_and_white(real) if kind == "discrete" else real
    before = judged(system, real)
    seconds = train(system, steps, tmp_path).seconds
    after = judged(system, real)
    left = after.distance / before.distance
    print(f"bgan, {kind}: {left:.3f} of {before.distance:.0f} is left, {after.counts}, {seconds:.0f} s")
    assert left < allowed
    assert after.covered == 10
