"""Vocos (Siuzdak 2023): the network stays at the frame rate and an inverse Fourier transform makes the samples.

Each frame is mapped to the magnitudes and phases of one short-time spectrum, so no layer ever works at the sample
rate. That is why it is fast.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KERNEL = 7
_LOUDEST = math.log(100.0)  # of a bin, in logarithmic magnitude; more would be no sound


class FrameConv(nn.Conv1d):
    """Convolution over 7 frames that looks `reach` frames ahead and the others back; (B, C, F) to (B, C', F)."""

    def __init__(self, inputs: int, outputs: int, reach: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, KERNEL, groups=groups)
        self.past, self.future = KERNEL - 1 - reach, reach

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (self.past, self.future)))


class ConvNeXtBlock(nn.Module):
    """``x + scale · narrow(GELU(widen(norm(depthwise(x)))))`` (Liu et al. 2022), over frames.

    Parameters
    ----------
    channels, hidden : int
        Channels of ``x``, channels after widening.
    reach : int
        Frames that the depthwise convolution looks ahead.
    scale : float
        What the learned scale of each channel begins with.
    """

    def __init__(self, channels: int, hidden: int, reach: int, scale: float) -> None:
        super().__init__()
        self.depthwise = FrameConv(channels, channels, reach, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.widen = nn.Linear(channels, hidden)
        self.narrow = nn.Linear(hidden, channels)
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, F)`` to ``(B, C, F)``."""
        y = self.norm(self.depthwise(x).transpose(1, 2))
        y = self.scale * self.narrow(F.gelu(self.widen(y)))
        return x + y.transpose(1, 2)


def initialise(net: nn.Module, but: nn.Module | None = None) -> None:
    """Give a network of ConvNeXt blocks its first weights: small and normal, biases zero."""
    for module in net.modules():
        if isinstance(module, (nn.Conv1d, nn.Linear)) and module is not but:
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class InverseStft(nn.Module):
    """Overlap-add of windowed frames, divided by the sum of the squared windows.

    Parameters
    ----------
    n_fft, hop : int
        Length of the transform and of the Hann window; samples between frames.
    padding : str
        Where frame f lies: ``"center"``, centred on sample f·hop; ``"same"``, centred on the middle of the samples
        f·hop to (f + 1)·hop - 1.
    """

    window: Tensor

    def __init__(self, n_fft: int, hop: int, padding: str) -> None:
        super().__init__()
        if padding not in ("center", "same"):
            raise ValueError(f'padding is "center" or "same", not {padding!r}')
        if not 0 < hop <= n_fft // 2 or n_fft % 2 or (n_fft - hop) % 2:
            raise ValueError(f"n_fft {n_fft} and hop {hop} need to be even, and n_fft two hops or more")
        self.n_fft, self.hop = n_fft, hop
        self.overlap = math.ceil(n_fft / hop)
        # Samples of a frame that lie before f·hop.
        self.before = n_fft // 2 if padding == "center" else (n_fft - hop) // 2
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    @property
    def context_frames(self) -> tuple[int, int]:
        """How many frames before and after frame f reach into the samples f·hop to (f + 1)·hop - 1."""
        return math.ceil((self.n_fft - self.before) / self.hop) - 1, math.ceil(self.before / self.hop)

    def forward(self, spectra: Tensor) -> Tensor:
        """Map spectra ``(B, F, n_fft//2 + 1)`` to wav ``(B, F·hop)``."""
        frames = torch.fft.irfft(spectra, n=self.n_fft) * self.window
        weight = self.window.square().expand(1, spectra.shape[1], -1)
        kept = slice(self.before, self.before + spectra.shape[1] * self.hop)
        # Only the last hop of a sound, where the next frames are missing, can have a weight near zero.
        return self._overlap_add(frames)[:, kept] / self._overlap_add(weight)[:, kept].clamp(min=0.1)

    def _overlap_add(self, frames: Tensor) -> Tensor:
        """frames (B, F, n_fft) to their sum (B, (F + overlap)·hop)."""
        batch, count, length = frames.shape
        parts = F.pad(frames, (0, self.overlap * self.hop - length)).view(
            batch, count, self.overlap, self.hop
        )
        shifted = [F.pad(parts[:, :, i], (0, 0, i, self.overlap - i)) for i in range(self.overlap)]
        return torch.stack(shifted).sum(0).view(batch, -1)


class Vocos(nn.Module):
    """Log-mels to sound through one spectrum a frame.

    Parameters
    ----------
    mels : int
        Mel bins.
    dim, intermediate, layers : int
        Channels of the blocks, channels within them, and how many there are. The published network has 512, 1536
        and 8 with 100 mels: 13.5 M parameters.
    n_fft, hop : int
        Length of the inverse transform and samples per frame.
    padding : str
        ``"center"`` for mels of centred frames, ``"same"`` for the others.
    reach : int
        Frames that each layer looks ahead, 0 to 6; 3 is symmetric, as published. Less is less latency.
    """

    def __init__(
        self,
        mels: int = 80,
        dim: int = 256,
        intermediate: int = 768,
        layers: int = 8,
        n_fft: int = 1024,
        hop: int = 256,
        padding: str = "center",
        reach: int = KERNEL // 2,
    ) -> None:
        super().__init__()
        if min(mels, dim, intermediate, layers) < 1 or not 0 <= reach < KERNEL:
            raise ValueError(
                f"mels {mels}, dim {dim}, intermediate {intermediate}, layers {layers}: 1 or more; "
                f"reach {reach}: 0 to {KERNEL - 1}"
            )
        self.hop = hop
        self.embed = FrameConv(mels, dim, reach)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.blocks = nn.Sequential(
            *(ConvNeXtBlock(dim, intermediate, reach, scale=1 / layers) for _ in range(layers))
        )
        self.final_norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, n_fft + 2)
        self.inverse = InverseStft(n_fft, hop, padding)
        initialise(self, but=self.head)
        past, future = self.inverse.context_frames
        self.context_frames = (
            past + (layers + 1) * self.embed.past,
            future + (layers + 1) * self.embed.future,
        )

    def forward(self, mel: Tensor) -> Tensor:
        """Map ``mel (B, M, F)`` to wav ``(B, F·hop)``; any F ≥ 1."""
        x = self.norm(self.embed(mel).transpose(1, 2))
        x = self.final_norm(self.blocks(x.transpose(1, 2)).transpose(1, 2))
        log_magnitude, phase = self.head(x).float().chunk(2, dim=-1)
        with torch.autocast(mel.device.type, enabled=False):
            # The clamp comes before exp, so that no gradient is infinity times zero.
            wav: Tensor = self.inverse(torch.polar(log_magnitude.clamp(max=_LOUDEST).exp(), phase))
        return wav
