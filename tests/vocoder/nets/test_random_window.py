"""Random windows: inside of the sound, decided by the draws alone, and told what is said just there."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from voicegan.core.random import Draws
from voicegan.vocoder.nets.random_window import BASE, DBlock, RandomWindows, WindowDiscriminator

MELS, HOP = 4, 256
FOLDS = (1, 2, 4, 8, 15)


def draws(step: int = 0, rows: range = range(2)) -> Draws:
    return Draws(7, step, 0, rows)


def window_of(judge: WindowDiscriminator, wav: Tensor, place: Tensor) -> Tensor:
    """The samples (B, 240·fold) that it looks at."""
    seen = []
    hook = judge.blocks[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    judge(wav, torch.zeros(len(wav), MELS, wav.shape[1] // HOP + 1), place)
    hook.remove()
    return seen[0].transpose(1, 2).flatten(1)


@settings(deadline=None, max_examples=30)
@given(
    fold=st.sampled_from(FOLDS), more=st.integers(0, 5000), place=st.floats(0, 1, exclude_max=True, width=32)
)
def test_a_window_lies_inside_of_the_sound_and_is_in_order(fold: int, more: int, place: float) -> None:
    judge = WindowDiscriminator(fold, width=1)
    samples = BASE * fold + more
    (window,) = window_of(judge, torch.arange(float(samples))[None], torch.tensor([place])).detach()
    assert window.diff().eq(1).all() and len(window) == BASE * fold
    assert window[0] >= 0 and window[-1] < samples


def test_every_place_is_taken() -> None:
    judge = WindowDiscriminator(1, width=1)
    places = torch.tensor([0.0, 0.25, 0.5, 0.99999994])
    starts = window_of(judge, torch.arange(BASE + 3.0).expand(4, -1), places)[:, 0]
    assert starts.tolist() == [0, 1, 2, 3]


def test_a_sound_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="a window of 480 samples does not fit into 479"):
        WindowDiscriminator(2, width=1)(torch.zeros(1, 479), torch.zeros(1, MELS, 2), torch.zeros(1))


def test_the_same_draws_give_the_same_windows() -> None:
    judge = RandomWindows(MELS, HOP, (1, 2), width=2).eval()
    wav, mel = torch.randn(2, 2000), torch.randn(2, MELS, 8)
    first, again, other = (judge(wav, mel, draws(step)) for step in (0, 0, 1))
    assert len(first.scores) == 4
    assert all(torch.equal(a, b) for a, b in zip(first.scores, again.scores, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first.scores, other.scores, strict=True))
    for row in range(2):  # on a rank of its own, a sample gets the windows that it gets in the whole batch
        alone = judge(wav[row : row + 1], mel[row : row + 1], draws(0, range(row, row + 1)))
        for a, b in zip(first.scores, alone.scores, strict=True):
            torch.testing.assert_close(a[row : row + 1], b, rtol=1e-4, atol=1e-5)


def test_samples_outside_of_its_windows_do_not_matter() -> None:
    judge = WindowDiscriminator(2, width=2, mels=MELS, hop=HOP).eval()
    wav, mel, place = torch.randn(1, 3000), torch.randn(1, MELS, 12), torch.tensor([0.4])
    start = int(0.4 * (3000 - 480 + 1))
    before, _ = judge(wav, mel, place)
    for at, matters in ((start - 1, False), (start, True), (start + 479, True), (start + 480, False)):
        touched = wav.clone()
        touched[0, at] += 5.0
        assert torch.equal(judge(touched, mel, place)[0], before) is not matters


@pytest.mark.parametrize("fold", FOLDS)
@pytest.mark.parametrize("place", [0.0, 0.37, 0.999])
def test_the_conditional_are_told_the_frames_at_the_windows_place(fold: int, place: float) -> None:
    torch.manual_seed(0)
    told = WindowDiscriminator(fold, width=2, mels=MELS, hop=HOP).eval()
    untold = WindowDiscriminator(fold, width=2, hop=HOP).eval()
    frames = 24
    wav, at = torch.randn(1, frames * HOP), torch.tensor([place])
    mel = torch.randn(1, MELS, frames, requires_grad=True)
    start = int(place * (frames * HOP - BASE * fold + 1))
    told(wav, mel, at)[0].sum().backward()
    read = mel.grad[0].abs().amax(dim=0).nonzero().flatten().tolist()
    first, last = (math.floor(sample / HOP + 0.5) for sample in (start, start + BASE * fold - 1))
    assert read == list(range(read[0], read[-1] + 1))
    assert first <= read[0] <= first + 1 and last - 1 <= read[-1] <= min(last, frames - 1)
    assert torch.equal(untold(wav, mel, at)[0], untold(wav, mel + 1, at)[0])


def test_frames_are_the_nearest_in_time() -> None:
    judge = WindowDiscriminator(4, width=1, mels=1, hop=HOP)
    numbers = torch.arange(20.0).expand(1, 1, -1)  # each frame holds its own number
    heard = judge._frames(numbers, torch.tensor([1000]), positions=60, step=16)[0, 0]
    middles = 1000 + 16 * (torch.arange(60) + 0.5)
    assert torch.equal(heard, (middles / HOP).round())


@pytest.mark.parametrize("fold", FOLDS)
def test_windows_of_all_lengths_cost_the_same(fold: int) -> None:
    _, features = WindowDiscriminator(fold, width=8)(
        torch.randn(2, BASE * fold + 9), torch.zeros(2, MELS, 9), torch.rand(2)
    )
    assert [tuple(layer.shape) for layer in features] == [
        (2, 8, 240), (2, 16, 120), (2, 32, 60), (2, 32, 30), (2, 32, 30),
    ]  # fmt: skip


def test_the_ensemble_has_one_of_each_for_every_length() -> None:
    judge = RandomWindows(80, HOP)
    assert [part.samples for part in judge.conditional] == [BASE * fold for fold in FOLDS]
    assert [part.samples for part in judge.unconditional] == [BASE * fold for fold in FOLDS]
    assert all(part.blocks[2].tell is not None for part in judge.conditional)
    assert all(block.tell is None for part in judge.unconditional for block in part.blocks)
    for part in (*judge.conditional, *judge.unconditional):
        assert [block.first.out_channels for block in part.blocks] == [64, 128, 256, 256, 256]
        assert part.blocks[0].first.in_channels == part.fold


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_is_residual_and_adds_what_it_is_told(stride: int) -> None:
    block = DBlock(3, 5, stride, told=2).eval()
    x, told = torch.randn(1, 3, 12), torch.randn(1, 2, 12 // stride)
    shortened = F.avg_pool1d(x, stride)
    inner = block.first(F.avg_pool1d(x.relu(), stride)) + block.tell(told)
    expected = block.skip(shortened) + block.second(inner.relu())
    assert block(x, told).shape == (1, 5, 12 // stride)
    torch.testing.assert_close(block(x, told), expected)


def test_every_weight_learns() -> None:
    judge = RandomWindows(MELS, HOP, (1, 2), width=2)
    judged = judge(torch.randn(4, 1500), torch.randn(4, MELS, 6), draws(rows=range(4)))
    torch.stack([scores.square().mean() for scores in judged.scores]).sum().backward()
    assert all(bool(parameter.grad.abs().max() > 0) for parameter in judge.parameters())
    assert all(len(features) == 5 for features in judged.features)
