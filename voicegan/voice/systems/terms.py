"""Loss terms that the voice systems share. All are means, so their weights hold for any batch and crop."""

from __future__ import annotations

import torch
from torch import Tensor

_TEMPERATURE = 0.1
_BESIDE = 2  # frames so near to each other say the same


def distance(x: Tensor, y: Tensor) -> Tensor:
    """``E |x - y|``: the L1 distance of cycle-consistency and identity losses; in float32."""
    return (x.float() - y.float()).abs().mean()


def distance_nearby(x: Tensor, y: Tensor, slack: int) -> Tensor:
    """``E min_d |x(t) - y(t + d)|`` over shifts of up to ``slack`` frames: bad alignment is not learnt as blur.

    Parameters
    ----------
    x, y : Tensor
        ``(B, M, F)``.
    slack : int
        Frames that the alignment may be wrong by; 0 for :func:`distance`.

    Returns
    -------
    Tensor
        Scalar.
    """
    x, y = x.float(), y.float()
    frames = x.shape[2]
    padded = torch.nn.functional.pad(y, (slack, slack), mode="replicate")
    shifted = [padded[..., at : at + frames] for at in range(2 * slack + 1)]
    away = torch.stack([(x - there).abs().mean(dim=1) for there in shifted])
    return away.amin(dim=0).mean()


def supervised(fake: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """``E |fake - target|`` over the frames that have a target.

    Parameters
    ----------
    fake : Tensor
        Converted mel ``(B, M, F)``.
    target : Tensor
        The same sentence in the target's voice, aligned to ``fake``'s frames, ``(B, M, F)``.
    weight : Tensor
        ``(B, 1, F)``: how far each frame's alignment is to be trusted, in [0, 1]; 0 where there is no target.

    Returns
    -------
    Tensor
        Scalar; 0 where no frame has a target.
    """
    weight = weight.float()
    error = (fake.float() - target.float()).abs().mean(dim=1, keepdim=True)  # (B, 1, F)
    return (error * weight).sum() / weight.sum().clamp(min=1e-6)


def contrast(x: Tensor, y: Tensor, counted: Tensor) -> Tensor:
    """How badly the frames of two crops that say the same find each other among the crop's other frames.

    InfoNCE (van den Oord et al. 2018, eq. 4) with the negatives of the same crop (Park et al. 2020, arXiv:2007.15651,
    section 3): what is the same all along a crop, such as who speaks, is of no use in telling its frames apart.

    Parameters
    ----------
    x, y : Tensor
        Directions of length 1, ``(B, F, D)``.
    counted : Tensor
        ``(B, F)`` bool: the frames that are to be told apart, and from. Pauses are not: nothing is said in them, and
        whatever would tell one from another is noise.

    Returns
    -------
    Tensor
        Scalar; ln F where nothing is told, 0 where no frame counts.
    """
    alike = torch.einsum("bid,bjd->bij", x.float(), y.float()) / _TEMPERATURE
    frames = torch.arange(x.shape[1], device=x.device)
    apart = (frames[:, None] - frames).abs()
    others = counted[:, :, None] & counted[:, None, :] & (apart > _BESIDE)
    alike = alike.masked_fill(~(others | (apart == 0)), -1e4)
    own = alike.diagonal(dim1=1, dim2=2)
    lost = 0.5 * (alike.logsumexp(dim=1) + alike.logsumexp(dim=2)) - own
    return (lost * counted).sum() / counted.sum().clamp(min=1)
