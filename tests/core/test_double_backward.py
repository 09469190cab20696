"""What `double_backward` replaces gives torch's own values: forward, gradients with respect to inputs, theirs again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voicegan.core import double_backward


class _Sliced(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, ::2]


class _StridedByLists(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3, 2, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, None, [2], [1])


CRITICS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "strided": (lambda: nn.Conv2d(2, 4, 4, 2, 1), (3, 2, 8, 8)),
    "left out by the stride": (lambda: nn.Conv2d(2, 4, 3, (3, 2), bias=False), (3, 2, 10, 8)),
    "dilated, in groups": (lambda: nn.Conv2d(4, 8, 3, padding=(2, 1), dilation=(2, 1), groups=2), (2, 4, 7, 6)),
    "padded by words": (lambda: nn.Conv2d(2, 3, 3, padding="same"), (2, 2, 5, 4)),
    "reflected": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 2, 5, 4)),
    "of a line": (lambda: nn.Conv1d(3, 4, 5, 2, 2), (2, 3, 11)),
    "of a space": (lambda: nn.Conv3d(2, 3, 3, 2, 1), (2, 2, 5, 4, 6)),
    "one number for both directions": (_StridedByLists, (2, 2, 5, 4)),
    "layer norm of vectors": (lambda: nn.Sequential(nn.Linear(5, 6), nn.GroupNorm(1, 6)), (3, 5)),
    "layer norm": (lambda: nn.GroupNorm(1, 4), (3, 4, 5, 6)),
    "layer norm of a line": (lambda: nn.GroupNorm(1, 4), (3, 4, 7)),
    "layer norm without weights": (lambda: nn.GroupNorm(1, 4, affine=False), (3, 4, 5, 6)),
    "layer norm of every other row": (
        lambda: nn.Sequential(_Sliced(), nn.GroupNorm(1, 4)),
        (3, 4, 6, 5),
    ),
    "group norm": (lambda: nn.GroupNorm(2, 4), (3, 4, 5, 6)),
    "leaky": (lambda: nn.Sequential(nn.LeakyReLU(0.2), nn.Tanh()), (3, 4, 5)),
    "leaky in place": (lambda: nn.Sequential(nn.Conv1d(4, 4, 1), nn.LeakyReLU(0.2, inplace=True)), (3, 4, 5)),
    "linear": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 3)), (4, 2, 3)),
    "all": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(4, 6, 4, 2, 1, bias=False), nn.GroupNorm(1, 6), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(24, 1),
        ),
        (3, 1, 8, 8),
    ),
}  # fmt: skip


def _bent(critic: nn.Module) -> Callable[[Tensor], Tensor]:
    """So that nothing of it has a gradient that is the same everywhere."""
    return lambda x: (critic(x).flatten(1) * 0.7).sin().sum(1).exp()


def _plain_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x, create_graph=True)[0]


def _derivatives(
    gradient: Callable[[Callable[[Tensor], Tensor], Tensor], Tensor], critic: nn.Module, x: Tensor
) -> list[Tensor]:
    slope = gradient(_bent(critic), x)
    critic.zero_grad()
    if any(True for _ in critic.parameters()):
        (slope.flatten(1).norm(dim=1) - 1).square().sum().backward()
    # What nothing depends on may have no gradient or one of zeros.
    return [slope, *(torch.zeros_like(p) if p.grad is None else p.grad for p in critic.parameters())]


@pytest.mark.parametrize(
    "layout", [torch.contiguous_format, torch.channels_last], ids=["planes", "channels last"]
)
@pytest.mark.parametrize("name", CRITICS)
def test_both_derivatives_are_torchs(name: str, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    make, shape = CRITICS[name]
    critic, x = make().double(), torch.randn(shape, dtype=torch.float64)
    for parameter in critic.parameters():
        nn.init.normal_(parameter)
    if len(shape) == 4:
        critic, x = critic.to(memory_format=layout), x.contiguous(memory_format=layout)
    ours, torchs = (_derivatives(way, critic, x) for way in (double_backward.gradient, _plain_gradient))
    for one, other in zip(ours, torchs, strict=True):
        torch.testing.assert_close(one, other)


def test_what_the_critic_gave_is_differentiated_by_weights_as_well() -> None:
    """Of a gradient that was kept for more, the gradients of weights are whole too (an unrolled critic's)."""
    torch.manual_seed(0)
    critic = CRITICS["all"][0]().double()
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    weights = [p for p in critic.parameters() if p.ndim > 1]
    found = []
    for way in (double_backward.gradient, _plain_gradient):
        given: list[Tensor] = []

        def noted(x: Tensor, given: list[Tensor] = given) -> Tensor:
            given.append(_bent(critic)(x))
            return given[0]

        way(noted, x)
        first = torch.autograd.grad(given[0].sum(), weights, create_graph=True)
        found.append([*first, *torch.autograd.grad(sum(g.square().sum() for g in first), weights)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["all", "layer norm", "strided"])
def test_a_third_derivative_is_torchs(name: str) -> None:
    torch.manual_seed(0)
    make, shape = CRITICS[name]
    critic, x = make().double(), torch.randn(shape, dtype=torch.float64)
    weights = list(critic.parameters())
    found = []
    for way in (double_backward.gradient, _plain_gradient):
        penalty = (way(_bent(critic), x).flatten(1).norm(dim=1) - 1).square().sum()
        second = torch.autograd.grad(penalty, weights, create_graph=True, allow_unused=True)
        square = sum(g.square().sum() for g in second if g is not None)
        found.append(torch.autograd.grad(square, weights, allow_unused=True))
    assert any(g is not None and g.abs().max() > 0 for g in found[1])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(*(torch.zeros(()).double() if g is None else g for g in (one, other)))


def test_critics_whose_weights_are_frozen_are_differentiated_too() -> None:
    torch.manual_seed(0)
    critic = CRITICS["all"][0]().double().requires_grad_(False)
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    slopes, again = [], []
    for way in (double_backward.gradient, _plain_gradient):
        given: list[Tensor] = []
        leaf = x.clone().requires_grad_()

        def noted(x: Tensor, given: list[Tensor] = given, leaf: Tensor = leaf) -> Tensor:
            given.append(_bent(critic)(x + leaf))
            return given[0]

        slopes.append(way(noted, x))
        (slope,) = torch.autograd.grad(given[0].sum(), leaf, create_graph=True)
        again += torch.autograd.grad(slope.square().sum(), leaf)
    torch.testing.assert_close(*slopes)
    torch.testing.assert_close(*again)


def test_double_precision_stays_under_autocast_as_torch_has_it() -> None:
    critic = nn.Conv2d(1, 2, 3).double()
    with torch.autocast("cpu", torch.bfloat16):
        slope = double_backward.gradient(
            lambda x: critic(x).square().sum((1, 2, 3)), torch.ones(1, 1, 4, 4).double()
        )
        value = critic(torch.ones(1, 1, 4, 4).double())
    (torchs,) = torch.autograd.grad(
        critic(x := torch.ones(1, 1, 4, 4).double().requires_grad_()).square().sum(), x
    )
    assert value.dtype == torch.float64
    torch.testing.assert_close(slope, torchs, rtol=1e-12, atol=0)


def test_it_is_torchs_again_outside() -> None:
    x = torch.randn(2, 2, 6, 6, requires_grad=True)
    critic = nn.Conv2d(2, 3, 3)
    double_backward.gradient(lambda x: critic(x).sum((1, 2, 3)), x)
    assert critic(x).grad_fn.name() == "ConvolutionBackward0"


def test_in_lower_precision_it_is_near() -> None:
    torch.manual_seed(0)
    critic = CRITICS["all"][0]()
    x = torch.randn(3, 1, 8, 8)
    exact = _derivatives(double_backward.gradient, critic, x)
    types = []

    def lower(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        def noted(x: Tensor) -> Tensor:
            types.append(F.conv2d(x, critic[0].weight).dtype)
            return function(x)

        with torch.autocast("cpu", torch.bfloat16):
            return double_backward.gradient(noted, x)

    for one, other in zip(_derivatives(lower, critic, x), exact, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() <= 0.03 * other.norm() + 1e-6
    assert types == [torch.bfloat16]
