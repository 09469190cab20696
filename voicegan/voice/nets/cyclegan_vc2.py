"""Networks of CycleGAN-VC2 (Kaneko et al. 2019, arXiv:1904.04631): 2-1-2D generator, patch discriminator."""

from __future__ import annotations

from torch import Tensor, nn

from . import Condition
from .gated import PatchDiscriminator, Trunk212d

__all__ = ["Generator212d", "PatchDiscriminator"]


class Generator212d(nn.Module):
    """2-D, then 1-D, then 2-D: see :class:`~voicegan.voice.nets.gated.Trunk212d`.

    Parameters
    ----------
    mels : int
        Bins.
    channels : int
        Channels of the first and the last layer.
    blocks : int
        Residual blocks.
    """

    context_frames = None  # instance norm takes its statistics over all frames that it is shown

    def __init__(self, mels: int = 80, channels: int = 128, blocks: int = 6) -> None:
        super().__init__()
        self.trunk = Trunk212d(mels, 1, channels, blocks)

    def forward(self, mel: Tensor, condition: Condition | None = None) -> Tensor:
        """Map ``mel (B, M, F)``, normalised, to ``(B, M, F)``, normalised; any F ≥ 1."""
        converted: Tensor = self.trunk(mel[:, None])
        return converted
