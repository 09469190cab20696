"""Small neural vocoders for tests: no training, every weight from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from voicegan.audio.mel import PRESETS
from voicegan.vocoder import library
from voicegan.vocoder.nets import NETS
from voicegan.vocoder.pack import VocoderPack, save_vocoder

SPEC = PRESETS["16k"]
TINY = {"mels": 80, "dim": 8, "intermediate": 12, "layers": 2, "n_fft": 1024, "hop": 256}


@pytest.fixture
def empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's folder is an empty one, and nothing is bundled."""
    monkeypatch.setattr(library, "_BUNDLED", tmp_path / "bundled")
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))


def bundled() -> Path:
    """Where bundled vocoders lie."""
    return library._BUNDLED


def tiny_net(net: str = "vocos", seed: int = 0, **network: Any) -> nn.Module:
    """A network of the table whose weights are large enough to be heard."""
    torch.manual_seed(seed)
    made: nn.Module = NETS.get(net)(**(network or TINY))
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, parameter[0].numel() ** -0.5)
    return made.eval()


def make_vocoder(folder: Path, **changes: Any) -> VocoderPack:
    """Save a small vocoder; `changes` are arguments of save_vocoder."""
    values: dict[str, Any] = {
        "name": folder.name,
        "net": "vocos",
        "network": TINY,
        "generator": changes.pop("generator", None) or tiny_net(),
        "mel": SPEC,
        "card": "# A vocoder for tests\n",
        "training": {"steps": 3},
        "licences": ["CC0"],
        "source": "made in a test",
    }
    return save_vocoder(folder, **(values | changes))
