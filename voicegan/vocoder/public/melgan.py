"""Checkpoints of MelGAN: of its authors' code, and of Seungwon Park's, which more people have used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...audio.mel import PRESETS, MelSpec
from ...errors import VoiceganError
from .hifigan import mel_of
from .layout import Found, Layout, Tensors, settings_given
from .settings import Settings, read_settings


def _read_melgan(weights: Tensors, settings: Settings | None, file: Path) -> Found:
    """Its authors' code: a sequence whose residual blocks are members of it."""
    state, network = _unroll_melgan(
        weights, file, "model", r"(\d+)\.block\.2", "{0}.block.2", "{0}.block.4", "{0}.shortcut"
    )
    base = PRESETS["melgan-22k"]
    spec = mel_of(settings, base) if settings else MelSpec(**(base.to_dict() | {"mels": network["mels"]}))
    return Found("melgan", network, state, spec)


def _read_melgan_stacks(weights: Tensors, settings: Settings | None, file: Path) -> Found:
    """Seungwon Park's code: the same network with a stack per upsampling, natural logarithms and centred frames."""
    state, network = _unroll_melgan(
        weights,
        file,
        "generator",
        r"(\d+)\.blocks\.(\d+)\.2",
        "{0}.blocks.{1}.2",
        "{0}.blocks.{1}.4",
        "{0}.shortcuts.{1}",
    )
    base = MelSpec(22050, 1024, 1024, 256, network["mels"], 0.0, 8000.0)
    if settings:
        read = settings.inside("audio")
        base = read.mel(
            base,
            sample_rate_hz=read.whole("sampling_rate"),
            n_fft=read.whole("filter_length"),
            win=read.whole("win_length"),
            hop=read.whole("hop_length"),
            mels=read.whole("n_mel_channels"),
            fmin_hz=read.number("mel_fmin", 0.0) or 0.0,
            fmax_hz=read.number("mel_fmax", 8000.0) or 8000.0,
        )
    return Found("melgan", network | {"centre": -5.0, "spread": 5.0}, state, base)


def _unroll_melgan(
    weights: Tensors, file: Path, root: str, block: str, conv: str, mix: str, shortcut: str
) -> tuple[Tensors, dict[str, Any]]:
    """The state and the arguments of a MelGAN whose layers are numbered in one sequence called `root`.

    block: the pattern of what precedes a dilated convolution's ".weight"; conv, mix, shortcut: the three layers of
    such a block, filled in with the pattern's numbers.
    """
    bare = {key.removeprefix(f"{root}."): value for key, value in weights.items()}
    plain = sorted(int(key.split(".")[0]) for key in bare if re.fullmatch(r"\d+\.weight", key))
    blocks = sorted(
        tuple(int(n) for n in found.groups())
        for key in bare
        if (found := re.fullmatch(rf"{block}\.weight", key))
    )
    first, ups, last = plain[0], plain[1:-1], plain[-1]
    if not ups or not blocks or any(bare[f"{n}.weight"].ndim != 3 for n in plain):
        raise VoiceganError(f"{file} is no MelGAN: its layers are {', '.join(sorted(bare)[:4])}, ...", "")
    names = {f"{first}": "enter", f"{last}": "leave"} | {f"{n}": f"ups.{i}" for i, n in enumerate(ups)}
    for place in blocks:
        stage = sum(n < place[0] for n in ups) - 1
        inside = sum(other < place for other in blocks if sum(n < other[0] for n in ups) - 1 == stage)
        for layer, name in ((conv, "conv"), (mix, "mix"), (shortcut, "shortcut")):
            names[layer.format(*place)] = f"stacks.{stage}.{inside}.{name}"
    state: Tensors = {}
    for key, value in bare.items():
        layer, _, part = key.rpartition(".")
        state[f"{names.get(layer, layer)}.{part}"] = value
    channels, mels, _ = bare[f"{first}.weight"].shape
    return state, {
        "mels": mels,
        "channels": channels,
        "up_rates": [bare[f"{n}.weight"].shape[2] // 2 for n in ups],
        "layers": len(blocks) // len(ups),
    }


def _settings_inside(file: Path, config: Path | None, others: Mapping[str, Any]) -> Settings | None:
    """Seungwon Park's training keeps its settings, as YAML, in the checkpoint."""
    if config is None and isinstance(others.get("hp_str"), str):
        return read_settings(file, others["hp_str"])
    return settings_given(file, config, others)


LAYOUTS = (
    Layout("MelGAN", frozenset({"model.1.weight", "model.3.weight"}), settings_given, _read_melgan),
    Layout(
        "MelGAN of Seungwon Park",
        frozenset({"generator.1.weight", "generator.3.weight"}),
        _settings_inside,
        _read_melgan_stacks,
    ),
)
