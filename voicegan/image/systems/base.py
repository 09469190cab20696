"""What every image system has, besides being a system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Literal

import pydantic
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...config import Config
from ...core.random import Draws
from ...core.schedules import linear_decay
from ...core.system import OptimizerSpec, Phase, Progress, Scratch, System
from ...errors import VoiceganError
from ..nets import DISCRIMINATORS, GENERATORS

Data = Literal["images", "few-labels", "two-domains", "pairs"]
"""What batches hold: see :class:`ImageSystem`."""

Rate = Annotated[float, pydantic.Field(gt=0)]
"""A learning rate."""
Count = Annotated[int, pydantic.Field(ge=1)]
"""How many; one at least."""
_Averaging = Annotated[float, pydantic.Field(ge=0, lt=1)]
Betas = tuple[_Averaging, _Averaging]
"""Adam's averaging factors, each in [0, 1)."""


class ImageSystem(System):
    """A system that learns to make samples: pictures, or points of a toy density.

    A subclass is built as ``Kind(image_shape, classes, config)`` with an instance of its ``Config``. What its batches
    hold is said by its ``data``; all pictures are (B, \\*image_shape) in [-1, 1], all labels (B,) in int64:

    - ``"images"``: ``image``, and ``label`` where the data has labels;
    - ``"few-labels"``: ``image`` without its label, and ``few_image``, ``few_label``: an independent draw of as many
      from the few pictures whose labels are known;
    - ``"two-domains"``: ``a``, ``b``, pictures of two domains that have nothing to do with each other;
    - ``"pairs"``: ``a``, the input, and ``b``, what is wanted of it.

    What a system is able to do besides learning, :meth:`can` tells and commands look for. It is a method, which uses
    the networks that are best outside training, in eval mode and without gradients (:meth:`outside_training`), and
    gives the same for pictures one by one as for all at once:

    - ``sample(n, seed, labels)``, ``decode(latents)``: where ``latents`` is there;
    - ``translate(images, towards="b")``: pictures of one domain to the other, (N, C, H, W) to the same;
    - ``inpaint(images, mask)``: fill what the mask (N, 1, H, W), bool, marks as True;
    - ``encode(images)`` to (N, D), ``reconstruct(images)`` to pictures;
    - ``classify(images)`` to logits (N, K).

    Parameters
    ----------
    image_shape : sequence of int
        ``(C, H, W)``; points of the plane are ``(2, 1, 1)``.
    classes : int
        Classes of the data; 0 where it has no labels.
    config : Config
        Hyper-parameters.

    Attributes
    ----------
    Config : type
        The system's settings.
    trainer_defaults : dict
        Steps and batch size where nobody says otherwise.
    conditional : bool
        Whether samples can be asked for by class.
    data : str
        What its batches hold.
    g : nn.Module
        The generator, from latent vectors to samples.
    """

    Config: ClassVar[type[Config]]
    trainer_defaults: ClassVar[dict[str, Any]]
    conditional: ClassVar[bool] = False
    data: ClassVar[Data] = "images"
    g: nn.Module

    def __init__(self, image_shape: Sequence[int], classes: int) -> None:
        super().__init__()
        self.image_shape, self.classes = tuple(image_shape), classes
        if (self.conditional or self.data == "few-labels") and classes < 2:
            raise VoiceganError("this system needs data with labels", "Choose other data or another system.")

    def latents(self, draws: Draws, labels: Tensor | None = None) -> Tensor:
        """What the generator makes samples of, one row for each of ``draws`` and, where given, of ``labels``."""
        raise NotImplementedError

    def finish(self, generated: Tensor, draws: Draws) -> Tensor:
        """From what the generator gives to samples in [-1, 1]; here they are the same."""
        return generated

    def as_learnt(self, images: Tensor) -> Tensor:
        """Real pictures as it sees them while it learns, to compare its samples with; here as they are."""
        return images

    @property
    def kinds(self) -> int:
        """How many kinds of samples ``latents`` can be asked for: classes, or codes without a name; 0 for none."""
        return self.classes if self.conditional else 0

    @property
    def names_classes(self) -> bool:
        """Whether it was told labels, so that the logits of ``classify`` are in their order."""
        return self.conditional or self.data == "few-labels"

    @classmethod
    def can(cls, ability: str) -> bool:
        """Whether it is able to ``sample``, ``decode``, ``translate``, ``inpaint``, ``encode``, ..."""
        if ability in ("sample", "decode"):
            return cls.latents is not ImageSystem.latents
        return hasattr(cls, ability)

    @contextmanager
    def outside_training(self, *names: str) -> Iterator[list[nn.Module]]:
        """The best of these networks, in eval mode; afterwards they are in the mode that they were in."""
        networks = [self.best(name) for name in names]
        before = [network.training for network in networks]
        try:
            yield [network.eval() for network in networks]
        finally:
            for network, training in zip(networks, before, strict=True):
                network.train(training)

    def decode(self, latents: Tensor) -> Tensor:
        """Samples of latent vectors (N, D) such as ``latents`` makes them, labels and all.

        Differentiable, for those who search among the vectors; in [-1, 1], float32, with the generator that is best
        outside training.
        """
        with self.outside_training("g") as (generator,):
            return self.finish(
                generator(latents), Draws(0, 0, 0, range(len(latents)), latents.device)
            ).float()

    @torch.no_grad()
    def sample(self, n: int, seed: int = 0, labels: Tensor | None = None, at_once: int = 256) -> Tensor:
        """Make samples with the generator that is best outside training.

        Parameters
        ----------
        n : int
            How many.
        seed : int
            Sample i depends on the seed and on i alone, not on ``n``.
        labels : Tensor, optional
            ``(n,)``, int64: the classes asked for; drawn at random where a conditional system is not told.
        at_once : int
            Samples in one pass.

        Returns
        -------
        Tensor
            ``(n, *image_shape)`` in [-1, 1], float32.

        Raises
        ------
        VoiceganError
            Labels are given to a system that knows none, or do not fit.
        """
        self._require_fitting(labels, n)
        device = next(self.best("g").parameters()).device
        made = []
        with self.outside_training("g") as (generator,):
            for start in range(0, n, at_once):
                rows = range(start, min(n, start + at_once))
                draws = Draws(seed, 0, 0, rows, device)
                asked = None if labels is None else labels[rows.start : rows.stop].to(device)
                made.append(self.finish(generator(self.latents(draws, asked)), draws).float())
        return torch.cat(made) if made else torch.empty(0, *self.image_shape, device=device)

    def _require_fitting(self, labels: Tensor | None, n: int) -> None:
        if labels is None:
            return
        if not self.conditional:
            raise VoiceganError("this system knows no classes", "Leave the labels away.")
        if labels.shape != (n,) or (n and not 0 <= int(labels.min()) <= int(labels.max()) < self.classes):
            raise VoiceganError(f"need {n} labels from 0 to {self.classes - 1}", "Ask for other classes.")

    def one_hot(self, labels: Tensor) -> Tensor:
        """Labels (B,) to (B, classes) in float32."""
        return F.one_hot(labels, self.classes).float()

    def labels_for(self, draws: Draws, labels: Tensor | None) -> Tensor:
        """The labels given, or random ones."""
        return draws.integers("label", self.classes) if labels is None else labels


class TellsClasses(ImageSystem):
    """Mixed into systems whose discriminator ``d`` has a head ``class``."""

    d: nn.Module

    @torch.no_grad()
    def classify(self, images: Tensor) -> Tensor:
        """Class logits (N, classes), float32, of pictures."""
        with self.outside_training("d") as (d,):
            logits: Tensor = d(images).heads["class"]
        return logits.float()


class GameConfig(Config):
    """Hyper-parameters that all systems have in which generators play against discriminators."""

    lr_g: Rate = 2e-4
    lr_d: Rate = 2e-4
    betas: Betas = (0.5, 0.999)
    d_repeats: Count = 1  # updates of the discriminators in each step
    decay_from: float = pydantic.Field(1.0, ge=0, le=1)  # share of the run with full learning rates
    half_life: float | None = pydantic.Field(None, gt=0)  # of averaged networks, in samples; None keeps none


class GameSystem(ImageSystem):
    """Generators against discriminators, who learn in turn. What each minimises is the subclass's to say.

    Parameters
    ----------
    image_shape : sequence of int
        ``(C, H, W)``, or another shape of samples.
    classes : int
        Classes of the data; 0 where it has no labels.
    config : GameConfig
        Hyper-parameters.

    Attributes
    ----------
    generators, discriminators : tuple of str
        The attributes that hold the networks of either side; one optimizer has each side.
    averaged_players : tuple of str, optional
        Those of them that are used outside training; the generators where it is left out.
    kind_of_optimizer : str
        As :class:`~voicegan.core.system.OptimizerSpec` names them.
    d : nn.Module
        Where there is one discriminator: from samples to ``Logits``.
    """

    generators: ClassVar[tuple[str, ...]] = ("g",)
    discriminators: ClassVar[tuple[str, ...]] = ("d",)
    averaged_players: ClassVar[tuple[str, ...] | None] = None
    kind_of_optimizer: ClassVar[str] = "adam"
    d: nn.Module

    def __init__(self, image_shape: Sequence[int], classes: int, config: GameConfig) -> None:
        super().__init__(image_shape, classes)
        self.config: Any = config
        for name, player in zip((*self.generators, *self.discriminators), self.players(), strict=True):
            setattr(self, name, player)
        if config.half_life is not None:
            for name in self.generators if self.averaged_players is None else self.averaged_players:
                self.average(name, config.half_life)

    def players(self) -> tuple[nn.Module, ...]:
        """Build the networks, in the order of ``generators`` and ``discriminators``."""
        raise NotImplementedError

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        c, kind, falling = self.config, self.kind_of_optimizer, linear_decay(self.config.decay_from)
        return {
            "g": OptimizerSpec(self.generators, c.lr_g, c.betas, kind, schedule=falling),
            "d": OptimizerSpec(self.discriminators, c.lr_d, c.betas, kind, schedule=falling),
        }

    @property
    def contested(self) -> bool:
        """Whether discriminators take part: not where what they say has no weight."""
        return True

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        """The generators first: the discriminators then learn from the fakes that are there already."""
        generating = Phase("g", "g", self.generator_loss)
        judging = Phase("d", "d", self.discriminator_loss, repeats=self.config.d_repeats)
        return (generating, judging) if self.contested else (generating,)

    def generator_loss(self, batch: Any, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """What the generators minimise."""
        raise NotImplementedError

    def discriminator_loss(self, batch: Any, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """What the discriminators minimise."""
        raise NotImplementedError


class AdversarialConfig(GameConfig):
    """Hyper-parameters of generator and discriminator from the tables of networks."""

    net: Literal["mlp", "mlp-norm", "mlp-deep", "dcgan"] = "dcgan"
    latent: int = pydantic.Field(64, ge=1)
    width: int = pydantic.Field(32, ge=1)  # hidden units (mlp), or channels at the finest size (dcgan)
    d_norm: Literal["none", "layer", "batch"] = "batch"  # within the discriminator
    dropout: float = pydantic.Field(0.0, ge=0, lt=1)  # within the discriminator
    # What G makes wanders about the data in circles, and the average lies nearer the middle (Yazıcı et al. 2019); early
    # in a run it is shorter, see `core.ema`.
    half_life: float | None = pydantic.Field(10_000, gt=0)


def unmixed(norm: str) -> str:
    """Refuse batch norm where a penalty needs the gradient of each sample by itself."""
    if norm == "batch":
        raise ValueError("none or layer: batch norm mixes the samples whose gradients are penalised")
    return norm


class AdversarialSystem(GameSystem):
    """One generator from noise against one discriminator, both from the tables of networks."""

    trainer_defaults: ClassVar[dict[str, Any]] = {"steps": 20_000, "batch": 64}

    def players(self) -> tuple[nn.Module, nn.Module]:
        """Build generator and discriminator. A subclass says here what more they take and tell."""
        return self.generator(), self.discriminator()

    def generator(self, more_inputs: int = 0, bounded: bool = True) -> nn.Module:
        """Build the generator, with ``more_inputs`` besides the noise."""
        c = self.config
        kind = GENERATORS.get(c.net)
        made: nn.Module = kind(c.latent + more_inputs, self.image_shape, c.width, bounded)
        return made

    def discriminator(
        self,
        conditions: int = 0,
        heads: Mapping[str, int] | None = None,
        *,
        score: bool = True,
        net: str | None = None,
    ) -> nn.Module:
        """Build the discriminator, of another kind than the config's where ``net`` names one."""
        c = self.config
        kind = DISCRIMINATORS.get(net or c.net)
        made: nn.Module = kind(self.image_shape, c.width, c.d_norm, conditions, heads, c.dropout, score)
        return made

    def latents(self, draws: Draws, labels: Tensor | None = None) -> Tensor:
        """``z ~ N(0, I)``, (B, latent)."""
        return draws.normal("z", self.config.latent)

    def fake(self, scratch: Scratch, labels: Tensor | None = None) -> Tensor:
        """``G(z)``, or ``G(z, y)``: made once for a batch, and cut from its graph for the phases that come later.

        Where the discriminator's phase is the first to ask, the generator is frozen and no graph is made.
        """
        if "fake" not in scratch:
            scratch["fake"] = self.g(self.latents(scratch.draws, labels))
        fake: Tensor = scratch["fake"]
        return fake
