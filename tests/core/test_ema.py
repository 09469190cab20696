"""Averages of networks: values, state, and what must not be touched."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from voicegan.core import ema
from voicegan.core.blocks import spectral_norm


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)).double()


def test_update_is_the_geometric_sum():
    source, decay = network(), 0.9
    average = ema.frozen_copy(source)
    start = source[0].weight.detach().clone()
    expected = start.clone()
    for step in range(1, 6):
        with torch.no_grad():
            source[0].weight.copy_(start + step)
        ema.update(average, source, decay)
        expected = decay * expected + (1 - decay) * (start + step)
    torch.testing.assert_close(average[0].weight, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("decay", "which"), [(0.0, "source"), (1.0, "average")])
def test_extreme_decays(decay: float, which: str):
    source, average = network(1), ema.frozen_copy(network(2))
    expected = (source if which == "source" else average)[2].weight.detach().clone()
    ema.update(average, source, decay)
    torch.testing.assert_close(average[2].weight, expected, rtol=0, atol=1e-15)


def test_buffers_are_copied_and_integers_stay_integers():
    source = network()
    average = ema.frozen_copy(source)
    for _ in range(3):
        source(torch.randn(8, 3, dtype=torch.float64) + 4)
    ema.update(average, source, 0.999)
    assert torch.equal(average[1].running_mean, source[1].running_mean)
    assert torch.equal(average[1].running_var, source[1].running_var)
    assert average[1].num_batches_tracked.item() == 3
    assert average[1].num_batches_tracked.dtype == torch.int64


def test_average_carries_no_gradients_and_shares_no_memory():
    source = network()
    source(torch.randn(4, 3, dtype=torch.float64)).sum().backward()
    average = ema.frozen_copy(source)
    assert not average.training and source.training
    assert all(p.grad is None and not p.requires_grad for p in average.parameters())
    assert all(p.grad is not None and p.requires_grad for p in source.parameters())
    before = source[0].weight.detach().clone()
    ema.update(average, network(5), 0.0)
    assert torch.equal(source[0].weight, before)
    assert all(p.grad_fn is None and not p.requires_grad for p in average.parameters())


def test_average_survives_a_reload():
    source = network()
    average = ema.frozen_copy(source)
    ema.update(average, network(3), 0.5)
    restored = ema.frozen_copy(network(9))
    restored.load_state_dict(average.state_dict())
    for mine, theirs in zip(restored.state_dict().values(), average.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_networks_with_spectral_norm_can_be_averaged():
    source = nn.Sequential(spectral_norm(nn.Linear(4, 4)), nn.ReLU(), spectral_norm(nn.Linear(4, 1)))
    average = ema.frozen_copy(source)
    x = torch.randn(2, 4)
    for _ in range(3):
        source(x)
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(torch.randn_like(parameter))
    ema.update(average, source, 0.0)
    source.eval()
    torch.testing.assert_close(average(x), source(x))


def test_other_networks_are_refused():
    with pytest.raises(ValueError, match="weight"):
        ema.update(nn.Linear(2, 2), nn.Linear(2, 3), 0.5)
    with pytest.raises(ValueError, match="only one of them has 'bias'"):
        ema.update(nn.Linear(2, 2), nn.Linear(2, 2, bias=False), 0.5)
    with pytest.raises(ValueError, match="decay"):
        ema.update(nn.Linear(2, 2), nn.Linear(2, 2), 1.5)


def test_half_life_is_independent_of_batch_size():
    half_life = 10_000.0
    for batch in (1, 8, 500):
        decay = ema.decay_from_half_life(half_life, batch)
        assert decay ** (half_life / batch) == pytest.approx(0.5)


def test_ramp_up_shortens_early_averages_only():
    assert ema.decay_from_half_life(1000, 8, seen=0) == 0.0
    assert ema.decay_from_half_life(1000, 8, seen=2000) == pytest.approx(0.5 ** (8 / 100))
    assert ema.decay_from_half_life(1000, 8, seen=1e9) == ema.decay_from_half_life(1000, 8)
    assert ema.decay_from_half_life(1000, 8, seen=10, ramp_up=None) == ema.decay_from_half_life(1000, 8)
    assert ema.decay_from_half_life(0, 8) == 0.0
    with pytest.raises(ValueError, match="batch"):
        ema.decay_from_half_life(1000, 0)
