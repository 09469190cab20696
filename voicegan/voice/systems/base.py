"""What every voice system has, besides being a system."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from ...config import Config
from ...core.system import System


class VoiceSystem(System):
    """Two generators between the normalised log-mels of two speakers.

    A subclass is built as ``System(mels, config)`` with an instance of its ``Config``. Its batches hold
    ``a`` and ``b``, crops ``(B, M, F)`` of unrelated moments, and for parallel folders ``a_target``,
    ``a_weight``, ``b_target``, ``b_weight`` (see :class:`voicegan.voice.batches.TwoSpeakers`).

    Attributes
    ----------
    Config : type
        The system's settings.
    trainer_defaults : dict
        Steps and batch size where nobody says otherwise.
    generator_name : str
        The generators' name in the table of networks.
    generator_arguments : dict
        Plain arguments that build a generator again.
    crop_frames : int
        Length of the training crops.
    g_ab, g_ba : nn.Module
        The generators.
    """

    Config: ClassVar[type[Config]]
    trainer_defaults: ClassVar[dict[str, Any]]
    generator_name: ClassVar[str]
    generator_arguments: dict[str, Any]
    crop_frames: int
    g_ab: nn.Module
    g_ba: nn.Module
