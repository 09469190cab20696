"""Storage: old content or new, never a part; folders; checksums; JSON."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from voicegan import storage
from voicegan.errors import VoiceganError


def test_home_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "a b"))
    assert storage.home() == tmp_path / "a b"
    assert storage.cache_home() == tmp_path / "a b" / "cache"
    assert not storage.home().exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the XDG rules are those of Linux")
def test_home_without_it_follows_xdg(monkeypatch, tmp_path):
    for name in ("VOICEGAN_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert storage.home() == tmp_path / ".local/share/voicegan"
    assert storage.cache_home() == tmp_path / ".cache/voicegan"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert storage.home() == tmp_path / "data/voicegan"
    assert storage.cache_home() == tmp_path / ".cache/voicegan"


def test_write_makes_folders_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "new folder" / "file.txt"
    storage.write_atomic(path, "one")
    storage.write_atomic(path, "zwei β".encode())
    assert path.read_text(encoding="utf-8") == "zwei β"
    assert list(path.parent.iterdir()) == [path]


def test_failure_keeps_the_old_file_and_removes_the_part(tmp_path):
    path = tmp_path / "weights.safetensors"
    storage.write_atomic(path, b"old")

    def write_half() -> None:
        with storage.atomic_path(path) as temporary:
            assert temporary.suffix == path.suffix
            assert temporary.parent == path.parent
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_faults_name_the_file_and_not_its_part(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as caught, storage.atomic_path(tmp_path / "folder"):
        raise FileNotFoundError(2, "gone", "elsewhere")
    assert caught.value.filename == "elsewhere"
    with pytest.raises(OSError) as caught:
        storage.write_atomic(tmp_path / "folder", b"new")
    assert caught.value.filename == str(tmp_path / "folder")


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "state.bin"
    storage.write_atomic(path, b"old")
    code = (
        "import os, sys; from pathlib import Path; from voicegan import storage\n"
        "with storage.atomic_path(Path(sys.argv[1])) as part:\n"
        "    part.write_bytes(b'half'); os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode != 0
    assert path.read_bytes() == b"old"


def test_order_is_write_sync_rename_sync_folder(tmp_path, monkeypatch):
    """Without the first sync a crash can leave the new name over no content, without the last the old name."""
    done = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor: int) -> None:
        done.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def watched_replace(source: Path, target: Path) -> None:
        done.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    storage.write_atomic(tmp_path / "file", b"data")
    assert done == ["sync file", "rename", "sync folder"]


@pytest.mark.parametrize("name", ["a" * 250, "ß" * 120 + ".wav", "with [brackets] and spaces.flac"])
def test_long_and_odd_names(tmp_path, name):
    path = tmp_path / name
    storage.write_atomic(path, b"x")
    assert path.read_bytes() == b"x"


def test_permissions_are_those_of_an_ordinary_new_file(tmp_path):
    (tmp_path / "ordinary").write_bytes(b"")
    storage.write_atomic(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_sha256_of_files_and_bytes(tmp_path):
    data = bytes(range(256)) * 10_000  # more than one block
    (tmp_path / "file").write_bytes(data)
    assert storage.sha256(tmp_path / "file") == storage.sha256(data) == hashlib.sha256(data).hexdigest()


def test_json_round_trip_is_readable(tmp_path):
    path = tmp_path / "voice.json"
    storage.write_json(path, {"name": "Zoë", "sources": ["bdl"], "level_db": -26.0})
    assert storage.read_json(path) == {"name": "Zoë", "sources": ["bdl"], "level_db": -26.0}
    assert "Zoë" in path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="JSON compliant"):
        storage.write_json(path, {"loss": float("nan")})
    assert storage.read_json(path)["name"] == "Zoë"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
        (b"", "line 1"),
        (b'"\xff"', "not UTF-8"),
    ],
)
def test_broken_json_says_where(tmp_path, content, message):
    path = tmp_path / "voice.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VoiceganError, match=message) as caught:
        storage.read_json(path)
    assert "voice.json" in caught.value.message
