"""What generators are given: pictures without the speaker, the same whatever the pieces, within what is stated."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from made_speech import pause, utter
from scipy.signal import lfilter
from tiny_voices import (  # noqa: F401
    MELS,
    make_voice,
    noise_vocoder,
    pictured,
    speech_like,
    tiny_nets,
)
from torch import Tensor

from voicegan.audio.loudness import active_level_db
from voicegan.audio.mel import PRESETS, LogMel, MelSpec
from voicegan.audio.pitch import f0
from voicegan.audio.source_filter import SourceFilter
from voicegan.voice.analysis import Analysis, FollowedMean, analyses_for
from voicegan.voice.converter import Converter
from voicegan.voice.normaliser import normaliser_for
from voicegan.voice.source_picture import HIGHEST_HZ, LOWEST_HZ, held, moved, picture

SPEC = PRESETS["16k"]
STATISTICS = pictured()["statistics"]
KINDS = ["fixed", "running", "envelope"]
VOICED, HEIGHT = 2 * MELS, 2 * MELS + 1


def analysis(kind: str = "envelope", window: int = 16) -> Analysis:
    return analyses_for(kind, SPEC, STATISTICS)(window)


def streamed(heard: Analysis, wav: np.ndarray, sizes: list[int]) -> Tensor:
    parts, at, turn = [], 0, 0
    while at < len(wav):
        parts.append(heard.push(wav[at : at + sizes[turn % len(sizes)]]))
        at += sizes[turn % len(sizes)]
        turn += 1
    return torch.cat([*parts, heard.flush()], dim=1)


def seen(wav: np.ndarray, window: int = 16) -> Tensor:
    return streamed(analysis(window=window), wav, [len(wav)])


# As a stream ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [16, 64])
def test_pieces_of_any_size_are_heard_alike(kind: str, window: int) -> None:
    wav = np.concatenate([pause(0.5), utter(1), pause(0.7), utter(2, pitch_hz=220.0)])
    whole = streamed(analysis(kind, window), wav, [len(wav)])
    assert whole.shape == (2 * MELS + 2 if kind == "envelope" else MELS, SPEC.frames(len(wav)))
    for sizes in ([1, 7, 20000, 333], [4096], [256]):
        assert torch.equal(streamed(analysis(kind, window), wav, sizes), whole)


@pytest.mark.parametrize("kind", ["fixed", "running"])
def test_a_mel_is_normalised_as_a_whole_one_would_be(kind: str) -> None:
    wav = utter(1)
    mel = LogMel(SPEC)(torch.from_numpy(wav)[None])[0]
    expected = normaliser_for(kind, STATISTICS, 62.5)(mel)
    torch.testing.assert_close(streamed(analysis(kind), wav, [777]), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_come_when_they_were_promised(kind: str) -> None:
    heard, wav = analysis(kind), utter(3)
    frames = known = 0
    while (needed := heard.samples_for(frames + 1)) <= len(wav):
        assert heard.push(wav[known : needed - 1]).shape[1] == 0
        frames += heard.push(wav[needed - 1 : needed]).shape[1]
        known = needed
        assert heard.samples_for(frames) <= needed < heard.samples_for(frames + 1)
    assert frames > 100


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("samples", [0, 1, 128, 255, 256, 257, 4096, 9999])
def test_any_length_and_contract_gives_the_frames_of_the_mel(name: str, samples: int) -> None:
    spec = PRESETS[name]
    wav = np.resize(utter(4, rate_hz=spec.sample_rate_hz), samples)
    made = streamed(in_contract(spec), wav, [1000])
    assert made.shape == (2 * spec.mels + 2, spec.frames(samples) if samples else 0)
    assert made.isfinite().all()


def in_contract(spec: MelSpec) -> Analysis:
    statistics = {name: torch.full((spec.mels,), -3.0) for name in ("source.mean", "target.mean")}
    statistics |= {name: torch.ones(spec.mels) for name in ("source.std", "target.std")}
    statistics |= {name: STATISTICS[name] for name in ("source.pitch", "target.pitch")}
    return analyses_for("envelope", spec, statistics)(16)


@pytest.mark.parametrize("sound", ["silence", "constant", "clicks", "clipped", "far too loud", "very quiet"])
def test_whatever_is_heard_gives_numbers(sound: str) -> None:
    wav = {
        "silence": np.zeros(20000, np.float32),
        "constant": np.full(20000, 0.5, np.float32),
        "clicks": (np.arange(20000) % 4000 == 0).astype(np.float32),
        "clipped": np.sign(utter(5)),
        "far too loud": 100 * utter(5),
        "very quiet": 1e-6 * utter(5),
    }[sound]
    made = seen(wav.astype(np.float32))
    assert made.isfinite().all() and made.abs().max() < 50
    if sound in ("silence", "constant"):
        # Nobody spoke: what training found stands for the pitch, which is at the target's mean then.
        assert not made[VOICED].any() and made[HEIGHT].abs().max() < 1e-5


def test_an_hour_needs_no_more_memory_than_a_minute() -> None:
    heard, wav = analysis(), utter(6)
    for _ in range(15):
        heard.push(wav)
        assert heard._frames.untyped_storage().nbytes() <= 4 * MELS * 32  # type: ignore[attr-defined]
        assert len(heard._pitch._held) < 32000  # type: ignore[attr-defined]


def test_the_analysis_is_quick() -> None:
    # Measured: 0.012 s for a second of sound in live windows, two thirds of it for the pitch; 0.003 s in large ones.
    wav = utter(7, syllables=40)
    for window, most in ((16, 0.15), (512, 0.08)):
        heard = analysis(window=window)
        heard.push(wav[:20000])
        start = time.process_time()
        heard.push(wav[20000:])
        assert (time.process_time() - start) / ((len(wav) - 20000) / 16000) < most


# What pictures show ---------------------------------------------------------------------------------------------------


def test_a_picture_is_what_its_parts_say() -> None:
    wav = utter(8, pitch_hz=110.0)
    made = seen(wav)
    pitch_hz = f0(wav, 16000, SPEC.hop)
    voiced = torch.from_numpy(pitch_hz > 0)
    assert set(made[VOICED].unique().tolist()) == {0.0, 1.0}
    assert (made[VOICED].bool() == voiced).float().mean() > 0.95
    moved_hz = (made[HEIGHT] / 3).exp() * 200.0
    torch.testing.assert_close(
        made[MELS : 2 * MELS], SourceFilter(SPEC).harmonics(moved_hz[None])[0], atol=0.02, rtol=0
    )
    # After the first syllables the speaker's 110 Hz are the target's 200, and what glides still glides.
    late = voiced & (torch.arange(len(voiced)) > 60)
    assert float(moved_hz[late].log().mean().exp()) == pytest.approx(200.0, rel=0.05)
    assert np.corrcoef(moved_hz[late].log(), np.log(pitch_hz[late.numpy()]))[0, 1] > 0.9


@pytest.mark.parametrize("window", [16, 512])
def test_high_and_low_speakers_come_to_lie_in_the_targets_range(window: int) -> None:
    for pitch_hz in (90.0, 250.0):
        made = seen(utter(9, pitch_hz=pitch_hz), window)
        assert made[HEIGHT, made[VOICED] > 0][-40:].mean().abs() < 0.15


@pytest.mark.parametrize("colour", [([1.0, -0.6], [1.0, 0.3]), ([1.0, -0.9], [1.0]), ([1.0], [1.0, -0.8])])
def test_a_microphones_colour_is_hardly_seen(colour: tuple[list[float], list[float]]) -> None:
    wav = np.concatenate([utter(sentence) for sentence in range(6)])
    through = lfilter(*colour, wav)
    through = (through * np.sqrt(np.mean(wav**2) / np.mean(through**2))).astype(np.float32)
    plain, coloured = (seen(each)[:MELS, 400:] for each in (wav, through))  # who is heard is known by then
    mels = [streamed(analysis("fixed"), each, [len(wav)])[:, 400:] for each in (wav, through)]
    loud = plain.mean(dim=0) > -0.5
    left = (plain - coloured)[:, loud].mean(dim=1).abs().mean()
    assert left < (mels[0] - mels[1])[:, loud].mean(dim=1).abs().mean() / 3


def test_what_hums_in_a_pause_is_no_voice() -> None:
    wav = np.concatenate([utter(1), pause(3.0), utter(2)])
    seconds = np.arange(len(wav)) / 16000
    hum = sum(np.sin(2 * np.pi * 60 * k * seconds) / k for k in (1, 2, 3, 5)) * 10 ** (-50 / 20)
    quiet, humming = seen(wav), seen(wav + hum.astype(np.float32))
    inside = slice(len(utter(1)) // SPEC.hop + 15, (len(utter(1)) + 2 * 16000) // SPEC.hop)
    hum_hz = f0(wav + hum.astype(np.float32), 16000, SPEC.hop)[inside]
    assert (hum_hz > 0).mean() > 0.5, "the pitch tracker hears it"
    assert not humming[VOICED, inside].any()
    both = (quiet[VOICED] > 0) & (humming[VOICED] > 0)
    both[: inside.stop] = False
    assert both.sum() > 30
    assert (quiet - humming)[HEIGHT, both].abs().mean() < 0.15, "nor does it lower the speaker's pitch"


def test_pauses_do_not_move_the_mean() -> None:
    spoken = utter(1)
    for between in (0.5, 8.0):
        wav = np.concatenate([spoken, pause(between), spoken])
        made = seen(wav)[:MELS, -60:]
        if between == 0.5:
            short = made
    assert (made - short).abs().mean() < 0.1


def test_statistics_move_without_steps() -> None:
    mean = FollowedMean(torch.zeros(1), 1.0, 62.5)
    made = torch.cat(
        [mean.follow(torch.full((1, 16), 4.0), torch.ones(16).bool()) for _ in range(60)], dim=1
    )[0]
    assert (made.diff() >= 0).all() and made.diff().max() < 0.06
    assert torch.equal(made[:16], made[:1].expand(16))
    weight = 62.5 * (1 - 1 / (30 * 62.5)) ** 960
    heard = sum((1 - 1 / (30 * 62.5)) ** age for age in range(960))
    assert float(made[-1]) == pytest.approx(4.0 * heard / (heard + weight), rel=1e-5)


def test_what_does_not_count_leaves_the_mean_alone() -> None:
    mean = FollowedMean(torch.tensor([1.0, 2.0]), 1.0, 62.5)
    assert torch.equal(
        mean.follow(torch.randn(2, 5), torch.zeros(5).bool()), torch.tensor([[1.0], [2.0]]).expand(2, 5)
    )


def test_a_pitch_is_held_where_there_is_none() -> None:
    f0_hz = np.array([0, 0, 100, 0, 120, 0], np.float32)
    assert held(f0_hz, 150.0).tolist() == [150.0, 150.0, 100.0, 100.0, 120.0, 120.0]
    assert held(0 * f0_hz, 170.0).tolist() == [170.0] * 6


def test_a_moved_pitch_stays_within_what_a_voice_can_do() -> None:
    held_hz = torch.tensor([[60.0, 100.0, 130.0, 499.0]])
    made = moved(held_hz, math.log(100.0), math.log(200.0))
    torch.testing.assert_close(made, torch.tensor([[120.0, 200.0, 260.0, HIGHEST_HZ]]))
    assert float(moved(held_hz, math.log(300.0), math.log(100.0)).min()) == LOWEST_HZ


def test_a_picture_of_a_batch_is_those_of_its_rows() -> None:
    parts, x = SourceFilter(SPEC), torch.randn(3, MELS, 20)
    voiced, moved_hz = torch.rand(3, 20).round(), torch.rand(3, 20) * 300 + 80
    made = picture(x, moved_hz, voiced, math.log(200.0), parts)
    assert made.shape == (3, 2 * MELS + 2, 20)
    for row in range(3):
        one = slice(row, row + 1)
        assert torch.equal(picture(x[one], moved_hz[one], voiced[one], math.log(200.0), parts), made[one])


# As a voice -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def voice(tmp_path: Path, tiny_nets: None, noise_vocoder: None) -> Converter:  # noqa: F811
    return Converter(make_voice(tmp_path / "any", **pictured()), device="cpu")


def converted(stream, wav: np.ndarray, sizes: list[int]) -> np.ndarray:
    parts, at, turn = [], 0, 0
    while at < len(wav):
        parts.append(stream.push(wav[at : at + sizes[turn % len(sizes)]]))
        at += sizes[turn % len(sizes)]
        turn += 1
    return np.concatenate([np.zeros(0, np.float32), *parts, stream.flush()])


@pytest.mark.parametrize("level", ["running", -20.0])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_block_sizes_do_not_matter(voice: Converter, rate: int, level: float | str) -> None:
    wav = speech_like(6.3, rate, level_db=-20)
    whole = converted(voice.stream(rate, level=level), wav, [len(wav)])
    assert np.abs(whole).max() > 0.05
    for sizes in ([160], [1, 7, 20000, 333], [65536, 3]):
        assert np.array_equal(converted(voice.stream(rate, level=level), wav, sizes), whole)


def test_a_file_is_a_stream_whose_level_was_measured(voice: Converter) -> None:
    wav = speech_like(4.0, 22050, level_db=-33)
    made, _ = voice.convert(wav, 22050)
    stream = voice.stream(22050, level=active_level_db(wav, 22050))
    assert np.array_equal(converted(stream, wav, [1000]), made)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_as_many_samples_come_out_as_go_in(voice: Converter, rate: int) -> None:
    for samples in (0, 1, 2, 127, 255, 256, 257, 1025, 3333, 3 * rate + 17):
        wav = np.resize(speech_like(1.0, rate), samples)
        made, _ = voice.convert(wav, rate)
        assert made.shape == (samples,) and np.isfinite(made).all()


@pytest.mark.parametrize(
    ("rate", "rate_out", "chunk"),
    [(16000, 16000, 16), (44100, 44100, 4), (16000, 48000, 33), (8000, 8000, 16), (16000, 16000, 1)],
)
def test_samples_come_within_the_stated_look_ahead(
    voice: Converter, rate: int, rate_out: int, chunk: int
) -> None:
    stream = voice.stream(rate, rate_out, chunk_frames=chunk)
    wav = speech_like(8.0, rate)
    piece, emitted, worst = 50, 0, 0.0
    for at in range(0, len(wav), piece):
        worst = max(worst, at / rate - emitted / rate_out)
        emitted += len(stream.push(wav[at : at + piece]))
    assert 0.5 * stream.latency_s < worst <= stream.latency_s


def test_a_live_stream_answers_within_a_second(voice: Converter) -> None:
    assert voice.latency_s < 0.8
    assert voice.stream(16000, chunk_frames=4).latency_s < 0.45


def test_the_inputs_gain_is_the_outputs(voice: Converter) -> None:
    wav = speech_like(5.0, level_db=-26)
    plain, _ = voice.convert(wav, 16000)
    for gain in (0.05, 2.0):
        made, _ = voice.convert(np.float32(gain) * wav, 16000)
        assert np.abs(made / gain - plain).max() < 0.02 * np.abs(plain).max()


def test_silence_stays_silent(voice: Converter) -> None:
    assert not converted(voice.stream(16000), np.zeros(48000, np.float32), [4800]).any()
    assert not voice.convert(np.zeros(5000), 44100)[0].any()


def test_a_generator_that_sees_windows_is_given_pictures_too(voice: Converter) -> None:
    voice.generator.context_frames = None  # its windows then lie otherwise than those of the analysis
    stream, wav = voice.stream(16000, chunk_frames=100), speech_like(9.0)
    emitted, worst = 0, 0
    for at in range(0, len(wav), 100):
        worst = max(worst, at - emitted)
        emitted += len(stream.push(wav[at : at + 100]))
    assert 0.5 * stream.latency_s < worst / 16000 <= stream.latency_s
    whole = converted(voice.stream(16000, chunk_frames=100), wav, [len(wav)])
    assert len(whole) == len(wav)
    assert np.array_equal(converted(voice.stream(16000, chunk_frames=100), wav, [777]), whole)
