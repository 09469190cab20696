"""Griffin-Lim: the same samples whatever the pieces, no seams, no noise from silence, and near enough to the sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from voicegan.audio.mel import PRESETS, LogMel, MelSpec, filterbank
from voicegan.errors import VoiceganError
from voicegan.vocoder.griffin_lim import GriffinLim, LiveGriffinLim
from voicegan.vocoder.inverse_mel import InverseMel

SPEC = PRESETS["16k"]
SMALL = MelSpec(16000, 128, 128, 32, 20, 0.0, 8000.0)


def speechlike(samples: int, rate: int = 16000) -> Tensor:
    """Harmonics of a gliding pitch under moving formants, with noise and pauses between."""
    time_s = torch.arange(samples, dtype=torch.float64) / rate
    pitch_hz = 130 + 40 * torch.sin(2 * torch.pi * 0.6 * time_s)
    phase = 2 * torch.pi * torch.cumsum(pitch_hz, 0) / rate
    formant_hz = 700 + 300 * torch.sin(2 * torch.pi * 1.1 * time_s)
    voice = torch.zeros_like(time_s)
    for k in range(1, 30):
        voice += torch.sin(k * phase) / (1 + ((k * pitch_hz - formant_hz) / 300) ** 2)
    gate = (3 * torch.sin(2 * torch.pi * 1.3 * time_s)).clamp(0, 1)
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal(samples))
    return (
        0.1 * voice * gate + 0.02 * noise * (3 * torch.sin(2 * torch.pi * 1.3 * time_s + 3)).clamp(0, 1)
    ).float()


def mel_of(wav: Tensor, spec: MelSpec = SPEC) -> Tensor:
    return LogMel(spec)(wav[None])


def streamed(vocoder: GriffinLim, mel: Tensor, cuts: list[int], total: int | None = None) -> Tensor:
    stream = vocoder.stream()
    sizes = [*cuts, mel.shape[-1]]
    pieces = [
        stream.push(mel[:, start : start + size])
        for start, size in zip(np.cumsum([0, *cuts]), sizes, strict=True)
    ]
    return torch.cat([*pieces, stream.flush(total)])


def convergence_db(vocoder: GriffinLim, wav: Tensor, mel: Tensor) -> float:
    """How far the sound's magnitudes are from those that were asked for."""
    spec = vocoder.spec
    wanted = vocoder.inverse(mel)[0]
    window = torch.hann_window(spec.win)
    got = torch.stft(wav[None], spec.n_fft, spec.hop, spec.win, window, return_complex=True)[0].abs()
    frames = min(wanted.shape[1], got.shape[1])
    return 20 * float(torch.log10((wanted[:, :frames] - got[:, :frames]).norm() / wanted.norm()))


# The inverse mel ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_the_inverse_is_not_negative_and_gives_the_mel_back(name: str) -> None:
    spec = PRESETS[name]
    mel = mel_of(speechlike(2 * spec.sample_rate_hz, spec.sample_rate_hz), spec)
    magnitudes = InverseMel(spec)(mel)
    assert magnitudes.min() >= 0
    bands, wanted = filterbank(spec) @ magnitudes, spec.expand(mel)
    assert (bands - wanted).norm() / wanted.norm() < 0.02


def test_the_inverse_is_better_than_a_clipped_pseudo_inverse() -> None:
    wav = speechlike(32000)
    mel = mel_of(wav)
    true = torch.stft(wav[None], 1024, 256, window=torch.hann_window(1024), return_complex=True).abs()
    simple = (torch.linalg.pinv(filterbank(SPEC)) @ SPEC.expand(mel)).clamp(min=0)
    ours = InverseMel(SPEC)(mel)
    assert (ours - true).norm() < 0.9 * (simple - true).norm()
    bands = SPEC.expand(mel)
    ours_off, simple_off = ((filterbank(SPEC) @ x - bands).norm() for x in (ours, simple))
    assert ours_off < 0.2 * simple_off


def test_the_inverse_of_energies() -> None:
    spec = MelSpec(16000, 1024, 1024, 256, 80, 0.0, 8000.0, power=2.0)
    mel = mel_of(speechlike(16000), spec)
    energies = InverseMel(spec)(mel).square()
    assert (filterbank(spec) @ energies - spec.expand(mel)).norm() / spec.expand(mel).norm() < 0.02


# The stream -----------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 40), max_size=8),
    rest=st.integers(1, 50),
    extra=st.integers(0, 31),
    live=st.booleans(),
)
def test_pieces_of_any_size_give_the_same_samples(cuts: list[int], rest: int, extra: int, live: bool) -> None:
    frames = sum(cuts) + rest
    total = SMALL.samples(frames) + extra
    mel = mel_of(speechlike(max(1, total)), SMALL)[0, :, :frames]
    vocoder = LiveGriffinLim(SMALL, iterations=2) if live else GriffinLim(SMALL, iterations=2)
    whole = streamed(vocoder, mel, [], total)
    assert whole.shape == (total,)
    assert torch.equal(streamed(vocoder, mel, cuts, total), whole)
    assert torch.equal(vocoder.synthesize(mel[None])[0], whole[: SMALL.samples(frames)])


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("samples", [1, 100, 512, 6000, 6143, 6144])
def test_as_many_samples_come_out_as_went_in(name: str, samples: int) -> None:
    spec = PRESETS[name]
    mel = mel_of(0.1 * torch.randn(samples), spec)[0]
    vocoder = GriffinLim(spec, iterations=2)
    assert streamed(vocoder, mel, [1] * (mel.shape[1] // 2), samples).shape == (samples,)
    assert streamed(vocoder, mel, []).shape == (spec.samples(mel.shape[1]),)


@pytest.mark.parametrize("kind", [GriffinLim, LiveGriffinLim])
@pytest.mark.parametrize("name", ["16k", "hifigan-22k"])
def test_the_stated_lookahead_holds(kind: type[GriffinLim], name: str) -> None:
    spec = PRESETS[name]
    vocoder = kind(spec, iterations=1)
    stream, given_samples = vocoder.stream(), 0
    mel = mel_of(0.1 * torch.randn(100 * spec.hop), spec)[0]
    least = []
    for n in range(1, mel.shape[1] + 1):
        given_samples += len(stream.push(mel[:, n - 1 : n]))
        least.append(given_samples - (n - vocoder.lookahead_frames) * spec.hop)
    assert 0 <= min(least) < spec.hop


def test_a_batch_is_its_rows() -> None:
    mel = torch.cat([mel_of(speechlike(12000)), mel_of(0.1 * torch.randn(12000))])
    vocoder = GriffinLim(SPEC, iterations=4)
    together = vocoder.synthesize(mel)
    for row in range(2):
        torch.testing.assert_close(
            together[row], vocoder.synthesize(mel[row : row + 1])[0], atol=1e-3, rtol=0
        )


def test_nothing_in_gives_nothing_out() -> None:
    stream = GriffinLim(SMALL).stream()
    assert stream.push(torch.zeros(20, 0)).shape == (0,)
    assert stream.flush().shape == (0,)
    assert GriffinLim(SMALL).stream().flush(7).tolist() == [0.0] * 7


# What it sounds like --------------------------------------------------------------------------------------------------


def test_it_converges_and_the_windows_cost_nothing() -> None:
    """With the magnitudes held, as Griffin and Lim's algorithm has them."""
    wav = speechlike(4 * 16000)
    mel = mel_of(wav)
    held = {"iterations": 32, "free": 0.0, "start": "peaks"}
    blocks, whole, one = (
        GriffinLim(SPEC, **held, block_frames=16, ahead_frames=16),
        GriffinLim(SPEC, **held, block_frames=512, ahead_frames=0),
        GriffinLim(SPEC, **{**held, "iterations": 1}, block_frames=512, ahead_frames=0),
    )
    of_blocks, of_whole, of_one = (convergence_db(v, v.synthesize(mel)[0], mel) for v in (blocks, whole, one))
    assert of_blocks < -15
    assert of_blocks < of_whole + 0.5
    assert of_blocks < of_one - 3


@pytest.mark.parametrize("kind", [GriffinLim, LiveGriffinLim])
def test_leaving_the_bins_free_brings_the_bands_nearer(kind: type[GriffinLim]) -> None:
    mel = mel_of(speechlike(3 * 16000))
    distances = {}
    for free in (0.0, 1.0):
        wav = kind(SPEC, free=free).synthesize(mel)
        distances[free] = float((mel_of(wav[0]) - mel).abs()[..., 4:-4].mean())
    assert distances[1.0] < 0.5 * distances[0.0]


def test_the_seams_cannot_be_heard() -> None:
    """At the borders of blocks a steady tone keeps its level and does not click."""
    tone = 0.3 * torch.sin(2 * torch.pi * 437 * torch.arange(48000) / 16000)
    wav = GriffinLim(SPEC).synthesize(mel_of(tone))[0]
    middle = wav[4096:-4096].unfold(0, 256, 256)
    levels_db = 10 * torch.log10(middle.square().mean(1))
    assert levels_db.max() - levels_db.min() < 3
    # A click is broad-band: above 4 kHz there is nothing in any frame.
    spectrum = torch.stft(wav[None], 512, 128, window=torch.hann_window(512), return_complex=True)[0].abs()[
        :, 40:-40
    ]
    assert spectrum[128:].amax() < 1e-3 * spectrum.amax()


def test_the_edges_are_as_loud_as_the_middle() -> None:
    noise = 0.1 * torch.from_numpy(np.random.default_rng(1).standard_normal(32000)).float()
    vocoder = GriffinLim(SPEC)
    wav = torch.cat([(stream := vocoder.stream()).push(mel_of(noise)[0]), stream.flush(32000)])
    for edge in (wav[:512], wav[-512:]):
        assert 0.5 < edge.std() / wav.std() < 1.6


@pytest.mark.parametrize("name", PRESETS)
def test_silence_stays_silent(name: str) -> None:
    spec = PRESETS[name]
    silence = torch.full((1, spec.mels, 60), spec.floor)
    assert GriffinLim(spec, iterations=4).synthesize(silence).abs().max() < 1e-3
    assert GriffinLim(spec, iterations=4).synthesize(silence - 3).abs().max() < 1e-3


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
def test_whatever_goes_in_numbers_come_out(wrong: float) -> None:
    mel = mel_of(speechlike(16000)).clone()
    mel[0, 10:30, 20:40] = wrong
    mel[0, :, 5] = wrong
    wav = GriffinLim(SPEC, iterations=4).synthesize(mel)
    assert wav.isfinite().all()
    assert GriffinLim(SPEC, iterations=4).synthesize(torch.full((1, 80, 50), wrong)).isfinite().all()


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    GriffinLim(SPEC).synthesize(mel_of(speechlike(160000)))
    assert torch.get_num_threads() == before


def test_contracts_it_cannot_serve_are_refused() -> None:
    with pytest.raises(VoiceganError, match="hop 300"):
        GriffinLim(MelSpec(16000, 1024, 1024, 300, 80, 0.0, 8000.0))
    with pytest.raises(VoiceganError, match="5 frames a block and 8 ahead"):
        GriffinLim(SPEC, block_frames=5, ahead_frames=8)
