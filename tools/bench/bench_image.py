"""Images per second of DCGAN and WGAN-GP steps: the plain public way against this project's, paired in one run.

    .venv/bin/python tools/bench/bench_image.py [--quick] [--size 32] [--batch 64] [--workers 2] [--also KEY=VALUE]

Both train the same networks, made anew for each, on the same made-up pictures (28×28, grey, as MNIST's) with the same
batch. The plain public way, as widely copied code has it: a Dataset that makes a PIL picture of each sample, resizes
it, and turns it into a normalised tensor; a DataLoader with workers, shuffled; float32, eager; real and fake through
the discriminator one after the other, each with its own backward pass; the fakes' gradients computed into the generator
only where the code would; torch's default Adam. Ours is the system as `voicegan image train` runs it, through the
Trainer: pictures resized once and held as bytes, the machine's best precision, fused optimizers, fakes made once a
step. An averaged generator is kept by neither.

An image is one real picture that a step has seen: 1 × batch of them in a DCGAN step, 5 × batch in a WGAN-GP step, whose
critic is updated five times. With ``--also KEY=VALUE`` WGAN-GP's steps are timed once more, with one setting of ours
changed: ``penalty_every=5`` takes the penalty in every fifth of these updates, five times as heavy,
``exact_penalty=false`` in the precision of all else. The plain way takes it in each, in float32.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from voicegan.core.trainer import Trainer, TrainerConfig
from voicegan.image import create
from voicegan.image.data import ImageSource, Pictures

COUNT, SIDE = 10_000, 28


class PlainDataset(Dataset[Tensor]):
    """Pictures as public code reads them: one by one, through Pillow."""

    def __init__(self, images: np.ndarray, size: int) -> None:
        self.images, self.size = images, size

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        picture = Image.fromarray(self.images[index]).resize(
            (self.size, self.size), Image.Resampling.BILINEAR
        )
        tensor = torch.from_numpy(np.array(picture)).unsqueeze(0).float().div(255)  # ToTensor
        return tensor.sub(0.5).div(0.5)  # Normalize


class PlainWay:
    """The training step of common public code on a system's networks."""

    def __init__(
        self, name: str, images: np.ndarray, size: int, batch: int, workers: int, device: torch.device
    ) -> None:
        made: Any = create(name, size, half_life=None)
        self.g, self.d, self.latent = made.g.to(device).train(), made.d.to(device).train(), made.config.latent
        self.name, self.batch, self.device = name, batch, device
        loader = DataLoader(PlainDataset(images, size), batch, shuffle=True, num_workers=workers, drop_last=True,
                            persistent_workers=workers > 0)  # fmt: skip
        self.batches: Iterator[Tensor] = itertools.chain.from_iterable(itertools.repeat(loader))
        betas = (0.5, 0.999) if name == "dcgan" else (0.0, 0.9)
        rate = 2e-4 if name == "dcgan" else 1e-4
        self.adam_g = torch.optim.Adam(self.g.parameters(), rate, betas)
        self.adam_d = torch.optim.Adam(self.d.parameters(), rate, betas)

    def train_step(self) -> None:
        (self._dcgan if self.name == "dcgan" else self._wgan_gp)()

    def _dcgan(self) -> None:
        bce = nn.functional.binary_cross_entropy_with_logits
        real = next(self.batches).to(self.device)
        one, zero = (
            torch.ones(self.batch, 1, device=self.device),
            torch.zeros(self.batch, 1, device=self.device),
        )
        self.d.zero_grad()
        bce(self._score(real), one).backward()
        fake = self.g(torch.randn(self.batch, self.latent, device=self.device))
        bce(self._score(fake.detach()), zero).backward()
        self.adam_d.step()
        self.g.zero_grad()
        bce(self._score(fake), one).backward()
        self.adam_g.step()

    def _wgan_gp(self) -> None:
        for _ in range(5):
            real = next(self.batches).to(self.device)
            self.adam_d.zero_grad()
            fake = self.g(torch.randn(self.batch, self.latent, device=self.device)).detach()
            share = torch.rand(self.batch, 1, 1, 1, device=self.device)
            mixed = (share * real + (1 - share) * fake).requires_grad_(True)
            score = self._score(mixed)
            gradient = torch.autograd.grad(
                score, mixed, torch.ones_like(score), create_graph=True, retain_graph=True
            )[0]
            penalty = ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
            (self._score(fake).mean() - self._score(real).mean() + 10 * penalty).backward()
            self.adam_d.step()
        self.adam_g.zero_grad()
        (-self._score(self.g(torch.randn(self.batch, self.latent, device=self.device))).mean()).backward()
        self.adam_g.step()

    def _score(self, images: Tensor) -> Tensor:
        score: Tensor = self.d(images).scores[0]
        return score


def seconds(step: Callable[[], None], steps: int) -> float:
    began = time.perf_counter()
    for _ in range(steps):
        step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def compare(name: str, images: np.ndarray, chosen: argparse.Namespace, folder: Path, also: str = "") -> None:
    """Time both ways in turn and print their medians and paired ratios."""
    key, _, value = also.partition("=")
    own: dict[str, Any] = {key: value} if key else {}
    pictures = Pictures("made up", torch.from_numpy(images)[:, None])
    torch.manual_seed(0)
    settings = TrainerConfig(
        steps=1_000_000, batch=chosen.batch, device=chosen.device, precision=chosen.precision
    )
    ours = Trainer(
        create(name, chosen.size, half_life=None, **own), ImageSource(pictures, chosen.size), settings, folder
    )
    torch.manual_seed(0)
    plain = PlainWay(name, images, chosen.size, chosen.batch, chosen.workers, ours.fabric.device)
    ways = (plain.train_step, ours.train_step)
    for way in ways:  # the first steps allocate, choose kernels and start workers
        seconds(way, 2)
    seen = chosen.batch * (1 if name == "dcgan" else 5) * chosen.steps
    rates = [[seen / seconds(way, chosen.steps) for way in ways] for _ in range(chosen.pairs)]
    how = also and f", {also}"
    print(
        f"{name}, {chosen.size}×{chosen.size}, batch {chosen.batch}: ours {ours.precision}{how}; plain float32"
    )
    for label, column in (("plain public way", 0), ("ours", 1)):
        rate = statistics.median(row[column] for row in rates)
        print(f"  {label:<18} {rate:10.1f} images/s")
    ratios = [row[1] / row[0] for row in rates]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"  ratio {statistics.median(ratios):.2f} (median of {len(ratios)} pairs; {spread})")


def main() -> None:
    parser = argparse.ArgumentParser(description="Image training speed, the plain public way against ours.")
    parser.add_argument("--quick", action="store_true", help="one pair of few steps")
    parser.add_argument("--pairs", type=int, default=7, help="pairs that are timed in turn")
    parser.add_argument("--steps", type=int, default=10, help="steps in each timing")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=32, help="pictures are made size × size")
    parser.add_argument("--workers", type=int, default=2, help="of the DataLoader")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto; both run on it")
    parser.add_argument("--precision", default="auto", choices=["auto", "bf16", "fp32"], help="of ours")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="WGAN-GP once more, with this setting",
    )
    parser.add_argument("--systems", default="dcgan,wgan-gp", help="of dcgan and wgan-gp")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.pairs, chosen.steps = 1, 2
    images = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE), dtype=np.uint8)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {chosen.workers} workers")
    for name in chosen.systems.split(","):
        for also in ("", *chosen.also) if name == "wgan-gp" else ("",):
            with tempfile.TemporaryDirectory() as folder:
                compare(name, images, chosen, Path(folder), also)


if __name__ == "__main__":
    main()
