"""Training speed on the paper's networks: the usual public procedure against this project's, paired in one run.

    .venv/bin/python tools/bench/bench_training.py [--quick]

Both train MaskCycleGAN-VC's two generators and four discriminators (34.4 M and 12.4 M weights each) on the
same made-up mels, 80 bins × 64 frames. The usual procedure, as widely copied code has it: batch 1, float32,
plain layers in torch's default layout, one pass for each generated mel, everything generated again for the
discriminators (10 generator passes a step, the identity passes computed also when their weight is 0),
discriminators' gradients computed in the generators' phase and thrown away, torch's default Adam.

Ours is the system as `voicegan train --system mask-cyclegan-vc` runs it, through the Trainer: batch of several,
the machine's best precision, passes batched, fakes used again, discriminators frozen where they only judge. It is
timed with the identity term (the paper's first 10,000 steps: 6 passes) and without (the other 490,000: 4), and both
are weighed as the paper's 500,000 steps have them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from voicegan.core.random import Draws
from voicegan.core.trainer import Trainer, TrainerConfig
from voicegan.voice.nets import Condition
from voicegan.voice.nets.gated import PatchDiscriminator, Trunk212d
from voicegan.voice.systems.mask_cyclegan_vc import MaskCycleGANVC, MaskCycleGANVCConfig, gap

MELS = 80
STEPS = 500_000  # of the paper


class Noise:
    """Made-up mels: speed does not depend on what they hold."""

    def __init__(self, frames: int) -> None:
        self.frames = frames

    def batch(self, draws: Draws) -> dict[str, Tensor]:
        return {side: draws.normal(side, MELS, self.frames) for side in "ab"}


class UsualProcedure:
    """The training step of common public code on the same networks.

    Parameters
    ----------
    networks : MaskCycleGANVC
        Whose generators and discriminators are trained; they are laid out as public code has them.
    """

    def __init__(self, networks: MaskCycleGANVC, device: torch.device) -> None:
        self.networks, self.frames, self.step, self.device = (
            networks.to(device),
            networks.crop_frames,
            0,
            device,
        )
        networks.apply(_lay_out_plainly)
        networks.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        generators = [*networks.g_ab.parameters(), *networks.g_ba.parameters()]
        judges = [p for name in networks.discriminators for p in getattr(networks, name).parameters()]
        self.generators = torch.optim.Adam(generators, lr=2e-4, betas=(0.5, 0.999))
        self.judges = torch.optim.Adam(judges, lr=1e-4, betas=(0.5, 0.999))

    def train_step(self) -> None:
        n = self.networks
        draws = Draws(0, self.step, 0, range(1), self.device)
        a, b = draws.normal("a", MELS, self.frames), draws.normal("b", MELS, self.frames)
        seen_a = Condition(mask=gap(draws.uniform("mask_a", 2), self.frames, 0.5))
        seen_b = Condition(mask=gap(draws.uniform("mask_b", 2), self.frames, 0.5))

        fake_b, fake_a = n.g_ab(a, seen_a), n.g_ba(b, seen_b)
        cycle_a, cycle_b = n.g_ba(fake_b), n.g_ab(fake_a)
        same_a, same_b = n.g_ba(a), n.g_ab(b)
        fooled = ((n.d_a, fake_a), (n.d_b, fake_b), (n.d_a2, cycle_a), (n.d_b2, cycle_b))
        adversarial = torch.stack([_toward(judge, fake, 1.0) for judge, fake in fooled]).sum()
        cycle = (cycle_a - a).abs().mean() + (cycle_b - b).abs().mean()
        identity = (same_a - a).abs().mean() + (same_b - b).abs().mean()
        self._update(self.generators, adversarial + 10 * cycle + 5 * identity)

        made_b, made_a = n.g_ab(a, seen_a), n.g_ba(b, seen_b)
        back_a, back_b = n.g_ba(made_b), n.g_ab(made_a)
        games = ((n.d_a, a, made_a), (n.d_b, b, made_b), (n.d_a2, a, back_a), (n.d_b2, b, back_b))
        # Not detached: public code runs the backward pass of this loss through the generators as well.
        told = [_toward(judge, real, 1.0) + _toward(judge, fake, 0.0) for judge, real, fake in games]
        self._update(self.judges, torch.stack(told).sum())
        self.step += 1

    def _update(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        self.generators.zero_grad()
        self.judges.zero_grad()
        loss.backward()
        optimizer.step()


def _toward(judge: nn.Module, mel: Tensor, target: float) -> Tensor:
    error: Tensor = (judge(mel).scores[0] - target).square().mean()
    return error


def _lay_out_plainly(module: nn.Module) -> None:
    """Undo what the networks do for speed: the memory layout and the last convolution's own kernel."""
    if isinstance(module, (Trunk212d, PatchDiscriminator)):
        module.layout = torch.contiguous_format
    if isinstance(module, Trunk212d):
        leave: Any = module.leave
        plain: Any = nn.Conv2d(leave.in_channels, 1, leave.kernel_size, padding=leave.padding)
        plain.load_state_dict(leave.state_dict())
        module.leave = plain


def seconds(step: Callable[[], None]) -> float:
    began = time.perf_counter()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="Training speed, the usual procedure against ours.")
    parser.add_argument("--quick", action="store_true", help="one pair instead of several")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of steps that are timed")
    parser.add_argument("--batch", type=int, default=8, help="samples in one of our steps")
    parser.add_argument("--channels", type=int, default=128, help="width; the paper's is 128")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto; both run on it")
    chosen = parser.parse_args()
    pairs = 1 if chosen.quick else chosen.pairs
    config = MaskCycleGANVCConfig(channels=chosen.channels, d_channels=chosen.channels)

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainerConfig(steps=STEPS, batch=chosen.batch, device=chosen.device)
        ours = Trainer(MaskCycleGANVC(MELS, config), Noise(config.crop_frames), settings, Path(folder))
        usual = UsualProcedure(MaskCycleGANVC(MELS, config), ours.fabric.device)
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, device {ours.fabric.device}")
        print(
            f"ours: {type(ours.fabric.strategy.precision).__name__}, batch {chosen.batch}; usual: float32, batch 1"
        )

        def with_identity() -> None:
            ours.step = 0
            ours.train_step()

        def without_identity() -> None:
            ours.step = config.identity_until_step
            ours.train_step()

        steps = (usual.train_step, with_identity, without_identity)
        for step in steps:  # the first step of each allocates and chooses kernels
            step()
        times = [[seconds(step) for step in steps] for _ in range(pairs)]

    share = config.identity_until_step / STEPS
    rates = [
        (1 / u, chosen.batch / w, chosen.batch / o, chosen.batch / (share * w + (1 - share) * o))
        for u, w, o in times
    ]
    names = ("usual procedure", "ours, with identity", "ours, without", "ours, all steps")
    for column, name in enumerate(names):
        rate = statistics.median(row[column] for row in rates)
        ratio = statistics.median(row[column] / row[0] for row in rates)
        print(f"{name:<20} {rate:8.3f} samples/s  {1 / rate:8.3f} s/sample  {ratio:6.2f} ×")
    print(f"medians of {pairs} interleaved {'pair' if pairs == 1 else 'pairs'}; ratios are paired")


if __name__ == "__main__":
    main()
