"""Envelope and ripple: two pitches under the same formants have one envelope, and each its own ripple."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from voicegan.audio.mel import PRESETS, LogMel, MelSpec
from voicegan.audio.source_filter import FLOOR, HIGHEST_HZ, LOWEST_HZ, SourceFilter, comb_magnitudes

SPEC = PRESETS["16k"]
FORMANTS_HZ = np.array([600.0, 1300.0, 2600.0, 3600.0])
LOWER = 20  # bands, up to 800 Hz, where harmonics are apart


def vowel(pitch_hz: float, rate: int = 16000, seconds: float = 1.0) -> Tensor:
    """Harmonics (1, T) under formants that are the same for every pitch, with the same power per hertz."""
    time_s = np.arange(round(seconds * rate)) / rate
    harmonics_hz = pitch_hz * np.arange(1, int(min(7800, rate / 2 - 100) / pitch_hz))
    gains = np.sum(1 / (1 + ((harmonics_hz[:, None] - FORMANTS_HZ) / 200) ** 2), axis=1) * np.sqrt(pitch_hz)
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, len(harmonics_hz))
    parts = gains[:, None] * np.sin(2 * np.pi * harmonics_hz[:, None] * time_s + phases[:, None])
    return torch.from_numpy(0.005 * parts.sum(0)).float()[None]


def frames_of(pitch_hz: float, spec: MelSpec = SPEC) -> tuple[Tensor, Tensor]:
    """The log-mel of a vowel without its edges, and the pitch of each frame."""
    mel = LogMel(spec)(vowel(pitch_hz, spec.sample_rate_hz))[..., 4:-4]
    return mel, torch.full((1, mel.shape[-1]), pitch_hz)


@pytest.mark.parametrize("name", [*PRESETS, "energies"])
def test_two_pitches_under_the_same_formants_have_one_envelope(name: str) -> None:
    spec = replace(SPEC, power=2.0) if name == "energies" else PRESETS[name]
    parts = SourceFilter(spec)
    (low, low_hz), (high, high_hz) = frames_of(100.0, spec), frames_of(200.0, spec)
    filters = LogMel(spec).filters
    bands_hz = (filters * torch.linspace(0, spec.sample_rate_hz / 2, spec.bins)).sum(dim=1) / filters.sum(
        dim=1
    )
    speech = (bands_hz > 200) & (bands_hz < 4000)  # below its first harmonic a vowel is silent
    plain = (low - high).mean(dim=2)[0, speech].abs().mean()
    apart = parts.envelope(low, low_hz) - parts.envelope(high, high_hz)
    assert apart.mean(dim=2)[0, speech].abs().mean() < plain / 5


@pytest.mark.parametrize("pitch_hz", [100.0, 147.0, 200.0, 310.0])
@pytest.mark.parametrize("name", PRESETS)
def test_the_ripple_is_what_the_envelope_lacks(name: str, pitch_hz: float) -> None:
    spec = PRESETS[name]
    parts = SourceFilter(spec)
    mel, f0_hz = frames_of(pitch_hz, spec)
    ripple = parts.harmonics(f0_hz).mean(dim=2)[0]
    lacking = (mel - parts.envelope(mel, f0_hz)).mean(dim=2)[0]
    assert np.corrcoef(lacking[:LOWER], ripple[:LOWER])[0, 1] > 0.7


def test_a_flat_spectrum_is_its_own_envelope() -> None:
    flat = torch.full((2, 80, 5), -3.0)
    f0_hz = torch.tensor([[0.0, 60.0, 123.4, 499.0, 700.0]] * 2)
    torch.testing.assert_close(SourceFilter(SPEC).envelope(flat, f0_hz), flat)


def test_silence_stays_silent() -> None:
    silence = torch.full((1, 80, 3), SPEC.floor)
    torch.testing.assert_close(
        SourceFilter(SPEC).envelope(silence, torch.tensor([[0.0, 80.0, 300.0]])), silence
    )


def test_there_is_no_ripple_without_a_pitch() -> None:
    ripple = SourceFilter(SPEC).harmonics(torch.tensor([[0.0, 120.0, 0.0]]))
    assert not ripple[..., [0, 2]].any()
    assert ripple[..., 1].abs().max() > 0.5


def test_a_ripple_moves_smoothly_with_the_pitch() -> None:
    pitches_hz = torch.from_numpy(np.geomspace(LOWEST_HZ, HIGHEST_HZ, 4001)).float()[None]
    ripple = SourceFilter(SPEC).harmonics(pitches_hz)[0]
    assert ripple.diff(dim=1).abs().max() < 0.1 * (ripple.max() - ripple.min())
    assert float(ripple.min()) >= math.log(FLOOR) - 0.1


def test_pitches_beyond_the_grid_count_as_its_ends() -> None:
    parts = SourceFilter(SPEC)
    inside, outside = torch.tensor([[LOWEST_HZ, HIGHEST_HZ]]), torch.tensor([[31.0, 900.0]])
    assert torch.equal(parts.harmonics(outside), parts.harmonics(inside))


def test_a_frame_does_not_know_the_others() -> None:
    parts = SourceFilter(SPEC)
    mel = torch.randn(3, 80, 37) - 5
    f0_hz = torch.rand(3, 37) * 400 * (torch.rand(3, 37) > 0.4)
    envelope, ripple = parts.envelope(mel, f0_hz), parts.harmonics(f0_hz)
    for row, first, last in ((0, 0, 1), (1, 5, 22), (2, 36, 37)):
        here = f0_hz[row : row + 1, first:last]
        assert torch.equal(
            parts.envelope(mel[row : row + 1, :, first:last], here)[0], envelope[row, :, first:last]
        )
        assert torch.equal(parts.harmonics(here)[0], ripple[row, :, first:last])


def test_bands_that_hear_nothing_do_no_harm() -> None:
    spec = MelSpec(16000, 512, 512, 128, 256, 0.0, 8000.0)  # several filters lie between two bins
    mel, f0_hz = frames_of(150.0, spec)
    deaf = LogMel(spec).filters.sum(dim=1) == 0
    assert deaf.any()
    parts = SourceFilter(spec)
    envelope, ripple = parts.envelope(mel, f0_hz), parts.harmonics(f0_hz)
    assert envelope.isfinite().all() and ripple.isfinite().all()
    assert not ripple[:, deaf].any()
    assert (envelope[:, deaf] > spec.floor + 1).all()  # what the bands beside them hear


def test_gradients_reach_the_mel() -> None:
    mel = (torch.randn(1, 80, 4) - 4).requires_grad_()
    SourceFilter(SPEC).envelope(mel, torch.tensor([[0.0, 90.0, 200.0, 440.0]])).sum().backward()
    assert mel.grad is not None and mel.grad.isfinite().all() and (mel.grad > 0).any()


def test_a_comb_has_its_teeth_at_the_harmonics() -> None:
    combs = comb_magnitudes(SPEC, np.array([125.0, 250.0]))  # every 8th and every 16th bin
    assert combs.shape == (2, 513)
    for comb, step in zip(combs, (8, 16), strict=True):
        np.testing.assert_allclose(comb[step::step], 1.0)
        assert comb[step // 2 :: step].max() == 0


# Stretched ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_stretching_by_one_changes_nothing(name: str) -> None:
    spec = PRESETS[name]
    bands = torch.randn(2, spec.mels, 7)
    torch.testing.assert_close(SourceFilter(spec).stretched(bands, torch.ones(2, 7)), bands)


@pytest.mark.parametrize("factor", [0.7, 0.85, 1.0, 1.15, 1.3])
@pytest.mark.parametrize("peak_hz", [500.0, 1200.0, 2500.0])
def test_a_peak_moves_to_the_factor_times_its_frequency(factor: float, peak_hz: float) -> None:
    parts = SourceFilter(SPEC)
    bands = -(((parts.bands_hz / peak_hz).log() / 0.15) ** 2)[None, :, None]
    made = parts.stretched(bands, torch.full((1, 1), factor))[0, :, 0]
    expected = -(((parts.bands_hz / (factor * peak_hz)).log() / 0.15) ** 2)
    near = expected > -1
    torch.testing.assert_close(made[near], expected[near], atol=0.1, rtol=0)


def test_stretching_there_and_back_gives_what_was_there() -> None:
    parts = SourceFilter(SPEC)
    bands = torch.nn.functional.interpolate(torch.randn(1, 3, 8), 80, mode="linear").transpose(1, 2)
    factors = torch.full((1, 3), 1.2)
    back = parts.stretched(parts.stretched(bands, factors), 1 / factors)
    inside = (parts.bands_hz > 300) & (parts.bands_hz < 6000)  # what was moved out at the top is lost
    assert (back - bands)[:, inside].abs().max() < 0.15 * bands.abs().max()


def test_what_comes_from_outside_has_the_edges_value() -> None:
    parts = SourceFilter(SPEC)
    bands = torch.arange(80.0)[None, :, None].expand(1, 80, 2)
    made = parts.stretched(bands, torch.tensor([[0.5, 2.0]]))[0]
    assert made[-1, 0] == 79.0 and made[0, 1] == 0.0
    assert (made.diff(dim=0) >= 0).all() and made.min() >= 0 and made.max() <= 79


def test_every_frame_is_stretched_by_itself() -> None:
    parts = SourceFilter(SPEC)
    bands, factors = torch.randn(3, 80, 20), torch.rand(3, 20) * 0.6 + 0.7
    whole = parts.stretched(bands, factors)
    for row, first, last in ((0, 0, 1), (1, 5, 12), (2, 19, 20)):
        alone = parts.stretched(bands[row : row + 1, :, first:last], factors[row : row + 1, first:last])
        assert torch.equal(alone[0], whole[row, :, first:last])


def test_bands_that_hear_nothing_are_stretched_too() -> None:
    spec = MelSpec(16000, 512, 512, 128, 256, 0.0, 8000.0)
    parts = SourceFilter(spec)
    bands = torch.randn(1, 256, 3)
    assert parts.stretched(bands, torch.tensor([[0.8, 1.0, 1.2]])).isfinite().all()


@pytest.mark.parametrize("name", [*PRESETS, "energies"])
def test_gradients_are_numbers_at_the_mels_floor(name: str) -> None:
    """A generator may ask for silence: there the power is zero, and a root has no gradient."""
    spec = replace(SPEC, power=2.0) if name == "energies" else PRESETS[name]
    parts = SourceFilter(spec)
    mel = torch.full((1, spec.mels, 4), spec.floor)
    mel[:, :, 2:] = -200.0
    mel[:, spec.mels // 2 :, 1] = spec.floor + 4
    mel.requires_grad_()
    envelope = parts.envelope(mel, torch.tensor([[0.0, 120.0, 90.0, 400.0]]))
    assert envelope.isfinite().all()
    parts.stretched(envelope, torch.full((1, 4), 1.1)).sum().backward()
    assert mel.grad is not None and mel.grad.isfinite().all()
