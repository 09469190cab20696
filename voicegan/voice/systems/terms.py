"""Loss terms that the voice systems share. All are means, so their weights hold for any batch and crop."""

from __future__ import annotations

from torch import Tensor


def distance(x: Tensor, y: Tensor) -> Tensor:
    """``E |x - y|``: the L1 distance of cycle-consistency and identity losses; in float32."""
    return (x.float() - y.float()).abs().mean()


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
