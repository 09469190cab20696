"""The mel contract, agreement with librosa and torchaudio's conventions, and streaming."""

from __future__ import annotations

import dataclasses

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegan.audio.mel import PRESETS, LogMel, MelSpec, StreamMel, filterbank, pad_signal
from voicegan.errors import VoiceganError

SHORT = MelSpec(16000, 64, 48, 16, 10, 0.0, 8000.0)


def speechlike(samples: int, rate: int = 16000, seed: int = 0) -> np.ndarray:
    """Voiced harmonics with a gliding pitch, a noise burst and a pause."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / rate
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time)) / rate
    voiced = sum(np.sin(k * phase) / k for k in range(1, 25))
    gate = np.clip(np.sin(2 * np.pi * 1.5 * time) * 3, 0, 1)
    return (0.08 * voiced * gate + 0.01 * random.standard_normal(samples) * (1 - gate)).astype(np.float32)


@pytest.mark.parametrize("name", PRESETS)
def test_filterbank_agrees_with_librosa(name: str) -> None:
    spec = PRESETS[name]
    theirs = librosa.filters.mel(
        sr=spec.sample_rate_hz, n_fft=spec.n_fft, n_mels=spec.mels, fmin=spec.fmin_hz, fmax=spec.fmax_hz,
        htk=spec.scale == "htk", norm=spec.norm,
    )  # fmt: skip
    np.testing.assert_allclose(filterbank(spec).numpy(), theirs, atol=1e-6)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_log_mel_agrees_with_librosa(name: str, power: float) -> None:
    spec = dataclasses.replace(PRESETS[name], power=power)
    wav = speechlike(30000, spec.sample_rate_hz)
    padded = wav if spec.center else np.pad(wav, spec.pad_samples, mode="reflect")
    theirs = librosa.feature.melspectrogram(
        y=padded, sr=spec.sample_rate_hz, n_fft=spec.n_fft, win_length=spec.win, hop_length=spec.hop, power=power,
        n_mels=spec.mels, fmin=spec.fmin_hz, fmax=spec.fmax_hz, htk=spec.scale == "htk", norm=spec.norm,
        center=spec.center, pad_mode="reflect",
    )  # fmt: skip
    theirs = (np.log if spec.log_base == "e" else np.log10)(np.maximum(theirs, spec.clamp))
    ours = LogMel(spec)(torch.from_numpy(wav)[None])[0].numpy()
    assert ours.shape == (spec.mels, spec.frames(len(wav)))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(samples=st.integers(1, 3000), name=st.sampled_from(sorted(PRESETS)))
def test_any_length_gives_the_stated_number_of_frames(samples: int, name: str) -> None:
    spec = PRESETS[name]
    mel = LogMel(spec)(torch.randn(1, samples))
    assert mel.shape == (1, spec.mels, spec.frames(samples))
    assert mel.isfinite().all()
    if spec.center:
        assert spec.samples(spec.frames(samples)) <= samples < spec.samples(spec.frames(samples) + 1)


@pytest.mark.parametrize("samples", [1, 2, 3, 5, 40])
def test_reflection_of_short_signals_is_numpys(samples: int) -> None:
    wav = np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)
    ours = pad_signal(torch.from_numpy(wav), 23, 31, "reflect").numpy()
    np.testing.assert_array_equal(ours, np.pad(wav, ((0, 0), (23, 31)), mode="reflect"))


def test_a_row_of_a_batch_equals_the_row_alone() -> None:
    mel = LogMel(PRESETS["16k"])
    wav = torch.from_numpy(np.stack([speechlike(8000, seed=1), 0.3 * speechlike(8000, seed=2)]))
    torch.testing.assert_close(mel(wav)[1:], mel(wav[1:]), atol=1e-5, rtol=0)


def test_silence_is_the_floor_and_expands_to_zero() -> None:
    for spec in PRESETS.values():
        silence = LogMel(spec)(torch.zeros(1, 4000))
        torch.testing.assert_close(silence, torch.full_like(silence, spec.floor))
        assert spec.expand(silence).abs().max() == 0
        torch.testing.assert_close(spec.expand(spec.compress(torch.tensor(0.37))), torch.tensor(0.37))


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 1500), max_size=12),
    spec=st.sampled_from(
        [SHORT, PRESETS["16k"], PRESETS["hifigan-22k"], dataclasses.replace(SHORT, pad="zeros")]
    ),
)
def test_streaming_equals_the_whole_and_ignores_block_sizes(cuts: list[int], spec: MelSpec) -> None:
    wav = torch.from_numpy(speechlike(max(1, sum(cuts))))
    mel = LogMel(spec)
    stream, once = StreamMel(mel), StreamMel(mel)
    pieces, place = [], 0
    for size in [*cuts, len(wav)]:
        pieces.append(stream.push(wav[place : place + size]))
        place += size
    pieces.append(stream.flush())
    streamed = torch.cat(pieces, dim=1)
    assert torch.equal(streamed, torch.cat([once.push(wav), once.flush()], dim=1))
    torch.testing.assert_close(streamed, mel(wav[None])[0], atol=1e-5, rtol=0)


def test_a_stream_of_nothing_has_no_frames_and_memory_is_bounded() -> None:
    stream = StreamMel(LogMel(SHORT))
    assert stream.flush().shape == (10, 0)
    for _ in range(50):
        stream.push(torch.randn(1000))
    assert stream._held.shape[-1] <= 2 * SHORT.n_fft


def test_the_contract_survives_a_dictionary_and_refuses_strangers() -> None:
    spec = PRESETS["melgan-22k"]
    assert MelSpec.from_dict(spec.to_dict()) == spec
    with pytest.raises(VoiceganError, match="unknown keys: colour"):
        MelSpec.from_dict({**spec.to_dict(), "colour": 1})
    values = spec.to_dict()
    del values["hop"]
    with pytest.raises(VoiceganError, match="missing keys: hop"):
        MelSpec.from_dict(values)


def test_parts_that_differ_are_not_joined() -> None:
    ours = PRESETS["16k"]
    ours.require_same(MelSpec.from_dict(ours.to_dict()), "voice slt", "griffin-lim")
    with pytest.raises(VoiceganError) as error:
        ours.require_same(PRESETS["hifigan-22k"], "voice slt", "vocoder hifi")
    assert "sample_rate_hz is 16000 in voice slt and 22050 in vocoder hifi" in error.value.message
    assert "center" in error.value.message and "mels" not in error.value.message


@pytest.mark.parametrize(
    "wrong", [{"fmax_hz": 9000.0}, {"hop": 2000}, {"log_base": "2"}, {"power": 3.0}, {"mels": 0}]
)
def test_impossible_contracts_are_refused(wrong: dict) -> None:
    with pytest.raises(VoiceganError, match="breaks the rule"):
        dataclasses.replace(PRESETS["16k"], **wrong)


def test_zero_samples_are_refused() -> None:
    with pytest.raises(VoiceganError, match="zero samples"):
        LogMel(SHORT)(torch.zeros(1, 0))
