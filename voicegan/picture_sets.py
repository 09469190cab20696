"""Public collections of pictures: addresses, checksums, and which files of them are kept."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import downloads, storage
from .errors import VoiceganError

Progress = Callable[[str, int, "int | None"], None]  # what is being done, how much of it, of how much

FORMAT = 1  # of fetched.json


@dataclass(frozen=True)
class File:
    """One file to fetch, with the checksum that its publisher, or a collection of loaders, states."""

    name: str
    url: str
    md5: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class PictureSet:
    """A public collection of pictures, read by `voicegan image train --data NAME` once it is here.

    members: where the one file is an archive, a pattern that a wanted member's whole name matches; its group ``path``
    is where it goes. None where the files stay as they are.
    """

    name: str
    title: str
    licence: str
    homepage: str
    size: str
    files: tuple[File, ...]
    members: re.Pattern[str] | None = None


def home(chosen: PictureSet) -> Path:
    """Where a collection is looked for: under ``data`` in the user's data folder."""
    return storage.home() / "data" / chosen.name


def fetch(
    chosen: PictureSet, *, to: Path | None = None, mirror: str | None = None, progress: Progress | None = None
) -> tuple[Path, int]:
    """Fetch a collection. What is there already is not fetched again; what broke off goes on where it stopped.

    Parameters
    ----------
    to
        The folder; its own in the user's data folder by default, where it is found by its name.
    mirror
        Another server that offers the same file names, such as ``http://localhost:8000``; checksums still hold.

    Returns
    -------
    (Path, int)
        The folder, and how many files are in it.

    Raises
    ------
    VoiceganError
        Whatever `downloads` raises.
    """
    folder = Path(to) if to else home(chosen)
    if chosen.members is None:
        for file in chosen.files:
            _download(file, folder / file.name, mirror, progress)
        return folder, len(chosen.files)
    (archive,) = chosen.files
    if (there := _still_there(folder, archive)) is not None:
        return folder, there
    packed = _download(archive, storage.cache_home() / "downloads" / archive.name, mirror, progress)
    if progress:
        progress(f"unpacking {archive.name}", 0, None)
    names = _unpack(packed, chosen.members, folder)
    storage.write_json(
        folder / "fetched.json",
        {"format": FORMAT, "collection": chosen.name, "title": chosen.title, "licence": chosen.licence,
         "homepage": chosen.homepage, "archive": archive.url, "sha256": archive.sha256, "files": names},
    )  # fmt: skip
    packed.unlink(missing_ok=True)
    return folder, len(names)


def is_here(chosen: PictureSet) -> bool:
    """Whether a collection lies in the user's data folder, whole."""
    folder = home(chosen)
    if chosen.members is None:
        return all((folder / file.name).is_file() for file in chosen.files)
    return _still_there(folder, chosen.files[0]) is not None


def _download(file: File, target: Path, mirror: str | None, progress: Progress | None) -> Path:
    url = f"{mirror.rstrip('/')}/{file.url.rpartition('/')[2]}" if mirror else file.url

    def tell(done: int, total: int | None) -> None:
        if progress:
            progress(f"fetching {file.name}", done, total)

    return downloads.download(url, target, sha256=file.sha256, md5=file.md5, progress=tell)


def _unpack(packed: Path, members: re.Pattern[str], folder: Path) -> list[str]:
    """Unpack aside, then move: an interruption leaves nothing that looks complete."""
    names: list[str] = []

    def choose(member: str) -> str | None:
        if match := members.fullmatch(member):
            names.append(match["path"])
            return match["path"]
        return None

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as temporary:
        downloads.unpack(packed, Path(temporary), choose)
        if not names:
            raise VoiceganError(
                f"{packed.name} holds none of the files it should", "Tell the project about it."
            )
        for name in names:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (Path(temporary) / name).replace(target)
    return sorted(names)


def _still_there(folder: Path, archive: File) -> int | None:
    """How many files an earlier fetch of the same archive has left, if all of them are there."""
    path = folder / "fetched.json"
    if not path.is_file():
        return None
    record = storage.read_json(path)
    names = record.get("files") if isinstance(record, dict) and record.get("format") == FORMAT else None
    if (
        not names
        or record.get("sha256") != archive.sha256
        or not all((folder / name).is_file() for name in names)
    ):
        return None
    return len(names)


# Addresses and checksums are facts of their publishers. MNIST's and Fashion-MNIST's MD5 are those of torchvision's
# loaders, and the latter also of its authors' page; CIFAR-10's SHA-256 that of TensorFlow Datasets, whose file has the
# MD5 of the authors' page; facades' SHA-256 that of TensorFlow Datasets.


def _idx(base: str, digests: tuple[str, str, str, str]) -> tuple[File, ...]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(
        File(f"{name}-ubyte.gz", f"{base}{name}-ubyte.gz", md5=digest)
        for name, digest in zip(names, digests, strict=True)
    )


SETS: dict[str, PictureSet] = {
    each.name: each
    for each in (
        PictureSet(
            name="mnist",
            title="MNIST: 70,000 handwritten digits, 28×28, grey",
            licence="CC BY-SA 3.0, as commonly stated",
            homepage="http://yann.lecun.com/exdb/mnist/",
            size="12 MB",
            files=_idx(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                (
                    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                    "d53e105ee54ea40749a09fcbcd1e9432",
                    "9fb629c4189551a2d022fa330f9573f3",
                    "ec29112dd5afa0611ce80d1b7f02629c",
                ),
            ),
        ),
        PictureSet(
            name="fashion-mnist",
            title="Fashion-MNIST: 70,000 pieces of clothing, 28×28, grey",
            licence="MIT",
            homepage="https://github.com/zalandoresearch/fashion-mnist",
            size="31 MB",
            files=_idx(
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                (
                    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                    "25c81989df183df01b3e8a0aad5dffbe",
                    "bef4ecab320f06d8554ea6380940ec79",
                    "bb300cfdad3c16e7a12a480ee83cd310",
                ),
            ),
        ),
        PictureSet(
            name="cifar-10",
            title="CIFAR-10: 60,000 photos of ten kinds of things, 32×32, colour",
            licence="none is stated; Krizhevsky (2009) is to be cited",
            homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
            size="170 MB",
            files=(
                File(
                    "cifar-10-binary.tar.gz",
                    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                    md5="c32a1d4ab5d03f1284b67883e8d87530",
                    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                ),
            ),
            members=re.compile(
                r"(?:\./)?cifar-10-batches-bin/(?P<path>(?:data_batch_[1-5]|test_batch)\.bin)"
            ),
        ),
        PictureSet(
            name="facades",
            title="CMP facades in pairs: 506 fronts of houses and their labels, 256×256, colour",
            licence="for research; the CMP Facade Database (Tyleček & Šára 2013) is to be cited",
            homepage="https://cmp.felk.cvut.cz/~tylecr1/facade/",
            size="35 MB",
            files=(
                File(
                    "facades.zip",
                    "http://efrosgans.eecs.berkeley.edu/cyclegan/datasets/facades.zip",
                    sha256="9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0",
                ),
            ),
            members=re.compile(r"(?:\./)?facades/(?P<path>(?:train|test)[AB]/\w+\.jpg)"),
        ),
    )
}
