"""What a training takes from data: batches of the kind that its system asks for, and what may be measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pydantic
import torch
from torch import Tensor

from .. import storage
from ..config import Config
from ..core.random import Draws
from ..core.system import Batch
from ..core.trainer import Source
from ..errors import VoiceganError
from . import data, domains
from .augment import flipped, jittered
from .data import Pictures, Points, load, load_pictures, source_of, to_float
from .domains import Domains, load_domains
from .systems.base import Data

DEFAULTS: dict[Data, str] = {
    "images": "digits",
    "few-labels": "digits",
    "two-domains": "digits-styles",
    "pairs": "digits-pairs",
}
"""The data that a system learns from where nobody names any; they need no download."""


class DataConfig(Config):
    """What is learnt from, and how it is looked at."""

    names: tuple[
        str, ...
    ] = ()  # a name, a folder, or two folders for two domains; the system's default if empty
    size: int | None = pydantic.Field(None, ge=1)  # pictures become size × size
    channels: int | None = pydantic.Field(None, ge=1, le=3)  # 1 (grey) or 3
    flip: bool = False  # mirror half of them, left to right; not for digits
    jitter: float = pydantic.Field(0.0, ge=0, le=1)  # enlarge by this share, cut out anywhere (Isola 2016)
    reverse: bool = False  # of two domains or pairs: a for b
    labels_per_class: int = pydantic.Field(10, ge=1)  # for systems that learn from few labels

    @pydantic.field_validator("names")
    @classmethod
    def _from_any_folder(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """A folder is to mean the same wherever the run is taken up."""
        return tuple(spelled(name) for name in names)


def spelled(name: str) -> str:
    """A name of data as it stands, a folder by its whole path."""
    known = name in data.NAMES or name in domains.NAMES
    folder = Path(name).expanduser()
    return name if known or not folder.is_dir() else str(folder.absolute())


@dataclass(frozen=True)
class Material:
    """Data, loaded for one kind of system.

    Attributes
    ----------
    data : Pictures, Points or Domains
        The whole, held-out part and all.
    source : Source
        Batches of the training part.
    few : Tensor or None
        Rows of the training part whose labels are known, int64, where these are few.
    """

    data: Pictures | Points | Domains
    source: Source
    few: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.data.shape

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, where there are any; those of the second domain."""
        return self.data.b.classes if isinstance(self.data, Domains) else self.data.classes

    @property
    def fingerprint(self) -> str:
        """A hash of all that is learnt from and all that is kept aside: a run goes on with the same data only."""
        sides = (self.data.a, self.data.b) if isinstance(self.data, Domains) else (self.data,)
        parts = []
        for side in sides:
            values = side.points if isinstance(side, Points) else side.images
            labels = b"" if side.labels is None else side.labels.numpy().tobytes()
            parts += [
                values.contiguous().numpy().tobytes(),
                labels,
                str((values.shape, side.held_out)).encode(),
            ]
        return storage.sha256(b"".join(storage.sha256(part).encode() for part in parts))


def gather(kind: Data, config: DataConfig, seed: int = 0) -> Material:
    """Load what a system of this kind learns from; `seed` chooses the labels that are known where they are few.

    Raises VoiceganError where there is no such data or it does not fit the kind.
    """
    names = config.names or (DEFAULTS[kind],)
    _require_kind(kind, names)
    size, channels = config.size, config.channels
    if kind in ("two-domains", "pairs"):
        both = load_domains(names, kind == "pairs", size, channels)
        if config.reverse:
            both = both.reversed
        return Material(both, DomainSource(both.train, config.flip, config.jitter))
    if len(names) > 1:
        raise VoiceganError(
            f"this system learns from one dataset, not from {len(names)}", "Give one name or folder."
        )
    if kind == "few-labels":
        pictures = load_pictures(names[0], size, channels)
        few = few_labels(pictures.train, config.labels_per_class, seed)
        return Material(pictures, FewLabels(pictures.train, few, config.flip, config.jitter), few)
    loaded = load(names[0], size, channels)
    return Material(loaded, source_of(loaded.train, flip=config.flip, jitter=config.jitter))


def _require_kind(kind: Data, names: tuple[str, ...]) -> None:
    """Raise VoiceganError for data that there are, of another kind; a folder is looked into instead."""
    named = [name for name in names if not Path(name).expanduser().is_dir()]
    single = next((name for name in named if name in data.NAMES), None)
    double = next((name for name in named if name in domains.NAMES), None)
    if single is not None and (kind == "pairs" or (kind == "two-domains" and len(names) == 1)):
        wanted = "pairs" if kind == "pairs" else "two domains"
        raise VoiceganError(f"{single} is one collection, and this system learns from {wanted}",
                            f"Choose {', '.join(domains.names_for(kind == 'pairs'))}, or folders.")  # fmt: skip
    if double is not None and kind in ("images", "few-labels"):
        raise VoiceganError(f"{double} holds two domains, and this system learns from one collection",
                            f"Choose {', '.join(data.NAMES)}, or a folder.")  # fmt: skip
    if double is not None and len(names) > 1:
        raise VoiceganError(f"{double} holds two domains by itself", "Name it alone.")


# Batches ------------------------------------------------------------------------------------------------------


def few_labels(pictures: Pictures, per_class: int, seed: int = 0) -> Tensor:
    """Rows of `per_class` pictures of each class, int64 (classes · per_class,), chosen by the seed.

    Raises VoiceganError where the pictures have no labels, or a class has too few.
    """
    if pictures.labels is None:
        raise VoiceganError(f"{pictures.name} has no labels", "Choose other data, or another system.")
    order = Draws(seed, 0, 0, range(len(pictures))).uniform("few labels").argsort(stable=True)
    chosen = []
    for label, name in enumerate(pictures.classes):
        rows = order[pictures.labels[order] == label]
        if len(rows) < per_class:
            raise VoiceganError(f"{pictures.name} has {len(rows)} pictures of the class {name}, not {per_class}",
                                "Lower data.labels_per_class.")  # fmt: skip
        chosen.append(rows[:per_class])
    return torch.cat(chosen)


class FewLabels:
    """Batches of pictures without labels beside few that have one: ``image``, ``few_image``, ``few_label``.

    Parameters
    ----------
    pictures : Pictures
        What to draw ``image`` from; usually the part ``.train``.
    few : Tensor
        The rows whose labels are known.
    flip, jitter : bool, float
        As `ImageSource` has them.
    """

    def __init__(self, pictures: Pictures, few: Tensor, flip: bool = False, jitter: float = 0.0) -> None:
        assert pictures.labels is not None
        self.pictures, self.few, self.labels = pictures, few, pictures.labels[few]
        self.flip, self.jitter = flip, jitter

    def batch(self, draws: Draws) -> Batch:
        some, known = (
            draws.integers("picture", len(self.pictures)),
            draws.integers("few picture", len(self.few)),
        )
        image, few_image = (to_float(self.pictures.images[rows]) for rows in (some, self.few[known]))
        image = jittered(image, draws, "jitter", self.jitter)
        few_image = jittered(few_image, draws, "few jitter", self.jitter)
        if self.flip:
            image, few_image = flipped(image, draws, "flip"), flipped(few_image, draws, "few flip")
        return {"image": image, "few_image": few_image, "few_label": self.labels[known]}


class DomainSource:
    """Batches of two domains: ``a``, ``b`` of the same rows where they are pairs, of unrelated rows otherwise."""

    def __init__(self, domains: Domains, flip: bool = False, jitter: float = 0.0) -> None:
        if not (len(domains.a) and len(domains.b)):
            raise VoiceganError(f"{domains.name} holds no pictures to train on", "Choose other data.")
        self.domains, self.flip, self.jitter = domains, flip, jitter

    def batch(self, draws: Draws) -> Batch:
        a, b, paired = self.domains.a, self.domains.b, self.domains.paired
        rows = draws.integers("a", len(a))
        others = rows if paired else draws.integers("b", len(b))
        image_a, image_b = to_float(a.images[rows]), to_float(b.images[others])
        image_a = jittered(image_a, draws, "jitter a", self.jitter)
        image_b = jittered(image_b, draws, "jitter a" if paired else "jitter b", self.jitter)
        if self.flip:
            image_a = flipped(image_a, draws, "flip a")
            image_b = flipped(image_b, draws, "flip a" if paired else "flip b")
        return {"a": image_a, "b": image_b}
