"""Spectral losses against closed forms; nothing breaks where there is nothing to be heard."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from voicegan.vocoder.losses import FLOOR, RESOLUTIONS, magnitudes, multi_resolution_stft


def noise(seed: int = 0, samples: int = 6000) -> Tensor:
    return torch.randn(2, samples, generator=torch.Generator().manual_seed(seed))


def test_equal_sounds_are_not_apart_and_others_are() -> None:
    assert multi_resolution_stft(noise(), noise()).item() == 0
    assert multi_resolution_stft(noise(), noise(1)).item() > 0.5


@pytest.mark.parametrize("gain", [0.5, 0.9, 2.0])
def test_a_gain_costs_what_the_formula_says(gain: float) -> None:
    """|1 - g| of the norm, and |ln g| of every logarithm: for noise far above the floor."""
    wav = noise() * 10
    expected = abs(1 - gain) + abs(math.log(gain))
    assert multi_resolution_stft(wav, gain * wav).item() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("win", RESOLUTIONS)
def test_magnitudes_of_a_sine_and_of_silence(win: int) -> None:
    place = torch.arange(3 * win)
    sine = torch.sin(2 * math.pi * 8 / win * place)[None]  # in the middle of bin 8
    found = magnitudes(sine, win)
    assert found.shape == (1, win // 2 + 1, 2 * 4 + 1)
    assert found[0, 8] == pytest.approx(0.5, rel=1e-3) and found[0, 9] == pytest.approx(0.25, rel=1e-2)
    assert magnitudes(torch.zeros(1, win), win) == pytest.approx(FLOOR)


def test_a_change_of_sign_costs_nothing_and_one_of_colour_does() -> None:
    wav = noise()
    assert multi_resolution_stft(wav, -wav).item() == pytest.approx(0, abs=1e-5)
    assert multi_resolution_stft(wav, wav.diff(prepend=wav[:, :1])).item() > 0.3


@pytest.mark.parametrize("real", [0.0, 1.0])
@pytest.mark.parametrize("fake", [0.0, 1e-20, 1.0])
def test_gradients_are_finite_also_in_silence(real: float, fake: float) -> None:
    made = (noise() * fake).requires_grad_()
    loss = multi_resolution_stft(noise() * real, made)
    loss.backward()
    assert loss.isfinite() and made.grad.isfinite().all()
    assert real == fake == 1.0 or not real or made.grad.abs().max() > 0 or not fake


def test_it_is_single_precision_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        under = multi_resolution_stft(noise().bfloat16().float(), noise(1).bfloat16())
    assert under.dtype == torch.float32
    plain = multi_resolution_stft(noise().bfloat16().float(), noise(1).bfloat16().float())
    assert under.item() == pytest.approx(plain.item(), rel=1e-4)


def test_gradient_descent_brings_sounds_together() -> None:
    real, fake = noise(samples=4096) * 0.1, (noise(1, 4096) * 0.02).requires_grad_()
    optimizer = torch.optim.Adam([fake], lr=5e-3)
    losses = []
    for _ in range(20):
        loss = multi_resolution_stft(real, fake)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
