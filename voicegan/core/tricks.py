"""Tricks that make adversarial training work. They compose from outside: none is a flag inside a loss.

Wrap an objective (:func:`smooth`), add a term (:func:`feature_matching`), change what the discriminator sees
(:class:`HistoryPool`, :func:`add_noise`, :func:`judge`) or add a layer to it
(:class:`MinibatchDiscrimination`, :class:`MinibatchStddev`). Kept elsewhere: penalties in ``penalties``,
spectral norm and equalised rates in ``blocks``, averaged weights in ``ema``; weight decay and two time scales
are fields of ``OptimizerSpec``. Random numbers are passed in, so that they come from the run's own streams.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from .objectives import Objective, Separate, Toward, at_least_float32
from .system import Logits


def smooth(objective: Objective, real: float = 0.9) -> Separate:
    """One-sided label smoothing: the discriminator's target for real samples becomes ``real``.

    Only that one: smoothing the fakes' target too would reward samples for staying where they are (Salimans
    et al. 2016, section 3.4; Goodfellow 2016, section 4.2).

    Parameters
    ----------
    objective : Objective
        One that has targets: cross-entropy or least squares.
    real : float
        The new target.

    Returns
    -------
    Separate
        A new objective; the generator's loss is unchanged.
    """
    if not isinstance(objective, Separate) or not isinstance(objective.on_real, Toward):
        raise ValueError("label smoothing needs an objective with targets: cross-entropy or least squares")
    return replace(objective, on_real=replace(objective.on_real, target=real))


def feature_matching(real: Logits, fake: Logits) -> Tensor:
    """``Σ mean |f(x) - f(G(z))|`` over the discriminators' layers (Larsen 2016; Wang et al. 2018, eq. 4).

    For generators whose fake has its own real counterpart. Each layer counts by its mean, the layers of all
    sub-discriminators are added; no gradient flows through the real side.
    """
    return _matched(real, fake, lambda r, f: (f - r).abs().mean())


def mean_feature_matching(real: Logits, fake: Logits) -> Tensor:
    """``Σ ‖E f(x) - E f(G(z))‖²``: statistics of the batch, no pairs (Salimans et al. 2016, section 3.1)."""
    return _matched(real, fake, lambda r, f: (f.mean(dim=0) - r.mean(dim=0)).square().sum())


def _matched(real: Logits, fake: Logits, distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    pairs = [
        (at_least_float32(r.detach()), at_least_float32(f))
        for of_real, of_fake in zip(real.features, fake.features, strict=True)
        for r, f in zip(of_real, of_fake, strict=True)
    ]
    if not pairs:
        raise ValueError("feature matching needs a discriminator that returns its features")
    return torch.stack([distance(r, f) for r, f in pairs]).sum()


def judge(
    discriminator: Callable[[Tensor], Logits], real: Tensor, fake: Tensor, *, joint: bool = False
) -> tuple[Logits, Logits]:
    """Show real and fake samples to a discriminator, as two batches or as one.

    Two batches (the default) give batch norm separate statistics for real and fake, as Radford et al. 2015
    and most since; one batch lets it compare them, and costs one pass instead of two. Without layers that mix
    samples the two are the same, but under spectral norm, whose power iteration each pass takes further: one batch
    is then judged by one set of weights.

    Returns
    -------
    real, fake : Logits
    """
    if not joint:
        return discriminator(real), discriminator(fake)
    both = discriminator(torch.cat([real, fake]))
    return both.rows(slice(None, len(real))), both.rows(slice(len(real), None))


def add_noise(x: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """Instance noise: ``x + σ · noise`` on all that the discriminator sees (Sønderby et al. 2017).

    Parameters
    ----------
    x : Tensor
        Real or fake samples ``(B, ...)``; gradients flow through.
    noise : Tensor
        Standard normal, shaped like ``x``.
    sigma : float
        See :func:`fading`.
    """
    if noise.shape != x.shape:
        raise ValueError(f"noise and samples differ in shape: {tuple(noise.shape)}, {tuple(x.shape)}")
    return x + sigma * noise.to(x.dtype)


def fading(fraction: float, start: float, until: float = 1.0) -> float:
    """Fall linearly from ``start`` to 0 while a run goes from 0 to ``until`` (both shares of the run)."""
    return start * max(0.0, 1.0 - fraction / until) if until > 0 else 0.0


class HistoryPool(nn.Module):
    """Fakes of earlier steps for the discriminator, so that it does not forget (Shrivastava et al. 2017).

    Until the pool is full, every fake is stored and returned. From then on, each is returned as it is or,
    with probability 1/2, takes the place of a stored one, which is returned instead (Zhu et al. 2017). All of
    it is in the state dict, also before the first call, when the samples' shape is still unknown.

    Parameters
    ----------
    capacity : int
        How many samples are kept; 0 returns every fake as it is.
    """

    items: Tensor
    count: Tensor

    def __init__(self, capacity: int = 50) -> None:
        super().__init__()
        self.capacity = capacity
        self.register_buffer("items", torch.empty(0))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, fakes: Tensor, draws: Tensor) -> Tensor:
        """Store fakes and return as many, new or old, detached.

        Parameters
        ----------
        fakes : Tensor
            ``(B, ...)``, the same shape per sample in every call. Kept in float32 at least.
        draws : Tensor
            Uniform in [0, 1), ``(B, 2)``: whether each sample is exchanged, and for which place.
        """
        if draws.shape != (len(fakes), 2):
            raise ValueError(f"need two draws for each of {len(fakes)} samples, not {tuple(draws.shape)}")
        if self.capacity == 0:
            return fakes.detach()
        self._allocate(fakes)
        position = self.count + torch.arange(len(fakes), device=fakes.device)
        filling = position < self.capacity
        place = (draws[:, 1] * self.capacity).long().clamp(max=self.capacity - 1)
        place = torch.where(filling, position, place)
        moves = filling | (draws[:, 0] < 0.5)
        # Of several moves to one place the first is made, so that no sample is lost or returned twice.
        same = (place[:, None] == place[None, :]) & moves[None, :]
        moves &= ~same.tril(-1).any(dim=1)
        swaps = _like(moves & ~filling, fakes)
        returned = torch.where(swaps, self.items[place].to(fakes.dtype), fakes.detach())
        self.items[place[moves]] = fakes[moves].to(self.items.dtype)
        self.count += filling.sum()
        return returned

    def _allocate(self, fakes: Tensor) -> None:
        shape = (self.capacity, *fakes.shape[1:])
        if self.items.numel() == 0:
            self.items = at_least_float32(fakes.new_zeros(shape))
        elif self.items.shape != shape:
            shapes = f"{tuple(self.items.shape[1:])}, not {tuple(fakes.shape[1:])}"
            raise ValueError(f"this pool keeps samples of the shape {shapes}")

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        saved = state_dict.get(prefix + "items")
        if saved is not None and saved.numel() and len(saved) != self.capacity:
            raise ValueError(f"the saved pool has {len(saved)} places, this one {self.capacity}")
        if saved is not None and (saved.shape, saved.dtype) != (self.items.shape, self.items.dtype):
            self.items = torch.empty_like(saved, device=self.items.device)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _like(per_sample: Tensor, x: Tensor) -> Tensor:
    """View ``(B,)`` so that it applies to ``x (B, ...)`` sample by sample."""
    return per_sample.view(-1, *[1] * (x.ndim - 1))


class MinibatchDiscrimination(nn.Module):
    """Append to each sample how close it is to the others of its batch (Salimans et al. 2016, section 3.2).

    ``o(x_i)_b = Σ_j exp(-‖M_i,b - M_j,b‖₁)`` with ``M = f(x) T``; j = i counts too, as in the paper.

    Parameters
    ----------
    inputs : int
        Features of a sample.
    kernels : int
        Similarities that are appended.
    size : int
        Numbers compared for each.
    """

    def __init__(self, inputs: int, kernels: int = 16, size: int = 8) -> None:
        super().__init__()
        self.projection = nn.Parameter(torch.randn(inputs, kernels, size) / math.sqrt(inputs))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs) → (B, inputs + kernels)``."""
        m = at_least_float32(torch.einsum("ba,akc->bkc", x, self.projection.to(x.dtype)))
        distance = (m[:, None] - m[None, :]).abs().sum(dim=-1)  # (B, B, kernels)
        return torch.cat([x, (-distance).exp().sum(dim=1).to(x.dtype)], dim=1)


class MinibatchStddev(nn.Module):
    """Append the batch's standard deviation as constant channels (Karras et al. 2018, section 3).

    Parameters
    ----------
    group : int
        Samples compared with each other; the largest divisor of the batch up to this is used.
    channels : int
        Channels appended; the input's channels are shared out among them.
    """

    def __init__(self, group: int = 4, channels: int = 1) -> None:
        super().__init__()
        self.group, self.channels = group, channels

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, ...) → (B, C + channels, ...)``."""
        group = max(g for g in range(1, min(self.group, len(x)) + 1) if len(x) % g == 0)
        y = (
            at_least_float32(x).unflatten(0, (group, -1)).unflatten(2, (self.channels, -1))
        )  # (G, B/G, n, C/n, ...)
        deviation = (y.var(dim=0, correction=0) + 1e-8).sqrt().flatten(2).mean(dim=2)  # (B/G, n)
        spread = deviation.repeat(group, 1).view(len(x), self.channels, *[1] * (x.ndim - 2))
        return torch.cat([x, spread.to(x.dtype).expand(-1, -1, *x.shape[2:])], dim=1)
