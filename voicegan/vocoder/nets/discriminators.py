"""Discriminators of sound: by periods, by spectra at several resolutions, and of spectra that are given.

All take a sound, the log-mel that it belongs to, and random numbers, so that one system can take any of them (see
also `random_window`); these here use only the sound. Convolutions are under weight norm, as in the papers.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from ...core.random import Draws
from ...core.system import Logits
from ..losses import magnitudes

SLOPE = 0.1


class Convs2d(nn.Module):
    """A chain of weight-normed 2-D convolutions and a score for each patch.

    Parameters
    ----------
    widths : sequence of int
        Channels in, then of each layer.
    kernels, strides : sequence of (int, int)
        Of each layer; all are padded to keep ``ceil(n / stride)`` positions.
    score_kernel : (int, int)
        Of the last convolution, to one channel.
    """

    def __init__(
        self,
        widths: Sequence[int],
        kernels: Sequence[tuple[int, int]],
        strides: Sequence[tuple[int, int]],
        score_kernel: tuple[int, int],
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, kernel, stride, (kernel[0] // 2, kernel[1] // 2)))
            for before, after, kernel, stride in zip(widths[:-1], widths[1:], kernels, strides, strict=True)
        )
        margin = (score_kernel[0] // 2, score_kernel[1] // 2)
        self.score = weight_norm(nn.Conv2d(widths[-1], 1, score_kernel, padding=margin))

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """x (B, C, H, W) to scores (B, 1, h, w) and the activations of each layer."""
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return self.score(x), tuple(features)


class PeriodDiscriminator(nn.Module):
    """Sees every p-th sample as a row of its own (Kong et al. 2020, section 2.3).

    Parameters
    ----------
    period : int
        Samples.
    width : int
        Channels of the first layer; 32 as published. The others have 4, 16, 32 and 32 times as many, at most
        ``most``.
    most : int
        Largest number of channels; 1024 as published.
    """

    def __init__(self, period: int, width: int = 32, most: int = 1024) -> None:
        super().__init__()
        self.period = period
        widths = [1, *(min(most, width * factor) for factor in (1, 4, 16, 32, 32))]
        self.convs = Convs2d(widths, [(5, 1)] * 5, [(3, 1)] * 4 + [(1, 1)], (3, 1))

    def forward(self, wav: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """wav (B, T)."""
        missing = -wav.shape[-1] % self.period
        rows = F.pad(wav[:, None], (0, missing), "reflect" if missing < wav.shape[-1] else "constant")
        return self.convs(rows.unflatten(-1, (-1, self.period)))


class SpectrumDiscriminator(nn.Module):
    """Sees a spectrogram as a picture (Jang et al. 2021; as a patch judge in Défossez et al. 2022).

    Parameters
    ----------
    width : int
        Channels.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        kernels = [(9, 3)] * 4 + [(3, 3)]  # (frequency, time): spectra are fine in frequency
        strides = [(2, 1), (2, 1), (2, 2), (2, 1), (1, 1)]
        self.convs = Convs2d([1] + [width] * 5, kernels, strides, (3, 3))

    def forward(self, log_magnitudes: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """log_magnitudes (B, bins, F), of about unit size."""
        return self.convs(log_magnitudes[:, None])


def join(parts: Sequence[tuple[Tensor, tuple[Tensor, ...]]]) -> Logits:
    """The judgements of several discriminators as one."""
    return Logits(tuple(scores for scores, _ in parts), tuple(features for _, features in parts))


class MultiPeriod(nn.Module):
    """HiFi-GAN's multi-period discriminator: one for each of several primes (Kong et al. 2020)."""

    def __init__(self, periods: Sequence[int] = (2, 3, 5, 7, 11), width: int = 32, most: int = 1024) -> None:
        super().__init__()
        self.parts = nn.ModuleList(PeriodDiscriminator(period, width, most) for period in periods)

    def forward(self, wav: Tensor, mel: Tensor | None = None, draws: Draws | None = None) -> Logits:
        """wav (B, T) to a judgement for each period."""
        return join([part(wav) for part in self.parts])


class MultiResolution(nn.Module):
    """UnivNet's multi-resolution spectrogram discriminator (Jang et al. 2021), on log-magnitudes.

    Parameters
    ----------
    resolutions : sequence of int
        Lengths of the Hann windows in samples; frames are a quarter of that apart.
    width : int
        Channels.
    """

    def __init__(self, resolutions: Sequence[int] = (512, 1024, 2048), width: int = 32) -> None:
        super().__init__()
        self.resolutions = tuple(resolutions)
        self.parts = nn.ModuleList(SpectrumDiscriminator(width) for _ in self.resolutions)

    def forward(self, wav: Tensor, mel: Tensor | None = None, draws: Draws | None = None) -> Logits:
        """wav (B, T) to a judgement for each resolution."""
        return join([
            part(log_spectrogram(wav, win)) for part, win in zip(self.parts, self.resolutions, strict=True)
        ])  # fmt: skip


def log_spectrogram(wav: Tensor, win: int) -> Tensor:
    """wav (B, T) to log-magnitudes (B, bins, F) of about unit size: 0 for a sine 50 dB below full scale."""
    return magnitudes(wav, win).log() / 2.0 + 3.2


class Ensemble(nn.Module):
    """Several discriminators as one: every one of their parts judges by itself."""

    def __init__(self, *members: nn.Module) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, wav: Tensor, mel: Tensor | None = None, draws: Draws | None = None) -> Logits:
        """wav (B, T), mel (B, M, F) to all judgements."""
        judged = [member(wav, mel, draws) for member in self.members]
        return Logits(
            tuple(scores for logits in judged for scores in logits.scores),
            tuple(features for logits in judged for features in logits.features),
        )
