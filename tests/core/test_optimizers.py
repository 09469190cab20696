"""What a description of an optimizer says, the optimizer does."""

import pytest
import torch
from torch import nn

from voicegan.core.optimizers import make_optimizer
from voicegan.core.system import OptimizerSpec

# What the first step takes from a weight w without a gradient, at a rate of 0.1 and a decay of 0.2. AdamW and SGD take
# rate · decay of it. For Adam and RMSprop the decay is a gradient, whose size they divide away: by itself, and by the
# root of 1 % of its square.
DECAYED = {
    "adam": lambda w: 0.1 * w.sign(),
    "adamw": lambda w: 0.1 * 0.2 * w,
    "rmsprop": lambda w: 0.1 * 10 * w.sign(),
    "sgd": lambda w: 0.1 * 0.2 * w,
}


def after_a_step(kind: str, start: torch.Tensor, gradient: torch.Tensor, **spec: object) -> torch.Tensor:
    weight = nn.Parameter(start.clone())
    optimizer = make_optimizer(OptimizerSpec(("g",), 0.1, kind=kind, **spec), [weight], fused=False)
    weight.grad = gradient
    optimizer.step()
    return weight.detach()


@pytest.mark.parametrize("kind", DECAYED)
def test_weights_without_a_gradient_shrink_where_decay_is_asked_for(kind: str) -> None:
    start = torch.tensor([3.0, -2.0], dtype=torch.float64)
    none = torch.zeros_like(start)
    decayed = after_a_step(kind, start, none, weight_decay=0.2)
    torch.testing.assert_close(decayed, start - DECAYED[kind](start), rtol=1e-6, atol=0)
    assert (decayed.abs() < start.abs()).all()
    assert torch.equal(after_a_step(kind, start, none), start)


def test_the_first_of_the_betas_is_the_momentum_of_sgd_and_both_are_adams() -> None:
    one = [nn.Parameter(torch.zeros(1))]
    for kind in ("adam", "adamw"):
        made = make_optimizer(OptimizerSpec(("g",), 0.1, (0.3, 0.7), kind), one, fused=False)
        assert made.param_groups[0]["betas"] == (0.3, 0.7) and made.param_groups[0]["lr"] == 0.1
    sgd = make_optimizer(OptimizerSpec(("g",), 0.1, (0.3, 0.7), "sgd"), one, fused=False)
    assert sgd.param_groups[0]["momentum"] == 0.3


def test_other_kinds_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'adagrad'"):
        make_optimizer(
            OptimizerSpec(("g",), 0.1, kind="adagrad"), [nn.Parameter(torch.zeros(1))], fused=False
        )
