"""Judges of sound: sizes as published, any length, and each sees what it is said to see."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from voicegan.core.system import Logits
from voicegan.core.tricks import feature_matching
from voicegan.vocoder.nets.discriminators import (
    Convs2d,
    Ensemble,
    MultiPeriod,
    MultiResolution,
    PeriodDiscriminator,
    SpectrumDiscriminator,
    join,
    log_spectrogram,
)

MAKERS: dict[str, Callable[[], nn.Module]] = {
    "periods": lambda: MultiPeriod((2, 3, 5), width=2, most=8),
    "resolutions": lambda: MultiResolution((64, 128), width=2),
    "both": lambda: Ensemble(MultiPeriod((2,), width=2, most=8), MultiResolution((64, 128), width=2)),
}
every_judge = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def build(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make()


def sound(batch: int, samples: int) -> Tensor:
    return torch.randn(batch, samples, generator=torch.Generator().manual_seed(samples)) * 0.1


def parts_of(judge: nn.Module) -> int:
    members = judge.members if isinstance(judge, Ensemble) else [judge]
    return sum(len(member.parts) for member in members)


@every_judge
@pytest.mark.parametrize("samples", [128, 129, 1000])
def test_every_part_judges_any_length(make: Callable[[], nn.Module], samples: int) -> None:
    judge = build(make)
    judged = judge(sound(2, samples))
    assert len(judged.scores) == len(judged.features) == parts_of(judge)
    for scores, features in zip(judged.scores, judged.features, strict=True):
        assert scores.shape[:2] == (2, 1) and scores.isfinite().all()
        assert len(features) == 5 and all(len(layer) == 2 and layer.isfinite().all() for layer in features)
        assert features[-1].shape[2:] == scores.shape[2:]


@every_judge
def test_row_of_a_batch_equals_the_row_alone(make: Callable[[], nn.Module]) -> None:
    judge, wav = build(make), sound(3, 500)
    for whole, alone in zip(judge(wav).scores, judge(wav[1:2]).scores, strict=True):
        torch.testing.assert_close(whole[1:2], alone, rtol=1e-4, atol=1e-5)


@every_judge
def test_every_weight_and_every_sample_feels_the_judgement(make: Callable[[], nn.Module]) -> None:
    judge, wav = build(make), sound(1, 600).requires_grad_()
    torch.stack([scores.square().mean() for scores in judge(wav).scores]).sum().backward()
    assert all(bool(parameter.grad.abs().max() > 0) for parameter in judge.parameters())
    assert bool((wav.grad[0, 64:-64] != 0).all()) and bool(wav.grad.isfinite().all())


@every_judge
def test_features_match_where_the_sounds_are_equal(make: Callable[[], nn.Module]) -> None:
    judge, wav = build(make), sound(2, 500)
    assert feature_matching(judge(wav), judge(wav)).item() == 0
    assert feature_matching(judge(wav), judge(wav * 0.9)).item() > 0


@pytest.mark.parametrize("period", [2, 3, 5])
@pytest.mark.parametrize("samples", [1, 2, 4, 60, 61])
def test_a_period_is_judged_column_by_column(period: int, samples: int) -> None:
    judge = PeriodDiscriminator(period, width=2, most=8)
    wav = sound(1, samples)
    scores, _ = judge(wav)
    assert scores.shape[-1] == period
    wav[0, ::period] += 1.0  # no other column holds these samples, but for what fills the last row
    changed = (judge(wav)[0] != scores).flatten(0, 2).any(dim=0)
    assert changed[0] and (samples % period or not changed[1:].any())


def test_spectra_are_judged_at_every_resolution() -> None:
    judge = MultiResolution((64, 256), width=2)
    wav = torch.zeros(1, 2048)
    wav[0, 1000] = 0.5
    quiet = judge(torch.zeros(1, 2048))
    for win, before, after in zip((64, 256), quiet.features, judge(wav).features, strict=True):
        frames = (before[0] != after[0]).any(dim=2).flatten(0, 1).any(dim=0).nonzero().flatten()
        # A click is in the frames whose window covers it, and the first layer sees one frame to each side.
        assert (int(frames.min()), int(frames.max())) == pytest.approx(
            ((1000 - win) * 4 / win, 1000 * 4 / win), abs=2
        )


@pytest.mark.parametrize("db", [0, -50])
def test_spectrograms_are_of_unit_size(db: float) -> None:
    sine = 10 ** (db / 20) * torch.sin(2 * math.pi * 1000 * torch.arange(8000) / 16000)[None]
    peak = log_spectrogram(sine, 1024).amax(dim=1)
    assert peak.mean().item() == pytest.approx((db + 50) * math.log(10) / 40, abs=0.05)


@pytest.mark.parametrize(("height", "width"), [(7, 5), (8, 1), (40, 33)])
def test_layers_keep_as_many_positions_as_their_strides_say(height: int, width: int) -> None:
    convs = Convs2d([1, 2, 3], [(5, 3), (3, 1)], [(3, 1), (2, 2)], (3, 3))
    scores, (first, second) = convs(torch.randn(1, 1, height, width))
    assert first.shape == (1, 2, math.ceil(height / 3), width)
    assert second.shape == (1, 3, math.ceil(first.shape[2] / 2), math.ceil(width / 2))
    assert scores.shape == (1, 1, *second.shape[2:])


def test_sizes_are_those_of_the_papers() -> None:
    with torch.device("meta"):
        periods, resolutions = MultiPeriod(), MultiResolution()
    # HiFi-GAN's multi-period discriminator has 41.1 M parameters; UnivNet's works with 32 channels throughout.
    assert size(periods) == pytest.approx(41.1e6, rel=0.005)
    assert len(resolutions.parts) == 3
    assert {layer.out_channels for part in resolutions.parts for layer in part.convs.layers} == {32}


def test_a_spectrum_that_is_given_is_judged_as_it_is() -> None:
    judge, spectra = SpectrumDiscriminator(width=2), torch.randn(2, 65, 12)
    logits = join([judge(spectra), judge(spectra)])
    assert isinstance(logits, Logits) and torch.equal(logits.scores[0], logits.scores[1])
    assert logits.scores[0].shape[-1] == 6  # one of the layers halves the frames


def test_an_ensemble_says_what_its_members_say() -> None:
    first, second = build(MAKERS["periods"]), build(MAKERS["resolutions"])
    wav = sound(2, 300)
    together = Ensemble(first, second)(wav)
    apart = [first(wav), second(wav)]
    assert len(together.scores) == 5
    for whole, part in zip(together.scores, apart[0].scores + apart[1].scores, strict=True):
        assert torch.equal(whole, part)
    for whole, part in zip(together.features, apart[0].features + apart[1].features, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(whole, part, strict=True))


def size(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())
