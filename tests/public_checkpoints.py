"""Small checkpoints in the layouts in which vocoders are published, and what their networks make of a mel.

The weights are random and plain; the references are written with functions of torch, from the papers' equations.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from voicegan.audio.mel import MelSpec, filterbank

MELS = 6
Weights = dict[str, Tensor]


@dataclass
class Published:
    """Plain weights under public names, tensors that are no layer's, settings, and the reference."""

    weights: Weights
    reference: Callable[[Weights, Tensor], Tensor]
    config_name: str = ""
    config: str = ""
    wrapper: str = ""
    extra: Weights = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path, style: str = "removed") -> Path:
        """The file, with its settings beside it; style: "old" or "parametrised" weight norm, or "removed"."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.config_name:
            (folder / self.config_name).write_text(self.config)
        return self.save(folder / "checkpoint.pt", with_norm(self.weights, style) | self.extra)

    def save(self, file: Path, state: Weights) -> Path:
        torch.save({self.wrapper: state} | self.beside if self.wrapper else state, file)
        return file


def with_norm(weights: Weights, style: str) -> Weights:
    """Every weight of a convolution as a length and a direction that is not of length 1."""
    if style == "removed":
        return dict(weights)
    length, direction = {
        "old": ("weight_g", "weight_v"),
        "parametrised": ("parametrizations.weight.original0", "parametrizations.weight.original1"),
    }[style]
    state: Weights = {}
    for key, value in weights.items():
        if key.endswith(".weight") and value.ndim == 3:
            layer = key.removesuffix("weight")
            state[layer + length] = value.flatten(1).norm(dim=1)[:, None, None]
            state[layer + direction] = value * (0.5 + torch.rand(len(value), 1, 1))
        else:
            state[key] = value
    return state


class Drawn(dict):
    """Random weights by name."""

    def conv(self, name: str, *shape: int, bias: bool = True, transposed: bool = False) -> None:
        self[f"{name}.weight"] = torch.randn(shape) / (shape[1] * shape[2]) ** 0.5
        if bias:
            self[f"{name}.bias"] = 0.1 * torch.randn(shape[1] if transposed else shape[0])

    def linear(self, name: str, outputs: int, inputs: int) -> None:
        self[f"{name}.weight"] = torch.randn(outputs, inputs) / inputs**0.5
        self[f"{name}.bias"] = 0.1 * torch.randn(outputs)

    def norm(self, name: str, channels: int) -> None:
        self[f"{name}.weight"] = 1 + 0.1 * torch.randn(channels)
        self[f"{name}.bias"] = 0.1 * torch.randn(channels)


def conv(w: Weights, name: str, x: Tensor, **options: Any) -> Tensor:
    return F.conv1d(x, w[f"{name}.weight"], w.get(f"{name}.bias"), **options)


# HiFi-GAN and BigVGAN ---------------------------------------------------------------------------------------

STAGES: dict[str, Any] = {
    "resblock": "1",
    "upsample_rates": [4, 2],
    "upsample_kernel_sizes": [8, 4],
    "upsample_initial_channel": 8,
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 2, 3]],
    "num_mels": MELS,
    "n_fft": 32,
    "hop_size": 8,
    "win_size": 32,
    "sampling_rate": 8000,
    "fmin": 0,
    "fmax": 3500,
    "fmax_for_loss": None,
    "learning_rate": 0.0002,
}


def draw_stages(h: dict[str, Any], first_up: str) -> Drawn:
    torch.manual_seed(1)
    w = Drawn()
    channels = h["upsample_initial_channel"]
    w.conv("conv_pre", channels, MELS, 7)
    number = 0
    for i, kernel in enumerate(h["upsample_kernel_sizes"]):
        w.conv(first_up.format(i), channels, channels // 2, kernel, transposed=True)
        channels //= 2
        for k, dilations in zip(h["resblock_kernel_sizes"], h["resblock_dilation_sizes"], strict=True):
            for j in range(len(dilations)):
                for kind in ("convs1", "convs2") if h["resblock"] == "1" else ("convs",):
                    w.conv(f"resblocks.{number}.{kind}.{j}", channels, channels, k)
            number += 1
    w.conv("conv_post", 1, channels, 7, bias=h.get("use_bias_at_final", True))
    return w


def through_stages(
    h: dict[str, Any], w: Weights, mel: Tensor, up: str, before_up: Callable, act: Callable
) -> Tensor:
    """What HiFi-GAN and BigVGAN share; act(x, name) is the activation within a residual block."""
    x = conv(w, "conv_pre", mel, padding=3)
    number = 0
    for i, (kernel, rate) in enumerate(zip(h["upsample_kernel_sizes"], h["upsample_rates"], strict=True)):
        name = up.format(i)
        x = F.conv_transpose1d(
            before_up(x), w[f"{name}.weight"], w[f"{name}.bias"], stride=rate, padding=(kernel - rate) // 2
        )
        branches = []
        for k, dilations in zip(h["resblock_kernel_sizes"], h["resblock_dilation_sizes"], strict=True):
            block, y = f"resblocks.{number}", x
            for j, d in enumerate(dilations):
                same = {"padding": (k - 1) // 2 * d, "dilation": d}
                if h["resblock"] == "1":
                    z = conv(w, f"{block}.convs1.{j}", act(y, f"{block}.activations.{2 * j}"), **same)
                    z = act(z, f"{block}.activations.{2 * j + 1}")
                    y = y + conv(w, f"{block}.convs2.{j}", z, padding=(k - 1) // 2)
                else:
                    y = y + conv(w, f"{block}.convs.{j}", act(y, f"{block}.activations.{j}"), **same)
            branches.append(y)
            number += 1
        x = torch.stack(branches).mean(0)
    return x


def hifigan(**changed: Any) -> Published:
    h = STAGES | changed

    def leaky(x: Tensor, name: str = "") -> Tensor:
        return F.leaky_relu(x, 0.1)

    def reference(w: Weights, mel: Tensor) -> Tensor:
        x = through_stages(h, w, mel, "ups.{}", leaky, leaky)
        return torch.tanh(conv(w, "conv_post", F.leaky_relu(x, 0.01), padding=3))[:, 0]

    return Published(draw_stages(h, "ups.{}"), reference, "config.json", json.dumps(h), "generator")


def lowpass() -> Tensor:
    """BigVGAN's filter, as its files hold it."""
    time = torch.arange(12) - 5.5
    taps = torch.sinc(time / 2) * torch.kaiser_window(12, periodic=False, beta=4.6638)
    return (taps / taps.sum()).view(1, 1, 12)


def bigvgan(**changed: Any) -> Published:
    h = STAGES | {"activation": "snakebeta", "snake_logscale": True} | changed
    w = draw_stages(h, "ups.{}.0")
    channels, number, extra = h["upsample_initial_channel"], 0, {}
    places = []
    for _ in h["upsample_rates"]:
        channels //= 2
        for dilations in h["resblock_dilation_sizes"]:
            count = len(dilations) * (2 if h["resblock"] == "1" else 1)
            places += [(f"resblocks.{number}.activations.{j}", channels) for j in range(count)]
            number += 1
    for name, size in [*places, ("activation_post", channels)]:
        for parameter in ("alpha", "beta") if h["activation"] == "snakebeta" else ("alpha",):
            w[f"{name}.act.{parameter}"] = (0 if h["snake_logscale"] else 1) + 0.3 * torch.randn(size)
        extra[f"{name}.upsample.filter"] = extra[f"{name}.downsample.lowpass.filter"] = lowpass()

    def snake(w: Weights, x: Tensor, name: str) -> Tensor:
        alpha = w[f"{name}.act.alpha"]
        beta = w.get(f"{name}.act.beta", alpha)
        if h["snake_logscale"]:
            alpha, beta = alpha.exp(), beta.exp()
        # Zeros between the samples, whose ends are repeated; then the filter.
        x = F.pad(x, (6, 6), mode="replicate")
        stuffed = torch.stack([x, torch.zeros_like(x)], dim=-1).flatten(-2)
        taps = lowpass().expand(x.shape[1], -1, -1)
        x = 2 * F.conv1d(stuffed, taps, groups=x.shape[1])[..., 6:-7]
        x = x + torch.sin(x * alpha[:, None]) ** 2 / beta[:, None]
        return F.conv1d(F.pad(x, (5, 6), mode="replicate"), taps, stride=2, groups=x.shape[1])

    def reference(w: Weights, mel: Tensor) -> Tensor:
        x = through_stages(h, w, mel, "ups.{}.0", lambda x: x, lambda x, name: snake(w, x, name))
        x = conv(w, "conv_post", snake(w, x, "activation_post"), padding=3)[:, 0]
        return torch.tanh(x) if h.get("use_tanh_at_final", True) else x.clamp(-1, 1)

    return Published(w, reference, "config.json", json.dumps(h), "generator", extra)


# MelGAN -----------------------------------------------------------------------------------------------------


def melgan(stacks: bool = False, layers: int = 3) -> Published:
    """The authors' layout, or (stacks) Seungwon Park's, which has a stack per upsampling."""
    torch.manual_seed(2)
    w, channels, place = Drawn(), 16, 1
    root = "generator" if stacks else "model"
    w.conv(f"{root}.1", channels, MELS, 7)
    plan: list[tuple[str, int, list[tuple[str, str, str]]]] = []
    for rate in (8, 8, 2, 2):
        place += 2
        up = f"{root}.{place}"
        w.conv(up, channels, channels // 2, 2 * rate, transposed=True)
        channels //= 2
        blocks = []
        for j in range(layers):
            place += 0 if stacks and j else 1
            inner, short = (f"blocks.{j}", f"shortcuts.{j}") if stacks else ("block", "shortcut")
            names = tuple(f"{root}.{place}.{each}" for each in (f"{inner}.2", f"{inner}.4", short))
            for name, kernel in zip(names, (3, 1, 1), strict=True):
                w.conv(name, channels, channels, kernel)
            blocks.append(names)
        plan.append((up, rate, blocks))
    last = f"{root}.{place + 3}"
    w.conv(last, 1, channels, 7)

    def reference(w: Weights, mel: Tensor) -> Tensor:
        def mirrored(x: Tensor, count: int) -> Tensor:
            return F.pad(x, (count, count), mode="reflect")

        x = conv(w, f"{root}.1", mirrored((mel + 5) / 5 if stacks else mel, 3))
        for up, rate, blocks in plan:
            x = F.leaky_relu(x, 0.2)
            x = F.conv_transpose1d(x, w[f"{up}.weight"], w[f"{up}.bias"], stride=rate, padding=rate // 2)
            for j, (dilated, mix, shortcut) in enumerate(blocks):
                y = conv(w, dilated, mirrored(F.leaky_relu(x, 0.2), 3**j), dilation=3**j)
                x = conv(w, shortcut, x) + conv(w, mix, F.leaky_relu(y, 0.2))
        return torch.tanh(conv(w, last, mirrored(F.leaky_relu(x, 0.2), 3)))[:, 0]

    return Published(w, reference, wrapper="model_g" if stacks else "")


PARK_SETTINGS = f"""data: # where the recordings lie
  train: ''
---
train:
  adam:
    lr: 0.0001
---
audio:
  n_mel_channels: {MELS}
  filter_length: 1024
  hop_length: 256 # WARNING: this can't be changed.
  win_length: 1024
  sampling_rate: 16000
  mel_fmin: 50.0
  mel_fmax: 7000.0
"""


# Vocos ------------------------------------------------------------------------------------------------------

VOCOS_SETTINGS = """feature_extractor:
  class_path: vocos.feature_extractors.MelSpectrogramFeatures
  init_args:
    sample_rate: 8000
    n_fft:         32 # 4 msec
    hop_length:     8
    n_mels:         6
    padding: PADDING

backbone:
  class_path: vocos.models.VocosBackbone
  init_args:
    input_channels: 6
    dim: 8
    intermediate_dim: 12
    num_layers: 2

head:
  class_path: vocos.heads.ISTFTHead
  init_args:
    dim: 8
    n_fft: 32
    hop_length: 8
    padding: PADDING
"""


def vocos(padding: str = "center") -> Published:
    torch.manual_seed(3)
    w = Drawn()
    w.conv("backbone.embed", 8, MELS, 7)
    w.norm("backbone.norm", 8)
    for i in range(2):
        block = f"backbone.convnext.{i}"
        w[f"{block}.gamma"] = torch.rand(8)
        w.conv(f"{block}.dwconv", 8, 1, 7)
        w.norm(f"{block}.norm", 8)
        w.linear(f"{block}.pwconv1", 12, 8)
        w.linear(f"{block}.pwconv2", 8, 12)
    w.norm("backbone.final_layer_norm", 8)
    w.linear("head.out", 34, 8)
    spec = MelSpec(8000, 32, 32, 8, MELS, 0.0, 4000.0, scale="htk", norm=None)
    extra = {
        "feature_extractor.mel_spec.spectrogram.window": torch.hann_window(32),
        "feature_extractor.mel_spec.mel_scale.fb": filterbank(spec).T.contiguous(),
        "head.istft.window": torch.hann_window(32),
    }

    def reference(w: Weights, mel: Tensor) -> Tensor:
        def normed(name: str, x: Tensor) -> Tensor:
            return F.layer_norm(x.mT, (8,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-6)

        def linear(name: str, x: Tensor) -> Tensor:
            return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

        x = normed("backbone.norm", conv(w, "backbone.embed", mel, padding=3)).mT
        for i in range(2):
            block = f"backbone.convnext.{i}"
            y = normed(f"{block}.norm", conv(w, f"{block}.dwconv", x, padding=3, groups=8))
            y = linear(f"{block}.pwconv2", F.gelu(linear(f"{block}.pwconv1", y)))
            x = x + (w[f"{block}.gamma"] * y).mT
        magnitude, phase = linear("head.out", normed("backbone.final_layer_norm", x)).mT.chunk(2, dim=1)
        spectrum = magnitude.exp().clamp(max=100) * torch.exp(1j * phase)
        window = torch.hann_window(32)
        if padding == "center":
            return torch.istft(spectrum, 32, 8, window=window, center=True)
        frames = torch.fft.irfft(spectrum, dim=1) * window[:, None]
        count = mel.shape[-1]
        total = {"output_size": (1, 32 + (count - 1) * 8), "kernel_size": (1, 32), "stride": (1, 8)}
        weight = F.fold(window.square()[None, :, None].expand(1, -1, count), **total)
        return (F.fold(frames, **total)[:, 0, 0] / weight[:, 0, 0])[:, 12:-12]

    return Published(w, reference, "config.yaml", VOCOS_SETTINGS.replace("PADDING", padding), extra=extra)


LAYOUTS: dict[str, Callable[[], Published]] = {
    "hifigan-1": hifigan,
    "hifigan-2": lambda: hifigan(resblock="2", resblock_dilation_sizes=[[1, 2], [2, 6]], fmax=None),
    "melgan": melgan,
    "melgan-4": lambda: melgan(layers=4),
    "melgan-park": lambda: melgan(stacks=True),
    "vocos-center": vocos,
    "vocos-same": lambda: vocos("same"),
    "bigvgan-1": bigvgan,
    "bigvgan-2": lambda: bigvgan(
        use_tanh_at_final=False,
        use_bias_at_final=False,
        activation="snake",
        snake_logscale=False,
        resblock="2",
    ),
}
