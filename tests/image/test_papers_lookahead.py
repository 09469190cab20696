"""What the papers say of looking ahead and of pixels that no gradient passes through."""

import copy
import math

import pytest
import torch
from image.shapes import a_batch, made
from torch import nn

from voicegan.core.objectives import NON_SATURATING
from voicegan.core.random import Draws
from voicegan.core.system import Logits, Progress
from voicegan.image.systems.bgan import black_and_white

START = Progress(0, 10)


def test_unrolled_by_nothing_it_is_the_plain_game() -> None:
    system = made("unrolled", unroll=0)
    batch, scratch = a_batch()
    loss = system.generator_loss(batch, scratch, START)["adversarial"]
    torch.testing.assert_close(loss, NON_SATURATING.g(system.d(scratch["fake"])))


def test_looking_ahead_is_gradient_descent_of_d() -> None:
    system = made("unrolled", unroll=3, unroll_lr=0.5)
    image, fake = a_batch()[0]["image"], torch.randn(6, 1, 8, 8)
    before = copy.deepcopy(system.d.state_dict())
    ahead = system.ahead(image, fake)(fake).scores[0]
    assert all(torch.equal(value, before[name]) for name, value in system.d.state_dict().items())

    d = copy.deepcopy(system.d)
    sgd = torch.optim.SGD(d.parameters(), lr=0.5)
    for _ in range(3):
        sgd.zero_grad()
        NON_SATURATING.d(d(image), d(fake)).backward()
        sgd.step()
    torch.testing.assert_close(ahead, d(fake).scores[0])


def test_the_gradient_flows_through_the_answers_of_d() -> None:
    """Eq. 10 has two terms; the second, dθ_D/dθ_G, is what a D that was moved ahead beforehand lacks."""
    system = made("unrolled", unroll=3, unroll_lr=0.5, width=16)
    image = a_batch()[0]["image"]
    fake = torch.randn(6, 1, 8, 8, requires_grad=True)
    (through,) = torch.autograd.grad(NON_SATURATING.g(system.ahead(image, fake)(fake)), fake)
    (beside,) = torch.autograd.grad(NON_SATURATING.g(system.ahead(image, fake.detach())(fake)), fake)
    assert (through - beside).norm() > 0.01 * beside.norm()
    moved = torch.randn(6, 1, 8, 8, dtype=torch.float64)
    system.double()
    torch.autograd.gradcheck(
        lambda x: NON_SATURATING.g(system.ahead(image.double(), x)(x)), moved.requires_grad_(), eps=1e-6
    )


class Brightness(nn.Module):
    """Finds a picture the more real the brighter it is."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))
        self.shown: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> Logits:
        self.shown.append(x.detach())
        return Logits((self.slope * x.flatten(1).sum(1, keepdim=True),))


def test_discrete_pixels_are_drawn_with_the_probabilities_of_g() -> None:
    system = made("bgan")
    logits = torch.full((2000, 1, 8, 8), math.log(0.7 / 0.3))
    drawn = system.drawn(logits, Draws(0, 0, 0, range(2000)), 3)
    assert drawn.shape == (2000, 3, 1, 8, 8) and set(drawn.unique().tolist()) == {-1.0, 1.0}
    assert (drawn > 0).double().mean().item() == pytest.approx(0.7, abs=0.005)
    assert set(system.sample(20).unique().tolist()) == {-1.0, 1.0}


def test_the_policy_is_rewarded_as_the_paper_says() -> None:
    """The loss against torch's own Bernoulli, each sample weighed among those of its z."""
    system = made("bgan", draws=7)
    system.d = Brightness(0.1)
    batch, scratch = a_batch()
    logits = scratch["fake"] = torch.randn(6, 1, 8, 8, requires_grad=True)
    loss = system.generator_loss(batch, scratch, START)["adversarial"]
    drawn = system.drawn(logits.detach(), scratch.draws, 7)
    bernoulli = torch.distributions.Bernoulli(logits=logits[:, None])
    log_g = bernoulli.log_prob((drawn + 1) / 2).flatten(2).sum(2)
    weight = (0.1 * drawn.flatten(2).sum(2)).softmax(1)
    torch.testing.assert_close(loss, -(weight * log_g).sum(1).mean())
    loss.backward()
    assert logits.grad.mean() < 0  # descent makes pixels brighter, as D likes them


def test_d_sees_black_and_white_alone() -> None:
    system = made("bgan")
    system.d = Brightness(0.1)
    system.discriminator_loss(*a_batch(), START)
    assert len(system.d.shown) == 2
    assert all(set(x.unique().tolist()) == {-1.0, 1.0} for x in system.d.shown)
    assert black_and_white(torch.tensor([-0.4, 0.3])).tolist() == [-1.0, 1.0]


def test_the_continuous_generator_seeks_the_boundary() -> None:
    """(log D - log(1 - D))² / 2 is half the squared logit."""
    system = made("bgan", kind="continuous")
    system.d = Brightness(0.1)
    batch, scratch = a_batch()
    loss = system.generator_loss(batch, scratch, START)["adversarial"]
    scores = 0.1 * scratch["fake"].flatten(1).sum(1)
    torch.testing.assert_close(loss, 0.5 * scores.square().mean())
    assert scratch["fake"].abs().max() <= 1
