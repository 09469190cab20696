"""Conversion is a stream: exact lengths, any block size, stated look-ahead, bounded memory, the input's loudness."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_voices import NETS, make_voice, noise_vocoder, speech_like, tiny_nets  # noqa: F401

from voicegan.audio.loudness import active_level_db
from voicegan.errors import VoiceganError
from voicegan.voice.converter import Converter, check_rate, choose_device
from voicegan.voice.level import EdgeFades, LevelFollower, OffsetRemover, soft_limit
from voicegan.voice.stream import as_samples

pytestmark = pytest.mark.usefixtures("tiny_nets", "noise_vocoder")


@pytest.fixture
def voice(tmp_path: Path) -> Converter:
    return Converter(make_voice(tmp_path / "slt"), device="cpu")


def load(folder: Path, net: str, **changes) -> Converter:
    return Converter(make_voice(folder / net, net=net, **changes), device="cpu")


def streamed(stream, wav, sizes):
    parts, at, turn = [], 0, 0
    while at < len(wav):
        parts.append(stream.push(wav[at : at + sizes[turn % len(sizes)]]))
        at += sizes[turn % len(sizes)]
        turn += 1
    return np.concatenate([np.zeros(0, np.float32), *parts, stream.flush()])


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 192000])
@pytest.mark.parametrize("net", ["tiny-local", "tiny-normed"])
def test_as_many_samples_come_out_as_go_in(tmp_path, net, rate):
    converter = load(tmp_path, net)
    for samples in (0, 1, 2, 127, 128, 129, 255, 256, 257, 511, 1025, 3333, rate + 1, 5 * rate + 17):
        wav = np.resize(speech_like(1.0, rate), samples)
        made, made_rate = converter.convert(wav, rate)
        assert made.shape == (samples,) and made.dtype == np.float32 and made_rate == rate
        assert np.isfinite(made).all()


@pytest.mark.parametrize(
    ("rate", "rate_out"), [(44100, "voice"), (44100, 48000), (8000, 11025), (16000, 44100)]
)
def test_another_output_rate_rounds_the_length(voice, rate, rate_out):
    for samples in (1, 1000, 12345, 44101):
        wav = np.resize(speech_like(1.0, rate), samples)
        made, made_rate = voice.convert(wav, rate, rate_out)
        assert made_rate == (16000 if rate_out == "voice" else rate_out)
        assert len(made) == math.floor(samples * made_rate / rate + 0.5)


@pytest.mark.parametrize("level", ["running", -20.0])
@pytest.mark.parametrize("net", ["tiny-local", "tiny-normed"])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_block_sizes_do_not_matter(tmp_path, net, rate, level):
    converter = load(tmp_path, net)
    wav = speech_like(6.3, rate, level_db=-20)
    whole = streamed(converter.stream(rate, level=level), wav, [len(wav)])
    for sizes in ([160], [1, 7, 20000, 333], [4096], [65536, 3]):
        assert np.array_equal(streamed(converter.stream(rate, level=level), wav, sizes), whole)


@pytest.mark.parametrize("normaliser", ["fixed", "running"])
def test_single_samples_do_not_matter_either(tmp_path, normaliser):
    converter = load(tmp_path, "tiny-local", normaliser=normaliser)
    wav = speech_like(1.1, 11025)
    whole = streamed(converter.stream(11025), wav, [len(wav)])
    assert np.array_equal(streamed(converter.stream(11025), wav, [1]), whole)
    assert np.abs(whole).max() > 0.05


def test_converting_is_streaming_with_the_level_that_was_measured(voice):
    wav = speech_like(4.0, 22050, level_db=-33)
    made, _ = voice.convert(wav, 22050)
    stream = voice.stream(22050, level=active_level_db(wav, 22050))
    assert np.array_equal(streamed(stream, wav, [1000]), made)


def test_two_streams_of_one_voice_do_not_disturb_each_other(voice):
    a, b = speech_like(2.0, seed=1), speech_like(2.0, seed=2, level_db=-40)
    alone = [streamed(voice.stream(16000), wav, [800]) for wav in (a, b)]
    streams = voice.stream(16000), voice.stream(16000)
    parts: tuple[list, list] = ([], [])
    for at in range(0, len(a), 800):
        for stream, wav, made in zip(streams, (a, b), parts, strict=True):
            made.append(stream.push(wav[at : at + 800]))
    for stream, made, expected in zip(streams, parts, alone, strict=True):
        assert np.array_equal(np.concatenate([*made, stream.flush()]), expected)


@pytest.mark.parametrize("net", ["tiny-local", "tiny-normed"])
@pytest.mark.parametrize(
    ("rate", "rate_out", "chunk"),
    [(16000, 16000, 16), (44100, 44100, 4), (16000, 48000, 33), (8000, 8000, 16)],
)
def test_samples_come_within_the_stated_look_ahead(tmp_path, net, rate, rate_out, chunk):
    # What has come out cannot depend on what was not pushed, so this bounds the dependence as well as the waiting.
    stream = load(tmp_path, net).stream(rate, rate_out, chunk_frames=chunk)
    wav = speech_like(12.0, rate)
    piece, emitted, worst = 50, 0, 0.0
    for at in range(0, len(wav), piece):
        worst = max(worst, at / rate - emitted / rate_out)
        emitted += len(stream.push(wav[at : at + piece]))
    assert 0.5 * stream.latency_s < worst <= stream.latency_s


def test_a_live_stream_answers_within_a_second(voice):
    assert voice.latency_s == voice.stream(16000).latency_s < 0.6
    assert voice.stream(16000, chunk_frames=4).latency_s < 0.4


def held_bytes(thing: object, seen: set[int]) -> int:
    """Sizes of all arrays and tensors reachable from an object of this project."""
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return thing.nbytes if thing.base is None else max(thing.nbytes, getattr(thing.base, "nbytes", 0))
    if isinstance(thing, torch.Tensor):
        return thing.untyped_storage().nbytes()
    if isinstance(thing, dict):
        return sum(held_bytes(value, seen) for value in thing.values())
    if isinstance(thing, (str, bytes, int, float, type)):
        return 0
    try:
        return 32 + sum(held_bytes(value, seen) for value in iter(thing))  # type: ignore[call-overload]
    except TypeError:
        return held_bytes(vars(thing), seen) if hasattr(thing, "__dict__") else 0


@pytest.mark.parametrize("level", ["running", -26.0])
@pytest.mark.parametrize("net", ["tiny-local", "tiny-normed"])
def test_memory_does_not_grow_with_the_sound(tmp_path, net, level):
    from voicegan.voice import stream as streams

    stream = load(tmp_path, net).stream(16000, level=level)
    shared = (stream._vocoder, stream._windows.net)
    stream._voice.levels = Bounded(stream._voice.levels)
    wav, sizes = speech_like(5.0), []
    for _ in range(36):
        stream.push(wav)
        seen: set[int] = {id(part) for part in shared}
        sizes.append(held_bytes({k: v for k, v in vars(stream).items() if k != "_voice"}, seen))
    assert streams.Stream is type(stream)
    assert max(sizes[24:]) <= max(sizes[4:20]) * 1.05 < 4e6


class Bounded(list):
    """Stands in for the noise vocoder's list, which is not what the test is about."""


@pytest.mark.parametrize("level", ["running", -26.0])
def test_digital_silence_stays_silent_whatever_a_network_hums(tmp_path, level):
    converter = load(tmp_path, "hum")
    assert not streamed(converter.stream(16000, level=level), np.zeros(48000, np.float32), [4800]).any()
    assert not converter.convert(np.zeros(5000), 44100)[0].any()
    speech = speech_like(2.0)
    wav = np.concatenate([speech, np.zeros(32000, np.float32), speech])
    made = streamed(converter.stream(16000, level=level), wav, [4800])
    assert not made[34000:62000].any()
    assert np.abs(made[4000:30000]).max() > 0.02 and np.abs(made[66000:90000]).max() > 0.02


@pytest.mark.parametrize("by", [-0.5, -0.2, 0.0, 0.2, 0.5])
@pytest.mark.parametrize("seconds", [1.0, 3.0, 20.0])
def test_the_output_is_as_loud_as_the_input(tmp_path, by, seconds):
    # The generator's own level is off by up to 9 dB here.
    converter = load(tmp_path, "louder", network={"by": by})
    for level_db in (-20.0, -26.0, -50.0):
        wav = speech_like(seconds, 16000, level_db=level_db)
        made, _ = converter.convert(wav, 16000)
        assert active_level_db(made, 16000) == pytest.approx(active_level_db(wav, 16000), abs=1.0)


@pytest.mark.parametrize("by", [-0.5, 0.0, 0.5])
@pytest.mark.parametrize("level_db", [-60.0, -45.0, -14.0])
def test_the_output_has_the_loudness_that_is_asked_for(tmp_path, by, level_db):
    converter = load(tmp_path, "louder", network={"by": by})
    wav = speech_like(5.0, 16000, level_db=level_db)
    wav[30000:50000] = 0.0
    made, _ = converter.convert(wav, 16000, level_out=-20.0)
    assert active_level_db(made, 16000) == pytest.approx(-20.0, abs=1.5)
    assert not made[32000:48000].any()  # what is silent is not brought up


@pytest.mark.parametrize("level_db", [-45.0, -14.0])
def test_a_live_stream_has_the_loudness_that_is_asked_for(tmp_path, level_db):
    stream = load(tmp_path, "louder", network={"by": 0.4}).stream(16000, begin_db=level_db, level_out=-20.0)
    made = streamed(stream, speech_like(6.0, 16000, level_db=level_db), [480])
    for part in (slice(0, 32000), slice(32000, None)):
        assert active_level_db(made[part], 16000) == pytest.approx(-20.0, abs=1.5)


@pytest.mark.parametrize("level_db", [-60.5, 0.0, float("nan")])
def test_a_loudness_that_makes_no_sense_is_refused(tmp_path, level_db):
    with pytest.raises(VoiceganError, match=r"dBFS is not within -60 and -10\. Recordings of speech usually"):
        load(tmp_path, "louder", network={"by": 0.0}).stream(16000, level_out=level_db)


def test_a_live_stream_finds_the_loudness_within_seconds(tmp_path):
    converter = load(tmp_path, "louder", network={"by": 0.4})
    wav = speech_like(12.0, 16000, level_db=-40)
    made = streamed(converter.stream(16000), wav, [320])
    late = slice(4 * 16000, None)
    assert active_level_db(made[late], 16000) == pytest.approx(active_level_db(wav[late], 16000), abs=1.0)


def test_a_stream_that_knows_the_level_begins_with_it(tmp_path):
    converter = load(tmp_path, "louder", network={"by": 0.4})
    wav = speech_like(6.0, 16000, level_db=-45)
    made = streamed(converter.stream(16000, begin_db=-45.0), wav, [4800])
    assert np.array_equal(streamed(converter.stream(16000, begin_db=-45.0), wav, [len(wav)]), made)
    for part in (slice(0, 32000), slice(32000, None)):
        assert active_level_db(made[part], 16000) == pytest.approx(active_level_db(wav[part], 16000), abs=1.0)


def follow(heard: np.ndarray, made: np.ndarray, **changes) -> np.ndarray:
    follower = LevelFollower(
        256, 62.5, -26.0, **({"lookahead_frames": 30, "memory_s": 4.0, "prior_s": 0.1} | changes)
    )
    follower.hear(heard, heard)
    return np.concatenate([follower.push(made), follower.flush()])


def hop_levels_db(wav: np.ndarray) -> np.ndarray:
    return 10 * np.log10(wav[: len(wav) // 256 * 256].reshape(-1, 256).var(axis=1) + 1e-12)


def test_the_level_does_not_pump():
    # A constant in place of sound shows the gain itself: while somebody speaks it may walk, not jump.
    wav = speech_like(12.0, 16000)
    tone = 0.01 * np.sin(np.arange(len(wav)) * 0.3).astype(np.float32)
    spoken = hop_levels_db(wav)[20:-20] > -26 - 12
    gain_db = hop_levels_db(follow(wav, tone))[20:-20]
    steps = np.diff(gain_db)[spoken[1:] & spoken[:-1]]
    assert len(steps) > 200 and np.abs(steps).max() < 0.5
    assert np.ptp(gain_db[spoken]) < 12


def test_the_level_does_not_pump_in_pauses_either():
    # What was generated no louder than it was heard has one gain throughout.
    wav = speech_like(12.0, 16000)
    hiss = np.random.default_rng(0).standard_normal(len(wav)).astype(np.float32)
    wav += 0.003 * hiss  # the gate stays open
    gain_db = (hop_levels_db(follow(wav, wav / 2)) - hop_levels_db(wav / 2))[20:-20]
    assert np.abs(np.diff(gain_db)).max() < 0.5
    assert np.ptp(gain_db) < 12


def test_a_pause_becomes_no_louder_than_it_was():
    wav = speech_like(6.0, 16000)
    hiss = np.random.default_rng(0).standard_normal(len(wav)).astype(np.float32)
    wav[32000:64000] = 10 ** (-56 / 20) * hiss[32000:64000]  # 30 dB under the speech
    hum = wav + 0.02 * np.sin(np.arange(len(wav)) * 0.3).astype(np.float32)
    made_db, heard_db = hop_levels_db(follow(wav, hum)), hop_levels_db(wav)
    pause = slice(130, 245)
    assert hop_levels_db(hum)[pause].min() > -40
    assert np.abs(made_db[pause] - heard_db[pause]).max() < 3.0
    spoken = heard_db > -30
    assert spoken.sum() > 100 and np.abs(made_db - heard_db)[spoken].max() < 1.5


def test_what_is_quiet_may_become_quieter():
    wav = speech_like(4.0, 16000)
    wav[32000:] *= 10 ** (-30 / 20)
    generated = wav.copy()
    generated[32000:] /= 4
    made_db, heard_db = hop_levels_db(follow(wav, generated)), hop_levels_db(wav)
    assert made_db[150:230].mean() < heard_db[150:230].mean() - 10


def test_the_correction_of_level_is_bounded():
    heard = np.full(16000, 0.05, np.float32) * np.sign(np.sin(np.arange(16000) * 0.3)).astype(np.float32)
    bound = 10 ** (12 / 20)
    quiet, loud = (follow(heard, heard * factor, prior_s=1e-9) for factor in (1e-3, 15))
    assert np.abs(quiet).max() == pytest.approx(0.05 * 1e-3 * bound, rel=1e-3)
    assert np.abs(loud).max() == pytest.approx(0.05 * 15 / bound, rel=1e-3)


@pytest.mark.parametrize("samples", [0, 1, 255, 256, 257, 5000])
def test_the_follower_returns_every_sample(samples):
    wav = np.resize(speech_like(1.0), samples)
    assert follow(wav, wav).shape == (samples,)
    assert follow(wav, wav, lookahead_frames=0).shape == (samples,)


def test_an_offset_is_not_sound(voice):
    made, _ = voice.convert(np.full(32000, 0.2, np.float32), 16000)
    assert not made.any()
    speech = speech_like(3.0, 16000)
    clean, offset = (voice.convert(wav, 16000)[0] for wav in (speech, speech + np.float32(0.1)))
    assert np.sqrt(np.mean((clean - offset) ** 2)) < 0.05 * np.sqrt(np.mean(clean**2))


def test_the_offset_is_found_at_once_and_leaves_clean_speech_alone():
    wav = np.concatenate([np.zeros(1600, np.float32), speech_like(3.0, 16000)])
    for offset, tolerance in ((0.0, 0.03), (0.2, 0.03)):
        remover = OffsetRemover(16000)
        moved = wav + np.float32(offset)
        made = np.concatenate([remover.push(moved[at : at + 256]) for at in range(0, len(wav), 256)])
        assert np.abs(made - wav).max() < tolerance * np.abs(wav).max()


def test_nothing_clips_and_the_ends_do_not_click(tmp_path):
    converter = load(tmp_path, "tiny-local", network={"strength": 2.0})
    wav = np.clip(speech_like(3.0, 44100, level_db=-3), -1, 1)
    made, _ = converter.convert(wav, 44100)
    assert np.abs(made).max() < 1.0
    assert np.abs(made[[0, -1]]).max() < 0.02


def test_the_limiter_is_gentle_and_keeps_order():
    wav = np.linspace(-5, 5, 1001).astype(np.float32)
    limited = soft_limit(wav)
    assert np.abs(limited).max() < 1 and (np.diff(limited) >= 0).all()
    assert np.array_equal(limited[np.abs(wav) <= 0.9], wav[np.abs(wav) <= 0.9])
    assert len(soft_limit(wav[:0])) == 0


@pytest.mark.parametrize("samples", [0, 1, 10, 79, 80, 81, 160, 500])
def test_fades_keep_the_length_and_touch_only_the_ends(samples):
    wav = np.ones(samples, np.float32)
    outputs = []
    for step in (1, 7, 1000):
        fades = EdgeFades(80)
        parts = [fades.push(wav[at : at + step]) for at in range(0, samples, step)]
        outputs.append(np.concatenate([*parts, fades.flush()]))
    assert outputs[0].shape == wav.shape
    assert np.array_equal(outputs[0], outputs[1]) and np.array_equal(outputs[0], outputs[2])
    assert (
        (outputs[0][80:-80] == 1).all() and (outputs[0][:1] < 0.01).all() and (outputs[0][-1:] < 0.01).all()
    )


def test_whatever_holds_samples_is_understood(voice):
    wav = speech_like(0.5)
    expected = voice.convert(wav, 16000)[0]
    for same in (
        wav.astype(np.float64),
        wav[None],
        wav[:, None],
        torch.from_numpy(wav),
        wav.tolist(),
        wav[::-1][::-1],
    ):
        assert np.allclose(voice.convert(same, 16000)[0], expected, atol=1e-4)
    whole = np.rint(wav * 32768).astype(np.int16)
    assert np.allclose(voice.convert(whole, 16000)[0], expected, atol=5e-3)


def test_whole_numbers_are_scaled():
    assert as_samples(np.array([-32768, 0, 16384], np.int16)).tolist() == [-1.0, 0.0, 0.5]
    assert as_samples(np.array([-(2**31), 0, 2**30], np.int32)).tolist() == [-1.0, 0.0, 0.5]
    assert as_samples(np.array([0, 128, 192], np.uint8)).tolist() == [-1.0, 0.0, 0.5]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 100)), r"shape \(2, 100\).*Mix the channels"),
        (np.zeros((1, 1, 5)), "shape"),
        (np.float32(0.5), "shape"),
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([np.inf, 0.0]), "infinity"),
        (np.array([1 + 2j]), "complex128"),
        (np.array(["a"]), "not numbers"),
        (np.array([True]), "bool"),
        (np.array([100.0, -20000.0]), "reach 2e.04 times full scale.*divide by 32768"),
    ],
)
def test_what_is_not_one_channel_of_numbers_is_refused(voice, samples, message):
    with pytest.raises(VoiceganError, match=message):
        voice.convert(samples, 16000)


def test_a_stream_is_used_once_and_pushes_are_checked(voice):
    stream = voice.stream(16000)
    with pytest.raises(VoiceganError, match="NaN"):
        stream.push(np.array([np.nan]))
    stream.push(np.zeros(100))
    assert len(stream.flush()) == 100 and len(stream.flush()) == 0
    with pytest.raises(VoiceganError, match="flushed"):
        stream.push(np.zeros(1))


@pytest.mark.parametrize(
    "rate", [0, -1, 999, 44100.5, "44100", True, 10**7, None, float("nan"), float("inf")]
)
def test_impossible_rates_are_refused(rate):
    with pytest.raises(VoiceganError, match="sample rate"):
        check_rate(rate)


def test_wrong_choices_are_named(voice, tmp_path):
    with pytest.raises(VoiceganError, match='no device "gpu9"'):
        choose_device("gpu9")
    with pytest.raises(VoiceganError, match='neither "running" nor a number'):
        voice.stream(16000, level="loud")
    with pytest.raises(VoiceganError, match="chunk_frames is 0"):
        voice.stream(16000, chunk_frames=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="speaks of machines without a GPU")
def test_a_missing_gpu_is_said(voice):
    assert choose_device("auto").type == "cpu"
    with pytest.raises(VoiceganError, match="not available.*--device cpu"):
        choose_device("cuda")


def test_a_vocoder_of_another_contract_is_refused(tmp_path, monkeypatch):
    from tiny_voices import NoiseVocoder

    from voicegan import vocoder
    from voicegan.audio.mel import PRESETS

    monkeypatch.setattr(vocoder, "load", lambda name, spec, device: NoiseVocoder(PRESETS["melgan-22k"]))
    with pytest.raises(
        VoiceganError, match="sample_rate_hz is 16000 in the voice slt and 22050 in the vocoder noise"
    ):
        load(tmp_path, "hum")


@pytest.mark.parametrize("preset", ["hifigan-22k", "vocos-24k"])
def test_other_mel_contracts_keep_lengths_and_block_equality(tmp_path, preset, monkeypatch):
    import tiny_voices

    from voicegan.audio.mel import PRESETS

    spec = PRESETS[preset]
    monkeypatch.setattr(tiny_voices, "MELS", spec.mels)
    statistics = {
        name: torch.ones(spec.mels) for name in ("source.mean", "source.std", "target.mean", "target.std")
    }
    converter = load(tmp_path, "louder", mel=spec, statistics=statistics)
    for samples in (1, 300, 1024, 60000):
        wav = np.resize(speech_like(1.0, 44100), samples)
        whole = streamed(converter.stream(44100), wav, [samples])
        assert len(whole) == samples and np.array_equal(streamed(converter.stream(44100), wav, [777]), whole)


def test_the_tiny_nets_are_what_the_tests_think():
    assert NETS["tiny-normed"].context_frames is None
    net, mel = NETS["tiny-local"](), torch.randn(1, 80, 40, requires_grad=True)
    net(mel)[0, :, 20].sum().backward()
    touched = mel.grad[0].abs().sum(dim=0).nonzero()[:, 0]
    assert (int(touched.min()), int(touched.max())) == (20 - 3, 20 + 5)
