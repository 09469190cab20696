"""Small generators and voices for tests of conversion: no training, every weight from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from voicegan import vocoder as vocoders
from voicegan.audio.mel import PRESETS, MelSpec
from voicegan.voice import library
from voicegan.voice import pack as packs
from voicegan.voice.pack import Pack, save_pack

MELS = 80


class TinyLocal(nn.Module):
    """Two convolutions over time: a receptive field of 3 frames into the past and 5 into the future."""

    context_frames = (3, 5)

    def __init__(self, width: int = 16, strength: float = 0.1) -> None:
        super().__init__()
        self.strength = strength
        self.first = nn.Conv1d(MELS, width, 3)
        self.second = nn.Conv1d(width, MELS, 7)

    def forward(self, mel: Tensor, condition: object = None) -> Tensor:
        hidden = torch.tanh(self.first(nn.functional.pad(mel, (1, 1))))
        return mel + self.strength * self.second(nn.functional.pad(hidden, (2, 4)))


class TinyNormed(nn.Module):
    """Instance norm over time, so it has to see windows."""

    context_frames = None

    def __init__(self, strength: float = 0.1) -> None:
        super().__init__()
        self.strength = strength
        self.first = nn.Conv1d(MELS, 16, 5, padding=2)
        self.norm = nn.InstanceNorm1d(16)
        self.second = nn.Conv1d(16, MELS, 5, padding=2)

    def forward(self, mel: Tensor, condition: object = None) -> Tensor:
        return mel + self.strength * self.second(self.norm(self.first(mel)))


class Hum(nn.Module):
    """Says the same whatever it hears, as a network that fell into a rut."""

    context_frames = (0, 0)

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.linspace(1.0, -1.0, MELS))

    def forward(self, mel: Tensor, condition: object = None) -> Tensor:
        return self.value[None, :, None].expand_as(mel)


class Louder(nn.Module):
    """Passes the mel on at another level, in nepers of the normalised mel."""

    context_frames = (0, 0)

    def __init__(self, by: float = 0.5) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, mel: Tensor, condition: object = None) -> Tensor:
        return mel + self.by


class TinyPictured(nn.Module):
    """Makes a mel of pictures (B, 2M + 2, F), which tell the pitch: 2 frames into the past and 4 into the future."""

    context_frames = (2, 4)

    def __init__(self, strength: float = 0.1) -> None:
        super().__init__()
        self.strength = strength
        self.mix = nn.Conv1d(2 * MELS + 2, MELS, 7)

    def forward(self, picture: Tensor, condition: object = None) -> Tensor:
        x, ripple = picture[:, :MELS], picture[:, MELS : 2 * MELS]
        return x + 0.3 * ripple + self.strength * torch.tanh(self.mix(nn.functional.pad(picture, (2, 4))))


NETS = {
    "tiny-local": TinyLocal,
    "tiny-normed": TinyNormed,
    "tiny-pictured": TinyPictured,
    "hum": Hum,
    "louder": Louder,
}


@pytest.fixture
def tiny_nets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The networks above take the place of the real table, and the user's folder is an empty one."""
    monkeypatch.setattr(packs, "network_class", NETS.__getitem__)
    monkeypatch.setattr(library, "_BUNDLED", tmp_path / "no bundled voices")
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))


def make_voice(folder: Path, net: str = "tiny-local", **changes: Any) -> Pack:
    """Save a small voice; `changes` are arguments of save_pack or of the network ("network")."""
    torch.manual_seed(0)
    network = changes.pop("network", {})
    values: dict[str, Any] = {
        "name": "slt",
        "system": "light",
        "net": net,
        "generator": changes.pop("generator", None) or NETS[net](**network),
        "network": network,
        "sources": ["bdl"],
        "mel": PRESETS["16k"],
        "statistics": {
            "source.mean": torch.full((MELS,), -5.0),
            "source.std": torch.full((MELS,), 2.0),
            "target.mean": torch.full((MELS,), -5.0),
            "target.std": torch.full((MELS,), 2.0),
        },
        "vocoder": "griffin-lim",
        "card": "# slt\n\nA voice for tests.\n",
        "training": {"minutes": 1.5},
        "licences": ["CC0"],
        "consent": "given",
    }
    return save_pack(folder, **(values | changes))


def pictured(source_hz: float = 150.0, target_hz: float = 200.0) -> dict[str, Any]:
    """What `make_voice` is told for a voice whose generator is given pictures."""
    statistics = {
        "source.mean": torch.linspace(-3.5, -6.5, MELS),
        "source.std": torch.full((MELS,), 1.5),
        "target.mean": torch.linspace(-3.5, -6.5, MELS),
        "target.std": torch.full((MELS,), 1.5),
        "source.pitch": torch.tensor([source_hz]).log(),
        "target.pitch": torch.tensor([target_hz]).log(),
    }
    return {"net": "tiny-pictured", "normaliser": "envelope", "sources": ["any"], "statistics": statistics}


def speech_like(seconds: float, rate: int = 16000, level_db: float = -26.0, seed: int = 0) -> np.ndarray:
    """Harmonics under a syllable-like envelope with pauses, and a little noise: (T,) float32."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    tones = sum(np.sin(order * phase) / order for order in range(1, 20) if 140 * order < rate / 2)
    envelope = np.clip(np.sin(2 * np.pi * 2.1 * time), 0, None) ** 0.5 * (
        np.sin(2 * np.pi * 0.23 * time + 1) > -0.8
    )
    wav = tones * envelope + 0.003 * generator.standard_normal(len(time))
    loud = envelope >= min(0.3, envelope.max(initial=0.0))
    return (wav * 10 ** (level_db / 20) / np.sqrt(np.mean(wav[loud] ** 2) + 1e-12)).astype(np.float32)


class NoiseVocoder:
    """Noise with the energy that the mel asks for: quick, and exactly known. Two frames of look-ahead."""

    name = "noise"
    lookahead_frames = 2

    def __init__(self, spec: MelSpec) -> None:
        self.spec = spec

    def to(self, device: object) -> NoiseVocoder:
        return self

    def stream(self) -> NoiseStream:
        return NoiseStream(self.spec)

    def synthesize(self, mel: Tensor) -> Tensor:
        rows = []
        for row in mel:
            stream = self.stream()
            rows.append(torch.cat([stream.push(row), stream.flush()]))
        return torch.stack(rows)


class NoiseStream:
    def __init__(self, spec: MelSpec) -> None:
        self.spec = spec
        self.levels: list[float] = []
        self.done = 0  # hops

    def push(self, mel: Tensor) -> Tensor:
        self.levels += mel.exp().square().sum(dim=0).sqrt().tolist()
        return self._until(max(self.done, len(self.levels) - 2))

    def flush(self, total_samples: int | None = None) -> Tensor:
        if not self.levels:
            return torch.zeros(0)
        start = self.done * self.spec.hop
        total = (len(self.levels) - 1) * self.spec.hop if total_samples is None else total_samples
        return self._until(len(self.levels))[: total - start]

    def _until(self, hop: int) -> Tensor:
        pieces = [torch.zeros(0)]
        for index in range(self.done, hop):
            noise = np.random.default_rng(index).standard_normal(self.spec.hop).astype(np.float32)
            here, there = self.levels[index], self.levels[min(index + 1, len(self.levels) - 1)]
            pieces.append(
                torch.from_numpy(noise * np.linspace(here, there, self.spec.hop, dtype=np.float32) * 0.075)
            )
        self.done = hop
        return torch.cat(pieces)


@pytest.fixture
def noise_vocoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every voice speaks through `NoiseVocoder`."""
    monkeypatch.setattr(vocoders, "load", lambda name, spec, device: NoiseVocoder(spec), raising=False)
