"""Vocos: the published size, and an inverse transform that is the usual one."""

from __future__ import annotations

import pytest
import torch

from voicegan.vocoder.nets.vocos import InverseStft, Vocos


def parameters_of(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_parameter_counts() -> None:
    with torch.device("meta"):
        published = Vocos(mels=100, dim=512, intermediate=1536, layers=8)
        small = Vocos()
    assert parameters_of(published) == 13_531_650  # 13.5 M in the paper
    assert parameters_of(small) == 3_584_770


def spectra(frames: int, n_fft: int) -> torch.Tensor:
    torch.manual_seed(frames)
    return torch.fft.rfft(torch.randn(2, frames, n_fft))


@pytest.mark.parametrize(("n_fft", "hop"), [(16, 4), (16, 8), (24, 10)])
def test_centred_inverse_equals_torchs(n_fft: int, hop: int) -> None:
    given = spectra(9, n_fft)
    wav = InverseStft(n_fft, hop, "center")(given)
    expected = torch.istft(given.mT, n_fft, hop, window=torch.hann_window(n_fft), center=True)
    assert wav.shape == (2, 9 * hop)
    torch.testing.assert_close(wav[:, : 8 * hop], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["center", "same"])
@pytest.mark.parametrize("frames", [1, 2, 3, 20])
def test_inverse_gives_back_a_sound_from_its_spectra(padding: str, frames: int) -> None:
    n_fft, hop = 32, 8
    inverse = InverseStft(n_fft, hop, padding)
    torch.manual_seed(0)
    wav = torch.randn(1, frames * hop)
    padded = torch.nn.functional.pad(wav, (inverse.before, n_fft))
    windows = padded.unfold(1, n_fft, hop)[:, :frames] * inverse.window
    torch.testing.assert_close(inverse(torch.fft.rfft(windows)), wav, rtol=1e-4, atol=1e-5)


def test_loud_frames_have_finite_gradients() -> None:
    net = Vocos(4, 8, 8, 1, 16, 4)
    with torch.no_grad():
        net.head.bias[:9] = 200.0
    wav = net(torch.randn(1, 4, 6))
    wav.square().sum().backward()
    assert wav.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_reach_trades_past_for_future() -> None:
    assert Vocos(4, 8, 8, 3, 16, 4).context_frames == (1 + 12, 2 + 12)
    assert Vocos(4, 8, 8, 3, 16, 4, reach=0).context_frames == (1 + 24, 2)


@pytest.mark.parametrize(
    "wrong", [{"padding": "left"}, {"hop": 12}, {"hop": 3}, {"reach": 7}, {"layers": 0}, {"n_fft": 15}]
)
def test_impossible_arguments_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Vocos(**({"mels": 4, "dim": 8, "intermediate": 8, "layers": 1, "n_fft": 16, "hop": 4} | wrong))
