"""Adversarial losses as pairs of pure functions: what the discriminator minimises, what the generator.

Each loss is written as in its paper, on logits ``s`` (before any sigmoid; ``D = sigmoid(s)``), in a form that
neither overflows nor loses its gradient. Scores are averaged within each tensor of ``Logits.scores`` (over
samples and positions), and the tensors' values are *added*: every sub-discriminator plays its own game, as in
the multi-discriminator papers, whose published weights therefore hold as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import pydantic
import torch
import torch.nn.functional as F
from torch import Tensor

from .system import Logits

Pointwise = Callable[[Tensor], Tensor]
"""A loss for each score; same shape out as in."""


class Objective(ABC):
    """What two players of an adversarial game minimise. Pure: it keeps nothing between calls."""

    @abstractmethod
    def d(self, real: Logits, fake: Logits) -> Tensor:
        """Return the discriminator's loss, a scalar, at least float32."""

    @abstractmethod
    def g(self, fake: Logits, real: Logits | None = None) -> Tensor:
        """Return the generator's loss, a scalar. Only objectives that compare need ``real``."""


@dataclass(frozen=True)
class Separate(Objective):
    """An objective that judges each score by itself.

    Attributes
    ----------
    on_real, on_fake : callable
        What the discriminator pays for a real and for a generated sample.
    on_generated : callable
        What the generator pays for a generated sample.
    """

    on_real: Pointwise
    on_fake: Pointwise
    on_generated: Pointwise

    def d(self, real: Logits, fake: Logits) -> Tensor:
        return over_heads(self.on_real, real) + over_heads(self.on_fake, fake)

    def g(self, fake: Logits, real: Logits | None = None) -> Tensor:
        return over_heads(self.on_generated, fake)


@dataclass(frozen=True)
class Compared(Objective):
    """A relativistic objective: real samples should score higher than fakes, not high.

    With ``average``, each score is compared with the mean of the other kind; without, scores are compared in
    pairs, row by row (Jolicoeur-Martineau 2018, "The relativistic discriminator"). The generator's loss is
    the discriminator's with the roles swapped.

    Attributes
    ----------
    on_real, on_fake : callable
        What is paid for the gap of a sample that should be judged above, below.
    average : bool
        Compare with the mean rather than in pairs. Pairs need equally many real and fake samples.
    """

    on_real: Pointwise
    on_fake: Pointwise
    average: bool = True

    def d(self, real: Logits, fake: Logits) -> Tensor:
        return torch.stack([self._gap(r, f) for r, f in _heads(real, fake)]).sum()

    def g(self, fake: Logits, real: Logits | None = None) -> Tensor:
        if real is None:
            raise ValueError("a relativistic generator loss needs the scores of real samples: g(fake, real)")
        return self.d(fake, real)

    def _gap(self, upper: Tensor, lower: Tensor) -> Tensor:
        if not self.average:
            if upper.shape != lower.shape:
                raise ValueError(f"pairs differ in shape: {tuple(upper.shape)}, {tuple(lower.shape)}")
            return self.on_real(upper - lower).mean()
        above, below = upper - lower.mean(), lower - upper.mean()
        return self.on_real(above).mean() + self.on_fake(below).mean()


@dataclass(frozen=True)
class Toward:
    """A pointwise loss towards a target, kept as data so that label smoothing can move the target."""

    loss: Callable[[Tensor, float], Tensor]
    target: float

    def __call__(self, scores: Tensor) -> Tensor:
        return self.loss(scores, self.target)


def at_least_float32(x: Tensor) -> Tensor:
    """Widen half-precision tensors: losses are sums of many small terms. Wider ones stay as they are."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def over_heads(loss: Pointwise, logits: Logits) -> Tensor:
    """Average a pointwise loss over each tensor of scores and add up the tensors' values."""
    if not logits.scores:
        raise ValueError("the discriminator returned no scores")
    return torch.stack([loss(at_least_float32(scores)).mean() for scores in logits.scores]).sum()


def _heads(first: Logits, second: Logits) -> list[tuple[Tensor, Tensor]]:
    pairs = zip(first.scores, second.scores, strict=True)
    return [(at_least_float32(a), at_least_float32(b)) for a, b in pairs]


def cross_entropy(scores: Tensor, target: float) -> Tensor:
    """``-t log D - (1 - t) log(1 - D)``. Two softplus, so that a certain score keeps its small gradient."""
    loss = torch.zeros_like(scores)
    if target != 0.0:
        loss = loss + target * F.softplus(-scores)
    if target != 1.0:
        loss = loss + (1.0 - target) * F.softplus(scores)
    return loss


def squared_error(scores: Tensor, target: float) -> Tensor:
    """``(s - t)²``."""
    return (scores - target).square()


def _log_fake(scores: Tensor) -> Tensor:
    """``log(1 - D)``."""
    return -F.softplus(scores)


def _negated(scores: Tensor) -> Tensor:
    return -scores


def _identity(scores: Tensor) -> Tensor:
    return scores


def _hinge_above(scores: Tensor) -> Tensor:
    """``max(0, 1 - s)``."""
    return F.relu(1.0 - scores)


def _hinge_below(scores: Tensor) -> Tensor:
    """``max(0, 1 + s)``."""
    return F.relu(1.0 + scores)


def _half_square(scores: Tensor) -> Tensor:
    """``(log D - log(1 - D))² / 2 = s² / 2``."""
    return 0.5 * scores.square()


def least_squares(fake: float = 0.0, real: float = 1.0, generated: float = 1.0) -> Separate:
    """Least squares with the labels a, b, c of Mao et al. 2017, eq. 2.

    ``d = E[(D(x) - b)²] + E[(D(G(z)) - a)²]``, ``g = E[(D(G(z)) - c)²]``: without Mao's factor 1/2, as in
    Zhu et al. 2017 and the speech papers, whose cycle, identity and feature weights are stated against it.

    Parameters
    ----------
    fake, real, generated : float
        a, b, c. ``b - c = 1`` and ``b - a = 2`` minimise Pearson's χ²; 0, 1, 1 are customary.
    """
    return Separate(
        Toward(squared_error, real), Toward(squared_error, fake), Toward(squared_error, generated)
    )


_REAL, _FAKE = Toward(cross_entropy, 1.0), Toward(cross_entropy, 0.0)

MINIMAX = Separate(_REAL, _FAKE, _log_fake)
"""Goodfellow et al. 2014, eq. 1: G minimises log(1 - D), which is flat where D is sure of itself."""

NON_SATURATING = Separate(_REAL, _FAKE, _REAL)
"""Goodfellow et al. 2014, section 3: G maximises log D, steep where D is sure of itself."""

LEAST_SQUARES = least_squares()

HINGE = Separate(_hinge_above, _hinge_below, _negated)
"""Lim & Ye 2017, "Geometric GAN"; Miyato et al. 2018, eq. 16-17."""

WASSERSTEIN = Separate(_negated, _identity, _negated)
"""Arjovsky et al. 2017, algorithm 1. Keep the critic Lipschitz: see ``penalties`` and spectral norm."""

BOUNDARY_SEEKING = Separate(_REAL, _FAKE, _half_square)
"""Hjelm et al. 2018, continuous data: G seeks the decision boundary of D, s = log D - log(1 - D) = 0."""

OBJECTIVES: dict[str, Objective] = {
    "minimax": MINIMAX,
    "non_saturating": NON_SATURATING,
    "least_squares": LEAST_SQUARES,
    "hinge": HINGE,
    "wasserstein": WASSERSTEIN,
    "boundary_seeking": BOUNDARY_SEEKING,
    "relativistic": Compared(_REAL, _FAKE, average=False),
    "relativistic_average": Compared(_REAL, _FAKE),
    "relativistic_average_least_squares": Compared(Toward(squared_error, 1.0), Toward(squared_error, -1.0)),
    "relativistic_average_hinge": Compared(_hinge_above, _hinge_below),
}


def importance_weights(scores: Tensor) -> Tensor:
    """Weigh discrete samples by how real they look: ``w_m = e^(s_m) / Σ e^(s)`` (Hjelm 2018, discrete data).

    ``e^s = D / (1 - D)`` estimates the ratio of real to generated density, so the weighted samples come from
    the data's distribution.

    Parameters
    ----------
    scores : Tensor
        Logits ``(B, M)`` of M samples drawn from the same latent.

    Returns
    -------
    Tensor
        ``(B, M)``, each row sums to 1; without gradient.
    """
    return at_least_float32(scores.detach()).softmax(dim=-1)


def policy_loss(log_probabilities: Tensor, rewards: Tensor) -> Tensor:
    """REINFORCE: ``-E[r · log g(x | z)]``, summed over the samples of a latent (Hjelm 2018).

    Parameters
    ----------
    log_probabilities : Tensor
        ``(B, M)`` of the drawn samples under the generator; carries the gradient.
    rewards : Tensor
        ``(B, M)``: :func:`importance_weights`, or any reward less its baseline. No gradient flows through.
    """
    if log_probabilities.shape != rewards.shape:
        shapes = f"{tuple(log_probabilities.shape)} and {tuple(rewards.shape)}"
        raise ValueError(f"need one reward for each drawn sample, not the shapes {shapes}")
    return -(rewards.detach() * at_least_float32(log_probabilities)).sum(dim=-1).mean()


def _known(name: str) -> str:
    if name not in OBJECTIVES:
        raise ValueError(f"one of {', '.join(OBJECTIVES)}")
    return name


ObjectiveName = Annotated[str, pydantic.AfterValidator(_known)]
"""A setting that names one of `OBJECTIVES`."""
