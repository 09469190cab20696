"""Pictures of two domains: pairs of the same thing, or two collections that have nothing to do with each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .. import storage
from ..errors import VoiceganError
from .data import Pictures, load_pictures
from .folder import Half, head_of, pictures_in, shuffled, stack
from .styles import RENDERED

NAMES = (*RENDERED, "facades")
"""The data of two domains that have a name."""
_UNPAIRED = ("digits-styles",)
_PAIRS = "a/ and b/ with files of the same names, pictures side by side, or .png labels beside .jpg photos"


@dataclass(frozen=True)
class Domains:
    """Pictures of two domains, all of one shape.

    Attributes
    ----------
    name : str
        How cards and messages call it.
    a, b : Pictures
        The two sides.
    paired : bool
        Whether row i of one side belongs to row i of the other.
    """

    name: str
    a: Pictures
    b: Pictures
    paired: bool

    def __post_init__(self) -> None:
        if self.a.shape != self.b.shape:
            raise ValueError(f"both sides should have one shape, not {self.a.shape} and {self.b.shape}")
        if self.paired and (len(self.a), self.a.held_out) != (len(self.b), self.b.held_out):
            raise ValueError(
                f"pairs need as many pictures on both sides, not {len(self.a)} and {len(self.b)}"
            )

    def __len__(self) -> int:
        return max(len(self.a), len(self.b))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every picture."""
        return self.b.shape

    @property
    def train(self) -> Domains:
        """What is not held out. Shares its memory with the whole."""
        return replace(self, a=self.a.train, b=self.b.train)

    @property
    def test(self) -> Domains:
        """What is held out. Shares its memory with the whole."""
        return replace(self, a=self.a.test, b=self.b.test)

    @property
    def reversed(self) -> Domains:
        """The same with a for b."""
        return replace(self, a=self.b, b=self.a)


def load_domains(
    names: Sequence[str], paired: bool, size: int | None = None, channels: int | None = None
) -> Domains:
    """Load two domains.

    Parameters
    ----------
    names
        One name or folder that holds both, or two folders. ``"digits-pairs"`` and ``"digits-styles"`` are rendered
        from digits; ``"facades"`` lies in the user's data folder. A folder holds ``a`` and ``b``, or ``trainA``,
        ``trainB``, ``testA``, ``testB``; each of these (or the folder itself) may be divided into ``train`` and
        ``test`` (or ``val``). Pairs have the same file names on both sides (an ending ``_A`` or ``_B`` aside); they may
        also be pictures side by side in one file, or photos (``.jpg``, then b) and labels (``.png``, then a) of the
        same names, as in the CMP facades.
    paired
        Whether rows have to belong together.
    size, channels
        As `data.load` has them; both sides get the same.

    Raises
    ------
    VoiceganError
        There is no such data, its sides do not fit, or it holds no pairs where these are asked for.
    """
    if len(names) > 2:
        raise VoiceganError(
            f"two domains are needed, not {len(names)}", "Give one folder that holds both, or two."
        )
    if len(names) == 1 and names[0] in RENDERED:
        found = Domains(names[0], *RENDERED[names[0]](), paired=names[0] not in _UNPAIRED)
        if paired and not found.paired:
            raise VoiceganError(
                f"{names[0]} holds no pairs", f"Choose {', '.join(names_for(True))}, or a folder of pairs."
            )
        sides = [side if channels is None else side.with_channels(channels) for side in (found.a, found.b)]
        return replace(found, a=_sized(sides[0], size), b=_sized(sides[1], size), paired=paired)
    if len(names) == 2 and not paired:
        return _of_two(names, size, channels)
    folders = [_folder(name, paired) for name in names]
    label = " and ".join(folder.resolve().name for folder in folders)
    divided = _split_folders(folders, paired)
    a, b = (_Side(*divided[at]) for at in (0, 1))
    if not (a.train and b.train):
        empty = "first" if not a.train else "second"
        raise VoiceganError(f"the {empty} domain of {folders[0]} holds no pictures", "Restore it.")
    if paired:
        a, b = _matched(a, b)
    channels = channels or (1 if a.is_grey and b.is_grey else 3)
    _require_one_size([*a.files, *b.files], size)
    sides = [
        Pictures(label, stack(side.files, size, channels, side.half), held_out=side.held_out)
        for side in (a, b)
    ]
    return Domains(label, sides[0], sides[1], paired)


def _sized(pictures: Pictures, size: int | None) -> Pictures:
    return pictures if size is None else pictures.resized(size)


def _of_two(names: Sequence[str], size: int | None, channels: int | None) -> Domains:
    a, b = (load_pictures(name, size, channels) for name in names)
    wide = max(a.shape[0], b.shape[0])
    a, b = a.with_channels(wide), b.with_channels(wide)
    if a.shape != b.shape:
        raise VoiceganError(
            f"the pictures differ in size: {a.name} has {a.shape[2]}×{a.shape[1]}, {b.name} {b.shape[2]}×{b.shape[1]}",
            "State the size that they are to have: --size 32.",
        )
    return Domains(f"{a.name} and {b.name}", a, b, paired=False)


# Layouts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Side:
    """The files of one domain."""

    train: tuple[Path, ...]
    test: tuple[Path, ...]
    half: Half = ""

    @property
    def files(self) -> tuple[Path, ...]:
        return self.train + self.test

    @property
    def held_out(self) -> int:
        return len(self.test)

    @property
    def is_grey(self) -> bool:
        return all(head_of(path)[1] for path in self.files)


_Parts = tuple[tuple[Path, ...], tuple[Path, ...], Half]


def names_for(paired: bool) -> tuple[str, ...]:
    """The names of `NAMES` that may be given where rows have, or have not, to belong together."""
    return tuple(name for name in NAMES if not (paired and name in _UNPAIRED))


def _folder(name: str, paired: bool) -> Path:
    folder = storage.home() / "data" / name if name == "facades" else Path(name).expanduser()
    if not folder.is_dir():
        if name == "facades":
            raise VoiceganError(
                f"facades is not there: {folder} does not exist", "Fetch it: voicegan data fetch facades."
            )
        message = (
            f"{folder} is not a folder" if folder.exists() else f"there is no data named {name}, nor a folder"
        )
        raise VoiceganError(
            message, f"Give a folder with {_PAIRS}, or one of {', '.join(names_for(paired))}."
        )
    return folder


def _split_folders(folders: Sequence[Path], paired: bool) -> tuple[_Parts, _Parts]:
    """The files of both domains as (training, test, half)."""
    if len(folders) == 2:
        return _in_one(folders[0]), _in_one(folders[1])
    root = folders[0]
    for a, b in (("a", "b"), ("A", "B")):
        if (root / a).is_dir() and (root / b).is_dir():
            return _in_one(root / a), _in_one(root / b)
        if (root / f"train{a}").is_dir() and (root / f"train{b}").is_dir():
            return _of_parts(root, "train{}", "test{}", "val{}", a), _of_parts(
                root, "train{}", "test{}", "val{}", b
            )
        if (root / "train" / a).is_dir() and (root / "train" / b).is_dir():
            return _of_parts(root, "train/{}", "test/{}", "val/{}", a), _of_parts(
                root, "train/{}", "test/{}", "val/{}", b
            )
    train, test, _ = _in_one(root)
    if not train:
        raise VoiceganError(f"{root} holds no pictures", f"Two domains are {_PAIRS}.")
    photos = {path.with_suffix("") for path in (*train, *test) if path.suffix.lower() in (".jpg", ".jpeg")}
    labels = {path.with_suffix("") for path in (*train, *test) if path.suffix.lower() == ".png"}
    if photos & labels:
        # Drawn anew, so that a photo and its labels do not fall on different sides of the split.
        return _by_suffix(root, photos & labels)
    (width, height), _ = head_of(train[0])
    if width < 1.5 * height:
        raise VoiceganError(f"{root} holds neither two domains nor pairs ({train[0].name} is {width}×{height})",
                            f"Two domains are {_PAIRS}.")  # fmt: skip
    return (train, test, "left"), (train, test, "right")


def _by_suffix(root: Path, stems: set[Path]) -> tuple[_Parts, _Parts]:
    ordered = sorted(stems)
    ordered = [ordered[at] for at in shuffled(len(ordered))]
    files = pictures_in(root)
    photos = {path.with_suffix(""): path for path in files if path.suffix.lower() in (".jpg", ".jpeg")}
    labels = {path.with_suffix(""): path for path in files if path.suffix.lower() == ".png"}
    cut = len(ordered) - len(ordered) // 10
    a, b = ([kind[stem] for stem in ordered] for kind in (labels, photos))
    return (tuple(a[:cut]), tuple(a[cut:]), ""), (tuple(b[:cut]), tuple(b[cut:]), "")


def _in_one(folder: Path) -> _Parts:
    """The files of one folder, divided by its sub-folders or with the last tenth of them for testing."""
    tests = [folder / name for name in ("test", "val") if (folder / name).is_dir()]
    if (folder / "train").is_dir() and tests:
        return tuple(pictures_in(folder / "train")), tuple(p for part in tests for p in pictures_in(part)), ""
    files = pictures_in(folder)
    files = [files[at] for at in shuffled(len(files))]
    cut = len(files) - len(files) // 10
    return tuple(files[:cut]), tuple(files[cut:]), ""


def _of_parts(root: Path, train: str, test: str, val: str, side: str) -> _Parts:
    tests = [root / name.format(side) for name in (test, val) if (root / name.format(side)).is_dir()]
    found = tuple(path for part in tests for path in pictures_in(part))
    return tuple(pictures_in(root / train.format(side))), found, ""


def _matched(a: _Side, b: _Side) -> tuple[_Side, _Side]:
    """Both sides in one order, by the names of their files."""
    same = [_stem(path) for path in a.files] == [_stem(path) for path in b.files]
    if a.half or (same and len(a.train) == len(b.train)):
        return a, b
    named = [{_stem(path): path for path in side.files} for side in (a, b)]
    for this, other, sides in ((0, 1, (a, b)), (1, 0, (b, a))):
        if missing := next((path for path in sides[0].files if _stem(path) not in named[other]), None):
            raise VoiceganError(f"{missing} has no counterpart in the {'second' if this == 0 else 'first'} domain",
                                f"Pairs are {_PAIRS}.")  # fmt: skip
    if len(named[0]) != len(a.files) or len(named[1]) != len(b.files):
        raise VoiceganError("two pictures of one domain have the same name", "Give every pair its own name.")
    train, test = (tuple(named[1][_stem(path)] for path in part) for part in (a.train, a.test))
    return a, _Side(train, test)


def _stem(path: Path) -> str:
    return re.sub(r"_[ab]$", "", path.stem.lower())


def _require_one_size(files: Sequence[Path], size: int | None) -> None:
    """Raise VoiceganError where pictures of several sizes would have to become one tensor."""
    if size is not None:
        return
    first = head_of(files[0])[0]
    odd = next((path for path in files if head_of(path)[0] != first), None)
    if odd is not None:
        (w, h), (w2, h2) = first, head_of(odd)[0]
        raise VoiceganError(
            f"the pictures differ in size: {files[0]} is {w}×{h}, {odd} is {w2}×{h2}",
            "State the size that they are to have: --size 32.",
        )
