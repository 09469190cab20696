"""Data for the image family: pictures as one uint8 tensor, points of toy densities, and batches of both.

Everything is held in memory, a byte a value, and becomes floats in [-1, 1] a batch at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from .. import storage
from ..core.random import Draws
from ..core.system import Batch
from ..core.trainer import Source
from ..errors import VoiceganError
from . import cifar, idx
from .augment import flipped, jittered
from .densities import DENSITIES
from .folder import read_folder, shuffled
from .memory import require_room

_IDX = ("mnist", "fashion-mnist")
NAMES = ("digits", *_IDX, "cifar-10", *DENSITIES)
"""The datasets that have a name; any folder of pictures is one too."""
_CLOTHES = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
)  # fmt: skip


@dataclass(frozen=True)
class Pictures:
    """A dataset of pictures of one size.

    Attributes
    ----------
    name : str
        How cards and messages call it.
    images : Tensor
        uint8 ``(N, C, H, W)``, C being 1 or 3.
    labels : Tensor or None
        int64 ``(N,)``, indices into ``classes``.
    classes : tuple of str
        Names of the classes; empty without labels.
    held_out : int
        The last so many pictures are the test part.
    """

    name: str
    images: Tensor
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    held_out: int = 0

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] not in (1, 3):
            raise ValueError(
                f"images should be uint8 (N, 1 or 3, H, W), not {self.images.dtype} {tuple(self.images.shape)}"
            )
        if self.labels is not None:
            _require_labels(self.labels, len(self.images), len(self.classes))
        if not 0 <= self.held_out < max(1, len(self.images)):
            raise ValueError(f"{self.held_out} of {len(self.images)} pictures cannot be held out")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every picture."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def train(self) -> Pictures:
        """What is not held out. Shares its memory with the whole."""
        return self._part(slice(0, len(self) - self.held_out))

    @property
    def test(self) -> Pictures:
        """What is held out; empty where nothing is. Shares its memory with the whole."""
        return self._part(slice(len(self) - self.held_out, len(self)))

    def _part(self, part: slice) -> Pictures:
        labels = None if self.labels is None else self.labels[part]
        return replace(self, images=self.images[part], labels=labels, held_out=0)

    def resized(self, size: int) -> Pictures:
        """The same pictures, size × size; see `resize`."""
        return replace(self, images=resize(self.images, size))

    def with_channels(self, channels: int) -> Pictures:
        """The same pictures in grey (1; Rec. 601 luma, as Pillow) or in colour (3)."""
        if channels not in (1, 3):
            raise VoiceganError(f"a picture has 1 or 3 channels, not {channels}", "Ask for 1 (grey) or 3.")
        if channels == self.images.shape[1]:
            return self
        if channels == 3:
            return replace(self, images=self.images.repeat(1, 3, 1, 1))
        luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
        # By blocks: the floats of a whole dataset would take four times its room.
        grey = [
            (part.float() * luma).sum(1, keepdim=True).round().to(torch.uint8)
            for part in self.images.split(4096)
        ]
        return replace(self, images=torch.cat(grey))

    def floats(self) -> Tensor:
        """All pictures as float32 in [-1, 1], ``(N, C, H, W)``."""
        return to_float(self.images)


@dataclass(frozen=True)
class Points:
    """A toy density: points in the plane around known centres, all well inside [-1, 1].

    Attributes
    ----------
    name : str
        How cards and messages call it.
    points : Tensor
        float32 ``(N, 2)``.
    labels : Tensor
        int64 ``(N,)``, the centre that a point belongs to.
    centres : Tensor
        float32 ``(K, 2)``.
    deviation : float
        Standard deviation of the Gaussian around each centre.
    held_out : int
        The last so many points are the test part.
    """

    name: str
    points: Tensor
    labels: Tensor
    centres: Tensor
    deviation: float
    held_out: int = 0

    def __len__(self) -> int:
        return len(self.points)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(2, 1, 1): to a network, a point is a picture of one pixel with two channels."""
        return 2, 1, 1

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(str(centre) for centre in range(len(self.centres)))

    @property
    def train(self) -> Points:
        """What is not held out."""
        return self._part(slice(0, len(self) - self.held_out))

    @property
    def test(self) -> Points:
        """What is held out."""
        return self._part(slice(len(self) - self.held_out, len(self)))

    def _part(self, part: slice) -> Points:
        return replace(self, points=self.points[part], labels=self.labels[part], held_out=0)


# Loading ------------------------------------------------------------------------------------------------------


def load(
    name_or_folder: str | Path, size: int | None = None, channels: int | None = None
) -> Pictures | Points:
    """Load a dataset by its name (see `NAMES`) or from a folder.

    Parameters
    ----------
    name_or_folder
        ``"digits"`` (scikit-learn's, 8×8), ``"mnist"``, ``"fashion-mnist"`` and ``"cifar-10"`` (as `voicegan data
        fetch` puts them into the user's data folder), ``"ring-8"`` and ``"grid-25"`` (points), a folder with files of
        the layout of MNIST or of CIFAR-10's binary version, or a folder of pictures, whose sub-folders, where there
        are any, are the classes; ``train`` and ``test`` (or ``val``) above them are kept apart, else a tenth is held
        out.
    size
        Make the pictures size × size. Pictures of a folder are cropped in the middle, so that none is squeezed.
    channels
        1 or 3; as the data has it where left out.

    Returns
    -------
    Pictures or Points
        In an order that is always the same and has nothing to do with that of the files, within each part; but for
        CIFAR-10, whose own order is a random one.

    Raises
    ------
    VoiceganError
        Unknown name, no or broken files, pictures of several sizes without a `size`.
    """
    if size is not None and size < 1:
        raise VoiceganError(f"pictures cannot be {size} pixels wide", "Ask for a size of at least 1.")
    name = str(name_or_folder)
    if name in DENSITIES:
        if size is not None or channels is not None:
            raise VoiceganError(f"{name} holds points, which have no size or channels", "Leave these out.")
        return Points(name, *DENSITIES[name]())
    if name == "digits":
        pictures = _digits()
    elif name in _IDX:
        pictures = _from_idx(name, storage.home() / "data" / name)
    elif name == "cifar-10":
        pictures = _from_cifar(name, storage.home() / "data" / name)
    else:
        folder = Path(name_or_folder).expanduser()
        if not folder.is_dir():
            message = (
                f"{folder} is not a folder"
                if folder.exists()
                else f"there is no data named {name}, nor a folder"
            )
            raise VoiceganError(message, f"Give a folder of pictures, or one of {', '.join(NAMES)}.")
        label = folder.resolve().name
        if idx.is_in(folder):
            pictures = _from_idx(label, folder)
        elif cifar.is_in(folder):
            pictures = _from_cifar(label, folder)
        else:
            return Pictures(label, *read_folder(folder, size, channels))
    if size is not None:
        pictures = pictures.resized(size)
    return pictures if channels is None else pictures.with_channels(channels)


def load_pictures(
    name_or_folder: str | Path, size: int | None = None, channels: int | None = None
) -> Pictures:
    """As `load`, for those who need pictures. Raises VoiceganError where the name means points."""
    data = load(name_or_folder, size, channels)
    if isinstance(data, Points):
        raise VoiceganError(
            f"{data.name} holds points, not pictures", "Choose digits or a folder of pictures."
        )
    return data


def _digits() -> Pictures:
    from sklearn.datasets import load_digits

    found = load_digits()
    values = torch.from_numpy(found.images).float() * (255 / 16)  # they are counts of 0 to 16
    images = values.round().to(torch.uint8)[:, None]
    labels = torch.from_numpy(found.target).long()
    # The file is in the order of its writers; a third is held out, and always the same one.
    order = Draws(0, 0, 0, range(len(images))).uniform("split digits").argsort(stable=True)
    return Pictures("digits", images[order], labels[order], _ten(), held_out=597)


def _from_idx(name: str, folder: Path) -> Pictures:
    # Some copies are sorted by class, and the first half of MNIST's test part is the easier one: whoever looks at the
    # first pictures of a part is to see all kinds.
    train, test = (_mixed(part) for part in idx.read_split(name, folder))
    images, labels = (torch.cat(pair) for pair in zip(train, test, strict=True))
    count = int(labels.max()) + 1
    classes = _ten() if count <= 10 else tuple(str(label) for label in range(count))
    if name == "fashion-mnist" and count == len(_CLOTHES):
        classes = _CLOTHES
    return Pictures(name, images[:, None], labels, classes, held_out=len(test[0]))


def _mixed(part: idx.Part) -> idx.Part:
    order = shuffled(len(part[0]))
    return part[0][order], part[1][order]


def _from_cifar(name: str, folder: Path) -> Pictures:
    images, labels, held_out = cifar.read_split(folder)
    return Pictures(name, images, labels, cifar.CLASSES, held_out)


def _ten() -> tuple[str, ...]:
    return tuple("0123456789")


def _require_labels(labels: Tensor, count: int, classes: int) -> None:
    if labels.shape != (count,) or labels.dtype != torch.int64:
        raise ValueError(f"labels should be int64 ({count},), not {labels.dtype} {tuple(labels.shape)}")
    if count and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels should lie in [0, {classes}): one for each class that has a name")


# Values and sizes ---------------------------------------------------------------------------------------------


def to_float(images: Tensor) -> Tensor:
    """uint8 to float32 in [-1, 1]."""
    return images.float() / 127.5 - 1.0


def to_uint8(images: Tensor) -> Tensor:
    """Floats in [-1, 1] to uint8; what lies outside is clipped. The inverse of `to_float`."""
    return ((images.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)


def resize(images: Tensor, size: int) -> Tensor:
    """Resize uint8 pictures ``(N, C, H, W)`` to size × size.

    Up by a whole factor, pixels are repeated, and down by one they are averaged, both exactly; anything else is
    bicubic, with antialiasing.
    """
    height, width = images.shape[-2:]
    if (height, width) == (size, size):
        return images
    require_room(len(images), images.shape[1], size, size)
    if size % height == 0 and size % width == 0:
        return images.repeat_interleave(size // height, -2).repeat_interleave(size // width, -1)
    whole = height % size == 0 and width % size == 0
    parts = []
    # By parts: the floats of a whole dataset would take four times its room.
    for part in images.split(
        max(1, min(4096, (1 << 26) // (images.shape[1] * max(size, height, width) ** 2)))
    ):
        values = part.float()
        if whole:
            values = functional.avg_pool2d(values, (height // size, width // size))
        else:
            values = functional.interpolate(values, (size, size), mode="bicubic", antialias=True)
        parts.append(values.round().clamp(0, 255).to(torch.uint8))
    return torch.cat(parts) if parts else images.new_zeros(0, images.shape[1], size, size)


# Batches ------------------------------------------------------------------------------------------------------


class ImageSource:
    """Batches of pictures for the trainer: ``{"image": (B, C, size, size), "label": (B,)}``.

    Images are float32 in [-1, 1]; a batch has no ``label`` where the pictures have none.

    Parameters
    ----------
    pictures : Pictures
        What to draw from, with replacement; usually the part ``.train``.
    size : int, optional
        Resized once, here; as they are where left out.
    flip : bool
        Mirror half of them, left to right. Not for digits.
    jitter : float
        Move each a little, as `jittered` does.
    """

    def __init__(
        self, pictures: Pictures, size: int | None = None, flip: bool = False, jitter: float = 0.0
    ) -> None:
        if not len(pictures):
            raise VoiceganError(f"{pictures.name} holds no pictures to train on", "Choose other data.")
        self.pictures = pictures if size is None else pictures.resized(size)
        self.flip, self.jitter = flip, jitter

    def batch(self, draws: Draws) -> Batch:
        chosen = draws.integers("picture", len(self.pictures))
        image = jittered(to_float(self.pictures.images[chosen]), draws, "jitter", self.jitter)
        if self.flip:
            image = flipped(image, draws, "flip")
        labels = self.pictures.labels
        return {"image": image} if labels is None else {"image": image, "label": labels[chosen]}


class PointSource:
    """Batches of points as pictures of one pixel: ``{"image": (B, 2, 1, 1), "label": (B,)}``."""

    def __init__(self, points: Points) -> None:
        self.points = points

    def batch(self, draws: Draws) -> Batch:
        chosen = draws.integers("point", len(self.points))
        return {"image": self.points.points[chosen].view(-1, 2, 1, 1), "label": self.points.labels[chosen]}


def source_of(
    data: Pictures | Points, size: int | None = None, flip: bool = False, jitter: float = 0.0
) -> Source:
    """The source that draws from `data`."""
    return PointSource(data) if isinstance(data, Points) else ImageSource(data, size, flip, jitter)
