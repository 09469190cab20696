"""``voicegan data`` against a local server."""

import dataclasses
import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from voicegan import datasets
from voicegan.cli.data import data
from voicegan.errors import VoiceganError


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A local server with one ARCTIC archive, and a corpus table that knows its checksum."""
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    shelf = tmp_path / "shelf" / "cmu_arctic" / "packed"
    shelf.mkdir(parents=True)
    with tarfile.open(shelf / "cmu_us_slt_arctic.tar.bz2", "w:bz2") as archive:
        entry = tarfile.TarInfo("cmu_us_slt_arctic/wav/arctic_a0001.wav")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"RIFF"))
    digest = hashlib.sha256((shelf / "cmu_us_slt_arctic.tar.bz2").read_bytes()).hexdigest()
    arctic = datasets.CORPORA["arctic"]
    archives = tuple(dataclasses.replace(a, sha256=digest) if a.name == "slt" else a for a in arctic.archives)
    monkeypatch.setitem(datasets.CORPORA, "arctic", dataclasses.replace(arctic, archives=archives))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "shelf")) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_fetch_and_list(mirror, tmp_path):
    result = CliRunner().invoke(data, ["fetch", "arctic", "--speakers", "slt", "--mirror", mirror])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "home/data/arctic/slt/arctic_a0001.wav").read_bytes() == b"RIFF"
    assert "1 recordings" in result.output and "Licence" in result.output
    listed = CliRunner().invoke(data, ["list"])
    assert listed.exit_code == 0
    assert all(name in listed.output for name in ("arctic:", "vctk:", "librispeech:", "train-clean-100"))
    assert f"here, in {tmp_path / 'home/data/arctic'}: slt" in listed.output


def test_fetch_into_a_named_folder(mirror, tmp_path):
    to = tmp_path / "my speech"
    result = CliRunner().invoke(
        data, ["fetch", "arctic", "--speakers", "slt", "--mirror", mirror, "--to", str(to)]
    )
    assert result.exit_code == 0, result.output
    assert (to / "slt" / "arctic_a0001.wav").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["arctik"], "no public corpus called 'arctik'"),
        (["arctic", "--speakers", "sly"], "no speaker 'sly'"),
        (["librispeech", "--subset", "dev"], "no subset 'dev'"),
        (["arctic", "--speakers", "bdl"], "is not there (404"),
    ],
)
def test_faults_are_errors_for_the_user(mirror, arguments, said):
    result = CliRunner().invoke(data, ["fetch", *arguments, "--mirror", mirror])
    assert isinstance(result.exception, VoiceganError)
    assert said in result.exception.message and result.exception.hint


@pytest.mark.parametrize("wrong", ["foo", "localhost:8000", "http:/foo"])
def test_a_mirror_is_an_address(mirror, wrong):
    result = CliRunner().invoke(data, ["fetch", "mnist", "--mirror", wrong])
    assert isinstance(result.exception, VoiceganError)
    assert f"{wrong} is no address of a server. Write for example" in str(result.exception)


def test_every_collection_is_named_once():
    result = CliRunner().invoke(data, ["fetch", "nothing"])
    assert isinstance(result.exception, VoiceganError)
    names = result.exception.hint.removeprefix("There are: ").rstrip(".").split(", ")
    assert len(names) == len(set(names)) > 5


def test_offline_names_the_host(mirror, monkeypatch):
    import socket

    def no_names(*arguments, **options):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_names)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    result = CliRunner().invoke(data, ["fetch", "arctic", "--speakers", "slt"])
    assert isinstance(result.exception, VoiceganError)
    assert "festvox.org cannot be reached" in str(result.exception)
