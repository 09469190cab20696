"""Active level, metering by blocks, and the causal gain."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegan.audio.loudness import LevelMeter, RunningGain, active_level_db, gain

RATE = 16000


def noise(seconds: float, level_db: float, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (samples * 10 ** (level_db / 20)).astype(np.float32)


def pieces(wav: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(wav, np.cumsum(cuts))


def test_the_level_of_a_steady_sound_is_its_rms() -> None:
    assert active_level_db(noise(2, -26), RATE) == pytest.approx(-26, abs=0.1)
    sine = np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)
    assert active_level_db(sine, RATE) == pytest.approx(-3.01, abs=0.05)


def test_pauses_offsets_and_hiss_do_not_count() -> None:
    speech = noise(2, -26)
    with_pauses = np.concatenate(
        [noise(5, -75), speech, np.zeros(5 * RATE, np.float32), speech, noise(3, -65)]
    )
    assert active_level_db(with_pauses, RATE) == pytest.approx(-26, abs=0.1)
    assert active_level_db(with_pauses + 0.1, RATE) == pytest.approx(-26, abs=0.1)


def test_quiet_syllables_count() -> None:
    both = np.concatenate([noise(1, -20), noise(1, -40)])
    assert active_level_db(both, RATE) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("wav", [np.zeros(RATE), np.zeros(0), np.full(RATE, 0.5), noise(1, -90)])
def test_silence_has_no_level(wav: np.ndarray) -> None:
    assert active_level_db(wav, RATE) == -math.inf


def test_a_sound_shorter_than_a_frame_has_a_level() -> None:
    assert active_level_db(noise(0.005, -20), RATE) == pytest.approx(-20, abs=2)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 3000), max_size=12))
def test_blocks_do_not_matter(cuts: list[int]) -> None:
    wav = np.concatenate([noise(0.5, -70), noise(0.5, -30), noise(0.2, -20)])
    meter, once = LevelMeter(RATE), LevelMeter(RATE)
    for piece in pieces(wav, cuts):
        meter.push(piece)
    once.push(wav)
    assert meter.level.active_db == pytest.approx(once.level.active_db, abs=1e-9)
    assert meter.peak_db == pytest.approx(20 * math.log10(np.abs(wav).max()))
    runs, run = RunningGain(-26, RATE), RunningGain(-26, RATE)
    streamed = np.concatenate([runs.push(piece) for piece in pieces(wav, cuts)])
    np.testing.assert_array_equal(streamed, run.push(wav))


def test_the_gain_between_levels() -> None:
    assert gain(-26, -20) == pytest.approx(10 ** (6 / 20))
    assert gain(-math.inf, -20) == 1.0


@pytest.mark.parametrize("level_db", [-45, -26, -10])
def test_the_running_gain_arrives_at_the_target_and_stays_there_over_pauses(level_db: float) -> None:
    run = RunningGain(-26, RATE)
    wav = np.concatenate([noise(1, -75), noise(4, level_db), noise(5, level_db - 50), noise(1, level_db)])
    out = run.push(wav)
    assert active_level_db(out[3 * RATE : 5 * RATE], RATE) == pytest.approx(-26, abs=0.3)
    assert active_level_db(out[-RATE:], RATE) == pytest.approx(-26, abs=0.3)


def test_the_running_gain_moves_without_steps_and_knows_nothing_of_the_future() -> None:
    ones, run = noise(2, -40), RunningGain(-26, RATE)
    curve = run.curve(ones)
    assert np.abs(np.diff(curve)).max() < 0.05
    changed = np.concatenate([ones[:RATE], noise(1, -10, seed=3)])
    np.testing.assert_array_equal(
        RunningGain(-26, RATE).push(changed)[:RATE], RunningGain(-26, RATE).push(ones)[:RATE]
    )


def test_silence_is_not_made_loud() -> None:
    run = RunningGain(-26, RATE)
    run.push(np.zeros(RATE, np.float32))
    assert run.gain == 1.0


def test_the_hiss_before_the_first_word_does_not_make_that_word_loud() -> None:
    out = RunningGain(-26, RATE).push(np.concatenate([noise(2, -60), noise(1, -20)]))
    assert active_level_db(out[2 * RATE + RATE // 10 :], RATE) == pytest.approx(-26, abs=0.3)


@pytest.mark.parametrize("hiss_db", [-75, -69, -60])
@pytest.mark.parametrize("level_db", [-26, -20])
def test_a_word_out_of_hiss_is_not_made_too_loud(hiss_db: float, level_db: float) -> None:
    word = np.concatenate([noise(0.06, -68), noise(0.5, level_db)])  # a breath, then speech
    out = RunningGain(-26, RATE).push(np.concatenate([noise(1, hiss_db), word]))
    assert active_level_db(out[RATE:], RATE) < max(level_db, -26) + 1
    assert np.abs(out).max() < 1


def test_a_whisper_is_brought_up_within_seconds() -> None:
    out = RunningGain(-26, RATE).push(noise(12, -58))
    assert active_level_db(out[-RATE:], RATE) == pytest.approx(-28, abs=0.5)  # the gain is at most 30 dB


@pytest.mark.parametrize("level_db", [-45, -26, -10])
def test_a_running_gain_that_knows_the_level_begins_with_it(level_db: float) -> None:
    out = RunningGain(-26, RATE, start_db=level_db).push(noise(2, level_db))
    for at in (0, RATE // 4, RATE):
        assert active_level_db(out[at : at + RATE // 4], RATE) == pytest.approx(-26, abs=1)


def test_the_swing_is_the_peak_without_an_offset() -> None:
    meter = LevelMeter(RATE)
    assert meter.swing_db == -math.inf
    meter.push(np.array([0.6, 0.4], np.float32))
    meter.push(np.array([0.5], np.float32))
    assert meter.swing_db == pytest.approx(-20, abs=1e-3)
    assert meter.peak_db == pytest.approx(20 * math.log10(0.6))
    assert meter.samples == 3


def test_a_cough_does_not_close_the_gate_for_ever() -> None:
    out = RunningGain(-26, RATE).push(np.concatenate([noise(0.1, -6), noise(60, -38)]))
    assert active_level_db(out[-RATE:], RATE) == pytest.approx(-26, abs=0.3)
