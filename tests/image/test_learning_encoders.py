"""Systems with an encoder learn: digits within seconds, judged on held-out ones and by what is not their own loss."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from image.lessons import SLOW, Lesson, digits, taught
from torch import Tensor

from voicegan.core.random import Draws
from voicegan.core.system import Phase, Progress
from voicegan.image.metrics import psnr
from voicegan.image.systems.aae_few_labels import FewLabelsAAE
from voicegan.image.systems.vae import divergence

pytestmark = SLOW


def test_dae_takes_noise_away(tmp_path: Path) -> None:
    system, figures = taught("dae", tmp_path)
    denoised, clean = figures["denoised_psnr"], digits().test.floats()
    assert denoised.naive is not None
    noisy = system.corrupt(clean, Draws(9, 0, 0, range(len(clean))))
    blurred = max(
        psnr(blur(noisy.clamp(-1, 1), sigma), clean).mean().item() for sigma in (0.3, 0.4, 0.5, 0.6)
    )
    print(f"dae: the best Gaussian blur {blurred:.2f} dB")
    assert denoised.value > denoised.naive + 4
    assert denoised.value > blurred + 2


def blur(images: Tensor, sigma: float) -> Tensor:
    bell = torch.exp(-(torch.arange(-2, 3.0) ** 2) / (2 * sigma**2))
    bell = bell / bell.sum()
    return F.conv2d(F.pad(images, (2,) * 4, mode="reflect"), torch.outer(bell, bell)[None, None])


def test_bound_of_vae_is_below_the_likelihood_and_near_it(tmp_path: Path) -> None:
    """With two latent numbers the likelihood is a sum over a grid of the plane. Grey is the probability of white."""
    lesson = Lesson("vae", "model.latent=2", "model.likelihood='bernoulli'")
    system = lesson.learn(tmp_path).eval()
    known, held_out = digits().train.floats(), digits().test.floats()
    with torch.no_grad():
        mean, log_variance = system.e(held_out).chunk(2, dim=1)
        noise = Draws(1, 0, 0, range(len(held_out))).normal("ε", 20, 2)
        decoded = system.g((mean[:, None] + (0.5 * log_variance).exp()[:, None] * noise).flatten(0, 1))
        inside = system.log_likelihood(held_out.repeat_interleave(20, 0), decoded).mean()
        bound = (inside - divergence(mean, log_variance).mean()).item()

        side = torch.linspace(-4.5, 4.5, 61)
        grid = torch.cartesian_prod(side, side)
        prior = -0.5 * grid.square().sum(1) - math.log(2 * math.pi) + 2 * math.log(side[1] - side[0])
        logits, white = system.g(grid).flatten(1), (held_out.flatten(1) + 1) / 2
        given = white @ logits.T - F.softplus(logits).sum(1)
        likelihood = torch.logsumexp(given + prior, dim=1).mean().item()

    alone = torch.logit(((known.mean(0, keepdim=True) + 1) / 2).clamp(0.001, 0.999)).expand_as(held_out)
    trivial = system.log_likelihood(held_out, alone).mean().item()
    print(f"vae: pixels by themselves {trivial:.2f} nats, bound {bound:.2f}, likelihood {likelihood:.2f}")
    assert trivial + 1.5 < bound < likelihood < bound + 1


def test_vae_makes_digits(tmp_path: Path) -> None:
    _, figures = taught("vae", tmp_path)
    assert figures["frechet"].left < 0.2
    assert figures["reconstruction_class"].value > 0.9
    assert figures["classes"].value == 10


def test_codes_of_aae_become_the_prior(tmp_path: Path) -> None:
    _, figures = taught("aae", tmp_path / "aae")
    _, plain = taught("aae", tmp_path / "plain", "model.adversarial=0.0")
    assert figures["code_mmd"].value < 0.1 * plain["code_mmd"].value
    assert figures["frechet"].value < 0.5 * plain["frechet"].value
    assert figures["reconstruction_psnr"].value > plain["reconstruction_psnr"].value - 1


class LabelsAlone(FewLabelsAAE):
    """The same encoder, trained on the few labels and nothing else."""

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        return super().phases(progress)[-1:]


def test_aae_learns_more_from_few_labels_than_these_alone_tell(tmp_path: Path) -> None:
    lesson = Lesson("aae-few-labels")
    figures = lesson.figures(lesson.learn(tmp_path / "aae"))
    whole = lesson.untrained()
    torch.manual_seed(0)
    alone = lesson.learn(tmp_path / "alone", LabelsAlone(whole.image_shape, whole.classes, whole.config))
    trivial = lesson.figures(alone)["accuracy"].value
    assert figures["accuracy"].value > trivial + 0.02
    assert figures["label_accuracy"].value > 0.5


def test_bigan_finds_the_way_back(tmp_path: Path) -> None:
    """The generator never sees a code of a picture, nor the encoder a picture's error: only D's opinion of pairs.

    What the paper shows: codes are nearly as good for a nearest neighbour as pixels (here within five of a hundred, and
    better than before anything was learnt), and most pictures keep their class on the way through code and back.
    """
    lesson = Lesson("bigan")
    start = lesson.figures(lesson.untrained().eval())
    figures = lesson.figures(lesson.learn(tmp_path))
    chance, kept = (each["reconstruction_class"].value for each in (start, figures))
    told = figures["code_neighbours"]
    assert told.real is not None and told.naive is not None
    assert figures["frechet"].left < 0.1
    assert told.value > told.real - 0.05 and told.value > told.naive
    assert kept > 0.75 > 2 * chance
