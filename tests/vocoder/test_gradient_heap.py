"""Phases from magnitudes alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from voicegan.vocoder.gradient_heap import pghi, rtpghi

from .test_griffin_lim import speechlike


def spectrum(wav: torch.Tensor, hop: int) -> torch.Tensor:
    """Spectra (bins, F)."""
    return torch.stft(wav[None], 1024, hop, window=torch.hann_window(1024), return_complex=True)[0]


def convergence_db(magnitudes: np.ndarray, phases: np.ndarray, hop: int) -> float:
    """How far the magnitudes of the sound are from those that were asked for."""
    spectra = torch.polar(torch.from_numpy(magnitudes), torch.from_numpy(phases)).T
    wav = torch.istft(spectra[None], 1024, hop, window=torch.hann_window(1024))[0]
    got = spectrum(wav, hop).abs().T.numpy()
    return 20 * float(np.log10(np.linalg.norm(got - magnitudes) / np.linalg.norm(magnitudes)))


def in_pieces(magnitudes: np.ndarray, sizes: list[int], ahead: int) -> np.ndarray:
    """Frame by frame, as sound comes in."""
    carried, pieces, start = None, [], 0
    for size in [*sizes, len(magnitudes) - sum(sizes)]:
        phases, carried = rtpghi(
            magnitudes[start : start + size], 256, 1024, 1024, ahead=ahead, carried=carried
        )
        pieces.append(phases)
        start += size
    phases, _ = rtpghi(magnitudes[:0], 256, 1024, 1024, ahead=0, carried=carried)  # the one that waited
    return np.concatenate([*pieces, phases])


def test_from_true_magnitudes_it_comes_near() -> None:
    magnitudes = spectrum(speechlike(32000), 256).abs().T.numpy()
    assert convergence_db(magnitudes, pghi(magnitudes, 256, 1024, 1024), 256) < -22
    assert convergence_db(magnitudes, in_pieces(magnitudes, [], 1), 256) < -20
    assert convergence_db(magnitudes, in_pieces(magnitudes, [], 0), 256) < -18


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("sizes", [[1, 1, 7, 0, 12], [2, 1, 1, 1, 1], [0, 1, 0]])
def test_frame_by_frame_the_sizes_of_the_pieces_do_not_matter(ahead: int, sizes: list[int]) -> None:
    magnitudes = spectrum(speechlike(8000), 256).abs().T.numpy()
    whole = in_pieces(magnitudes, [], ahead)
    assert whole.shape == magnitudes.shape
    np.testing.assert_array_equal(in_pieces(magnitudes, sizes, ahead), whole)


def test_a_tone_turns_on_at_its_own_frequency() -> None:
    """From frame to frame the phase of a peak advances by the tone's, between the bins too."""
    for frequency_hz in (437.0, 1000.0, 3333.0):
        tone = torch.sin(
            2 * torch.pi * frequency_hz * torch.arange(16000, dtype=torch.float64) / 16000
        ).float()
        spectra = spectrum(tone, 256).T[4:-4].numpy()
        peak = int(np.abs(spectra[0]).argmax())
        phases = pghi(np.abs(spectra), 256, 1024, 1024)[:, peak]
        advance = np.angle(np.exp(1j * np.diff(phases)))
        wanted = np.angle(spectra[1:, peak] / spectra[:-1, peak])
        np.testing.assert_allclose(np.angle(np.exp(1j * (advance - wanted))), 0, atol=0.1)


def test_an_impulse_stays_in_its_place() -> None:
    wav = torch.zeros(8192)
    wav[4000] = 1.0
    magnitudes = spectrum(wav, 128).abs().T.numpy()
    spectra = torch.polar(torch.from_numpy(magnitudes), torch.from_numpy(pghi(magnitudes, 128, 1024, 1024)))
    again = torch.istft(spectra.T[None], 1024, 128, window=torch.hann_window(1024), length=8192)[0]
    assert abs(int(again.abs().argmax()) - 4000) <= 8
    assert again[3900:4100].square().sum() > 0.9 * again.square().sum()


def test_settled_frames_stand_and_the_others_go_on_from_them() -> None:
    spectra = spectrum(speechlike(24000), 256).T
    magnitudes = spectra.abs().numpy()
    settled = spectra.angle().numpy()[:40]
    phases = pghi(magnitudes, 256, 1024, 1024, settled=settled)
    np.testing.assert_array_equal(phases[:40], settled)
    assert convergence_db(magnitudes, phases, 256) < -18


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
@pytest.mark.parametrize("level", [0.0, 1e-30, 1.0, 1e6])
def test_few_frames_and_silence(frames: int, level: float) -> None:
    magnitudes = np.full((frames, 65), level, np.float32)
    for phases in (pghi(magnitudes, 32, 128, 128), rtpghi(magnitudes, 32, 128, 128, ahead=0)[0]):
        assert phases.shape == (frames, 65)
        assert np.isfinite(phases).all()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), -1.0])
def test_whatever_goes_in_numbers_come_out(wrong: float) -> None:
    magnitudes = np.random.default_rng(0).random((20, 65), np.float32)
    magnitudes[3:6, 10:30] = wrong
    assert np.isfinite(pghi(magnitudes, 32, 128, 128)).all()
    assert np.isfinite(rtpghi(magnitudes, 32, 128, 128)[0]).all()
