"""What lies under a voice goes, the voice stays, whatever the pieces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import signal

from voicegan.audio.rumble import CUTOFF_HZ, RumbleFilter

RATE_HZ = 16000


def tone(hz: float, seconds: float = 2.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz).astype(np.float32)


def loss_db(hz: float, rate_hz: int) -> float:
    wav = tone(hz, rate_hz=rate_hz)
    made = RumbleFilter(rate_hz).push(wav)
    second = slice(len(wav) // 2, None)
    return float(20 * np.log10(wav[second].std() / made[second].std()))


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
@pytest.mark.parametrize(
    ("hz", "least", "most"), [(25, 34, 38), (CUTOFF_HZ, 2.9, 3.1), (100, 0, 0.3), (250, 0, 0.01)]
)
def test_rumble_goes_and_a_voice_stays(hz: float, least: float, most: float, rate_hz: int) -> None:
    assert least <= loss_db(hz, rate_hz) <= most


def test_pieces_of_any_size_give_the_same_samples() -> None:
    wav = np.random.default_rng(0).normal(0, 0.1, 5000).astype(np.float32)
    pieces, each = RumbleFilter(RATE_HZ), RumbleFilter(RATE_HZ)
    whole = RumbleFilter(RATE_HZ).push(wav)
    cuts = [0, 0, 1, 8, 900, 901, 5000]
    parts = [pieces.push(wav[a:b]) for a, b in pairwise(cuts)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(np.concatenate([each.push(sample) for sample in wav[:200, None]]), whole[:200])


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_it_is_the_butterworth_filter_of_scipy(rate_hz: int) -> None:
    wav = np.random.default_rng(1).normal(0.3, 0.1, 5000).astype(np.float32)
    sections = signal.butter(4, CUTOFF_HZ, "highpass", fs=rate_hz, output="sos")
    settled = signal.sosfilt_zi(sections) * wav[0]
    expected, _ = signal.sosfilt(sections, wav.astype(np.float64), zi=settled)
    np.testing.assert_allclose(RumbleFilter(rate_hz).push(wav), expected, atol=1e-6)


def test_an_offset_makes_no_step() -> None:
    wav = 0.1 * tone(200)
    made = RumbleFilter(RATE_HZ).push(wav + np.float32(0.5))
    assert np.abs(made - RumbleFilter(RATE_HZ).push(wav)).max() < 1e-4
