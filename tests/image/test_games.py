"""Who is real and who is generated, in every game: the players' losses in numbers, by the formulas of the papers."""

from collections.abc import Callable
from math import exp, log
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from image.by_heart import ByHeart, Coupled, Shown
from image.shapes import CLASSES, a_batch, made

from voicegan.core.random import Draws
from voicegan.core.system import Progress
from voicegan.image.systems import SYSTEMS
from voicegan.image.systems.base import GameSystem
from voicegan.image.systems.bgan import black_and_white

START = Progress(0, 10)
REAL, FAKE = (
    {"a": 0.5, "b": 0.8},
    {"a": -0.3, "b": -0.7},
)  # scores; of neither does the opposite give the same loss


def sigmoid(score: float) -> float:
    return 1 / (1 + exp(-score))


def told_apart(real: float, fake: float) -> float:
    """``-log D(x) - log(1 - D(G(z)))``, eq. 1 of Goodfellow et al. 2014."""
    return -log(sigmoid(real)) - log(1 - sigmoid(fake))


def taken_for_real(real: float, fake: float) -> float:
    """``-log D(G(z))``, section 3 of the same."""
    return -log(sigmoid(fake))


def minimax(real: float, fake: float) -> float:
    return log(1 - sigmoid(fake))


def squares(real: float, fake: float) -> float:
    return (real - 1) ** 2 + fake**2


def square_to_one(real: float, fake: float) -> float:
    return (fake - 1) ** 2


def distance(real: float, fake: float) -> float:
    """Minus what a critic of Arjovsky et al. 2017 makes of it."""
    return fake - real


def minus_score(real: float, fake: float) -> float:
    return -fake


def hinge(real: float, fake: float) -> float:
    return max(0, 1 - real) + max(0, 1 + fake)


def half_square(real: float, fake: float) -> float:
    """``(log D - log(1 - D))² / 2`` is half the squared logit."""
    return fake**2 / 2


def times(weight: float, loss: Callable[[float, float], float]) -> Callable[[float, float], float]:
    return lambda real, fake: weight * loss(real, fake)


def five_steps_ahead(real: float, fake: float) -> float:
    """-log D_5(G(z)), where D_5 is what five steps of gradient descent make of the two scores; their rate is 0.1."""
    for _ in range(5):
        fake -= 0.1 * sigmoid(fake)
    return taken_for_real(real, fake)


Formula = Callable[[float, float], float]
GAMES: list[tuple[str, dict[str, Any], Formula, Formula | None]] = [
    ("gan", {}, told_apart, taken_for_real),
    ("gan", {"objective": "minimax"}, told_apart, minimax),
    ("dcgan", {}, told_apart, taken_for_real),
    ("lsgan", {}, squares, square_to_one),
    (
        "lsgan",
        {"a": -1.0, "b": 1.0, "c": 0.0},  # Pearson's χ²
        lambda real, fake: (real - 1) ** 2 + (fake + 1) ** 2,
        lambda real, fake: fake**2,
    ),
    ("wgan", {}, distance, minus_score),
    ("wgan-gp", {}, distance, minus_score),
    ("dragan", {}, told_apart, taken_for_real),
    ("sngan", {}, hinge, minus_score),
    ("unrolled", {}, told_apart, five_steps_ahead),
    ("bgan", {"kind": "continuous"}, told_apart, half_square),
    ("bgan", {}, told_apart, None),  # what G is paid is not a score here: see test_papers_lookahead.py
    ("cgan", {}, told_apart, taken_for_real),
    ("acgan", {}, told_apart, taken_for_real),
    ("infogan", {}, told_apart, taken_for_real),
    ("sgan", {"g_loss": "adversarial"}, told_apart, taken_for_real),
    ("ccgan", {}, told_apart, taken_for_real),
    ("cogan", {}, told_apart, taken_for_real),
    ("cyclegan", {}, times(0.5, squares), square_to_one),
    ("dualgan", {}, distance, minus_score),
    ("pix2pix", {}, times(0.5, told_apart), taken_for_real),
    ("context-encoder", {}, told_apart, times(0.001, taken_for_real)),
]
HEADS = {
    "acgan": {"class": torch.zeros(CLASSES)},
    "ccgan": {"class": torch.zeros(CLASSES)},
    "infogan": {"category": torch.zeros(10), "mean": torch.zeros(2)},
}


def shown_by(name: str, system: Any, batch: Any, draws: Draws) -> dict[str, tuple[Shown, Shown]]:
    """What is real and what is generated, in each domain, and what the discriminator is told besides."""
    if system.data == "two-domains":
        a, b = batch["a"], batch["b"]
        fake_a, fake_b = (
            system.g(system.latents(draws)) if name == "cogan" else (system.g_ba(b), system.g_ab(a))
        )
        return {"a": (a, fake_a), "b": (b, fake_b)}
    if name == "pix2pix":
        return {"a": ((batch["a"], batch["b"]), (batch["a"], system.g(batch["a"])))}
    image = batch["image"]
    if name == "context-encoder":
        filled = system.g(image.masked_fill(system.mask(draws), 0.0))
        return {"a": (system.cut(image, draws), system.cut(filled, draws))}
    if name == "ccgan":
        hole = system.holes(draws)
        return {"a": (image, torch.where(hole, system.g(image, hole), image))}
    fake = system.g(system.latents(draws, batch["label"]) if system.conditional else system.latents(draws))
    if name == "bgan" and system.config.kind == "discrete":
        return {"a": (black_and_white(image), system.drawn(fake, draws, 1)[:, 0])}
    if name == "cgan":
        y = F.one_hot(batch["label"], CLASSES).float()
        return {"a": ((image, y), (fake, y))}
    return {"a": (image, fake)}


def discriminator(name: str, domain: str, real: Shown, fake: Shown) -> ByHeart:
    if name == "sgan":  # the score is log Σ exp of the classes' logits
        of_real, of_fake = (
            {"class": torch.full((CLASSES,), score[domain] - log(CLASSES))} for score in (REAL, FAKE)
        )
        return ByHeart((real, torch.nan, of_real), (fake, torch.nan, of_fake))
    heads = HEADS.get(name, {})
    return ByHeart((real, REAL[domain], heads), (fake, FAKE[domain], heads))


def let_play(name: str, system: Any, batch: Any, draws: Draws) -> None:
    """Give the system discriminators that know its pictures of this batch and no others."""
    judges = {
        domain: discriminator(name, domain, *shown)
        for domain, shown in shown_by(name, system, batch, draws).items()
    }
    if len(judges) == 1:
        system.d = judges["a"]
    elif name == "cogan":
        system.d = Coupled(**judges)
    else:
        system.d_a, system.d_b = judges["a"], judges["b"]


def adversarial(terms: dict[str, torch.Tensor]) -> dict[str, float]:
    names = ("adversarial", "unsupervised", "a", "b")
    return {name: term.item() for name, term in terms.items() if name in names}


@pytest.mark.parametrize(
    ("name", "config", "of_d", "of_g"),
    GAMES,
    ids=["-".join((name, *map(str, config.values()))) for name, config, *_ in GAMES],
)
def test_what_each_player_pays_is_the_papers(
    name: str, config: dict[str, Any], of_d: Formula, of_g: Formula | None
) -> None:
    """D calls real what is of the data and generated what is G's, each in its own domain; and G plays against it."""
    system = made(name, **config).eval()  # without dropout, the same pictures are made again
    batch, scratch = a_batch(data=system.data)
    let_play(name, system, batch, scratch.draws)
    domains = "ab" if system.data == "two-domains" else "a"
    paid = sum(adversarial(system.generator_loss(batch, scratch, START)).values())
    if of_g is not None:
        assert paid == pytest.approx(sum(of_g(REAL[at], FAKE[at]) for at in domains), rel=1e-5)
    scratch.detach()
    expected = [pytest.approx(of_d(REAL[at], FAKE[at]), rel=1e-5) for at in domains]
    for found in (scratch, a_batch(data=system.data)[1]):  # with G's fakes, and where it has to make them
        judged = adversarial(system.discriminator_loss(batch, found, START))
        assert list(judged.values()) == expected and (len(domains) == 1 or list(judged) == ["a", "b"])


def test_no_game_is_left_out() -> None:
    """But that of `catgan`, whose D gives no score: see test_papers_labels.py."""
    games = {name for name in SYSTEMS if issubclass(SYSTEMS.get(name), GameSystem)}
    assert {name for name, *_ in GAMES} == games - {"catgan"}
