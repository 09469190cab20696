"""GAN-TTS's ensemble of random-window discriminators (Bińkowski et al. 2020, section 2.3 and appendix).

Each judges a random window of the sound, of its own length: short ones the timbre, long ones the course. Half of
them are told what is being said, here by the log-mel; the others judge only whether it sounds like speech.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ...core.random import Draws
from ...core.system import Logits
from .discriminators import join

BASE = 240  # positions that every window has after folding; 10 ms at the paper's 24 kHz


class DBlock(nn.Module):
    """Residual block that halves, or keeps, the number of positions; may be told the log-mel.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stride : int
        Positions averaged into one.
    told : int
        Channels of what it is told; 0 for nothing.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, told: int = 0) -> None:
        super().__init__()
        self.stride = stride
        self.first = spectral_norm(nn.Conv1d(inputs, outputs, 3, padding=1))
        self.second = spectral_norm(nn.Conv1d(outputs, outputs, 3, padding=2, dilation=2))
        self.skip = spectral_norm(nn.Conv1d(inputs, outputs, 1))
        self.tell = spectral_norm(nn.Conv1d(told, outputs, 1)) if told else None

    def forward(self, x: Tensor, told: Tensor | None = None) -> Tensor:
        """x (B, C, T), told (B, C', T / stride) to (B, C'', T / stride)."""
        y = self.first(F.avg_pool1d(F.relu(x), self.stride))
        if self.tell is not None and told is not None:
            y = y + self.tell(told)
        y = self.second(F.relu(y))
        shortened: Tensor = self.skip(F.avg_pool1d(x, self.stride))
        return shortened + y


class WindowDiscriminator(nn.Module):
    """Judge windows of one length.

    Parameters
    ----------
    fold : int
        The window has ``240 · fold`` samples, folded into so many channels: all windows cost the same.
    width : int
        Channels of the first block; 64 as published.
    mels : int
        Bins of the log-mel that it is told; 0 for none.
    hop : int
        Samples per frame of the log-mel.
    """

    STRIDES = (1, 2, 2, 2, 1)

    def __init__(self, fold: int, width: int = 64, mels: int = 0, hop: int = 256) -> None:
        super().__init__()
        self.fold, self.hop, self.samples = fold, hop, BASE * fold
        widths = (fold, width, 2 * width, 4 * width, 4 * width, 4 * width)
        self.blocks = nn.ModuleList(
            DBlock(before, after, stride, mels if index in (2, 3) else 0)
            for index, (before, after, stride) in enumerate(
                zip(widths[:-1], widths[1:], self.STRIDES, strict=True)
            )
        )
        self.score = spectral_norm(nn.Linear(widths[-1], 1))

    def forward(self, wav: Tensor, mel: Tensor, place: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Judge the window of wav (B, T) that begins at the share place (B,), in [0, 1), of what is possible.

        mel (B, M, F): frame f is about sample f·hop. Returns scores (B, 1) and the activations of each block.
        """
        if wav.shape[1] < self.samples:
            raise ValueError(f"a window of {self.samples} samples does not fit into {wav.shape[1]}")
        start = (place * (wav.shape[1] - self.samples + 1)).long()
        offsets = torch.arange(self.samples, device=wav.device)
        window = wav.gather(1, start[:, None] + offsets)
        x = window.unflatten(1, (BASE, self.fold)).transpose(1, 2)
        features, step = [], self.fold
        for block, stride in zip(self.blocks, self.STRIDES, strict=True):
            step *= stride  # samples per position behind this block
            told = None if block.tell is None else self._frames(mel, start, x.shape[-1] // stride, step)
            x = block(x, told)
            features.append(x)
        return self.score(F.relu(x).mean(-1)), tuple(features)

    def _frames(self, mel: Tensor, start: Tensor, positions: int, step: int) -> Tensor:
        """The frames of mel (B, M, F) nearest to each position: (B, M, positions)."""
        middle = start[:, None] + step * (torch.arange(positions, device=mel.device) + 0.5)
        frame = (middle / self.hop).round().long().clamp(max=mel.shape[-1] - 1)
        return mel.gather(2, frame[:, None].expand(-1, mel.shape[1], -1))


class RandomWindows(nn.Module):
    """The ensemble: for each length a discriminator that is told the log-mel, and one that is not.

    Parameters
    ----------
    mels, hop : int
        Of the log-mel.
    folds : sequence of int
        Window lengths in units of 240 samples; the paper's are 1, 2, 4, 8 and 15.
    width : int
        Channels of the first blocks.
    """

    def __init__(self, mels: int, hop: int, folds: Sequence[int] = (1, 2, 4, 8, 15), width: int = 64) -> None:
        super().__init__()
        self.conditional = nn.ModuleList(WindowDiscriminator(fold, width, mels, hop) for fold in folds)
        self.unconditional = nn.ModuleList(WindowDiscriminator(fold, width, 0, hop) for fold in folds)

    def forward(self, wav: Tensor, mel: Tensor, draws: Draws) -> Logits:
        """wav (B, T), mel (B, M, F) to a score for each member; draws decides where the windows lie."""
        members = [*self.conditional, *self.unconditional]
        places = draws.uniform("windows", len(members))
        return join([member(wav, mel, places[:, i]) for i, member in enumerate(members)])
