"""Resampling: lengths, block sizes, tones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegan.audio.resample import StreamResampler, resample

RATES = [8000, 11025, 16000, 22050, 44100, 48000, 192000]


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 4000), max_size=10),
    in_hz=st.sampled_from(RATES),
    out_hz=st.sampled_from(RATES),
)
def test_blocks_do_not_matter_and_the_length_is_exact(cuts: list[int], in_hz: int, out_hz: int) -> None:
    x = np.random.default_rng(0).standard_normal(sum(cuts)).astype(np.float32)
    stream = StreamResampler(in_hz, out_hz)
    places = np.cumsum([0, *cuts])
    pieces = [stream.push(x[a:b]) for a, b in itertools.pairwise(places)]
    streamed = np.concatenate([*pieces, stream.flush()])
    assert abs(len(streamed) - len(x) * out_hz / in_hz) <= 0.5
    np.testing.assert_array_equal(streamed, resample(x, in_hz, out_hz))


@pytest.mark.parametrize(("in_hz", "out_hz"), [(44100, 16000), (16000, 48000), (48000, 22050), (8000, 16000)])
def test_a_tone_stays_the_same_tone_at_the_same_time(in_hz: int, out_hz: int) -> None:
    tone = np.sin(2 * np.pi * 700 * np.arange(in_hz) / in_hz).astype(np.float32)
    ours = resample(tone, in_hz, out_hz)
    expected = np.sin(2 * np.pi * 700 * np.arange(out_hz) / out_hz)
    np.testing.assert_allclose(ours[1000:-1000], expected[1000:-1000], atol=2e-3)


def test_what_the_new_rate_cannot_hold_is_removed() -> None:
    tone = np.sin(2 * np.pi * 12000 * np.arange(48000) / 48000).astype(np.float32)
    assert np.abs(resample(tone, 48000, 16000)[500:-500]).max() < 1e-3


def test_equal_rates_change_nothing() -> None:
    x = np.random.default_rng(1).standard_normal(1000).astype(np.float32)
    np.testing.assert_array_equal(resample(x, 16000, 16000), x)
