"""Penalties on discriminators (and one on generators): what keeps them smooth.

All are functions of a critic ``x → Logits or Tensor`` and of tensors; random numbers are passed in, so that
they come from the run's saved streams. A conditional critic is passed with its condition bound:
``lambda x: d(x, label)``.

The critic's value for a sample is the mean over each score tensor's positions, added over the tensors: the
very quantity that :mod:`voicegan.core.objectives` averages. Gradients are taken in float32 with autocast off,
unless ``exact`` is False: then the critic passes in the precision in force, and norms alone are float32. They can be
differentiated again. Weights such as λ are the caller's; for a phase that runs every k-th step ("lazily"), multiply
by k.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import double_backward
from .objectives import at_least_float32
from .system import Logits

Critic = Callable[[Tensor], Logits | Tensor]


def input_gradient(critic: Critic, x: Tensor, *, exact: bool = True) -> Tensor:
    """Gradient of the critic's value with respect to each sample, flattened.

    Parameters
    ----------
    critic : callable
        ``x → Logits`` or ``x → Tensor (B, ...)``. A critic whose batch norm mixes samples has no gradient
        per sample: use layer or instance norm there.
    x : Tensor
        ``(B, ...)``; cut from its graph.
    exact : bool
        Pass in float32, whatever the precision in force.

    Returns
    -------
    Tensor
        ``(B, N)``, float32, differentiable with respect to the critic's parameters.
    """
    x = at_least_float32(x)
    with torch.autocast(x.device.type, enabled=False) if exact else nullcontext():
        return double_backward.gradient(lambda x: _value(critic(x)), x).flatten(1)


def _value(judged: Logits | Tensor) -> Tensor:
    """Return the critic's value for each sample, ``(B,)``."""
    scores = (judged,) if isinstance(judged, Tensor) else judged.scores
    return torch.stack([at_least_float32(s).reshape(len(s), -1).mean(dim=1) for s in scores]).sum(dim=0)


def gradient_penalty(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    *,
    center: float = 1.0,
    one_sided: bool = False,
    exact: bool = True,
) -> Tensor:
    """``E[(‖∇f(x̂)‖ - 1)²]``, ``x̂ = ε x + (1 - ε) x̃`` (Gulrajani et al. 2017, eq. 3; customary λ: 10).

    Parameters
    ----------
    critic : callable
        See :func:`input_gradient`.
    real, fake : Tensor
        ``(B, ...)``.
    mix : Tensor
        ε, uniform in [0, 1), ``(B,)``: one number for each sample.
    center : float
        Norm that costs nothing; 0 for the zero-centred penalty (Thanh-Tung et al. 2019).
    one_sided : bool
        Let smaller norms go free (Petzka et al. 2018).
    exact : bool
        See :func:`input_gradient`.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real and fake differ in shape: {tuple(real.shape)}, {tuple(fake.shape)}")
    real, fake = at_least_float32(real.detach()), at_least_float32(fake.detach())
    between = torch.lerp(fake, real, _per_sample(mix, real))
    return _norm_penalty(input_gradient(critic, between, exact=exact), center, one_sided)


def data_perturbation_penalty(
    critic: Critic,
    real: Tensor,
    noise: Tensor,
    *,
    scale: float = 0.5,
    center: float = 1.0,
    one_sided: bool = False,
    exact: bool = True,
) -> Tensor:
    """``E[(‖∇f(x + δ)‖ - 1)²]`` around real data only (Kodali et al. 2017; customary λ: 10).

    Parameters
    ----------
    critic : callable
        See :func:`input_gradient`.
    real : Tensor
        ``(B, ...)``.
    noise : Tensor
        Random numbers of unit size, shaped like ``real``: standard normal as in the paper's text, or
        uniform in [0, 1).
    scale : float
        ``δ = scale · std(real) · noise``, the deviation taken over the whole batch.
    center, one_sided, exact
        As in :func:`gradient_penalty`.
    """
    if noise.shape != real.shape:
        raise ValueError(f"noise and real differ in shape: {tuple(noise.shape)}, {tuple(real.shape)}")
    real = at_least_float32(real.detach())
    around = real + scale * real.std(correction=0) * noise
    return _norm_penalty(input_gradient(critic, around, exact=exact), center, one_sided)


def r1(critic: Critic, real: Tensor, *, gamma: float) -> Tensor:
    """``γ/2 · E[‖∇f(x)‖²]`` on real samples (Mescheder et al. 2018, eq. 9)."""
    return 0.5 * gamma * input_gradient(critic, real).square().sum(dim=1).mean()


def _per_sample(mix: Tensor, like: Tensor) -> Tensor:
    """View ``mix (B,)`` so that it multiplies ``like (B, ...)`` sample by sample."""
    if mix.shape != like.shape[:1]:
        raise ValueError(f"need one mixing factor for each of {len(like)} samples, not {tuple(mix.shape)}")
    return mix.to(like.dtype).view(-1, *[1] * (like.ndim - 1))


def _norm_penalty(gradient: Tensor, center: float, one_sided: bool) -> Tensor:
    excess = torch.linalg.vector_norm(gradient, dim=1) - center
    return (F.relu(excess) if one_sided else excess).square().mean()


@torch.no_grad()
def clip_weights(networks: nn.Module | Iterable[nn.Module], limit: float) -> None:
    """Clamp every parameter to [-limit, limit] in place (Arjovsky et al. 2017; customary limit: 0.01).

    Runs after the critic's update: ``Phase(..., after=(partial(clip_weights, self.d, 0.01),))``.
    """
    if limit <= 0:
        raise ValueError(f"the limit of weight clipping is positive, not {limit}")
    for network in [networks] if isinstance(networks, nn.Module) else networks:
        parameters: list[Tensor] = list(network.parameters())
        if parameters:
            torch._foreach_clamp_min_(parameters, -limit)
            torch._foreach_clamp_max_(parameters, limit)


def orthogonal_penalty(network: nn.Module, *, diagonal: bool = False) -> Tensor:
    """``Σ ‖W Wᵀ ⊙ (1 - I)‖²`` over the rows of each weight matrix (Brock et al. 2019).

    Parameters
    ----------
    network : nn.Module
        Every linear and convolution layer counts; kernels are flattened to (out, in · size).
    diagonal : bool
        Also ask for rows of norm 1: ``Σ ‖W Wᵀ - I‖²`` (Brock et al. 2017).
    """
    terms = []
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            rows = at_least_float32(module.weight).flatten(1)
            with torch.autocast(rows.device.type, enabled=False):
                gram = rows @ rows.T
            eye = torch.eye(len(gram), device=gram.device, dtype=gram.dtype)
            terms.append((gram - eye if diagonal else gram * (1 - eye)).square().sum())
    if not terms:
        raise ValueError("the network has no linear or convolution layer to make orthogonal")
    return torch.stack(terms).sum()


def path_length(output: Tensor, latent: Tensor, noise: Tensor) -> Tensor:
    """``‖Jᵀ y‖``: how far the output moves with the latent (Karras et al. 2020, eq. 4).

    Parameters
    ----------
    output : Tensor
        ``(B, C, ...)`` made from ``latent`` in this graph.
    latent : Tensor
        ``(B, L, W)`` or ``(B, W)``; per-layer latents count by their mean square over layers.
    noise : Tensor
        Standard normal, shaped like ``output``; scaled here by 1/√(positions).

    Returns
    -------
    Tensor
        Lengths ``(B,)``, differentiable with respect to the generator.
    """
    positions = output[0, 0].numel()
    with torch.autocast(output.device.type, enabled=False):
        projected = (at_least_float32(output) * noise).sum() / positions**0.5
        (gradient,) = torch.autograd.grad(projected, latent, create_graph=True)
    return at_least_float32(gradient).square().sum(dim=-1).reshape(len(gradient), -1).mean(dim=1).sqrt()


def path_length_penalty(lengths: Tensor, mean: Tensor, *, decay: float = 0.01) -> tuple[Tensor, Tensor]:
    """``E[(‖Jᵀ y‖ - a)²]``, a the running mean of lengths (Karras et al. 2020, eq. 4).

    Returns
    -------
    penalty, mean : Tensor
        The scalar penalty, and the running mean after this batch: the system keeps it in a buffer.
    """
    mean = torch.lerp(mean, lengths.detach().mean().to(mean.dtype), decay)
    return (lengths - mean).square().mean(), mean
