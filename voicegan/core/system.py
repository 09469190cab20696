"""What a GAN is, to the trainer: networks, named optimizers, and phases that are data.

The trainer in :mod:`voicegan.core.trainer` knows nothing else. A new GAN is a subclass of :class:`System`
whose loss functions read like the equations of its paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import VoiceganError
from .ema import frozen_copy
from .random import Draws
from .schedules import Schedule, constant

Batch = Mapping[str, Any]
"""One batch: names to tensors (first dimension: samples) or anything the losses understand."""


@dataclass(frozen=True)
class Progress:
    """How far a training run has come. Warm-ups, growth and alternation are functions of this.

    Attributes
    ----------
    step : int
        Steps done before this one.
    total : int
        Steps planned.
    seen : int
        Samples drawn so far, over all ranks.
    """

    step: int
    total: int
    seen: int = 0

    @property
    def fraction(self) -> float:
        """Share of the run that is done, in [0, 1]."""
        return min(1.0, self.step / max(1, self.total))


@dataclass(frozen=True)
class Logits:
    """What every discriminator returns.

    Attributes
    ----------
    scores : tuple of Tensor
        One tensor of logits per sub-discriminator or scale, each ``(B, ...)``.
    features : tuple of tuple of Tensor
        Activations per sub-discriminator, for feature matching; empty where none are offered.
    heads : mapping of str to Tensor
        Further outputs: class logits, codes, reconstructions.
    """

    scores: tuple[Tensor, ...]
    features: tuple[tuple[Tensor, ...], ...] = ()
    heads: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))

    def rows(self, rows: slice) -> Logits:
        """Those of some samples of the batch."""
        features = tuple(tuple(layer[rows] for layer in layers) for layers in self.features)
        heads = {name: head[rows] for name, head in self.heads.items()}
        return Logits(tuple(scores[rows] for scores in self.scores), features, heads)


class Scratch(dict[str, Any]):
    """What the phases of one step hand on to each other, and the random numbers of the step's batch.

    A phase finds everything that earlier phases stored already detached.

    Parameters
    ----------
    draws : Draws
        The random numbers.
    repeat : int
        Which of a phase's updates in this step it is for, from 0.
    """

    def __init__(self, draws: Draws, repeat: int = 0) -> None:
        super().__init__()
        self.draws, self.repeat = draws, repeat

    def detach(self) -> None:
        """Cut every stored tensor from the graph that made it."""
        for key, value in self.items():
            self[key] = _detached(value)


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _detached(getattr(value, f.name)) for f in fields(value)})
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple
        return type(value)(*(_detached(item) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(_detached(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _detached(item) for key, item in value.items()}
    return value


Loss = Callable[[Batch, Scratch, Progress], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Phase:
    """One update of one optimizer's networks: data that the trainer carries out.

    Attributes
    ----------
    name : str
        Prefix of the phase's terms in the log.
    optimizer : str
        Whose parameters are updated; all others are frozen meanwhile. Several phases may share one.
    loss : callable
        ``loss(batch, scratch, progress)`` gives named scalar terms. Their sum is minimised.
    repeats : int
        Updates per step. Each beyond the first draws a fresh batch and a fresh scratch.
    every : int
        The phase runs in steps that this number divides.
    after : tuple of callables
        Called without arguments after each update, without gradients (weight clipping, pools).
    """

    name: str
    optimizer: str
    loss: Loss
    repeats: int = 1
    every: int = 1
    after: tuple[Callable[[], None], ...] = ()

    def due(self, progress: Progress) -> bool:
        """Whether the phase runs in this step."""
        return progress.step % self.every == 0

    def total(self, terms: Any) -> Tensor:
        """What is minimised: the sum of what the loss gave.

        Raises VoiceganError where that is something else than named scalars which all depend on what is trained: a
        system may be of anybody's own.
        """
        wrong = self._wrong(terms)
        if wrong is None:
            return torch.stack([term.float() for term in terms.values()]).sum()
        where = getattr(getattr(self.loss, "__code__", None), "co_filename", "")
        raise VoiceganError(
            f"the loss {getattr(self.loss, '__qualname__', '')} of the phase {self.name!r} gives {wrong}"
            + (f" ({where})" if where else ""),
            'It has to give named terms, each a tensor of one number: return {"adversarial": loss}.',
        )

    def _wrong(self, terms: Any) -> str | None:
        if not isinstance(terms, Mapping):
            return f"a value of the type {type(terms).__name__}"
        for name, term in terms.items():
            if not isinstance(term, Tensor) or term.numel() != 1:
                return f"the term {name!r} that is not a tensor of one number"
            if not term.requires_grad:
                return f"the term {name!r} that does not depend on what {self.optimizer!r} trains"
        return None if terms else "no terms"


@dataclass(frozen=True)
class OptimizerSpec:
    """Adam over some of a system's networks.

    Attributes
    ----------
    networks : tuple of str
        Attribute names of the system whose parameters this optimizer owns.
    lr : float
        Learning rate before the schedule.
    betas : tuple of float
        Adam's averaging factors; ``(0.5, 0.999)`` is the custom for GANs (Radford 2015). The first is the
        momentum of ``"sgd"``; ``"rmsprop"`` takes none.
    kind : str
        ``"adam"``, ``"adamw"``, ``"rmsprop"`` or ``"sgd"``.
    weight_decay : float
        Weight decay as the optimizer defines it.
    clip_norm : float or None
        Longest gradient (L2 over all the optimizer's parameters); None leaves it alone.
    schedule : callable
        ``schedule(progress)`` gives the factor on ``lr``. A pure function, so nothing is saved for it.
    """

    networks: tuple[str, ...]
    lr: float
    betas: tuple[float, float] = (0.5, 0.999)
    kind: str = "adam"
    weight_decay: float = 0.0
    clip_norm: float | None = None
    schedule: Schedule = constant


class System(nn.Module):
    """A GAN: its networks, its optimizers, and in which order what is updated by which loss.

    Subclasses assign their networks as attributes in ``__init__`` (the set of parameters is fixed from
    then on), and everything that must survive a restart is a parameter or a buffer. A network that no
    optimizer owns, such as a pretrained judge, stays as it is: frozen and in eval mode.
    """

    def __init__(self) -> None:
        super().__init__()
        self.averages = nn.ModuleDict()
        self._half_lives: dict[str, float] = {}

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        """Name the optimizers. Every trained network belongs to exactly one."""
        raise NotImplementedError

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        """Tell what is updated in this step, in order."""
        raise NotImplementedError

    def average(self, name: str, half_life: float) -> None:
        """Keep an exponential moving average of the network ``name``.

        Parameters
        ----------
        name : str
            Attribute name of the network.
        half_life : float
            In samples: how many samples ago a weight counts half.
        """
        self.averages[name] = frozen_copy(getattr(self, name))
        self._half_lives[name] = half_life

    def averaged(self) -> Iterator[tuple[nn.Module, nn.Module, float]]:
        """Yield (average, network, half-life in samples) for each averaged network."""
        for name, average in self.averages.items():
            yield average, getattr(self, name), self._half_lives[name]

    def best(self, name: str) -> nn.Module:
        """Return the network to use outside training: the average where one is kept."""
        network: nn.Module = self.averages[name] if name in self.averages else getattr(self, name)
        return network
