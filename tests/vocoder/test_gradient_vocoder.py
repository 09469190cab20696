"""Phase gradients as vocoders: the same samples whatever the pieces, silence from silence, and harmonics in place."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from voicegan.audio.mel import PRESETS
from voicegan.errors import VoiceganError
from voicegan.vocoder.gradient_vocoder import GradientHeap, LiveGradientHeap
from voicegan.vocoder.griffin_lim import GriffinLim, InverseMel
from voicegan.vocoder.harmonics import PITCHES_HZ, Harmonics

from .test_griffin_lim import SMALL, SPEC, convergence_db, mel_of, speechlike, streamed

KINDS = [GradientHeap, LiveGradientHeap]


def harmonic(pitch_hz: float, samples: int = 16000, rate: int = 16000) -> torch.Tensor:
    time_s = torch.arange(samples, dtype=torch.float64) / rate
    parts = [torch.sin(2 * torch.pi * k * pitch_hz * time_s) / k for k in range(1, int(7600 / pitch_hz))]
    return 0.1 * torch.stack(parts).sum(0).float()


# The stream -----------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 40), max_size=8),
    rest=st.integers(1, 50),
    extra=st.integers(0, 31),
    kind=st.sampled_from(KINDS),
)
def test_pieces_of_any_size_give_the_same_samples(
    cuts: list[int], rest: int, extra: int, kind: type[GradientHeap]
) -> None:
    frames = sum(cuts) + rest
    total = SMALL.samples(frames) + extra
    mel = mel_of(speechlike(max(1, total)), SMALL)[0, :, :frames]
    vocoder = kind(SMALL)
    whole = streamed(vocoder, mel, [], total)
    assert whole.shape == (total,)
    assert torch.equal(streamed(vocoder, mel, cuts, total), whole)
    assert torch.equal(vocoder.synthesize(mel[None])[0], whole[: SMALL.samples(frames)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("samples", [1, 6143])
def test_as_many_samples_come_out_as_went_in(kind: type[GradientHeap], name: str, samples: int) -> None:
    spec = PRESETS[name]
    mel = mel_of(0.1 * torch.randn(samples), spec)[0]
    assert streamed(kind(spec), mel, [1] * (mel.shape[1] // 2), samples).shape == (samples,)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["16k", "hifigan-22k"])
def test_the_stated_lookahead_holds(kind: type[GradientHeap], name: str) -> None:
    spec = PRESETS[name]
    vocoder = kind(spec)
    stream, given_samples = vocoder.stream(), 0
    mel = mel_of(0.1 * torch.randn(80 * spec.hop), spec)[0]
    least = []
    for n in range(1, mel.shape[1] + 1):
        given_samples += len(stream.push(mel[:, n - 1 : n]))
        least.append(given_samples - (n - vocoder.lookahead_frames) * spec.hop)
    assert 0 <= min(least) < spec.hop


def test_a_batch_is_its_rows() -> None:
    mel = torch.cat([mel_of(speechlike(12000)), mel_of(0.1 * torch.randn(12000))])
    together = GradientHeap(SPEC).synthesize(mel)
    for row in range(2):
        assert torch.equal(together[row], GradientHeap(SPEC).synthesize(mel[row : row + 1])[0])


@pytest.mark.parametrize("kind", KINDS)
def test_silence_stays_silent_and_numbers_come_out(kind: type[GradientHeap]) -> None:
    vocoder = kind(SPEC)
    assert vocoder.synthesize(torch.full((1, SPEC.mels, 40), SPEC.floor)).abs().max() < 1e-4
    mel = mel_of(speechlike(16000)).clone()
    for wrong in (float("nan"), float("inf"), -float("inf"), 1e30):
        mel[0, 10:30, 20:40] = wrong
        mel[0, :, 5] = wrong
        assert vocoder.synthesize(mel).isfinite().all()


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(VoiceganError, match="zeros"):
        GriffinLim(SPEC, start="zeros")


# What it sounds like --------------------------------------------------------------------------------------------------


def test_it_comes_near_at_once() -> None:
    mel = mel_of(speechlike(3 * 16000))
    for vocoder in (GradientHeap(SPEC), LiveGradientHeap(SPEC)):
        assert convergence_db(vocoder, vocoder.synthesize(mel)[0], mel) < -13


def test_the_gradient_is_a_better_start_than_peaks() -> None:
    mel = mel_of(speechlike(3 * 16000))
    gradient, peaks = (
        convergence_db(v, v.synthesize(mel)[0], mel)
        for v in (GriffinLim(SPEC, iterations=0, start=start) for start in ("pghi", "peaks"))
    )
    assert gradient < peaks - 2


def test_a_steady_tone_keeps_its_level() -> None:
    tone = 0.3 * torch.sin(2 * torch.pi * 437 * torch.arange(32000) / 16000)
    wav = LiveGradientHeap(SPEC).synthesize(mel_of(tone))[0]
    levels_db = 10 * torch.log10(wav[4096:-4096].unfold(0, 256, 256).square().mean(1))
    assert levels_db.max() - levels_db.min() < 3


def test_magnitudes_may_come_from_elsewhere() -> None:
    """From a network that gives them, for example: then nothing is guessed."""
    wav = speechlike(2 * 16000)
    magnitudes = torch.stft(wav[None], 1024, 256, window=torch.hann_window(1024), return_complex=True).abs()
    vocoder = GradientHeap(SPEC, inverse=nn.Identity(), silent=0.0)
    again = vocoder.synthesize(magnitudes)
    got = torch.stft(again, 1024, 256, window=torch.hann_window(1024), return_complex=True).abs()
    frames = got.shape[-1]
    assert (got - magnitudes[..., :frames]).norm() < 0.1 * magnitudes.norm()  # -20 dB


# The guess ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("pitch_hz", [110.0, 147.0, 247.0])
def test_harmonics_are_raised_where_they_are(name: str, pitch_hz: float) -> None:
    spec = PRESETS[name]
    rate = spec.sample_rate_hz
    mel = mel_of(harmonic(pitch_hz, rate, rate), spec)[..., 8:-8]
    factors = Harmonics(spec)(mel)[0]
    assert factors.shape == (spec.bins, mel.shape[-1])
    assert factors.min() >= 0 and factors.max() <= 1.0001
    high = range(int(2000 / pitch_hz), int(3500 / pitch_hz))
    on, between = (
        torch.stack([factors[round((k + shift) * pitch_hz * spec.n_fft / rate)] for k in high])
        for shift in (0.0, 0.5)
    )
    assert on.mean() > between.mean() + 0.1


def test_guessed_harmonics_are_nearer_to_the_true_magnitudes() -> None:
    wav = harmonic(140.0)
    true = torch.stft(wav[None], 1024, 256, window=torch.hann_window(1024), return_complex=True)[0].abs()
    mel = mel_of(wav)
    plain = InverseMel(SPEC)(mel)[0]
    guided = plain * Harmonics(SPEC)(mel)[0]
    above = slice(200, 400)

    def likeness(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a * b).sum() / (a.norm() * b.norm()))

    assert likeness(guided[above, 8:-8], true[above, 8:-8]) > likeness(plain[above, 8:-8], true[above, 8:-8])


def test_the_pitches_are_close_enough() -> None:
    steps = PITCHES_HZ[1:] / PITCHES_HZ[:-1]
    assert steps.max() < 1.005
