"""What the readers of public checkpoints have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ...audio.mel import MelSpec
from .settings import Settings, beside, read_settings

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Found:
    """What a reader makes of a file: name in the table of networks, plain arguments, state_dict and mel contract."""

    net: str
    network: dict[str, Any]
    state: Tensors
    spec: MelSpec


@dataclass(frozen=True)
class Layout:
    """One way in which generators are published.

    Attributes
    ----------
    name : str
        For messages and cards.
    marks : frozenset of str
        Tensors (after weight norm is removed) that tell it from the others.
    settings : callable
        (file, settings that the user named, what the file says besides tensors) to its settings, or None.
    read : callable
        (plain weights, settings, file) to what they are.
    """

    name: str
    marks: frozenset[str]
    settings: Callable[[Path, Path | None, Mapping[str, Any]], Settings | None]
    read: Callable[[Tensors, Settings | None, Path], Found]


def settings_beside(file: Path, config: Path | None, others: Mapping[str, Any]) -> Settings | None:
    """Those that the user named, or else those in the same folder."""
    path = config or beside(file)
    return read_settings(path) if path else None


def settings_given(file: Path, config: Path | None, others: Mapping[str, Any]) -> Settings | None:
    """Only those that the user named."""
    return read_settings(config) if config else None
