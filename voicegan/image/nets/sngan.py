"""The plain discriminator of spectral normalisation (Miyato et al. 2018, arXiv:1802.05957, table 3).

Before each halving, and once at the end, there is a convolution that keeps the size. The depth matters: a layer whose
weight matrix has spectral norm 1 can stretch its input only by √(how many windows a pixel lies in), which is 2 for
4 x 4 with stride 2 and 3 for 3 x 3. Two strided layers alone are so flat that they can hardly tell a crude sample from
a real one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

from torch import nn

from ...core.blocks import initialise
from .dcgan import norm_of
from .halving import halve, sides
from .judging import Judgement, LayeredDiscriminator


class DeepConvDiscriminator(LayeredDiscriminator):
    """3 x 3 and 4 x 4 strided convolutions in turn, leaky rectifiers with a slope of 0.1.

    Parameters
    ----------
    shape : sequence of int
        ``(C, H, W)``.
    width : int
        Channels of the first layer; twice as many after each halving, eight times at most.
    norm, conditions, heads, dropout, score
        As for :class:`~voicegan.image.nets.dcgan.ConvDiscriminator`; no norm in the paper.
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int,
        norm: Literal["none", "layer", "batch"] = "none",
        conditions: int = 0,
        heads: Mapping[str, int] | None = None,
        dropout: float = 0.0,
        score: bool = True,
    ) -> None:
        *finer, coarsest = sides(shape)
        sizes = [width * min(8, 2**step) for step in range(len(finer) + 1)]
        bias = norm == "none"
        convs = [nn.Conv2d(shape[0] + conditions, width, 3, 1, 1)]
        for side, (before, after) in zip(finer, itertools.pairwise(sizes), strict=True):
            convs += [halve(side, before, after, bias=bias), nn.Conv2d(after, after, 3, 1, 1, bias=bias)]
        layers = []
        for index, conv in enumerate(convs):
            normed = norm_of("none" if index == 0 else norm, conv.out_channels)
            layers.append(nn.Sequential(conv, normed, nn.LeakyReLU(0.1), nn.Dropout(dropout)))
        judgement = Judgement(sizes[-1] * math.prod(coarsest), heads, score)
        super().__init__(layers, judgement, conditions)
        # Under spectral norm the size of a weight only sets how fast Adam turns it: 0.02 would be too fast.
        initialise(self, "xavier", 1.0)
