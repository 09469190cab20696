"""Generators from mel to mel, and the discriminators that judge them. Importing this imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Condition:
    """What a generator is told besides the mel. Each network uses what it knows and leaves the rest.

    Attributes
    ----------
    mask : Tensor or None
        ``(B, 1, F)``: 1 where the frame is given, 0 where it is to be filled in; None: all are given.
    f0 : Tensor or None
        ``(B, 1, F)``: fundamental frequency wanted, in Hz, 0 where unvoiced.
    speaker : Tensor or None
        Target speaker, for networks that know several.
    """

    mask: Tensor | None = None
    f0: Tensor | None = None
    speaker: Tensor | None = None


NETS = Registry(
    "generator",
    {
        "light": ("voicegan.voice.nets.light:LightGenerator", "gated 1-D network that streams exactly"),
        "any-to-one": (
            "voicegan.voice.nets.any_to_one:AnyGenerator",
            "light network for pictures of anyone's speech",
        ),
        "cyclegan-vc": ("voicegan.voice.nets.cyclegan_vc:Generator1d", "gated 1-D network of CycleGAN-VC"),
        "cyclegan-vc2": ("voicegan.voice.nets.cyclegan_vc2:Generator212d", "2-1-2D network of CycleGAN-VC2"),
        "mask-cyclegan-vc": (
            "voicegan.voice.nets.mask_cyclegan_vc:FillingGenerator212d",
            "2-1-2D network of MaskCycleGAN-VC, which also fills in frames",
        ),
    },
)
