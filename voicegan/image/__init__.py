"""The image family: adversarial systems on pictures, trained by the same core as the voices.

Importing this imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .systems.base import ImageSystem

__all__ = ["create"]


def create(
    name: str, image_size: int = 32, channels: int = 1, classes: int = 0, **settings: Any
) -> ImageSystem:
    """Build a system of the image family for a loop of one's own: its networks, and its losses in `phases`.

    Parameters
    ----------
    name : str
        As `voicegan image list` has it, or a class of one's own: ``"my_gan.py:MyGAN"``.
    image_size : int
        Pictures are image_size × image_size.
    channels : int
        1 (grey) or 3 (colour).
    classes : int
        Of the data's labels; 0 without.
    **settings
        The system's own, such as ``width=64`` or ``penalty=5.0``.

    Returns
    -------
    ImageSystem
        A `torch.nn.Module` with the networks as attributes (``g`` and ``d`` of a GAN), the terms of its losses as
        methods, ``optimizers()``, ``phases(progress)`` and ``sample(n, seed)``. Its weights come from torch's own
        generator: call `torch.manual_seed` before.

    Raises
    ------
    VoiceganError
        There is no such system, a setting is unknown or wrong, or it cannot be built for such pictures.

    Examples
    --------
    >>> import torch
    >>> from voicegan.core.random import Draws
    >>> from voicegan.core.system import Progress, Scratch
    >>> gan = create("wgan-gp", image_size=8, width=8)
    >>> scratch = Scratch(Draws(0, 0, 0, range(4)))
    >>> terms = gan.discriminator_loss({"image": torch.zeros(4, 1, 8, 8)}, scratch, Progress(0, 1))
    >>> sorted(terms), gan.sample(2).shape
    (['adversarial', 'penalty'], torch.Size([2, 1, 8, 8]))
    """
    from ..config import build
    from ..errors import VoiceganError
    from . import own

    if image_size < 1 or channels < 1 or classes < 0:
        raise VoiceganError(
            f"there are no pictures of {image_size}×{image_size} with {channels} channels", "Ask for others."
        )
    kind = own.ALL.get(name)
    made: ImageSystem = kind((channels, image_size, image_size), classes, build(kind.Config, settings))  # type: ignore[call-arg]
    return made
