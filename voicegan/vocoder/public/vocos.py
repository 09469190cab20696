"""Checkpoints of Vocos with ConvNeXt blocks and an inverse Fourier transform, from mels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from ...audio.mel import PRESETS, MelSpec, filterbank
from ...errors import VoiceganError
from .layout import Found, Layout, Tensors, settings_beside
from .settings import Settings

_CLASSES = {
    "feature_extractor": "vocos.feature_extractors.MelSpectrogramFeatures",
    "backbone": "vocos.models.VocosBackbone",
    "head": "vocos.heads.ISTFTHead",
}
_NAMES = (
    (r"backbone\.embed\.", "embed."),
    (r"backbone\.norm\.", "norm."),
    (r"backbone\.convnext\.(\d+)\.dwconv\.", r"blocks.\1.depthwise."),
    (r"backbone\.convnext\.(\d+)\.norm\.", r"blocks.\1.norm."),
    (r"backbone\.convnext\.(\d+)\.pwconv1\.", r"blocks.\1.widen."),
    (r"backbone\.convnext\.(\d+)\.pwconv2\.", r"blocks.\1.narrow."),
    (r"backbone\.convnext\.(\d+)\.gamma$", r"blocks.\1.scale"),
    (r"backbone\.final_layer_norm\.", "final_norm."),
    (r"head\.out\.", "head."),
)
# What a training run saves besides the generator, and what the network computes itself.
_UNUSED = (
    "multiperioddisc.",
    "multiresddisc.",
    "melspec_loss.",
    "feature_extractor.",
    "head.istft.window",
)
_BANK = "feature_extractor.mel_spec.mel_scale.fb"
_PUBLISHED = {"mels": 100, "dim": 512, "intermediate": 1536, "layers": 8, "n_fft": 1024}


def _read_vocos(weights: Tensors, settings: Settings | None, file: Path) -> Found:
    state: Tensors = {}
    for key, value in weights.items():
        if not key.startswith(_UNUSED):
            renamed = (re.sub(f"^{old}", new, key) for old, new in _NAMES if re.match(old, key))
            state[next(renamed, key)] = value
    network = _shapes(state, file)
    if settings is None:
        spec = PRESETS["vocos-24k"]
        if network != _PUBLISHED or _BANK not in weights:
            raise VoiceganError(
                f"{file} is not the published Vocos for 24 kHz, and there is no config.yaml beside it",
                "Download config.yaml too, or name it: --config.",
            )
        network |= {"hop": spec.hop, "padding": "center"}
    else:
        spec, said = _described(settings)
        for name, value in network.items():
            if said[name] != value:
                raise VoiceganError(
                    f"{file} has {value} for {name}, and {settings.path} says {said[name]}",
                    "Give its own settings: --config.",
                )
        network = said
    bank = weights.get(_BANK)
    if bank is not None and (
        bank.shape != (spec.bins, spec.mels) or not torch.allclose(bank.mT, filterbank(spec), atol=5e-3)
    ):
        raise VoiceganError(
            f"the mel filters in {file} are not those of {spec.mels} bands at {spec.sample_rate_hz} Hz",
            "Give its own settings: --config.",
        )
    return Found("vocos", network, state, spec)


def _shapes(state: Tensors, file: Path) -> dict[str, Any]:
    embed, head, widen = (state.get(f"{name}.weight") for name in ("embed", "head", "blocks.0.widen"))
    if embed is None or head is None or widen is None or (embed.ndim, head.ndim, widen.ndim) != (3, 2, 2):
        raise VoiceganError(
            f"{file} is no Vocos of ConvNeXt blocks with an inverse Fourier transform",
            "Other kinds of Vocos are not read.",
        )
    layers = {match[1] for key in state if (match := re.match(r"blocks\.(\d+)\.", key))}
    return {
        "mels": embed.shape[1],
        "dim": embed.shape[0],
        "intermediate": widen.shape[0],
        "layers": len(layers),
        "n_fft": head.shape[0] - 2,
    }


def _described(settings: Settings) -> tuple[MelSpec, dict[str, Any]]:
    """The contract and the network's arguments that config.yaml describes."""
    if "model" in settings.values:  # as it was given to the training
        settings = settings.inside("model").inside("init_args")
    parts = {}
    for part, known in _CLASSES.items():
        inside = settings.inside(part)
        named = inside.text("class_path")
        if named != known:
            raise VoiceganError(
                f"{settings.path}: {part} is {named}; only {known} is read",
                "This kind of Vocos is not supported.",
            )
        parts[part] = inside.inside("init_args")
    mel, backbone, head = parts["feature_extractor"], parts["backbone"], parts["head"]
    mel.require_known("sample_rate", "n_fft", "hop_length", "n_mels", "padding")
    backbone.require_known(
        "input_channels", "dim", "intermediate_dim", "num_layers", "layer_scale_init_value"
    )
    head.require_known("dim", "n_fft", "hop_length", "padding")
    rate_hz, padding = mel.whole("sample_rate"), mel.text("padding", "center")
    spec = mel.mel(
        PRESETS["vocos-24k"],
        sample_rate_hz=rate_hz,
        n_fft=mel.whole("n_fft"),
        win=mel.whole("n_fft"),
        hop=mel.whole("hop_length"),
        mels=mel.whole("n_mels"),
        fmax_hz=float(rate_hz // 2),
        center=padding == "center",
    )
    return spec, {
        "mels": backbone.whole("input_channels"),
        "dim": backbone.whole("dim"),
        "intermediate": backbone.whole("intermediate_dim"),
        "layers": backbone.whole("num_layers"),
        "n_fft": head.whole("n_fft"),
        "hop": head.whole("hop_length"),
        "padding": head.text("padding", "same"),
    }


LAYOUTS = (
    Layout("Vocos", frozenset({"backbone.embed.weight", "head.out.weight"}), settings_beside, _read_vocos),
)
