"""Two domains rendered from digits, so that what a translation should be is known."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from .data import Pictures, load_pictures

INK = 96  # of 255: from here on a pixel of a drawing is ink


def drawing(images: Tensor) -> Tensor:
    """Digits as a drawing of two values, as a label map is one: uint8 (N, 1, H, W) to 0 and 255."""
    return (images >= INK).to(images.dtype) * 255


def bold_on_light(images: Tensor) -> Tensor:
    """Digits in a second style: strokes one pixel wider to the right and below, dark on a light ground; uint8."""
    grown = F.max_pool2d(F.pad(images.float(), (1, 0, 1, 0)), 2, 1)
    # Half way between the stroke and its shadow, so that the digit's own shape stays to be seen.
    bold = 0.5 * grown + 0.5 * images.float()
    return (255 - bold).round().clamp(0, 255).to(images.dtype)


def digits_pairs() -> tuple[Pictures, Pictures]:
    """Pairs: a digit as a drawing of two values, and the digit itself."""
    digits = load_pictures("digits")
    return _with(digits, drawing(digits.images)), digits


def digits_styles() -> tuple[Pictures, Pictures]:
    """Unpaired: digits as they are, and other digits `bold_on_light`.

    No digit is on both sides in training. The held-out ones are the same on both, so that the truth of a translation
    of row i is row i.
    """
    digits = load_pictures("digits")
    kept = len(digits.train)
    halves = []
    for start, style in ((0, lambda images: images), (1, bold_on_light)):
        rows = [*range(start, kept, 2), *range(kept, len(digits))]
        assert digits.labels is not None
        halves.append(
            Pictures(
                "digits", style(digits.images[rows]), digits.labels[rows], digits.classes, digits.held_out
            )
        )
    return halves[0], halves[1]


def _with(pictures: Pictures, images: Tensor) -> Pictures:
    return Pictures(pictures.name, images, pictures.labels, pictures.classes, pictures.held_out)


RENDERED: dict[str, Callable[[], tuple[Pictures, Pictures]]] = {
    "digits-pairs": digits_pairs,
    "digits-styles": digits_styles,
}
