"""Checkpoints of HiFi-GAN and BigVGAN. Their layers have the same names here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from ...audio.mel import PRESETS, MelSpec
from ...errors import VoiceganError
from ..nets.bigvgan import halfband_lowpass
from .layout import Found, Layout, Tensors, settings_beside
from .settings import Settings


def _read_hifigan(weights: Tensors, settings: Settings | None, file: Path) -> Found:
    read = _needed(settings, file)
    return Found("hifigan", _stages_of(read), weights, mel_of(read))


def _read_bigvgan(weights: Tensors, settings: Settings | None, file: Path) -> Found:
    read = _needed(settings, file)
    network = _stages_of(read) | {
        "activation": read.text("activation"),
        "logarithmic": read.switch("snake_logscale"),
        "tanh": read.switch("use_tanh_at_final", True),
        "bias": read.switch("use_bias_at_final", True),
    }
    state: Tensors = {}
    lowpass = halfband_lowpass()
    for key, value in weights.items():
        if key.endswith(("upsample.filter", "downsample.lowpass.filter")):
            # The network computes these taps itself.
            if value.numel() != lowpass.numel() or not torch.allclose(value.flatten(), lowpass, atol=1e-3):
                raise VoiceganError(f"{file}: {key} is not the usual filter of 12 taps", "It cannot be read.")
            continue
        state[re.sub(r"^(ups\.\d+)\.0\.", r"\1.", key.replace(".act.", "."))] = value
    return Found("bigvgan", network, state, mel_of(read))


def _needed(settings: Settings | None, file: Path) -> Settings:
    if settings is None:
        raise VoiceganError(
            f"{file} needs its settings, and there is no config.json beside it",
            "Download config.json too, or name it: --config.",
        )
    return settings


def _stages_of(read: Settings) -> dict[str, Any]:
    block = str(read.value("resblock"))
    if block not in ("1", "2"):
        raise VoiceganError(f"{read.path}: resblock is {block}, neither 1 nor 2", "Correct the settings.")
    return {
        "mels": read.whole("num_mels"),
        "channels": read.whole("upsample_initial_channel"),
        "up_rates": read.wholes("upsample_rates"),
        "up_kernels": read.wholes("upsample_kernel_sizes"),
        "block": int(block),
        "kernels": read.wholes("resblock_kernel_sizes"),
        "dilations": read.lists_of_wholes("resblock_dilation_sizes"),
    }


def mel_of(read: Settings, base: MelSpec = PRESETS["hifigan-22k"]) -> MelSpec:
    """The contract in HiFi-GAN's words; `base` has what they do not say."""
    rate_hz = read.whole("sampling_rate")
    fmax_hz = read.number("fmax", None)
    return read.mel(
        base,
        sample_rate_hz=rate_hz,
        n_fft=read.whole("n_fft"),
        win=read.whole("win_size"),
        hop=read.whole("hop_size"),
        mels=read.whole("num_mels"),
        fmin_hz=read.number("fmin", 0.0) or 0.0,
        fmax_hz=rate_hz / 2 if fmax_hz is None else fmax_hz,
    )


LAYOUTS = (
    Layout("BigVGAN", frozenset({"ups.0.0.weight", "conv_post.weight"}), settings_beside, _read_bigvgan),
    Layout("HiFi-GAN", frozenset({"ups.0.weight", "conv_post.weight"}), settings_beside, _read_hifigan),
)
