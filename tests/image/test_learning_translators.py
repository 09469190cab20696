"""Systems that translate, couple and fill in learn: digits within seconds, judged on held-out ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from voicegan.core.trainer import Source, Trainer, TrainerConfig
from voicegan.image.data import ImageSource, Pictures, load
from voicegan.image.domains import Domains, load_domains
from voicegan.image.judge import Judge, load_judge, train_judge
from voicegan.image.metrics import class_coverage, frechet_distance, label_accuracy, psnr
from voicegan.image.sources import DomainSource
from voicegan.image.systems import SYSTEMS

pytestmark = pytest.mark.slow

DIGITS, JUDGE = load("digits"), load_judge("digits")
SMALL = {"width": 16, "d_width": 16, "d_strides": 1}
FAST = {"lr_g": 1e-3, "lr_d": 1e-3}  # the papers' rates are for hours of training


def learn(name: str, source: Source, steps: int, batch: int, folder: Path, **config: Any) -> Any:
    kind = SYSTEMS.get(name)
    torch.manual_seed(0)
    system = kind(DIGITS.shape, 10, kind.Config(**config))
    settings = TrainerConfig(steps=steps, batch=batch, device="cpu", precision="fp32", check_every=steps)
    Trainer(system, source, settings, folder).fit(quiet=True)
    return system


def untrained(name: str, **config: Any) -> Any:
    kind = SYSTEMS.get(name)
    torch.manual_seed(0)
    return kind(DIGITS.shape, 10, kind.Config(**config))


def sharpness(images: Tensor) -> float:
    """How much neighbours differ: the mean absolute step from pixel to pixel."""
    return float((images.diff(dim=-1).abs().mean() + images.diff(dim=-2).abs().mean()) / 2)


# Two domains, no pairs ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def styles() -> Domains:
    return load_domains(("digits-styles",), paired=False)


@pytest.fixture(scope="module")
def judge_of_b(styles: Domains) -> Judge:
    return train_judge(styles.b, steps=200)


UNPAIRED = {
    "cyclegan": (400, {**SMALL, **FAST, "blocks": 2}),
    "dualgan": (500, {**SMALL, **FAST, "norm": "batch", "dropout": 0.0, "clip": 0.05, "cycle": 100.0}),
}


@pytest.mark.parametrize("name", UNPAIRED)
def test_styles_are_exchanged_without_a_pair(
    name: str, styles: Domains, judge_of_b: Judge, tmp_path: Path
) -> None:
    steps, config = UNPAIRED[name]
    a, b, labels = styles.test.a.floats(), styles.test.b.floats(), styles.test.b.labels
    assert labels is not None
    real, known = judge_of_b(b)
    start, turned = (
        frechet_distance(real, judge_of_b(made)[0]) for made in (untrained(name, **config).translate(a), -a)
    )
    system = learn(name, DomainSource(styles.train), steps, 16, tmp_path, **config)
    to_b, to_a = system.translate(a), system.translate(b, towards="a")
    features, logits = judge_of_b(to_b)
    distance = frechet_distance(real, features)
    kept, back = label_accuracy(logits, labels), label_accuracy(JUDGE(to_a)[1], labels)
    near, mean, inverted = (
        psnr(made, b).mean().item() for made in (to_b, styles.train.b.floats().mean(0).expand_as(b), -a)
    )
    print(f"{name}: distance to b {start:.1f} -> {distance:.2f}, of the negative {turned:.2f}")
    print(
        f"{name}: class kept {kept:.3f}, back {back:.3f} (real ones are told at {label_accuracy(known, labels):.3f})"
    )
    print(f"{name}: {near:.2f} dB to the truth, the mean picture {mean:.2f}, the negative {inverted:.2f}")
    assert distance < 0.05 * start and distance < 0.25 * turned
    assert kept > 0.85 and back > 0.85
    assert near > max(mean, inverted) + 2


def test_pairs_of_cogan_share_their_class(styles: Domains, judge_of_b: Judge, tmp_path: Path) -> None:
    """No digit is in both domains, so the shared layers alone can have told the two what to agree on."""
    config = {"latent": 64, **FAST}
    real_a, real_b = JUDGE(styles.train.a.floats())[0], judge_of_b(styles.train.b.floats())[0]
    before = untrained("cogan", **config).pairs(len(real_a), seed=1)
    system = learn("cogan", DomainSource(styles.train), 1000, 64, tmp_path, **config)
    a, b = system.pairs(len(real_a), seed=1)
    (features_a, logits_a), (features_b, logits_b) = JUDGE(a), judge_of_b(b)
    start = frechet_distance(real_a, JUDGE(before[0])[0]), frechet_distance(real_b, judge_of_b(before[1])[0])
    distance = frechet_distance(real_a, features_a), frechet_distance(real_b, features_b)
    told_a, told_b = logits_a.argmax(1), logits_b.argmax(1)
    shared, chance = (float((told_a == other).double().mean()) for other in (told_b, told_b.roll(1)))
    print(f"cogan: {shared:.3f} of the pairs share their class, {chance:.3f} by chance")
    print(f"cogan: distances {start[0]:.1f} -> {distance[0]:.2f} and {start[1]:.1f} -> {distance[1]:.2f}")
    assert shared > 0.7
    assert distance[0] < 0.2 * start[0] and distance[1] < 0.2 * start[1]
    assert class_coverage(logits_a, at_least=len(a) // 100)[0] == 10


# Pairs -------------------------------------------------------------------------------------------------------------


def coarse(images: Tensor) -> Tensor:
    """uint8 pictures with each 2 × 2 pixels replaced by their mean: what was inside is left open."""
    return (
        F.avg_pool2d(images.float(), 2)
        .round()
        .to(torch.uint8)
        .repeat_interleave(2, -1)
        .repeat_interleave(2, -2)
    )


def test_pix2pix_is_right_and_sharper_than_l1_alone(tmp_path: Path) -> None:
    blocks = Pictures("coarse", coarse(DIGITS.images), DIGITS.labels, DIGITS.classes, DIGITS.held_out)
    domains = Domains("coarse digits", blocks, DIGITS, paired=True)
    source, a, b = DomainSource(domains.train), domains.test.a.floats(), domains.test.b.floats()
    config = {**SMALL, **FAST, "norm": "batch", "dropout": 0.0}
    made = learn("pix2pix", source, 500, 32, tmp_path / "gan", l1=10.0, **config).translate(a)
    alone = learn("pix2pix", source, 500, 32, tmp_path / "l1", adversarial=0.0, **config).translate(a)
    constant = domains.train.b.floats().median(0).values
    errors = [float((x - b).abs().mean()) for x in (made, alone, a, constant)]
    real = JUDGE(b)[0]
    distances = [frechet_distance(real, JUDGE(x)[0]) for x in (made, alone, a)]
    print("pix2pix: L1 {:.3f}, without D {:.3f}, the input {:.3f}, a constant {:.3f}".format(*errors))
    print(
        f"pix2pix: sharpness {sharpness(made):.3f}, without D {sharpness(alone):.3f}, truth {sharpness(b):.3f}"
    )
    print("pix2pix: distance {:.2f}, without D {:.2f}, the input {:.2f}".format(*distances))
    assert errors[0] < 0.6 * errors[3]
    missing = sharpness(b) - sharpness(alone)
    assert abs(sharpness(b) - sharpness(made)) < 0.7 * missing


# Holes -------------------------------------------------------------------------------------------------------------


def test_context_encoder_fills_holes_and_sharper_than_squares_alone(tmp_path: Path) -> None:
    images, labels, mean = (
        DIGITS.test.floats(),
        DIGITS.test.labels,
        DIGITS.train.floats().mean(0, keepdim=True),
    )
    assert labels is not None
    hidden = torch.zeros(len(images), 1, 8, 8, dtype=torch.bool)
    hidden[:, :, 2:6, 2:6] = True

    def hole(x: Tensor) -> Tensor:
        return x[:, :, 2:6, 2:6]

    config = {"width": 32, "d_width": 32, "lr_d": 1e-3}
    source = ImageSource(DIGITS.train)
    made = learn("context-encoder", source, 500, 64, tmp_path / "gan", adversarial=0.1, **config)
    alone = learn("context-encoder", source, 500, 64, tmp_path / "l2", adversarial=0.0, **config)
    filled, smooth = made.inpaint(images, hidden), alone.inpaint(images, hidden)
    trivial = torch.where(hidden, mean, images)
    near = [psnr(hole(x), hole(images)).mean().item() for x in (filled, smooth, trivial)]
    kept = [label_accuracy(JUDGE(x)[1], labels) for x in (filled, smooth, trivial)]
    sharp = [sharpness(hole(x)) for x in (filled, smooth, images)]
    print("context-encoder: {:.2f} dB, squares alone {:.2f}, the mean {:.2f}".format(*near))
    print("context-encoder: class kept {:.3f}, squares alone {:.3f}, the mean {:.3f}".format(*kept))
    print("context-encoder: sharpness {:.3f}, squares alone {:.3f}, truth {:.3f}".format(*sharp))
    assert near[0] > near[2] + 1
    assert kept[0] > kept[2] + 0.05
    assert sharp[1] < sharp[0] and abs(sharp[2] - sharp[0]) < 0.7 * (sharp[2] - sharp[1])
