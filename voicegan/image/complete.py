"""Completing pictures with a GAN that never learnt to, by a search in its latent space (Yeh 2016, arXiv:1607.07539).

The latent vector is sought whose picture agrees with what is known (contextual loss) and looks real to the
discriminator (prior loss); the hole is then filled from that picture, whose gradients, not whose brightness, are
taken over where it is blended (Poisson; Pérez 2003).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..core.random import Draws
from ..errors import VoiceganError
from .systems.base import AdversarialSystem, ImageSystem


@dataclass(frozen=True)
class Completed:
    """What a search has found.

    Attributes
    ----------
    images : Tensor
        (N, C, H, W): what was known, and the hole filled.
    found : Tensor
        (N, C, H, W): the generator's own pictures.
    contextual : Tensor
        (N,): the weighted mean distance to what is known, per known pixel.
    """

    images: Tensor
    found: Tensor
    contextual: Tensor


def searchable(kind: type[ImageSystem]) -> bool:
    """Whether pictures can be completed by models of this system, as it is unless its settings say otherwise."""
    plain = issubclass(kind, AdversarialSystem) and not (kind.conditional or kind.can("encode"))
    # The discriminators of the others tell classes, or pixels are drawn, through which nothing can be followed.
    return plain and kind.data == "images" and kind.finish is ImageSystem.finish


def importance(mask: Tensor, window: int = 7) -> Tensor:
    """Weights (N, 1, H, W) of the known pixels: the share of the hole in the window around each (eq. 3).

    Where no pixel of the window is missing, a pixel says little about the hole: it counts a tenth of the largest, so
    that the picture as a whole is still found.
    """
    size = min(window, *mask.shape[-2:])
    size -= 1 - size % 2
    share = F.avg_pool2d(mask.float(), size, 1, size // 2, count_include_pad=False)
    known = (~mask).float()
    largest = (share * known).amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-6)
    return known * torch.maximum(share / largest, torch.full_like(share, 0.1))


def complete(
    system: ImageSystem,
    images: Tensor,
    mask: Tensor,
    *,
    steps: int = 400,
    prior: float = 0.003,
    lr: float = 0.05,
    tries: int = 4,
    blend: bool = True,
    seed: int = 0,
) -> Completed:
    """Fill holes by a search in the latent space.

    Parameters
    ----------
    system
        With latent vectors, and a discriminator ``d``.
    images
        (N, C, H, W) in [-1, 1]; what is in the hole is not looked at.
    mask
        (N, 1, H, W), bool: True where to fill.
    steps, lr
        Of Adam, on the latent vectors.
    prior
        λ: the weight of the prior loss (eq. 5).
    tries
        Random beginnings for each picture; the best by both losses counts.
    blend
        Poisson blending; otherwise the hole is copied.
    seed
        Of the beginnings.

    Raises
    ------
    VoiceganError
        The system has no latent vectors, or no discriminator that scores pictures, or draws its pixels; or a picture
        has nothing to fill or nothing known.
    """
    if not isinstance(system, AdversarialSystem) or system.can("encode"):
        raise VoiceganError("this model has no discriminator of pictures to search with", "Use a plain GAN.")
    if system.conditional:
        raise VoiceganError("a model that is asked for classes cannot be searched without them",
                            "Use a model without classes, such as dcgan.")  # fmt: skip
    missing = mask.flatten(1).sum(1)
    if bool((missing == 0).any()) or bool((missing == mask[0].numel()).any()):
        raise VoiceganError("a picture has nothing to fill, or nothing that is known", "Mend the mask.")
    device = next(system.parameters()).device
    images, mask = images.to(device), mask.to(device)
    count = len(images)
    wanted, weights = images.repeat(tries, 1, 1, 1), importance(mask).repeat(tries, 1, 1, 1)
    scale = weights.sum((1, 2, 3)) * images.shape[1]
    latents = (
        system.latents(Draws(seed, 0, 0, range(count * tries), device)).detach().clone().requires_grad_()
    )
    optimizer = torch.optim.Adam([latents], lr=lr)
    # Gaussian vectors lie near a sphere; the search may not run away from it (the paper clips a cube).
    reach = latents.detach().abs().max().clamp_min(1.0)
    for _ in range(steps):
        loss, _, made = _losses(system, latents, wanted, weights, scale, prior)
        if not made.requires_grad:
            raise VoiceganError("this model draws its pixels, which no search can follow", "Use a plain GAN.")
        optimizer.zero_grad(set_to_none=True)
        (latents.grad,) = torch.autograd.grad(loss.sum(), [latents])
        optimizer.step()
        with torch.no_grad():
            latents.clamp_(-reach, reach)
    with torch.no_grad():
        loss, contextual, made = _losses(system, latents, wanted, weights, scale, prior)
    best = loss.view(tries, count).argmin(0)
    rows = best * count + torch.arange(count, device=device)
    found, contextual = made[rows], contextual[rows]
    filled = poisson(images, found, mask) if blend else torch.where(mask, found, images)
    return Completed(filled, found, contextual)


def _losses(
    system: ImageSystem, latents: Tensor, wanted: Tensor, weights: Tensor, scale: Tensor, prior: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Both losses together (N,), the contextual one (eq. 4; a mean rather than a sum), and the pictures."""
    made = system.decode(latents)
    contextual = ((made - wanted).abs() * weights).sum((1, 2, 3)) / scale
    with system.outside_training("d") as (judge,):
        judged = judge(made).scores
    if not judged:
        raise VoiceganError(
            "this model's discriminator tells classes, not what looks real", "Use a plain GAN."
        )
    scores = torch.stack([score.flatten(1).mean(1) for score in judged]).mean(0)
    # log(1 - D(G(z))) of the paper, in its form that does not saturate, as the generator learnt.
    return contextual + prior * F.softplus(-scores), contextual, made


def poisson(images: Tensor, found: Tensor, mask: Tensor) -> Tensor:
    """Fill the hole with the gradients of `found` and the brightness of what surrounds it (Pérez 2003, eq. 4).

    images, found (N, C, H, W) in [-1, 1], mask (N, 1, H, W) bool; the border of the picture takes no part.
    """
    filled = images.clone()
    for row in range(len(images)):
        solved = _solve(images[row].cpu().double().numpy(), found[row].cpu().double().numpy(),
                        mask[row, 0].cpu().numpy())  # fmt: skip
        filled[row] = torch.from_numpy(solved).to(images)
    return filled.clamp(-1, 1)


def _solve(
    known: NDArray[np.float64], guide: NDArray[np.float64], hole: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """One picture (C, H, W): Laplace's equation of the hole for the difference to the guide."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import spsolve

    height, width = hole.shape
    number = np.full(hole.shape, -1)
    number[hole] = np.arange(hole.sum())
    ys, xs = np.nonzero(hole)
    rows, columns, values = [], [], []
    degree = np.zeros(len(ys))
    right = np.zeros((len(ys), len(known)))
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        ny, nx = ys + dy, xs + dx
        inside = (ny >= 0) & (ny < height) & (nx >= 0) & (nx < width)
        degree += inside
        own, ny, nx = np.nonzero(inside)[0], ny[inside], nx[inside]
        unknown = number[ny, nx] >= 0
        rows.append(own[unknown])
        columns.append(number[ny, nx][unknown])
        values.append(np.full(unknown.sum(), -1.0))
        border = ~unknown
        difference = (known - guide)[
            :, ny[border], nx[border]
        ].T  # what the surroundings say of the brightness
        np.add.at(right, own[border], difference)
    rows.append(np.arange(len(ys)))
    columns.append(np.arange(len(ys)))
    values.append(degree)
    matrix = coo_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))).tocsc()
    solved = known.copy()
    solved[:, hole] = guide[:, hole] + spsolve(matrix, right).reshape(len(ys), -1).T
    return solved
