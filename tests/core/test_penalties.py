"""Penalties against closed forms on linear and quadratic critics, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from voicegan.core import penalties
from voicegan.core.system import Logits


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Linear(nn.Module):
    """f(x) = <w, x> + c: its gradient is w everywhere."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.w = nn.Parameter(numbers(0, *shape))

    def forward(self, x: Tensor) -> Tensor:
        return (self.w * x).flatten(1).sum(1) + 3.0


def quadratic(x: Tensor) -> Tensor:
    """f(x) = |x|²/2: its gradient is x."""
    return 0.5 * x.flatten(1).square().sum(1)


SHAPE = (2, 3, 4)
REAL, FAKE = numbers(1, 5, *SHAPE), numbers(2, 5, *SHAPE)
MIX = torch.linspace(0, 0.9, 5, dtype=torch.float64)


def test_gradient_penalty_of_a_linear_critic():
    critic = Linear(SHAPE)
    penalty = penalties.gradient_penalty(critic, REAL, FAKE, MIX)
    norm = critic.w.norm()
    torch.testing.assert_close(penalty, (norm - 1) ** 2, rtol=1e-12, atol=0)
    (slope,) = torch.autograd.grad(penalty, critic.w)
    torch.testing.assert_close(slope, (2 * (norm - 1) * critic.w / norm).detach())


def test_points_lie_between_real_and_fake_one_factor_a_sample():
    """On f = |x|²/2 the gradient is the mixed point itself, so the penalty tells which points were used."""
    points = MIX.view(-1, 1, 1, 1) * REAL + (1 - MIX.view(-1, 1, 1, 1)) * FAKE
    expected = (points.flatten(1).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(penalties.gradient_penalty(quadratic, REAL, FAKE, MIX), expected)
    ends = penalties.gradient_penalty(quadratic, REAL, FAKE, torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(ends, (REAL.flatten(1).norm(dim=1) - 1).square().mean())
    shared = penalties.gradient_penalty(quadratic, REAL, FAKE, MIX.mean().expand(5))
    assert (shared - expected).abs() > 1e-3


@pytest.mark.parametrize("mix", [torch.rand(1), torch.rand(()), torch.rand(5, 1), torch.rand(4)])
def test_one_factor_for_the_whole_batch_is_refused(mix: Tensor):
    with pytest.raises(ValueError, match="one mixing factor for each of 5 samples"):
        penalties.gradient_penalty(quadratic, REAL, FAKE, mix)


def test_norms_are_of_whole_samples():
    """Ones in every place: the norm of a sample is √N, not that of one row or channel."""
    gradient = penalties.input_gradient(lambda x: x.flatten(1).sum(1), REAL)
    assert gradient.shape == (5, 24)
    penalty = penalties.gradient_penalty(lambda x: x.flatten(1).sum(1), REAL, FAKE, MIX)
    assert penalty.item() == pytest.approx((24**0.5 - 1) ** 2)


def test_samples_count_each_by_its_own_gradient():
    """A sample's gradient does not depend on the others in the batch."""
    together = penalties.input_gradient(quadratic, REAL)
    alone = torch.cat([penalties.input_gradient(quadratic, row[None]) for row in REAL])
    torch.testing.assert_close(together, alone)


def test_one_sided_lets_small_norms_go():
    small = REAL / REAL.flatten(1).norm(dim=1).view(-1, 1, 1, 1) * 0.5
    assert penalties.gradient_penalty(quadratic, small, small, MIX, one_sided=True).item() == 0
    assert penalties.gradient_penalty(quadratic, small, small, MIX).item() == pytest.approx(0.25)
    two = penalties.gradient_penalty(quadratic, 4 * small, 4 * small, MIX, one_sided=True)
    assert two.item() == pytest.approx(1.0)


def test_center_moves_the_free_norm():
    penalty = penalties.gradient_penalty(quadratic, REAL, REAL, MIX, center=0.0)
    torch.testing.assert_close(penalty, REAL.flatten(1).square().sum(1).mean())


def test_data_perturbation_stays_around_real_data():
    noise = numbers(3, *REAL.shape)
    around = REAL + 0.5 * REAL.std(correction=0) * noise
    expected = (around.flatten(1).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(penalties.data_perturbation_penalty(quadratic, REAL, noise), expected)
    still = penalties.data_perturbation_penalty(quadratic, REAL, torch.zeros_like(REAL))
    torch.testing.assert_close(still, (REAL.flatten(1).norm(dim=1) - 1).square().mean())
    with pytest.raises(ValueError, match="shape"):
        penalties.data_perturbation_penalty(quadratic, REAL, noise[:, :1])


def test_r1():
    critic = Linear(SHAPE)
    expected = 0.5 * 10 * critic.w.square().sum()
    torch.testing.assert_close(penalties.r1(critic, REAL, gamma=10), expected)
    on_points = penalties.r1(quadratic, REAL, gamma=1)
    torch.testing.assert_close(on_points, 0.5 * REAL.flatten(1).square().sum(1).mean())


def test_value_is_the_mean_over_positions_summed_over_heads():
    w = numbers(4, 24)

    def heads(x: Tensor) -> Logits:
        linear = (w * x.flatten(1)).sum(1)
        return Logits(scores=(linear[:, None, None].expand(-1, 2, 5), 3 * linear))

    torch.testing.assert_close(penalties.input_gradient(heads, REAL), (4 * w).expand(5, -1))


def test_fakes_and_real_samples_are_cut_from_their_graphs():
    maker = numbers(5, *SHAPE).requires_grad_()
    critic = Linear(SHAPE)
    penalty = penalties.gradient_penalty(critic, REAL, maker.expand(5, *SHAPE) * 2, MIX)
    grads = torch.autograd.grad(penalty, [maker, critic.w], allow_unused=True)
    assert grads[0] is None and grads[1] is not None


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(3, 8, 3), nn.LeakyReLU(0.2), nn.Conv1d(8, 8, 3), nn.Tanh(), nn.Conv1d(8, 1, 1)
    )


@pytest.mark.parametrize("name", ["gradient_penalty", "data_perturbation_penalty", "r1"])
def test_second_derivatives_match_finite_differences(name: str):
    critic = convolutional().double()
    real, fake = numbers(6, 3, 3, 9), numbers(7, 3, 3, 9)

    def penalty() -> Tensor:
        if name == "gradient_penalty":
            return penalties.gradient_penalty(critic, real, fake, MIX[:3])
        if name == "data_perturbation_penalty":
            return penalties.data_perturbation_penalty(critic, real, fake)
        return penalties.r1(critic, real, gamma=10.0)

    weight = critic[2].weight
    (slope,) = torch.autograd.grad(penalty(), weight)
    direction, step = numbers(8, *weight.shape), 1e-5
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight.add_(sign * step * direction)
        values.append(penalty().item())
        with torch.no_grad():
            weight.sub_(sign * step * direction)
    measured = (values[0] - values[1]) / (2 * step)
    assert measured == pytest.approx((slope * direction).sum().item(), rel=1e-5)


def test_penalties_are_float32_under_autocast():
    critic = convolutional()
    real, fake, mix = torch.randn(4, 3, 9), torch.randn(4, 3, 9), torch.rand(4)
    exact = penalties.gradient_penalty(critic, real, fake, mix)
    exact_slope = torch.autograd.grad(exact, critic[0].weight)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert critic(real).dtype == torch.bfloat16
        penalty = penalties.gradient_penalty(critic, real, fake, mix)
        curvature = penalties.r1(critic, real, gamma=1.0)
        narrow = penalties.gradient_penalty(critic, real.bfloat16(), fake.bfloat16(), mix)
    assert penalty.dtype == curvature.dtype == narrow.dtype == torch.float32
    assert torch.equal(penalty, exact)
    assert torch.equal(torch.autograd.grad(penalty, critic[0].weight)[0], exact_slope)


def test_one_that_need_not_be_exact_has_a_critic_in_the_precision_in_force():
    critic, types = convolutional(), []
    critic[0].register_forward_hook(lambda module, given, made: types.append(made.dtype))
    real, fake, mix = torch.randn(4, 3, 9), torch.randn(4, 3, 9), torch.rand(4)
    exact = penalties.gradient_penalty(critic, real, fake, mix, exact=False)
    exact_slope = torch.autograd.grad(exact, critic[0].weight)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        penalty = penalties.gradient_penalty(critic, real, fake, mix, exact=False)
        around = penalties.data_perturbation_penalty(critic, real, fake, exact=False)
    assert types == [torch.float32, torch.bfloat16, torch.bfloat16]
    assert penalty.dtype == around.dtype == torch.float32
    assert penalty.item() != exact.item()
    assert penalty.item() == pytest.approx(exact.item(), rel=0.01)
    slope = torch.autograd.grad(penalty, critic[0].weight)[0]
    assert slope.dtype == torch.float32
    assert (slope - exact_slope).norm() < 0.03 * exact_slope.norm()


def test_a_flat_critic_gives_no_nan():
    critic = nn.Linear(4, 1)
    nn.init.zeros_(critic.weight)
    penalty = penalties.gradient_penalty(critic, torch.randn(3, 4), torch.randn(3, 4), torch.rand(3))
    (slope,) = torch.autograd.grad(penalty, critic.weight)
    assert penalty.item() == 1.0 and slope.isfinite().all()


def test_penalties_work_where_gradients_are_off():
    with torch.no_grad():
        assert penalties.r1(quadratic, REAL, gamma=2.0).item() > 0


def test_clip_weights_clamps_in_place():
    networks = [nn.Linear(30, 30), nn.Linear(30, 3)]
    inside = networks[0].bias.detach().clone().clamp(-0.01, 0.01)
    penalties.clip_weights(networks, 0.01)
    for network in networks:
        assert all(p.abs().max() <= 0.01 and p.requires_grad for p in network.parameters())
    assert torch.equal(networks[0].bias, inside)
    penalties.clip_weights(networks[1], 0.001)
    assert networks[1].weight.abs().max() <= 0.001
    with pytest.raises(ValueError, match="positive"):
        penalties.clip_weights(networks, 0.0)


def test_orthogonal_penalty():
    layer = nn.Linear(6, 4).double()
    nn.init.orthogonal_(layer.weight, gain=2.0)
    assert penalties.orthogonal_penalty(layer).item() == pytest.approx(0, abs=1e-20)
    assert penalties.orthogonal_penalty(layer, diagonal=True).item() == pytest.approx(4 * 3.0**2)
    net = nn.Sequential(nn.Conv1d(2, 3, 5), nn.BatchNorm1d(3), nn.Conv2d(3, 2, 3)).double()
    rows = [net[0].weight.flatten(1), net[2].weight.flatten(1)]
    expected = sum(((w @ w.T) * (1 - torch.eye(len(w), dtype=w.dtype))).square().sum() for w in rows)
    torch.testing.assert_close(penalties.orthogonal_penalty(net), expected)
    with pytest.raises(ValueError, match="no linear"):
        penalties.orthogonal_penalty(nn.ReLU())


def test_path_length_of_a_linear_generator():
    """For G(w) = A w the length is ‖Aᵀ y‖ / √positions."""
    matrix = numbers(9, 3 * 8, 5)
    latent = numbers(10, 4, 5).requires_grad_()
    noise = numbers(11, 4, 3, 2, 4)
    output = (latent @ matrix.T).view(4, 3, 2, 4)
    lengths = penalties.path_length(output, latent, noise)
    torch.testing.assert_close(lengths, (noise.flatten(1) @ matrix).norm(dim=1) / 8**0.5)


def test_path_length_penalty_moves_its_mean():
    lengths = torch.tensor([1.0, 3.0], dtype=torch.float64, requires_grad=True)
    penalty, mean = penalties.path_length_penalty(lengths, torch.tensor(0.0, dtype=torch.float64), decay=0.25)
    assert mean.item() == 0.5 and not mean.requires_grad
    assert penalty.item() == pytest.approx((0.5**2 + 2.5**2) / 2)
    (slope,) = torch.autograd.grad(penalty, lengths)
    torch.testing.assert_close(slope, torch.tensor([0.5, 2.5], dtype=torch.float64))
