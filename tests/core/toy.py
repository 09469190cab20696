"""A small GAN on points in the plane, with everything that a restart could lose."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from voicegan.core.objectives import OBJECTIVES
from voicegan.core.schedules import linear_decay
from voicegan.core.system import Logits, OptimizerSpec, Phase, System
from voicegan.core.trainer import Trainer, TrainerConfig
from voicegan.core.tricks import HistoryPool


class Points:
    """Points on a ring, by the draws alone."""

    def batch(self, draws):
        angle = 2 * torch.pi * draws.uniform("angle")
        return {"real": torch.stack([angle.cos(), angle.sin()], dim=1)}


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        first = nn.utils.parametrizations.spectral_norm(nn.Linear(2, 16))
        self.layers = nn.Sequential(first, nn.LeakyReLU(0.2), nn.Dropout(0.2), nn.Linear(16, 1))

    def forward(self, x):
        return Logits((self.layers(x),))


class Toy(System):
    """Dropout, spectral norm, a pool, an average, schedules, repeats and a lazy phase."""

    def __init__(self, pool=True, dropout=True):
        super().__init__()
        torch.manual_seed(1)
        self.g = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
        self.d = Critic()
        if not dropout:
            self.d.layers[2] = nn.Identity()
        self.pool = HistoryPool(8) if pool else None
        self.objective = OBJECTIVES["non_saturating"]
        self.average("g", half_life=100)

    def optimizers(self):
        return {
            "g": OptimizerSpec(("g",), 1e-3, schedule=linear_decay(0.5)),
            "d": OptimizerSpec(("d",), 2e-3, schedule=linear_decay(0.25)),
        }

    def phases(self, progress):
        return (
            Phase("g", "g", self.g_loss),
            Phase("d", "d", self.d_loss, repeats=2),
            Phase("lazy", "d", self.lazy_loss, every=3),
        )

    def fake(self, scratch):
        if "fake" not in scratch:
            scratch["fake"] = self.g(scratch.draws.normal("z", 4))
        return scratch["fake"]

    def g_loss(self, batch, scratch, progress):
        return {"adversarial": self.objective.g(self.d(self.fake(scratch)))}

    def d_loss(self, batch, scratch, progress):
        fake = self.fake(scratch).detach()
        if self.pool is not None:
            fake = self.pool(fake, scratch.draws.uniform("pool", 2))
        return {"adversarial": self.objective.d(self.d(batch["real"]), self.d(fake))}

    def lazy_loss(self, batch, scratch, progress):
        return {"decay": 1e-2 * sum(p.square().sum() for p in self.d.parameters())}


def trainer(folder, steps, check_every=5, batch=8, **options):
    config = TrainerConfig(
        steps=steps, batch=batch, device="cpu", precision="fp32", log_every=1, check_every=check_every
    )
    return Trainer(Toy(**options), Points(), config, Path(folder))


def weights(system):
    return {name: value.clone() for name, value in system.state_dict().items()}


def main():
    """``toy.py FOLDER STEPS [DIE_AT]``: train, resuming what is there; die without warning at a step."""
    folder, steps = Path(sys.argv[1]), int(sys.argv[2])
    made = trainer(folder, steps)
    made.resume()
    if len(sys.argv) > 3:
        step_as_before = made.train_step

        def die():
            if made.step == int(sys.argv[3]):
                os.kill(os.getpid(), signal.SIGKILL)
            step_as_before()

        made.train_step = die
    outcome = made.fit(quiet=True)
    print(outcome.step, outcome.interrupted)


if __name__ == "__main__":
    main()
