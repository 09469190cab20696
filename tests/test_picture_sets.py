"""Public pictures become what `voicegan image` reads, from a local server with archives laid out like the real ones."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import struct
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from voicegan import picture_sets
from voicegan.cli import main
from voicegan.image.data import load
from voicegan.image.domains import load_domains


class Quiet(SimpleHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *arguments):
        pass


def idx(values: np.ndarray) -> bytes:
    head = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    return gzip.compress(head + values.tobytes())


def shelf_of(name: str) -> dict[str, bytes]:
    """Files laid out as the collection's own."""
    if name in ("mnist", "fashion-mnist"):
        contents = {}
        for stem, count in (("train", 20), ("t10k", 10)):
            contents[f"{stem}-images-idx3-ubyte.gz"] = idx(np.full((count, 4, 4), 7, np.uint8))
            contents[f"{stem}-labels-idx1-ubyte.gz"] = idx(np.arange(count, dtype=np.uint8) % 10)
        return contents
    buffer = io.BytesIO()
    if name == "cifar-10":
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for member in (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin", "readme.html"):
                data = bytes([3]) + bytes(3072)
                entry = tarfile.TarInfo(f"cifar-10-batches-bin/{member}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        return {"cifar-10-binary.tar.gz": buffer.getvalue()}
    with zipfile.ZipFile(buffer, "w") as archive:
        for part, count in (("train", 3), ("test", 2)):
            for side, brightness in (("A", 50), ("B", 150)):
                for number in range(1, count + 1):
                    picture = io.BytesIO()
                    Image.fromarray(np.full((8, 8, 3), brightness + 10 * number, np.uint8)).save(
                        picture, "JPEG"
                    )
                    archive.writestr(f"facades/{part}{side}/{number}_{side}.jpg", picture.getvalue())
        archive.writestr("facades/../../evil.jpg", b"!")
    return {"facades.zip": buffer.getvalue()}


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A local server with all collections, and a table that knows their checksums."""
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    shelf = tmp_path / "shelf"
    for name, chosen in picture_sets.SETS.items():
        files = []
        for file in chosen.files:
            data = shelf_of(name)[file.name]
            (shelf / name).mkdir(parents=True, exist_ok=True)
            (shelf / name / file.name).write_bytes(data)
            md5 = hashlib.md5(data).hexdigest() if file.md5 else None
            files.append(
                dataclasses.replace(file, md5=md5, sha256=file.sha256 and hashlib.sha256(data).hexdigest())
            )
        monkeypatch.setitem(picture_sets.SETS, name, dataclasses.replace(chosen, files=tuple(files)))
    Quiet.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=shelf)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def fetch(*arguments: object):
    return CliRunner().invoke(main, ["data", "fetch", *map(str, arguments)])


@pytest.mark.parametrize("name", picture_sets.SETS)
def test_what_is_fetched_is_read_by_its_name_and_not_fetched_again(
    name: str, mirror: str, tmp_path: Path
) -> None:
    done = fetch(name, "--mirror", f"{mirror}/{name}")
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "home" / "data" / name) in done.output and "Licence" in done.output
    if name == "facades":
        pairs = load_domains([name], paired=True)
        assert (len(pairs.train), len(pairs.test)) == (3, 2) and pairs.shape == (3, 8, 8)
        difference = pairs.b.images.float().mean((1, 2, 3)) - pairs.a.images.float().mean((1, 2, 3))
        assert (difference - 100).abs().max() < 4
        assert not list(tmp_path.rglob("evil*"))
    else:
        pictures = load(name)
        assert len(pictures.test) == (1 if name == "cifar-10" else 10) and len(pictures.classes) == 10
    before = len(Quiet.asked)
    assert fetch(name, "--mirror", f"{mirror}/{name}").exit_code == 0
    assert len(Quiet.asked) == before
    listed = CliRunner().invoke(main, ["data", "list"]).output
    assert f"here, in {tmp_path / 'home' / 'data' / name}" in listed and "librispeech:" in listed


def test_a_file_that_went_is_fetched_again_and_a_folder_may_be_chosen(mirror: str, tmp_path: Path) -> None:
    to = tmp_path / "my pictures"
    assert fetch("cifar-10", "--mirror", f"{mirror}/cifar-10", "--to", to).exit_code == 0
    (to / "test_batch.bin").unlink()
    assert fetch("cifar-10", "--mirror", f"{mirror}/cifar-10", "--to", to).exit_code == 0
    assert load(to).shape == (3, 32, 32) and not list(to.glob(".unpacking*"))


def test_an_interrupted_fetch_goes_on(mirror: str, tmp_path: Path) -> None:
    name = "train-images-idx3-ubyte.gz"
    whole = (tmp_path / "shelf" / "mnist" / name).read_bytes()
    folder = tmp_path / "home" / "data" / "mnist"
    folder.mkdir(parents=True)
    (folder / f"{name}.part").write_bytes(whole[:10])
    assert fetch("mnist", "--mirror", f"{mirror}/mnist").exit_code == 0
    assert (folder / name).read_bytes() == whole and not list(folder.glob("*.part"))


def test_faults_are_one_line(mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments, said in (
        (["mnst"], "Did you mean 'mnist'"),
        (["mnist", "--speakers", "all"], "mnist holds no speech"),
        (["mnist", "--mirror", f"{mirror}/nowhere"], "is not there (404"),
    ):
        done = fetch(*arguments)
        assert done.exit_code == 2 and said in done.output and done.output.count("error") == 1, done.output
    (tmp_path / "shelf" / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(b"another file")
    done = fetch("mnist", "--mirror", f"{mirror}/mnist")
    assert done.exit_code == 2 and "checksum is wrong" in done.output
    import socket

    def no_names(*arguments, **options):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_names)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    done = fetch("facades")
    assert done.exit_code == 2 and "efrosgans.eecs.berkeley.edu cannot be reached" in done.output


def test_checksums_are_whole() -> None:
    for chosen in picture_sets.SETS.values():
        for file in chosen.files:
            assert file.md5 or file.sha256
            assert len(file.md5 or "0" * 32) == 32 and len(file.sha256 or "0" * 64) == 64
            assert file.url.endswith(f"/{file.name}")
