"""The networks of any-to-one voices: from a picture of anyone's speech to the target's mel, and back to a pool."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from . import Condition
from .light import GatedTrunk

MORE_CHANNELS = 2  # of a picture, besides envelope and ripple: voiced or not, and the pitch


class AnyGenerator(GatedTrunk):
    """Make the target's normalised log-mel of a picture of anyone's speech (see `voicegan.voice.source_picture`).

    What it adds to is the classical conversion: the envelope brought to the target's mean, with the harmonics of the
    moved pitch as strong as the target's are in each band. Untrained it does nothing else.

    Parameters
    ----------
    mels : int
        Mel bins; a picture has twice as many channels and two more.
    channels, dilations, reach
        See :class:`voicegan.voice.nets.light.GatedTrunk`.

    Attributes
    ----------
    scale, offset, harmonics : Tensor
        ``(M,)``: from the picture's envelope and ripple to the target's normalised log-mel.
    """

    scale: Tensor
    offset: Tensor
    harmonics: Tensor

    def __init__(
        self,
        mels: int = 80,
        channels: int = 192,
        dilations: Sequence[int] = (1, 2, 4, 8, 1, 2, 4, 8),
        reach: int = 2,
    ) -> None:
        super().__init__(2 * mels + MORE_CHANNELS, mels, channels, dilations, reach)
        self.mels = mels
        self.register_buffer("scale", torch.ones(mels))
        self.register_buffer("offset", torch.zeros(mels))
        self.register_buffer("harmonics", torch.zeros(mels))

    def classical(self, picture: Tensor) -> Tensor:
        """Mean matching and pitch shift alone: ``(B, 2M + 2, F)`` to ``(B, M, F)``, normalised."""
        envelope, ripple, more = picture.float().split((self.mels, self.mels, MORE_CHANNELS), dim=1)
        bands = envelope * self.scale[:, None] + self.offset[:, None]
        return bands + self.harmonics[:, None] * ripple * more[:, :1]

    def forward(self, picture: Tensor, condition: Condition | None = None) -> Tensor:
        """Map a picture ``(B, 2M + 2, F)`` to a normalised log-mel ``(B, M, F)``; any F ≥ 1."""
        return self.classical(picture) + self.change(picture)


class PoolGenerator(GatedTrunk):
    """Make of the target's envelope that of somebody in the pool, whose style it is told.

    Parameters
    ----------
    mels : int
        Mel bins.
    styles : int
        How many numbers a style has.
    channels, dilations, reach
        See :class:`voicegan.voice.nets.light.GatedTrunk`.
    """

    TOLD = 32

    def __init__(
        self,
        mels: int = 80,
        styles: int = 80,
        channels: int = 128,
        dilations: Sequence[int] = (1, 2, 4, 8),
        reach: int = 2,
    ) -> None:
        super().__init__(mels + self.TOLD, mels, channels, dilations, reach)
        self.style = nn.Linear(styles, self.TOLD)

    def forward(self, envelope: Tensor, style: Tensor) -> Tensor:
        """Map a normalised envelope ``(B, M, F)`` and a style ``(B, styles)`` to an envelope ``(B, M, F)``."""
        told = self.style(style)[:, :, None].expand(-1, -1, envelope.shape[2])
        return envelope + self.change(torch.cat([envelope, told.to(envelope.dtype)], dim=1))
