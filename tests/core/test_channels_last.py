"""What `channels_last` computes is torch's, value and gradient, and lies as its input does."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from voicegan.core import channels_last

# Relative to the largest: rounding of one operation of each precision, some times over.
_NEAR = {torch.float64: 1e-12, torch.float32: 1e-4, torch.bfloat16: 0.04}
# A plane of torch's fast kernel in bfloat16, smaller ones, one of height 1, and one position.
_SHAPES = [(2, 6, 40, 32), (2, 8, 7, 5), (3, 4, 1, 16), (2, 4, 1, 1), (1, 2, 3, 3)]


def _planes(*shape: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    made = made + torch.arange(shape[1])[:, None, None]  # means unlike 0, as convolutions give them
    return made.to(dtype).contiguous(memory_format=torch.channels_last).requires_grad_()


def _assert_near(got: Tensor, wanted: Tensor, dtype: torch.dtype) -> None:
    off = (got.double() - wanted).abs().max() / wanted.abs().max().clamp(min=1e-9)
    assert off < _NEAR[dtype]


@pytest.mark.parametrize("dtype", _NEAR)
@pytest.mark.parametrize("shape", _SHAPES)
def test_instance_norm_is_torchs(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = _planes(*shape, dtype=dtype)
    wide = torch.promote_types(dtype, torch.float32)
    weight, bias = (torch.linspace(low, 1.5, shape[1], dtype=wide).requires_grad_() for low in (0.5, -1.0))
    given = _planes(*shape, dtype=dtype, seed=1).detach()
    made = channels_last.instance_norm(x, weight, bias, 1e-5)
    assert made.is_contiguous(memory_format=torch.channels_last) and made.dtype == dtype
    gradients = torch.autograd.grad(made, (x, weight, bias), given)
    exact = [t.detach().double().requires_grad_() for t in (x, weight, bias)]
    first = exact[0].contiguous()  # with channels last torch 2.13 gives a wrong gradient of a single sample
    wanted = torch.instance_norm(first, exact[1], exact[2], None, None, True, 0.0, 1e-5, False)
    _assert_near(made, wanted, dtype)
    into_x, *into_rest = torch.autograd.grad(wanted, exact, given.double().contiguous())
    if shape[2] * shape[3] > 1:  # of one position nothing is left
        _assert_near(gradients[0], into_x, dtype)
    for got, expected in zip(gradients[1:], into_rest, strict=True):
        _assert_near(got, expected, dtype)


@pytest.mark.parametrize("dtype", _NEAR)
@pytest.mark.parametrize("shape", _SHAPES)
def test_glu_is_torchs(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = _planes(*shape, dtype=dtype)
    made = channels_last.glu(x)
    given = _planes(shape[0], shape[1] // 2, *shape[2:], dtype=dtype, seed=1).detach()
    for layout in (torch.channels_last, torch.contiguous_format):  # whatever comes back
        (into_x,) = torch.autograd.grad(made, x, given.contiguous(memory_format=layout), retain_graph=True)
        assert into_x.is_contiguous(memory_format=torch.channels_last) and into_x.dtype == dtype
        exact = x.detach().double().requires_grad_()
        wanted = F.glu(exact, 1)
        _assert_near(made, wanted, dtype)
        _assert_near(into_x, torch.autograd.grad(wanted, exact, given.double())[0], dtype)


def test_both_are_differentiable_twice() -> None:
    """Gradient penalties ask for it."""
    x = _planes(2, 4, 3, 2, dtype=torch.float64)
    weight, bias = (torch.linspace(low, 1.5, 4, dtype=torch.float64).requires_grad_() for low in (0.5, -1.0))
    assert channels_last.is_channels_last(x)
    assert torch.autograd.gradgradcheck(channels_last.glu, x)

    def norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return channels_last.instance_norm(x, weight, bias, 1e-5)

    assert torch.autograd.gradcheck(norm, (x, weight, bias))
    assert torch.autograd.gradgradcheck(norm, (x, weight, bias))


def test_a_gradient_that_is_kept_for_more_has_the_value_of_one_that_is_not() -> None:
    x = _planes(2, 6, 40, 32, dtype=torch.float32)
    weight, bias = (torch.linspace(low, 1.5, 6).requires_grad_() for low in (0.5, -1.0))
    made = channels_last.glu(channels_last.instance_norm(x, weight, bias, 1e-5)).square().sum()
    plain = torch.autograd.grad(made, (x, weight, bias), retain_graph=True)
    kept = torch.autograd.grad(made, (x, weight, bias), create_graph=True)
    for one, other in zip(plain, kept, strict=True):
        torch.testing.assert_close(one, other.detach(), rtol=1e-4, atol=1e-4)


def test_the_gradient_of_a_single_sample_is_right() -> None:
    """torch's own, with channels last, is not (2.13): the papers train with batches of one."""
    x = _planes(1, 3, 4, 5, dtype=torch.float64)
    given = _planes(1, 3, 4, 5, dtype=torch.float64, seed=1).detach()
    weight, bias = torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    normed = channels_last.instance_norm(x, weight, bias, 1e-5)
    (into_x,) = torch.autograd.grad(normed, x, given)
    nudge = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 1e-6
    with torch.no_grad():
        moved = channels_last.instance_norm(x + nudge, weight, bias, 1e-5) - normed
    assert (moved * given).sum().item() == pytest.approx((into_x * nudge).sum().item(), rel=1e-3)


def test_planes_that_lie_otherwise_are_left_to_torch() -> None:
    x = torch.randn(2, 4, 3, 5, requires_grad=True)
    assert not channels_last.is_channels_last(x)
    assert not channels_last.is_channels_last(x[:, :, 0])
    assert torch.equal(channels_last.glu(x), F.glu(x, 1))
    norm = channels_last.instance_norm(x, torch.ones(4), torch.zeros(4), 1e-5)
    assert torch.equal(norm, F.instance_norm(x)) and norm.is_contiguous()


def test_autocast_leaves_the_sums_of_the_gradient_alone() -> None:
    x = _planes(2, 4, 40, 32, dtype=torch.float32)
    weight, bias = torch.ones(4, requires_grad=True), torch.zeros(4, requires_grad=True)
    given = _planes(2, 4, 40, 32, dtype=torch.float32, seed=1).detach()
    plain = torch.autograd.grad(channels_last.instance_norm(x, weight, bias, 1e-5), x, given)[0]
    with torch.autocast("cpu", torch.bfloat16):
        cast = torch.autograd.grad(channels_last.instance_norm(x, weight, bias, 1e-5), x, given)[0]
    assert torch.equal(plain, cast)
