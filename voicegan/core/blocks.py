"""Network blocks that several domains use: gated convolutions, normalisers, attention, initial weights.

Everything works on ``(B, C, ...)`` with one or two axes of positions, takes plain arguments and keeps its
shapes: "same" padding at stride 1, ``ceil(n / stride)`` positions otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from .channels_last import glu, instance_norm

Network = TypeVar("Network", bound=nn.Module)

_CONV: dict[int, type[nn.Conv1d] | type[nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}
Weighted = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d
_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d)


class InstanceNorm(nn.Module):
    """Instance norm with learned scale and shift (Ulyanov et al. 2016) over any number of positions, also 1.

    torch's own layers refuse a single position, which a short clip comes down to inside a network.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x, self.weight, self.bias, self.eps)


class PixelNorm(nn.Module):
    """Scale each position to unit mean square over the channels (Karras et al. 2018, section 4.2)."""

    def __init__(self, eps: float = 1e-8) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + self.eps)


class PixelShuffle1d(nn.Module):
    """``(B, C · r, T) → (B, C, T · r)``, as ``nn.PixelShuffle`` does on two axes (Shi et al. 2016).

    Channel ``c · r + i`` becomes the positions ``t · r + i``.
    """

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, self.factor)).transpose(2, 3).flatten(2)


class ConvGLU(nn.Module):
    """Convolution, norm, gated linear unit: ``(W x) ⊗ σ(V x)`` (Dauphin et al. 2017; Kaneko & Kameoka 2018).

    One convolution gives both halves. Instance norm acts on each channel alone, so this equals two
    convolutions with a norm each. With ``upscale``, channels become positions before the norm.

    Parameters
    ----------
    dims : int
        1 for ``(B, C, T)``, 2 for ``(B, C, H, W)``.
    inputs, outputs : int
        Channels in, channels after the gate.
    kernel : int or tuple of int
        Odd, for each axis.
    stride : int or tuple of int
        ``ceil(n / stride)`` positions come out.
    norm : bool
        Instance norm before the gate.
    upscale : int
        Factor on every axis.
    """

    def __init__(
        self,
        dims: int,
        inputs: int,
        outputs: int,
        kernel: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        norm: bool = True,
        upscale: int = 1,
    ) -> None:
        super().__init__()
        made = 2 * outputs * upscale**dims
        self.conv = _same_conv(dims, inputs, made, kernel, stride=stride)
        shuffle = PixelShuffle1d(upscale) if dims == 1 else nn.PixelShuffle(upscale)
        self.shuffle = shuffle if upscale > 1 else nn.Identity()
        self.norm = InstanceNorm(2 * outputs) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return glu(self.norm(self.shuffle(self.conv(x))))


class ResidualGLU(nn.Module):
    """``x + norm(conv(ConvGLU(x)))``: the residual block of the gated networks (Kaneko & Kameoka 2018).

    Parameters
    ----------
    dims : int
        1 or 2 axes of positions.
    channels, hidden : int
        Channels of ``x``, channels after the gate.
    kernel : int or tuple of int
        Odd, for each axis; of both convolutions.
    norm : bool
        Instance norm after each convolution.
    """

    def __init__(
        self, dims: int, channels: int, hidden: int, kernel: int | Sequence[int] = 3, *, norm: bool = True
    ) -> None:
        super().__init__()
        self.gated = ConvGLU(dims, channels, hidden, kernel, norm=norm)
        self.conv = _same_conv(dims, hidden, channels, kernel)
        self.norm = InstanceNorm(channels) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.norm(self.conv(self.gated(x)))
        return x + branch


def _same_conv(
    dims: int, inputs: int, outputs: int, kernel: int | Sequence[int], stride: int | Sequence[int] = 1
) -> nn.Module:
    if dims not in _CONV:
        raise ValueError(f"convolutions here have 1 or 2 axes of positions, not {dims}")
    sizes = (kernel,) * dims if isinstance(kernel, int) else tuple(kernel)
    steps = (stride,) * dims if isinstance(stride, int) else tuple(stride)
    if len(sizes) != dims or len(steps) != dims or any(size % 2 == 0 for size in sizes):
        raise ValueError(f"need an odd kernel size and a stride for each of {dims} axes: {sizes}, {steps}")
    padding = tuple(size // 2 for size in sizes)
    # The layers' stubs want tuples of fixed length, which a table over both cannot give.
    return _CONV[dims](inputs, outputs, sizes, steps, padding)  # type: ignore[arg-type]


class SelfAttention(nn.Module):
    """``x + γ · attention(x)`` over all positions, γ learned from 0 (Zhang et al. 2019).

    The softmax is written out: fused attention kernels cannot be differentiated twice, which gradient
    penalties need.

    Parameters
    ----------
    channels : int
        At least 8: queries and keys have an eighth of them, values a half.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow, wide = max(1, channels // 8), max(1, channels // 2)
        self.query, self.key = nn.Conv1d(channels, narrow, 1), nn.Conv1d(channels, narrow, 1)
        self.value, self.out = nn.Conv1d(channels, wide, 1), nn.Conv1d(wide, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)  # (B, C, N)
        match = (self.query(flat).transpose(1, 2) @ self.key(flat)).float().softmax(dim=-1)  # (B, N, N)
        attended = self.value(flat) @ match.to(flat.dtype).transpose(1, 2)
        return x + self.gamma * self.out(attended).view_as(x)


def spectral_norm(network: Network, iterations: int = 1) -> Network:
    """Divide every linear and convolution weight by its largest singular value (Miyato et al. 2018).

    Parameters
    ----------
    network : nn.Module
        Changed in place: one layer or a whole network.
    iterations : int
        Power iterations at each forward pass in training mode.

    Returns
    -------
    nn.Module
        The same network.
    """
    for layer in _weighted_layers(network):
        parametrizations.spectral_norm(layer, n_power_iterations=iterations)
    return network


class _Scale(nn.Module):
    """Multiply a stored parameter when it is used."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, stored: Tensor) -> Tensor:
        return stored * self.factor

    def right_inverse(self, used: Tensor) -> Tensor:
        return used / self.factor


def equalise(network: Network, gain: float = math.sqrt(2.0), lr_factor: float = 1.0) -> Network:
    """Equalised learning rate: store unit variance, scale at use (Karras et al. 2018, section 4.1).

    Weights are used as ``w · gain / √fan_in``, so that Adam, whose steps do not depend on the gradient's
    size, moves every layer at the same relative speed. Weights are drawn anew; biases start at 0.

    Parameters
    ----------
    network : nn.Module
        Changed in place: one layer or a whole network.
    gain : float
        √2 before rectifiers, 1 for a last linear layer.
    lr_factor : float
        Factor on the layers' learning rate (Karras et al. 2019 use 0.01 in the mapping network).

    Returns
    -------
    nn.Module
        The same network.
    """
    for layer in _weighted_layers(network):
        transposed = isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d))
        fan_in = layer.weight[:, 0].numel() if transposed else layer.weight[0].numel()
        scale = gain * lr_factor / math.sqrt(fan_in)
        with torch.no_grad():
            layer.weight.normal_(0.0, scale / lr_factor)
        parametrize.register_parametrization(layer, "weight", _Scale(scale))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
            parametrize.register_parametrization(layer, "bias", _Scale(lr_factor))
    return network


def initialise(network: Network, scheme: str = "normal", gain: float = 0.02) -> Network:
    """Draw new weights for every linear and convolution layer; biases start at 0.

    Parameters
    ----------
    network : nn.Module
        Changed in place. Call it before :func:`spectral_norm`.
    scheme : str
        ``"normal"``: N(0, gain²), and N(1, gain²) for the scales of batch norm (Radford et al. 2015).
        ``"orthogonal"`` (Saxe et al. 2014), ``"xavier"`` (uniform; Glorot & Bengio 2010).
    gain : float
        Standard deviation of the normal scheme; factor on the weights of the others, for which 1 is usual.

    Returns
    -------
    nn.Module
        The same network.
    """
    schemes = {
        "normal": lambda weight: nn.init.normal_(weight, 0.0, gain),
        "orthogonal": lambda weight: nn.init.orthogonal_(weight, gain),
        "xavier": lambda weight: nn.init.xavier_uniform_(weight, gain),
    }
    if scheme not in schemes:
        raise ValueError(f"unknown scheme {scheme!r}; known: {', '.join(schemes)}")
    for module in network.modules():
        if isinstance(module, _WEIGHTED):
            schemes[scheme](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) and module.affine and scheme == "normal":
            nn.init.normal_(module.weight, 1.0, gain)
            nn.init.zeros_(module.bias)
    return network


def _weighted_layers(network: nn.Module) -> list[Weighted]:
    """List the linear and convolution layers whose weights are still plain."""
    layers = [m for m in network.modules() if isinstance(m, _WEIGHTED) and not parametrize.is_parametrized(m)]
    if not layers:
        raise ValueError("the network has no linear or convolution layer left to reparametrise")
    return layers
