"""Each trick does what it says."""

from __future__ import annotations

import io

import pytest
import torch
from torch import Tensor, nn

from voicegan.core import tricks
from voicegan.core.objectives import OBJECTIVES
from voicegan.core.system import Logits


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


REAL, FAKE = Logits((numbers(0, 6, 3),)), Logits((numbers(1, 6, 3),))


# --- label smoothing --------------------------------------------------------------------------------------


def test_smoothing_moves_the_target_of_real_samples_only():
    plain = OBJECTIVES["non_saturating"]
    smoothed = tricks.smooth(plain, real=0.9)
    p, q = torch.sigmoid(REAL.scores[0]), torch.sigmoid(FAKE.scores[0])
    expected = -(0.9 * p.log() + 0.1 * (1 - p).log()).mean() - (1 - q).log().mean()
    torch.testing.assert_close(smoothed.d(REAL, FAKE), expected)
    assert torch.equal(smoothed.g(FAKE), plain.g(FAKE))


def test_smoothing_puts_the_optimum_at_the_target():
    scores = torch.tensor([0.9]).logit().requires_grad_()
    loss = tricks.smooth(OBJECTIVES["minimax"]).d(Logits((scores,)), Logits((torch.zeros(1),)))
    assert torch.autograd.grad(loss, scores)[0].item() == pytest.approx(0, abs=1e-6)


def test_smoothing_of_least_squares():
    expected = (REAL.scores[0] - 0.8).pow(2).mean() + FAKE.scores[0].pow(2).mean()
    torch.testing.assert_close(tricks.smooth(OBJECTIVES["least_squares"], 0.8).d(REAL, FAKE), expected)


@pytest.mark.parametrize("name", ["hinge", "wasserstein", "relativistic_average"])
def test_smoothing_needs_targets(name: str):
    with pytest.raises(ValueError, match="targets"):
        tricks.smooth(OBJECTIVES[name])


# --- feature matching -------------------------------------------------------------------------------------


def with_features(seed: int, requires_grad: bool = False) -> Logits:
    layers = ((numbers(seed, 4, 5), numbers(seed + 1, 4, 2, 3)), (numbers(seed + 2, 4, 7),))
    return Logits((numbers(0, 4),), tuple(tuple(x.requires_grad_(requires_grad) for x in d) for d in layers))


def test_feature_matching_is_the_sum_of_mean_distances():
    real, fake = with_features(0, True), with_features(10, True)
    flat_r, flat_f = [x for d in real.features for x in d], [x for d in fake.features for x in d]
    expected = sum((r - f).abs().mean() for r, f in zip(flat_r, flat_f, strict=True))
    loss = tricks.feature_matching(real, fake)
    torch.testing.assert_close(loss, expected)
    slopes = torch.autograd.grad(loss, flat_r + flat_f, allow_unused=True)
    assert all(s is None for s in slopes[:3]) and all(s is not None for s in slopes[3:])


def test_mean_feature_matching_compares_statistics_not_pairs():
    real, fake = with_features(0), with_features(10)
    shuffled = Logits(real.scores, tuple(tuple(x.flip(0) for x in d) for d in real.features))
    expected = sum(
        (r.mean(0) - f.mean(0)).pow(2).sum()
        for d, e in zip(real.features, fake.features, strict=True)
        for r, f in zip(d, e, strict=True)
    )
    torch.testing.assert_close(tricks.mean_feature_matching(real, fake), expected)
    torch.testing.assert_close(tricks.mean_feature_matching(shuffled, fake), expected)
    assert tricks.mean_feature_matching(real, shuffled).item() == pytest.approx(0, abs=1e-25)


def test_feature_matching_asks_for_features():
    with pytest.raises(ValueError, match="features"):
        tricks.feature_matching(REAL, FAKE)


# --- separate and joint batches ---------------------------------------------------------------------------


class Judge(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(4, 8), norm, nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Logits:
        hidden = self.norm(self.first(x))
        return Logits((self.last(hidden),), ((hidden,),), {"hidden": hidden})


def test_joint_and_separate_batches_agree_without_batch_norm():
    torch.manual_seed(0)
    judge = Judge(nn.LayerNorm(8))
    real, fake = torch.randn(5, 4), torch.randn(3, 4) + 2
    for joint in (False, True):
        judged = tricks.judge(judge, real, fake, joint=joint)
        for logits, x in zip(judged, (real, fake), strict=True):
            torch.testing.assert_close(logits.scores, judge(x).scores)
            torch.testing.assert_close(logits.features, judge(x).features)
            torch.testing.assert_close(logits.heads["hidden"], judge(x).heads["hidden"])


def test_batch_norm_hides_a_shift_from_separate_batches_only():
    torch.manual_seed(0)
    judge, x = Judge(nn.BatchNorm1d(8)), torch.randn(6, 4)
    real, fake = tricks.judge(judge, x, x + 5)
    torch.testing.assert_close(real.scores[0], fake.scores[0], atol=1e-4, rtol=0)
    real, fake = tricks.judge(judge, x, x + 5, joint=True)
    assert (real.scores[0].mean() - fake.scores[0].mean()).abs() > 0.1


# --- instance noise ---------------------------------------------------------------------------------------


def test_instance_noise_has_its_size_and_fades():
    x = torch.zeros(20000, requires_grad=True)
    noisy = tricks.add_noise(x, torch.randn(20000, generator=torch.Generator().manual_seed(0)), 0.3)
    assert noisy.std().item() == pytest.approx(0.3, rel=0.03)
    assert torch.autograd.grad(noisy.sum(), x)[0].eq(1).all()
    assert [tricks.fading(f, 0.2, until=0.5) for f in (0.0, 0.25, 0.5, 1.0)] == [0.2, 0.1, 0.0, 0.0]
    assert tricks.fading(0.0, 0.2, until=0.0) == 0.0
    with pytest.raises(ValueError, match="shape"):
        tricks.add_noise(x, torch.randn(3), 0.1)


# --- history pool -----------------------------------------------------------------------------------------


def labelled(first: int, count: int) -> Tensor:
    """Samples that carry their number: (count, 1, 2)."""
    return torch.arange(first, first + count, dtype=torch.float32).view(-1, 1, 1).expand(-1, 1, 2).clone()


def test_pool_fills_first_and_returns_what_came():
    pool = tricks.HistoryPool(4)
    for start, count in ((0, 3), (3, 1)):
        fakes = labelled(start, count)
        assert torch.equal(pool(fakes, torch.zeros(count, 2)), fakes)
    assert pool.count.item() == 4
    assert pool.items[:, 0, 0].tolist() == [0, 1, 2, 3]


def test_full_pool_exchanges_or_passes():
    pool = tricks.HistoryPool(4)
    pool(labelled(0, 4), torch.zeros(4, 2))
    draws = torch.tensor([[0.1, 0.3], [0.9, 0.3], [0.49, 0.99]])
    out = pool(labelled(10, 3), draws)
    assert out[:, 0, 0].tolist() == [1, 11, 3]
    assert pool.items[:, 0, 0].tolist() == [0, 10, 2, 12]
    assert pool.count.item() == 4


def test_two_samples_never_take_one_place():
    pool = tricks.HistoryPool(4)
    pool(labelled(0, 3), torch.zeros(3, 2))
    # The first fills place 3; the others all ask for it, and for place 1 twice.
    draws = torch.tensor([[0.0, 0.0], [0.0, 0.9], [0.0, 0.3], [0.0, 0.3]])
    out = pool(labelled(10, 4), draws)
    assert out[:, 0, 0].tolist() == [10, 11, 1, 13]
    assert pool.items[:, 0, 0].tolist() == [0, 12, 2, 10]


def test_pool_loses_and_doubles_nothing():
    """What went in is either out again or still inside, once each after the filling."""
    pool = tricks.HistoryPool(7)
    pool(labelled(0, 7), torch.zeros(7, 2))
    for step in range(30):
        stored = pool.items[:, 0, 0].tolist()
        fakes = labelled(100 + 5 * step, 5)
        out = pool(fakes, uniform(step, 5, 2))
        after = out[:, 0, 0].tolist() + pool.items[:, 0, 0].tolist()
        assert sorted(after) == sorted(stored + fakes[:, 0, 0].tolist())


def test_about_half_of_the_returned_samples_are_old():
    pool = tricks.HistoryPool(50)
    old = 0
    for step in range(400):
        fakes = labelled(2 * step, 2)
        old += int((pool(fakes, uniform(step, 2, 2)) != fakes).any(2).sum())
    assert 0.42 < old / (2 * 375) < 0.56


@pytest.mark.parametrize("before", [0, 3, 20])
def test_pool_resumes_bit_for_bit(before: int):
    """Also before the first call and while it fills; through a file that holds only tensors."""
    pool = tricks.HistoryPool(8)
    for step in range(before):
        pool(numbers(step, 2, 3, 4).float(), uniform(step, 2, 2))
    file = io.BytesIO()
    torch.save(pool.state_dict(), file)
    file.seek(0)
    resumed = tricks.HistoryPool(8)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.count.item() == pool.count.item() == min(8, 2 * before)
    for step in range(before, before + 15):
        fakes, draws = numbers(step, 2, 3, 4).float(), uniform(step, 2, 2)
        assert torch.equal(pool(fakes, draws), resumed(fakes, draws))
    assert torch.equal(pool.items, resumed.items)


def test_used_pool_takes_back_an_empty_state():
    pool = tricks.HistoryPool(8)
    empty = {name: tensor.clone() for name, tensor in pool.state_dict().items()}
    pool(labelled(0, 3), torch.zeros(3, 2))
    pool.load_state_dict(empty)
    assert pool.count.item() == 0 and pool.items.numel() == 0
    assert torch.equal(pool(labelled(5, 2), torch.zeros(2, 2)), labelled(5, 2))


def test_pool_inside_a_system_is_saved_with_it():
    system = nn.ModuleDict({"pool": tricks.HistoryPool(4)})
    system["pool"](labelled(0, 3), torch.zeros(3, 2))
    other = nn.ModuleDict({"pool": tricks.HistoryPool(4)})
    other.load_state_dict(system.state_dict())
    assert torch.equal(other["pool"].items, system["pool"].items)


def test_pool_is_detached_and_keeps_half_precision():
    pool = tricks.HistoryPool(2)
    fakes = torch.randn(4, 3, dtype=torch.bfloat16, requires_grad=True)
    pool(fakes[:2], torch.zeros(2, 2))
    out = pool(fakes[2:], torch.zeros(2, 2))
    assert not out.requires_grad and out.dtype == torch.bfloat16 and pool.items.dtype == torch.float32
    assert torch.equal(out, torch.stack([fakes[0], fakes[3]]).detach())


def test_pool_of_none_passes_everything():
    fakes = labelled(0, 3)
    assert torch.equal(tricks.HistoryPool(0)(fakes, torch.zeros(3, 2)), fakes)


def test_pool_refuses_what_does_not_fit():
    pool = tricks.HistoryPool(4)
    pool(labelled(0, 2), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="two draws"):
        pool(labelled(0, 2), torch.zeros(2))
    with pytest.raises(ValueError, match="shape"):
        pool(torch.zeros(2, 5), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="places"):
        tricks.HistoryPool(5).load_state_dict(pool.state_dict())


# --- layers that see the batch ----------------------------------------------------------------------------


def test_minibatch_discrimination_sums_similarities():
    layer = tricks.MinibatchDiscrimination(5, kernels=3, size=2).double()
    x = numbers(0, 4, 5)
    out = layer(x)
    m = torch.einsum("ba,akc->bkc", x, layer.projection)
    assert torch.equal(out[:, :5], x)
    for i in range(4):
        expected = sum(torch.exp(-(m[i] - m[j]).abs().sum(-1)) for j in range(4))
        torch.testing.assert_close(out[i, 5:], expected)


def test_minibatch_discrimination_sees_collapse():
    layer = tricks.MinibatchDiscrimination(5).double()
    collapsed = layer(numbers(0, 1, 5).expand(6, 5))[:, 5:]
    torch.testing.assert_close(collapsed, torch.full_like(collapsed, 6.0))
    spread = layer(100 * numbers(0, 6, 5))[:, 5:]
    torch.testing.assert_close(spread, torch.ones_like(spread))


def test_minibatch_stddev_is_the_mean_deviation_of_the_batch():
    x = numbers(0, 4, 6, 5, 3)
    out = tricks.MinibatchStddev(group=4)(x)
    assert out.shape == (4, 7, 5, 3) and torch.equal(out[:, :6], x)
    expected = x.std(dim=0, correction=0).mean()
    torch.testing.assert_close(out[:, 6], expected.expand(4, 5, 3))


def test_minibatch_stddev_groups_and_channels():
    x = numbers(0, 6, 4, 5)
    out = tricks.MinibatchStddev(group=4, channels=2)(x)  # the largest divisor of 6 up to 4 is 3
    for sample in range(6):
        members = x[sample % 2 :: 2]
        for channel in range(2):
            part = members[:, 2 * channel : 2 * channel + 2]
            expected = part.std(dim=0, correction=0).mean()
            torch.testing.assert_close(out[sample, 4 + channel], expected.expand(5))


def test_minibatch_stddev_sees_collapse_and_takes_one_sample():
    assert tricks.MinibatchStddev()(numbers(0, 1, 3, 4).expand(4, 3, 4))[:, 3].abs().max() < 1e-3
    assert tricks.MinibatchStddev()(numbers(0, 1, 3, 4)).shape == (1, 4, 4)


def test_batch_layers_can_be_differentiated_twice():
    x = numbers(0, 4, 6).requires_grad_()
    layer = tricks.MinibatchDiscrimination(6, 2, 2).double()
    assert torch.autograd.gradgradcheck(lambda x: layer(x).square().sum(), (x,))
    assert torch.autograd.gradgradcheck(lambda x: tricks.MinibatchStddev()(x).square().sum(), (x,))
