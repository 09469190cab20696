"""Networks from log-mel to sound. Importing this imports no torch.

Each of them keeps one contract:

- It is an ``nn.Module`` built from plain keyword arguments that JSON can hold. Its weights are plain: no weight
  norm is left in them.
- ``forward(mel (B, M, F)) -> wav (B, F·hop)`` in float32, for any F >= 1. Sample i of the output is sample i of the
  sound; frame f is about the samples from f·hop on. What lies beyond the first and the last frame is padded as in
  the network's paper.
- ``hop``: samples per frame.
- ``context_frames``: (past, future). The samples f·hop to (f + 1)·hop - 1 depend on the mel frames f - past to
  f + future and on no others, so a sound can be made in pieces that fit together exactly.

A network whose ``makes`` is "magnitudes" gives these instead, ``forward(mel (B, M, F)) -> (B, bins, F)``, and leaves
the phases to an algorithm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ...core.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


class VocoderNet(Protocol):
    """What every network of the table offers besides being an ``nn.Module``."""

    hop: int
    context_frames: tuple[int, int]

    def __call__(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to wav (B, F·hop)."""
        ...


NETS = Registry(
    "vocoder network",
    {
        "vocos": ("voicegan.vocoder.nets.vocos:Vocos", "ConvNeXt frames and an inverse Fourier transform"),
        "magnitudes": (
            "voicegan.vocoder.nets.magnitudes:Magnitudes",
            "ConvNeXt frames; Griffin-Lim finds the phases",
        ),
        "hifigan": ("voicegan.vocoder.nets.hifigan:HifiGan", "transposed convolutions, many kernel sizes"),
        "melgan": ("voicegan.vocoder.nets.melgan:MelGan", "transposed convolutions, dilated residual blocks"),
        "bigvgan": (
            "voicegan.vocoder.nets.bigvgan:BigVGan",
            "HiFi-GAN with anti-aliased periodic activations",
        ),
    },
)
