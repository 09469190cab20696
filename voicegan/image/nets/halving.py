"""How convolutions halve pictures and double them again (Radford et al. 2015): without pooling, down to 4 pixels.

Both sides are halved twice at least, and further while 4 pixels or more are left: 64 comes down to 4 in four steps as
in the paper, 32 in three, 8 to 2 in two. An odd side takes a kernel of 3 instead of 4: 28 becomes 14, 7 and 4, and 4
becomes 7 on the way back.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ...errors import VoiceganError

Sides = tuple[int, int]


def sides(shape: Sequence[int]) -> list[Sides]:
    """(H, W) of a picture ``(C, H, W)`` and of each of its halvings. Raises VoiceganError where there are not two."""
    if len(shape) != 3:
        raise VoiceganError(
            f"convolutions need pictures (channels, height, width), not the shape {tuple(shape)}",
            "Set net = 'mlp' for points.",
        )
    height, width = shape[1:]
    if min(height, width) < 4:
        raise VoiceganError(
            f"pictures of {height} x {width} cannot be halved twice",
            "Choose a size of at least 4, or set net = 'mlp'.",
        )
    made = [(height, width)]
    while len(made) < 3 or min(_half(made[-1])) >= 4:
        made.append(_half(made[-1]))
    return made


def _half(of: Sides) -> Sides:
    return (of[0] + 1) // 2, (of[1] + 1) // 2


def halve(of: Sides, before: int, after: int, *, bias: bool = False) -> nn.Conv2d:
    """A convolution of planes with sides ``of`` to half the size, and other channels."""
    return nn.Conv2d(before, after, _kernel(of), 2, 1, bias=bias)


def double(to: Sides, before: int, after: int, *, bias: bool = False) -> nn.ConvTranspose2d:
    """A transposed convolution that undoes :func:`halve`: its planes have the sides ``to``."""
    return nn.ConvTranspose2d(before, after, _kernel(to), 2, 1, bias=bias)


def _kernel(larger: Sides) -> Sides:
    height, width = larger
    return 4 - height % 2, 4 - width % 2
