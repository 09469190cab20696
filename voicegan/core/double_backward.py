"""Gradients with respect to inputs that are cheap to differentiate once more ("double backward"), to penalise them.

torch takes the second derivative of a convolution's weight by a convolution whose kernel is as large as the picture,
that of group norm in dozens of passes over the data, and where nothing bends (the two halves of a leaky rectifier) it
sends zeros back to the first layer. By the forms given here, which are exact, an update of a critic with a penalty
takes less time: see tools/bench/bench_image.py and what recipes/image says of speed. That convolutions gain by this is
known from Karras et al. 2020 (arXiv:2006.06676). Whatever else a critic is made of remains torch's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

aten = torch.ops.aten


def gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Gradient of ``Σ function(x)`` with respect to ``x``, to be differentiated by what ``function`` is made of.

    Parameters
    ----------
    function : callable
        ``(B, ...) → Tensor``, computed in the precision in force (autocast).
    x : Tensor
        ``(B, ...)``; cut from its graph.

    Returns
    -------
    Tensor
        Shaped like ``x``, in its type.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        forms = _Forms(x)
        with forms:
            value = function(x).sum()
        # Gradients are of the types that the forward pass chose; autocast would choose again.
        with torch.autocast(x.device.type, enabled=False):
            forms.weights_wanted = False
            (slope,) = torch.autograd.grad(value, x, create_graph=True)
            forms.weights_wanted = True
    return slope


def differentiated(
    value: Tensor, inputs: Sequence[Tensor], given: Tensor, wanted: Sequence[bool]
) -> tuple[Tensor | None, ...]:
    """As ``torch.autograd.grad`` with ``create_graph``, but None for the inputs whose gradient nobody wants."""
    asked = [x for x, needed in zip(inputs, wanted, strict=True) if needed]
    found = iter(torch.autograd.grad(value, asked, given, create_graph=True))
    return tuple(next(found) if needed else None for needed in wanted)


class _Forms(TorchFunctionMode):
    """Puts this module's forms of operations in the place of torch's while it is entered.

    Attributes
    ----------
    x : Tensor
        What the gradient is asked for: a leaf that nobody else has, whose own gradient nobody reads.
    weights_wanted : bool
        Whether a backward pass is for weights too. torch does not tell a Function.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = x
        self.weights_wanted = True

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        ours = _OURS.get(func)
        made = ours(self, *args, **(kwargs or {})) if ours else None
        return func(*args, **(kwargs or {})) if made is None else made


def _convolution(
    forms: _Forms,
    input: Tensor,  # torch's names: they may be given as keywords
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor | None:
    """As ``F.conv1d``, ``F.conv2d`` and ``F.conv3d``; None for what is left to torch."""
    if isinstance(padding, str) or input.ndim != weight.ndim:
        return None
    is_asked_for = input is forms.x
    kind = input.device.type
    if torch.is_autocast_enabled(kind):
        lower = torch.get_autocast_dtype(kind)
        input, weight = _lowered(input, lower), _lowered(weight, lower)
        bias = None if bias is None else _lowered(bias, lower)
    places = weight.ndim - 2
    shape = tuple(_of_each_place(numbers, places) for numbers in (stride, padding, dilation))
    made: Tensor = _Convolution.apply(input, weight, bias, (*shape, groups), forms, is_asked_for)
    return made


def _lowered(x: Tensor, to: torch.dtype) -> Tensor:
    return x if x.dtype == torch.float64 else x.to(to)  # as autocast


def _of_each_place(numbers: int | Sequence[int], places: int) -> list[int]:
    """One number for all directions, also as a sequence, or one for each of them."""
    given = [numbers] if isinstance(numbers, int) else list(numbers)
    return given * places if len(given) == 1 else given


class _Convolution(torch.autograd.Function):
    """Its gradient with respect to the input is a transposed convolution: differentiated like any other."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        shape: tuple[Any, ...],
        forms: _Forms,
        is_asked_for: bool,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, bias)
        ctx.shape, ctx.forms, ctx.is_asked_for = shape, forms, is_asked_for
        stride, padding, dilation, groups = shape
        made: Tensor = aten.convolution(
            x, weight, bias, stride, padding, dilation, False, [0] * len(stride), groups
        )
        return made

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.shape
        given = _laid_like(given, x)
        if torch.is_grad_enabled() and not ctx.forms.weights_wanted:
            across = zip(
                x.shape[2:], given.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
            )
            left_out = [  # at the end, by the stride
                before - ((after - 1) * step - 2 * pad + apart * (kernel - 1) + 1)
                for before, after, kernel, step, pad, apart in across
            ]
            into_x = aten.convolution(given, weight, None, stride, padding, dilation, True, left_out, groups)
            return into_x, None, None, None, None, None
        # Also where torch differentiates this a second time, in its own way: then with respect to weights too.
        into_x, into_weight, into_bias = ctx.needs_input_grad[:3]
        wanted = [into_x and not ctx.is_asked_for, into_weight, bias is not None and into_bias]
        sizes_of_bias = None if bias is None else list(bias.shape)
        into = aten.convolution_backward(
            given,
            x,
            weight,
            sizes_of_bias,
            stride,
            padding,
            dilation,
            False,
            [0] * len(stride),
            groups,
            wanted,
        )
        return *into, None, None, None


def _group_norm(
    forms: _Forms,
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor | None:
    """As ``F.group_norm`` of one group on a CPU, which is layer norm; None for what is left to torch."""
    elsewhere = num_groups != 1 or weight is None or bias is None or input.device.type != "cpu"
    if elsewhere or input.ndim < 3 or not input.numel():
        return None
    made: Tensor = _LayerNorm.apply(input.contiguous(memory_format=_order(input)), weight, bias, eps, forms)
    return made


def _order(x: Tensor) -> torch.memory_format:
    channels_last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format


def _laid_like(given: Tensor, x: Tensor) -> Tensor:
    """The same numbers in the order of ``x``: where two orders meet, torch's kernels take up to ten times as long."""
    return given.contiguous(memory_format=_order(x))


def _sizes(x: Tensor) -> tuple[int, int, int]:
    return len(x), x.shape[1], math.prod(x.shape[2:])


class _LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, forms: _Forms) -> Tensor:
        made, mean, scale = aten.native_group_norm(x, weight, bias, *_sizes(x), 1, eps)
        ctx.save_for_backward(x, weight, bias, mean, scale)
        ctx.eps, ctx.forms = eps, forms
        return made

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, mean, scale = ctx.saved_tensors
        given = _laid_like(given, x)
        if torch.is_grad_enabled():
            if not ctx.forms.weights_wanted:
                into_x = _LayerNormGradient.apply(given, x, weight, mean, scale, ctx.eps)
                return into_x, None, None, None, None
            normed = F.group_norm(x, 1, weight, bias, ctx.eps)
            return *differentiated(normed, (x, weight, bias), given, ctx.needs_input_grad[:3]), None, None
        wanted = list(ctx.needs_input_grad[:3])
        into = aten.native_group_norm_backward(given, x, mean, scale, weight, *_sizes(x), 1, wanted)
        return *into, None, None


class _LayerNormGradient(torch.autograd.Function):
    """``s (ĝ - mean(ĝ) - x̂ mean(ĝ x̂))`` of each sample: ĝ what was given times the weight, s = 1 / deviation.

    Differentiated by hand. With v what is given for it, p = mean(v x̂), c = mean(ĝ x̂) and
    q = mean(v ĝ) - mean(v) mean(ĝ) - p c:

    - into ĝ the same line again, for it is symmetric: ``s (v - mean(v) - x̂ p)``;
    - into x, of which s, x̂ and the means are made: ``-s² (c (v - mean(v)) + p (ĝ - mean(ĝ)) + (q - 2 p c) x̂)``.

    Where that is to be differentiated a third time, the mean and s are made anew, as functions of x.
    """

    @staticmethod
    def forward(
        ctx: Any, given: Tensor, x: Tensor, weight: Tensor, mean: Tensor, scale: Tensor, eps: float
    ) -> Tensor:
        ctx.save_for_backward(given, x, weight, mean, scale)
        ctx.eps = eps
        wanted = [True, False, False]
        into_x, *_ = aten.native_group_norm_backward(given, x, mean, scale, weight, *_sizes(x), 1, wanted)
        return into_x

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
        given, x, weight, mean, scale = ctx.saved_tensors
        wide = torch.promote_types(x.dtype, weight.dtype)
        if torch.is_grad_enabled():
            variance, mean = torch.var_mean(x.to(wide).flatten(1), 1, correction=0, keepdim=True)
            scale = torch.rsqrt(variance + ctx.eps)
        # As (B, places, channels): how planes with channels last lie, on which these lines are fastest.
        v, g, normed = (t.to(wide).flatten(2).transpose(1, 2) for t in (v, given, x))
        weighted = g * weight
        s = scale.to(wide)[:, :, None]
        normed = (normed - mean.to(wide)[:, :, None]) * s

        def average(a: Tensor, b: Tensor | None = None) -> Tensor:
            summed = a.sum((1, 2)) if b is None else torch.linalg.vecdot(a.flatten(1), b.flatten(1))
            return summed[:, None, None] / a[0].numel()

        v_mean, g_mean = average(v), average(weighted)
        p, c = average(v, normed), average(weighted, normed)
        q = average(v, weighted) - v_mean * g_mean - p * c
        into_weighted = (v - v_mean - normed * p) * s
        into_x = -s.square() * (c * v + p * weighted + (q - 2 * p * c) * normed - c * v_mean - p * g_mean)
        into_weight = (into_weighted * g).sum((0, 1))
        into_given = into_weighted * weight
        back = [t.transpose(1, 2).unflatten(2, x.shape[2:]).to(x.dtype) for t in (into_given, into_x)]
        return *back, into_weight, None, None, None


def _leaky_relu(
    forms: _Forms, input: Tensor, negative_slope: float = 0.01, inplace: bool = False
) -> Tensor | None:
    """As ``F.leaky_relu``; None for what is left to torch."""
    if inplace:
        return None
    made: Tensor = _LeakyReLU.apply(input, negative_slope)
    return made


class _LeakyReLU(torch.autograd.Function):
    """Straight on both sides of 0: of the gradient nothing depends on ``x``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        made: Tensor = aten.leaky_relu(x, slope)
        return made

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        given = _laid_like(given, x)
        return aten.leaky_relu_backward(given, x.detach(), ctx.slope, False), None


_OURS: dict[Any, Callable[..., Tensor | None]] = {
    F.conv1d: _convolution,
    F.conv2d: _convolution,
    F.conv3d: _convolution,
    F.group_norm: _group_norm,
    F.leaky_relu: _leaky_relu,
}
