"""Phases from magnitudes alone."""

from __future__ import annotations

import numpy as np
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


def test_from_true_magnitudes_it_comes_near() -> None:
    magnitudes = spectrum(speechlike(32000), 256).abs().T.numpy()
    assert convergence_db(magnitudes, pghi(magnitudes, 256, 1024, 1024), 256) < -20
    ended = np.concatenate([magnitudes, magnitudes[-1:]])
    assert convergence_db(magnitudes, rtpghi(ended, 256, 1024, 1024)[0], 256) < -18


def test_frame_by_frame_the_sizes_of_the_pieces_do_not_matter() -> None:
    magnitudes = spectrum(speechlike(8000), 256).abs().T.numpy()
    whole, _ = rtpghi(magnitudes, 256, 1024, 1024)
    carried, pieces = None, []
    for start, stop in ((0, 1), (1, 2), (2, 9), (9, 9), (9, len(magnitudes))):
        phases, carried = rtpghi(magnitudes[start:stop], 256, 1024, 1024, carried=carried)
        pieces.append(phases)
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
