"""The light networks: a gated 1-D generator that streams, and a small patch discriminator.

The generator is made of frame-wise gated layers over dilated taps (a gated CNN as in Kaneko & Kameoka 2017)
without any normalisation over time: every output frame depends on a fixed window of input frames, so a
recording of any length is converted in pieces that fit together exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.blocks import spectral_norm
from ...core.system import Logits
from . import Condition


class TapGLU(nn.Module):
    """Gated dilated convolution over frames, written as one matrix product.

    The three tapped frames are laid side by side and multiplied by one matrix: on CPUs and GPUs with
    matrix units this is several times as fast as a 1-D convolution of the same size.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    dilation : int
        Frames between the taps.
    future : int
        How many frames ahead the last tap looks; the taps before it reach back from there.
    """

    TAPS = 3

    def __init__(self, inputs: int, outputs: int, dilation: int, future: int) -> None:
        super().__init__()
        self.dilation, self.future = dilation, future
        self.past = (self.TAPS - 1) * dilation - future
        self.linear = nn.Linear(self.TAPS * inputs, 2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, F, inputs)`` to ``(B, F, outputs)``."""
        frames = x.shape[1]
        padded = F.pad(x, (0, 0, self.past, self.future))
        taps = [padded[:, i * self.dilation : i * self.dilation + frames] for i in range(self.TAPS)]
        return F.glu(self.linear(torch.cat(taps, dim=-1)), dim=-1)


class Block(nn.Module):
    """Residual block: layer norm over the channels of each frame, gated taps, projection.

    Channels of one frame are normalised, never frames of one channel: the block stays local in time.
    """

    def __init__(self, channels: int, dilation: int, future: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.taps = TapGLU(channels, channels, dilation, future)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, F, C)`` to ``(B, F, C)``."""
        y: Tensor = x + self.project(self.taps(self.norm(x)))
        return y


class GatedTrunk(nn.Module):
    """Gated residual blocks over frames that see a bounded window.

    Parameters
    ----------
    inputs, outputs : int
        Channels per frame.
    channels : int
        Width of the residual blocks.
    dilations : sequence of int
        One residual block each; frames between its taps.
    reach : int
        Most frames that one block looks ahead; smaller is less latency.
    """

    def __init__(
        self, inputs: int, outputs: int, channels: int, dilations: Sequence[int], reach: int
    ) -> None:
        super().__init__()
        self.enter = TapGLU(inputs, channels, dilation=1, future=1)
        blocks = [Block(channels, d, min(d, reach)) for d in dilations]
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(channels)
        self.leave = nn.Linear(channels, outputs)
        # Untrained it gives zeros: generators that add it to their input begin by changing nothing.
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        layers = [self.enter, *(block.taps for block in blocks)]
        self.context_frames = (sum(t.past for t in layers), sum(t.future for t in layers))

    def change(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, F)`` to ``(B, outputs, F)`` in float32; any F ≥ 1."""
        y: Tensor = self.leave(self.norm(self.blocks(self.enter(x.transpose(1, 2))))).float()
        return y.transpose(1, 2)


class LightGenerator(GatedTrunk):
    """Translate normalised log-mels of one speaker into another's, a bounded window at a time.

    The untrained generator changes nothing: in normalised mels that is mean-variance matching.

    Parameters
    ----------
    mels : int
        Mel bins.
    channels, dilations, reach
        See :class:`GatedTrunk`.
    """

    def __init__(
        self,
        mels: int = 80,
        channels: int = 192,
        dilations: Sequence[int] = (1, 2, 4, 8, 1, 2, 4, 8),
        reach: int = 2,
    ) -> None:
        super().__init__(mels, mels, channels, dilations, reach)

    def forward(self, mel: Tensor, condition: Condition | None = None) -> Tensor:
        """Map ``mel (B, M, F)``, normalised, to ``(B, M, F)``, normalised; any F ≥ 1."""
        return mel + self.change(mel)


class LightDiscriminator(nn.Module):
    """Judge patches of a mel picture: strided 2-D convolutions under spectral norm (Miyato et al. 2018).

    Parameters
    ----------
    mels : int
        Mel bins.
    channels : int
        Width of the first layer; the others have up to four times as many.
    """

    def __init__(self, mels: int = 80, channels: int = 32) -> None:
        super().__init__()
        widths = (1, channels, 2 * channels, 4 * channels, 4 * channels)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, kernel_size=(5, 5) if before == 1 else (4, 4), stride=2, padding=2)
            for before, after in pairwise(widths)
        )
        # Bins are told apart: what is right for a formant is not right for a fricative.
        self.bins = nn.Parameter(torch.zeros(1, 1, mels, 1))
        self.score = nn.Conv2d(widths[-1], 1, kernel_size=3, padding=1)
        spectral_norm(self)

    def forward(self, mel: Tensor) -> Logits:
        """Score ``mel (B, M, F)`` with one logit per patch, ``(B, 1, M/16, F/16)``; features of each layer."""
        x = mel[:, None] + self.bins
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return Logits((self.score(x),), (tuple(features),))
