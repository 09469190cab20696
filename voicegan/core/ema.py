"""Exponential moving averages of networks: the weights that are used outside training."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def frozen_copy(module: Network) -> Network:
    """Return a copy of a network that is never trained: in eval mode, without gradients.

    Parameters
    ----------
    module : nn.Module
        The network; left as it is.

    Returns
    -------
    nn.Module
        Same weights and buffers in its own memory.
    """
    clone = copy.deepcopy(module)
    for parameter in clone.parameters():
        parameter.grad = None
    return clone.requires_grad_(False).eval()


@torch.no_grad()
def update(average: nn.Module, source: nn.Module, decay: float) -> None:
    """Move an average towards its source: ``average = decay · average + (1 - decay) · source``.

    Buffers (running statistics of batch norm, vectors of spectral norm) are copied, not averaged: the
    newest belong to the newest weights, and many are no quantities that could be averaged.

    Parameters
    ----------
    average, source : nn.Module
        Two networks of the same structure (see :func:`frozen_copy`).
    decay : float
        Share of the old average that stays, in [0, 1]. See :func:`decay_from_half_life`.

    Raises
    ------
    ValueError
        If the decay is out of range or the networks differ in names or shapes.
    """
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"the decay of an average lies in [0, 1], not {decay}")
    averages, parameters = _matched(dict(average.named_parameters()), dict(source.named_parameters()))
    if averages:
        torch._foreach_lerp_(averages, parameters, 1.0 - decay)
    kept, buffers = _matched(dict(average.named_buffers()), dict(source.named_buffers()))
    if kept:
        torch._foreach_copy_(kept, buffers)


def _matched(into: dict[str, Tensor], out_of: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Pair tensors by name, so that an average of another network can never be written silently."""
    for name in into.keys() ^ out_of.keys():
        raise ValueError(f"an average and its source differ: only one of them has {name!r}")
    for name, tensor in into.items():
        if tensor.shape != out_of[name].shape:
            shapes = f"{tuple(tensor.shape)} and {tuple(out_of[name].shape)}"
            raise ValueError(f"an average and its source differ: {name!r} has the shapes {shapes}")
    return list(into.values()), [out_of[name] for name in into]


def decay_from_half_life(
    half_life: float, batch: int, seen: float | None = None, ramp_up: float | None = 0.05
) -> float:
    """Turn a half-life in samples into the decay of one update.

    Stated in samples, an average means the same at any batch size and on any number of ranks.

    Parameters
    ----------
    half_life : float
        How many samples ago a weight counts half. 0 makes the average follow its source.
    batch : int
        Samples per update, over all ranks.
    seen : float or None
        Samples seen so far; None for no ramp-up.
    ramp_up : float or None
        Early on, the half-life is at most this share of the samples seen, so that the random weights of
        the start are soon forgotten (Karras et al. 2020, "Training generative adversarial networks with
        limited data", appendix); None for no ramp-up.

    Returns
    -------
    float
        ``0.5 ** (batch / half_life)``, in [0, 1).
    """
    if half_life < 0 or batch < 1:
        raise ValueError(f"need half_life >= 0 and batch >= 1, not {half_life} and {batch}")
    if seen is not None and ramp_up is not None:
        half_life = min(half_life, seen * ramp_up)
    return float(0.5 ** (batch / half_life)) if half_life > 0 else 0.0
