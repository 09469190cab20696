"""Adversarial losses against their papers' equations, written naively in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from voicegan.core.objectives import (
    OBJECTIVES,
    Compared,
    importance_weights,
    least_squares,
    policy_loss,
)
from voicegan.core.system import Logits


def scores(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def logits(*tensors: Tensor) -> Logits:
    return Logits(scores=tensors)


REAL, FAKE = scores(0, 6, 1, 4), scores(1, 6, 1, 4)
P, Q = torch.sigmoid(REAL), torch.sigmoid(FAKE)
relu = torch.relu
BCE_D = -P.log().mean() - (1 - Q).log().mean()

EQUATIONS = {
    "minimax": (BCE_D, (1 - Q).log().mean()),
    "non_saturating": (BCE_D, -Q.log().mean()),
    "least_squares": ((REAL - 1).pow(2).mean() + FAKE.pow(2).mean(), (FAKE - 1).pow(2).mean()),
    "hinge": (relu(1 - REAL).mean() + relu(1 + FAKE).mean(), -FAKE.mean()),
    "wasserstein": (FAKE.mean() - REAL.mean(), -FAKE.mean()),
    "boundary_seeking": (BCE_D, 0.5 * (Q.log() - (1 - Q).log()).pow(2).mean()),
    "relativistic": (
        -torch.sigmoid(REAL - FAKE).log().mean(),
        -torch.sigmoid(FAKE - REAL).log().mean(),
    ),
    "relativistic_average": (
        -torch.sigmoid(REAL - FAKE.mean()).log().mean()
        - (1 - torch.sigmoid(FAKE - REAL.mean())).log().mean(),
        -torch.sigmoid(FAKE - REAL.mean()).log().mean()
        - (1 - torch.sigmoid(REAL - FAKE.mean())).log().mean(),
    ),
    "relativistic_average_least_squares": (
        (REAL - FAKE.mean() - 1).pow(2).mean() + (FAKE - REAL.mean() + 1).pow(2).mean(),
        (FAKE - REAL.mean() - 1).pow(2).mean() + (REAL - FAKE.mean() + 1).pow(2).mean(),
    ),
    "relativistic_average_hinge": (
        relu(1 - (REAL - FAKE.mean())).mean() + relu(1 + (FAKE - REAL.mean())).mean(),
        relu(1 - (FAKE - REAL.mean())).mean() + relu(1 + (REAL - FAKE.mean())).mean(),
    ),
}


def test_every_objective_has_its_equation():
    assert EQUATIONS.keys() == OBJECTIVES.keys()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_values_are_the_papers(name: str):
    objective, (d, g) = OBJECTIVES[name], EQUATIONS[name]
    torch.testing.assert_close(objective.d(logits(REAL), logits(FAKE)), d, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(objective.g(logits(FAKE), logits(REAL)), g, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_are_those_of_the_values(name: str):
    objective = OBJECTIVES[name]
    real, fake = REAL[:2].clone().requires_grad_(), FAKE[:2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda r, f: objective.d(logits(r), logits(f)), (real, fake))
    assert torch.autograd.gradcheck(lambda r, f: objective.g(logits(f), logits(r)), (real, fake))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_heads_are_averaged_within_and_added_up(name: str):
    objective = OBJECTIVES[name]
    real, fake = (REAL, scores(2, 6, 9)), (FAKE, scores(3, 6, 9))
    separate_d = sum(objective.d(logits(r), logits(f)) for r, f in zip(real, fake, strict=True))
    separate_g = sum(objective.g(logits(f), logits(r)) for r, f in zip(real, fake, strict=True))
    torch.testing.assert_close(objective.d(logits(*real), logits(*fake)), separate_d)
    torch.testing.assert_close(objective.g(logits(*fake), logits(*real)), separate_g)


@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_extreme_logits_stay_finite(name: str, size: float):
    real = torch.full((2, 3), size, requires_grad=True)
    fake = torch.full((2, 3), -size, requires_grad=True)
    for loss in (
        OBJECTIVES[name].d(logits(real), logits(fake)),
        OBJECTIVES[name].g(logits(fake), logits(real)),
    ):
        assert loss.isfinite()
        for grad in torch.autograd.grad(loss, (real, fake), allow_unused=True):
            assert grad is None or grad.isfinite().all()


def test_a_certain_discriminator_still_gets_its_small_gradient():
    real = torch.full((1,), 30.0, requires_grad=True)
    loss = OBJECTIVES["non_saturating"].d(logits(real), logits(torch.zeros(1)))
    (grad,) = torch.autograd.grad(loss, real)
    assert grad.item() == pytest.approx(-math.exp(-30), rel=1e-5)


def test_minimax_saturates_when_d_wins_and_non_saturating_does_not():
    slopes = {}
    for name in ("minimax", "non_saturating"):
        fake = torch.full((1,), -12.0, requires_grad=True)
        (slopes[name],) = torch.autograd.grad(OBJECTIVES[name].g(logits(fake)), fake)
    assert slopes["minimax"].item() == pytest.approx(-math.exp(-12), rel=1e-4)
    assert slopes["non_saturating"].item() == pytest.approx(-1.0, abs=1e-4)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_g_gains_when_fakes_score_like_real_samples(name: str):
    """Moving a rejected fake's score up must lower G's loss, and D's loss must fall when it moves down."""
    real, fake = torch.full((4,), 2.0), torch.full((4,), -2.0, requires_grad=True)
    (slope,) = torch.autograd.grad(OBJECTIVES[name].g(logits(fake), logits(real)), fake)
    assert (slope < 0).all()
    fake = torch.zeros(4, requires_grad=True)
    (slope,) = torch.autograd.grad(OBJECTIVES[name].d(logits(torch.full((4,), 0.5)), logits(fake)), fake)
    if name != "least_squares":  # at its own target of 0 the fakes' slope is 0
        assert (slope > 0).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_half_precision_logits_are_summed_in_float32(name: str):
    real, fake = REAL.to(torch.bfloat16), FAKE.to(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        d = OBJECTIVES[name].d(logits(real), logits(fake))
        g = OBJECTIVES[name].g(logits(fake), logits(real))
    assert d.dtype == g.dtype == torch.float32
    torch.testing.assert_close(d, OBJECTIVES[name].d(logits(real.float()), logits(fake.float())))


def test_least_squares_takes_other_labels():
    objective = least_squares(fake=-1.0, real=1.0, generated=0.0)
    d = (REAL - 1).pow(2).mean() + (FAKE + 1).pow(2).mean()
    torch.testing.assert_close(objective.d(logits(REAL), logits(FAKE)), d)
    torch.testing.assert_close(objective.g(logits(FAKE)), FAKE.pow(2).mean())


def test_relativistic_objectives_ask_for_what_they_need():
    with pytest.raises(ValueError, match="real"):
        OBJECTIVES["relativistic_average"].g(logits(FAKE))
    with pytest.raises(ValueError, match="pairs"):
        OBJECTIVES["relativistic"].d(logits(REAL), logits(FAKE[:2]))
    averaged = OBJECTIVES["relativistic_average"]
    assert isinstance(averaged, Compared)
    assert averaged.d(logits(REAL), logits(FAKE[:2])).isfinite()
    with pytest.raises(ValueError, match="argument 2"):
        averaged.d(logits(REAL, REAL), logits(FAKE))


def test_a_discriminator_without_scores_is_refused():
    with pytest.raises(ValueError, match="no scores"):
        OBJECTIVES["hinge"].g(logits())


def test_importance_weights_are_normalised_density_ratios():
    s = scores(4, 3, 7).requires_grad_()
    ratio = torch.sigmoid(s) / (1 - torch.sigmoid(s))
    weights = importance_weights(s)
    torch.testing.assert_close(weights, (ratio / ratio.sum(1, keepdim=True)).detach())
    assert not weights.requires_grad
    extreme = importance_weights(torch.tensor([[1e4, -1e4, 1e4]]))
    torch.testing.assert_close(extreme, torch.tensor([[0.5, 0.0, 0.5]]))


def test_policy_loss_has_the_gradient_of_the_expected_reward():
    """Over all outcomes, each weighted by its probability, REINFORCE's gradient is the exact one."""
    theta = scores(5, 4).requires_grad_()
    rewards = scores(6, 4)
    (exact,) = torch.autograd.grad(-(theta.softmax(0) * rewards).sum(), theta)
    probabilities = theta.softmax(0).detach()
    loss = policy_loss(theta.log_softmax(0)[None], (probabilities * rewards)[None])
    (estimate,) = torch.autograd.grad(loss, theta)
    torch.testing.assert_close(estimate, exact)
    with pytest.raises(ValueError, match="shapes"):
        policy_loss(torch.zeros(2, 3), torch.zeros(2))
