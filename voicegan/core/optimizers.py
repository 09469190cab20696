"""From an optimizer's description to the optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .system import OptimizerSpec


def make_optimizer(
    spec: OptimizerSpec, parameters: Sequence[nn.Parameter], *, fused: bool
) -> torch.optim.Optimizer:
    """Build what ``spec`` describes over ``parameters``; ``fused`` where the device has such a kernel.

    Raises
    ------
    ValueError
        The kind is unknown.
    """
    common: dict[str, Any] = {"lr": spec.lr, "weight_decay": spec.weight_decay}
    if spec.kind in ("adam", "adamw"):
        kind = torch.optim.Adam if spec.kind == "adam" else torch.optim.AdamW
        return kind(parameters, betas=spec.betas, fused=fused, **common)
    if spec.kind == "rmsprop":
        return torch.optim.RMSprop(parameters, **common)
    if spec.kind == "sgd":
        return torch.optim.SGD(parameters, momentum=spec.betas[0], **common)
    raise ValueError(f"no kind of optimizer is called {spec.kind!r}")
