"""`unrolled`: the generator plays against where the discriminator is going (Metz et al. 2016, arXiv:1611.02163)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pydantic
import torch
from torch import Tensor
from torch.func import functional_call

from ...core.objectives import NON_SATURATING
from ...core.system import Batch, Logits, Progress, Scratch
from ...core.tricks import judge
from .base import AdversarialConfig, AdversarialSystem, Count, Rate


class UnrolledConfig(AdversarialConfig):
    """Hyper-parameters of the system `unrolled`."""

    net: Literal["mlp", "dcgan"] = "mlp"
    width: Count = 128
    d_norm: Literal["none", "layer", "batch"] = "none"
    unroll: int = pydantic.Field(5, ge=0)  # steps K that G looks ahead; 0 is the plain game
    unroll_lr: Rate = 0.1  # η of these steps


class Unrolled(AdversarialSystem):
    """``min_G f_K(θ_G, θ_D)``: G's loss against a D that has answered K times, its answers part of the graph.

    ``θ^0 = θ_D``, ``θ^(k+1) = θ^k - η dL_D/dθ^k`` (eq. 5 to 7). A generator that puts all on one mode is told where D
    would go from there, and loses by it. D itself learns one step at a time as ever. See :class:`UnrolledConfig`.
    """

    Config = UnrolledConfig

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D_K(G(z))]``, where the gradient flows through D_K's steps as well (eq. 10)."""
        fake = self.fake(scratch)
        return {"adversarial": NON_SATURATING.g(self.ahead(batch["image"], fake)(fake))}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``-E[log D(x)] - E[log(1 - D(G(z)))]``."""
        real, fake = judge(self.d, batch["image"], self.fake(scratch).detach())
        return {"adversarial": NON_SATURATING.d(real, fake)}

    def ahead(self, image: Tensor, fake: Tensor) -> Callable[[Tensor], Logits]:
        """D as it will be after K steps of gradient descent on this batch; D itself stays as it is."""
        theta = {name: weight.detach().requires_grad_() for name, weight in self.d.named_parameters()}
        running = {name: kept.clone() for name, kept in self.d.named_buffers()}  # batch norm's

        def d(x: Tensor) -> Logits:
            judged: Logits = functional_call(self.d, theta | running, (x,))
            return judged

        for _ in range(self.config.unroll):
            loss = NON_SATURATING.d(*judge(d, image, fake))
            steps = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
            theta = {
                name: weight - self.config.unroll_lr * step
                for (name, weight), step in zip(theta.items(), steps, strict=True)
            }
        return d
