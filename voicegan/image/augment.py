"""Pictures changed a little while they are learnt from, on the device that they are on."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ..core.random import Draws


def flipped(images: Tensor, draws: Draws, name: str) -> Tensor:
    """Half of the pictures (B, C, H, W) mirrored, left to right; which, `name` draws."""
    mirrored = draws.uniform(name) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)


def jittered(images: Tensor, draws: Draws, name: str, share: float) -> Tensor:
    """Pictures enlarged by a share of their size, and of each a cut of the old size at a random place.

    The random jitter of Isola et al. 2016 (arXiv:1611.07004, section 3.3), who enlarge 256 pixels to 286: a share of
    0.117. Few pictures are learnt by heart less soon.

    Parameters
    ----------
    images
        (B, C, H, W), float.
    draws
        Where each is cut out.
    name
        What is drawn: pictures of one name and the same draws are cut at one place, so that pairs stay pairs.
    share
        How much larger, 0 or more; 0 leaves them as they are.

    Returns
    -------
    Tensor
        (B, C, H, W), within the range that they had.
    """
    sides = images.shape[-2:]
    larger = [round(side * (1 + share)) for side in sides]
    if larger == list(sides):
        return images
    first = [
        draws.integers(f"{name} {axis}", more - side + 1)
        for axis, more, side in zip(("row", "column"), larger, sides, strict=True)
    ]
    rows, columns = (
        start[:, None] + torch.arange(side, device=images.device)
        for start, side in zip(first, sides, strict=True)
    )
    wide = functional.interpolate(images, larger, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    which = torch.arange(len(images), device=images.device)[:, None, None]
    return wide[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def warped(images: Tensor, draws: Draws, name: str, share: float) -> Tensor:
    """Pictures moved, turned, stretched and slanted a little: what they show stays the same.

    By a random affine map of coordinates in [-1, 1], each of whose six numbers is off by as much as `share`: 0.25 moves
    pictures of eight pixels by one at most, and turns them by 14 degrees. What comes in from outside repeats the edge.

    Parameters
    ----------
    images
        (B, C, H, W), float.
    draws
        The map of each.
    name
        What is drawn.
    share
        How far, 0 or more; 0 leaves them as they are.

    Returns
    -------
    Tensor
        (B, C, H, W), within the range that they had.
    """
    if share == 0:
        return images
    still = torch.eye(2, 3, device=images.device, dtype=images.dtype)
    maps = still + share * (2.0 * draws.uniform(name, 2, 3).to(images.dtype) - 1.0)
    places = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, places, mode="bilinear", padding_mode="border", align_corners=False)
