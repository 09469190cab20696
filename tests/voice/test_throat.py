"""A throat's length, told by pitch and by what is heard."""

import math

import numpy as np
import pytest
import torch

from voicegan.audio.mel import preset
from voicegan.audio.source_filter import SourceFilter
from voicegan.voice.throat import (
    ORDER,
    SLOPE,
    STRETCHES,
    FollowedThroat,
    Sounds,
    by_pitch,
    likeliest,
)


def vowels(frames: int, seed: int = 0) -> torch.Tensor:
    """Frames (80, F) with two formants each at places of their own, the mean taken off."""
    rng = np.random.default_rng(seed)
    bands = np.arange(80)[:, None]
    first, second = rng.uniform(8, 22, frames), rng.uniform(34, 58, frames)
    made = 3 * np.exp(-(((bands - first) / 3) ** 2)) + 2 * np.exp(-(((bands - second) / 3) ** 2))
    made = made - made.mean(axis=1, keepdims=True)
    return torch.from_numpy(made.astype(np.float32))


@pytest.fixture(scope="module")
def parts() -> SourceFilter:
    return SourceFilter(preset("16k"))


@pytest.mark.parametrize("longer", [-0.15, -0.06, 0.0, 0.09, 0.18])
def test_a_stretched_throat_is_told_and_undone(parts: SourceFilter, longer: float) -> None:
    sounds = Sounds.of(vowels(3000), parts)
    spoken = vowels(400, seed=1)
    stretched = parts.stretched(spoken[None], torch.full((1, 400), math.exp(-longer)))[0]
    assert sounds.told(stretched) == pytest.approx(longer, abs=0.035)


def test_little_speech_is_told_by_pitch_and_much_by_itself() -> None:
    distances = 3.0 + 10.0 * (STRETCHES - 0.12) ** 2
    assert likeliest(distances, 0, -0.1) == pytest.approx(-0.1, abs=1e-6)
    assert likeliest(distances, 60, -0.1) == pytest.approx(0.01, abs=0.02)
    assert likeliest(distances, 1e6, -0.1) == pytest.approx(0.12, abs=1e-3)
    assert abs(likeliest(3.0 - 10.0 * STRETCHES, 1e6, 0.0)) <= 0.3 + 1e-6


def test_the_pitch_tells_a_quarter_of_itself_within_bounds() -> None:
    assert float(by_pitch(math.log(110), math.log(190), 0.05)) == pytest.approx(
        SLOPE * math.log(190 / 110) + 0.05
    )
    assert float(by_pitch(math.log(60), math.log(480), 0.1)) == pytest.approx(0.3)


def test_a_stream_begins_with_what_it_heard_and_moves_without_jumps(parts: SourceFilter) -> None:
    sounds = Sounds.of(vowels(3000), parts)
    spoken = parts.stretched(vowels(600, seed=2)[None], torch.full((1, 600), math.exp(-0.12)))[0]
    followed, said = FollowedThroat(sounds, 2000.0), torch.ones(100, dtype=torch.bool)
    factors = torch.cat([followed.follow(spoken[:, at : at + 100], said, 0.0) for at in range(0, 600, 100)])
    assert torch.equal(factors[:100], factors[:1].expand(100))
    assert float(factors[1:].sub(factors[:-1]).abs().max()) < 2e-3
    assert float(factors[-1].log()) == pytest.approx(0.12, abs=0.04)


def test_pauses_and_nothing_known_leave_it_to_the_pitch(parts: SourceFilter) -> None:
    said = torch.zeros(50, dtype=torch.bool)
    of_pauses = FollowedThroat(Sounds.of(vowels(500), parts), 2000.0).follow(vowels(50), said, 0.08)
    unknown = FollowedThroat(Sounds(torch.zeros(0, ORDER), parts), 2000.0).follow(vowels(50), ~said, 0.08)
    for factors in (of_pauses, unknown):
        torch.testing.assert_close(factors, torch.full((50,), math.exp(0.08)))


def test_the_same_frames_have_the_same_sounds(parts: SourceFilter) -> None:
    torch.testing.assert_close(
        Sounds.of(vowels(700), parts).centres, Sounds.of(vowels(700), parts).centres, rtol=0, atol=0
    )
    assert Sounds.of(vowels(0), parts).centres.shape == (0, ORDER)
    assert Sounds.of(vowels(5), parts).centres.shape == (5, ORDER)
