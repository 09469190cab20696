"""Downloads against a local server that breaks off, changes its mind and lies."""

import hashlib
import io
import socket
import stat
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from voicegan import downloads
from voicegan.errors import VoiceganError

CONTENT = bytes(range(256)) * 4000  # 1 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT at any path; tests set how badly."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.ranges = CONTENT, '"v1"', True
        self.break_after: list[int] = []  # of each coming answer, after how many bytes to break off
        self.status: list[int] = []  # of each coming answer, an error to give instead
        self.seen: list[str | None] = []  # the Range header of each request

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/corpus.tar.gz"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.seen.append(wanted)
        if server.status:
            self.send_error(server.status.pop(0))
            return
        start = 0
        stale = self.headers.get("If-Range") not in (None, server.etag)
        if wanted and server.ranges and not stale:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(server.content):
                self.send_error(416)
                return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if server.etag:
            self.send_header("ETag", server.etag)
        if start:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}"
            )
        self.end_headers()
        self.wfile.write(body[: server.break_after.pop(0)] if server.break_after else body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def get(server, tmp_path):
    """Fetch into tmp_path/file; keyword arguments go to `download`."""
    return lambda **how: downloads.download(server.url, tmp_path / "deep" / "file", **{"pause_s": 0.0, **how})


def left_over(tmp_path):
    return sorted(path.name for path in (tmp_path / "deep").iterdir())


def test_whole_file_with_progress_and_nothing_left_over(server, get, tmp_path):
    told = []
    path = get(sha256=SHA256.upper(), progress=lambda done, total: told.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert left_over(tmp_path) == ["file"]
    assert told[-1] == (len(CONTENT), len(CONTENT)) and told == sorted(told)


def test_a_complete_file_is_not_fetched_again(server, get):
    get(sha256=SHA256)
    get(sha256=SHA256)
    assert len(server.seen) == 1


def test_broken_connections_are_continued_by_range(server, get):
    server.break_after = [100_000, 200_000, 0]
    assert get(sha256=SHA256).read_bytes() == CONTENT
    assert server.seen[0] is None
    assert server.seen[1:] == ["bytes=100000-", "bytes=300000-", "bytes=300000-"]


def test_an_interrupted_run_is_continued_by_the_next(server, get, tmp_path):
    def interrupt(done, total):
        if done >= 500_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(sha256=SHA256, progress=interrupt)
    have = (tmp_path / "deep" / "file.part").stat().st_size
    assert have >= 500_000 and not (tmp_path / "deep" / "file").exists()
    assert get(sha256=SHA256).read_bytes() == CONTENT
    assert server.seen == [None, f"bytes={have}-"]
    assert left_over(tmp_path) == ["file"]


def test_a_server_without_ranges_sends_all_again(server, get):
    server.ranges, server.break_after = False, [300_000]
    assert get(sha256=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("etag", ['"v2"', ""])
def test_a_part_of_an_older_version_is_not_mixed_with_the_new(server, get, etag):
    server.etag = '"v1"' if etag else ""
    server.content = b"x" * len(CONTENT)
    with pytest.raises(KeyboardInterrupt):
        get(sha256=SHA256, progress=_interrupt_soon)
    server.content, server.etag = CONTENT, etag
    assert get(sha256=SHA256).read_bytes() == CONTENT


def _interrupt_soon(done, total):
    raise KeyboardInterrupt


def test_a_part_as_long_as_the_file_is_started_over(server, get, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file.part").write_bytes(b"y" * (len(CONTENT) + 5))
    assert get(sha256=SHA256).read_bytes() == CONTENT


def test_a_complete_part_is_taken_over(server, get, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file.part").write_bytes(CONTENT)
    assert get(sha256=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_wrong_checksum_leaves_nothing(server, get, tmp_path, kind):
    with pytest.raises(VoiceganError, match="checksum is wrong") as caught:
        get(**{kind: "0" * (64 if kind == "sha256" else 32)})
    assert "deleted" in caught.value.hint
    assert left_over(tmp_path) == []


def test_md5_is_accepted(server, get):
    assert get(md5=hashlib.md5(CONTENT).hexdigest()).read_bytes() == CONTENT


def test_404_names_the_address_and_is_not_tried_again(server, get):
    server.status = [404, 404]
    with pytest.raises(VoiceganError, match=r"corpus\.tar\.gz is not there \(404") as caught:
        get()
    assert len(server.seen) == 1 and "\n" not in str(caught.value)


def test_server_errors_are_tried_again_but_not_for_ever(server, get):
    server.status = [503, 500]
    assert get(sha256=SHA256).read_bytes() == CONTENT
    server.status = [503] * 50
    with pytest.raises(VoiceganError, match="failed 5 times in a row"):
        downloads.download(server.url, get(sha256=SHA256).with_name("other"), pause_s=0.0)


def test_forbidden_is_said_at_once(server, get):
    server.status = [403] * 9
    with pytest.raises(VoiceganError, match="refuses"):
        get()
    assert len(server.seen) == 1


def test_offline_is_one_line_that_names_the_host(tmp_path, monkeypatch):
    def no_names(*arguments, **options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_names)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with pytest.raises(VoiceganError, match=r"speech\.example cannot be reached") as caught:
        downloads.download("http://speech.example/a.zip", tmp_path / "a.zip")
    assert "\n" not in str(caught.value) and "run the same command again" in caught.value.hint


def test_nobody_listening_counts_as_unreachable(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(VoiceganError, match="cannot be reached"):
        downloads.download(f"http://127.0.0.1:{port}/a", tmp_path / "a")


def test_a_second_process_is_told_to_wait(server, get, tmp_path):
    part = tmp_path / "deep" / "file.part"
    part.parent.mkdir()
    with downloads._alone(part), pytest.raises(VoiceganError, match="another process"):
        get()
    assert get(sha256=SHA256).read_bytes() == CONTENT


def test_too_little_room_is_said_before_fetching(server, get, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(VoiceganError, match="GB free"):
        get()


# Unpacking


def tar_of(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                entry.type, entry.linkname = content
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return path


def zip_of(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(("make", "suffix"), [(tar_of, "tar.gz"), (zip_of, "zip")])
def test_unpack_writes_what_is_chosen(tmp_path, make, suffix):
    packed = make(tmp_path / f"a.{suffix}", {"x/one.wav": b"1", "x/two.txt": b"2", "x/three.wav": b"3"})
    chosen = {"x/one.wav": "bdl/one.wav", "x/three.wav": "slt/three.wav"}
    assert downloads.unpack(packed, tmp_path / "out", chosen.get) == 2
    written = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.wav")}
    assert written == set(chosen.values())


@pytest.mark.parametrize(("make", "suffix"), [(tar_of, "tar"), (zip_of, "zip")])
@pytest.mark.parametrize("evil", ["../evil", "/evil", "a/../../evil", "a\\..\\evil", "C:/evil", ""])
def test_unpack_never_leaves_its_folder(tmp_path, make, suffix, evil):
    how = {"mode": "w"} if make is tar_of else {}
    packed = make(tmp_path / f"a.{suffix}", {"member": b"!"}, **how)
    with pytest.raises(VoiceganError, match="outside its folder"):
        downloads.unpack(packed, tmp_path / "in" / "out", lambda name: evil)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_unpack_refuses_links_and_devices(tmp_path, kind):
    packed = tar_of(tmp_path / "a.tar.gz", {"a.wav": (kind, "/etc/passwd")})
    with pytest.raises(VoiceganError, match="no plain file"):
        downloads.unpack(packed, tmp_path / "out", lambda name: name)


def test_unpack_refuses_links_in_zip_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        entry = zipfile.ZipInfo("a.wav")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(VoiceganError, match="no plain file"):
        downloads.unpack(tmp_path / "a.zip", tmp_path / "out", lambda name: name)


def test_unpack_does_not_follow_a_link_that_lies_there(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "bdl").symlink_to(tmp_path / "elsewhere")
    packed = tar_of(tmp_path / "a.tar.gz", {"bdl/a.wav": b"!"})
    with pytest.raises(VoiceganError, match="outside its folder"):
        downloads.unpack(packed, tmp_path / "out", lambda name: name)
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_damaged_archive_is_named(tmp_path, mode):
    import random

    noise = random.Random(0).randbytes(200_000)
    packed = tar_of(tmp_path / "a.tar", {"a.wav": noise}, mode)
    data = packed.read_bytes()
    packed.write_bytes(data[: len(data) // 2])
    with pytest.raises(VoiceganError, match="is damaged"):
        downloads.unpack(packed, tmp_path / "out", lambda name: name)
    packed.write_bytes(b"<html>Please log in</html>")
    with pytest.raises(VoiceganError, match="is damaged"):
        downloads.unpack(packed, tmp_path / "out", lambda name: name)
