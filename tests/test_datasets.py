"""Public corpora become plain speaker folders, from small archives laid out like the real ones."""

import dataclasses
import hashlib
import importlib.util
import io
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from voicegan import datasets, downloads
from voicegan.errors import VoiceganError


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Put archives where `download` finds them by address; returns the corpus with their checksums."""
    shelf, fetched = {}, []

    def download(url, target, *, sha256, progress, **how):
        fetched.append(url.rpartition("/")[2])
        data = shelf[fetched[-1]]
        assert hashlib.sha256(data).hexdigest() == sha256
        progress(len(data), len(data))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target

    def put(corpus, contents):
        archives = []
        for archive in corpus.archives:
            if archive.name in contents:
                file = archive.url.rpartition("/")[2]
                shelf[file] = pack(file, contents[archive.name])
                archive = dataclasses.replace(archive, sha256=hashlib.sha256(shelf[file]).hexdigest())
            archives.append(archive)
        return dataclasses.replace(corpus, archives=tuple(archives))

    monkeypatch.setattr(downloads, "download", download)
    put.fetched = fetched
    return put


def pack(name, members):
    buffer = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(buffer, "w") as archive:
            for member, content in members.items():
                archive.writestr(member, content)
    else:
        with tarfile.open(fileobj=buffer, mode=f"w:{name.rpartition('.')[2]}") as archive:
            for member, content in members.items():
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def arctic(speaker):
    root = f"cmu_us_{speaker}_arctic"
    return {
        f"{root}/COPYING": b"free",
        f"{root}/etc/txt.done.data": b'( arctic_a0001 "The \\"(trail)\\"." )\n( arctic_a0002 "Not." )\n',
        f"{root}/wav/arctic_a0001.wav": b"one " + speaker.encode(),
        f"{root}/wav/arctic_a0002.wav": b"two " + speaker.encode(),
        f"{root}/lab/arctic_a0001.lab": b"",
    }


LIBRISPEECH = {
    "LibriSpeech/SPEAKERS.TXT": b"",
    "LibriSpeech/dev-clean/84/121123/84-121123-0000.flac": b"a",
    "LibriSpeech/dev-clean/84/121550/84-121550-0000.flac": b"b",
    "LibriSpeech/dev-clean/84/121550/84-121550.trans.txt": b"84-121550-0000 BUT WITH\n",
    "LibriSpeech/dev-clean/174/50561/174-50561-0000.flac": b"c",
}
VCTK = {
    "wav48_silence_trimmed/p225/p225_001_mic1.flac": b"a",
    "wav48_silence_trimmed/p225/p225_001_mic2.flac": b"b",
    "wav48_silence_trimmed/s5/s5_001_mic1.flac": b"c",
    "txt/p225/p225_001.txt": b"Please call Stella.\n",
    "wav48_silence_trimmed/log.txt": b"",
}


def tree(folder):
    return {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and p.name != "fetched.json"
    }


def test_arctic_is_fetched_by_speaker_with_transcripts(publish):
    corpus = publish(datasets.CORPORA["arctic"], {"bdl": arctic("bdl"), "slt": arctic("slt")})
    found = datasets.fetch(corpus, progress=lambda what, done, total: None)
    assert found.folder == datasets.data_home() / "arctic"
    assert found.speakers == {"bdl": 2, "slt": 2} and found.kept == ()
    assert tree(found.folder) == {
        f"{speaker}/{file}" for speaker in ("bdl", "slt")
        for file in ("arctic_a0001.wav", "arctic_a0002.wav", "transcripts.tsv")
    }  # fmt: skip
    lines = (found.folder / "slt" / "transcripts.tsv").read_text().splitlines()
    assert lines[1] == "arctic_a0002.wav\tNot."
    assert datasets.fetched_speakers(corpus) == ["bdl", "slt"]


def test_what_is_there_is_not_fetched_again_and_what_is_gone_is(publish):
    corpus = publish(datasets.CORPORA["arctic"], {name: arctic(name) for name in ("bdl", "slt", "clb")})
    datasets.fetch(corpus)
    datasets.fetch(corpus, speakers=["slt", "clb"])
    assert publish.fetched == [f"cmu_us_{name}_arctic.tar.bz2" for name in ("bdl", "slt", "clb")]
    for path in (datasets.data_home() / "arctic" / "slt").iterdir():
        path.unlink()
    assert datasets.fetch(corpus, speakers=["slt"]).speakers == {"slt": 2}
    assert len(publish.fetched) == 4 and len(tree(datasets.data_home() / "arctic" / "slt")) == 3


def test_librispeech_subset_is_sorted_by_speaker(publish, tmp_path):
    corpus = publish(datasets.CORPORA["librispeech"], {"dev-clean": LIBRISPEECH})
    found = datasets.fetch(corpus, subset="dev-clean", to=tmp_path / "speech")
    assert found.speakers == {"174": 1, "84": 2}
    assert tree(tmp_path / "speech") == {
        "84/84-121123-0000.flac", "84/84-121550-0000.flac", "84/transcripts.tsv", "174/174-50561-0000.flac"
    }  # fmt: skip
    assert (tmp_path / "speech/84/transcripts.tsv").read_text() == "84-121550-0000.flac\tBUT WITH\n"


def test_some_speakers_keep_the_archive_until_all_are_unpacked(publish):
    corpus = publish(datasets.CORPORA["vctk"], {"vctk-0.92": VCTK})
    found = datasets.fetch(corpus, speakers=["p225"])
    assert tree(found.folder) == {"p225/p225_001.flac", "p225/transcripts.tsv"}
    assert (found.folder / "p225/p225_001.flac").read_bytes() == b"a"  # the first microphone
    assert [path.is_file() for path in found.kept] == [True]
    found = datasets.fetch(corpus)
    assert found.speakers == {"p225": 1, "s5": 1} and found.kept == ()
    datasets.fetch(corpus, speakers=["s5"])
    assert len(publish.fetched) == 2


def test_unknown_names_say_what_exists(publish):
    corpus = publish(datasets.CORPORA["librispeech"], {"dev-clean": LIBRISPEECH})
    with pytest.raises(VoiceganError, match="holds no speaker 173"):
        datasets.fetch(corpus, subset="dev-clean", speakers=["173", "84"])
    with pytest.raises(VoiceganError, match="no subset 'dev-claen'") as caught:
        datasets.fetch(corpus, subset="dev-claen")
    assert "dev-clean" in caught.value.hint
    with pytest.raises(VoiceganError, match="has no subsets"):
        datasets.fetch(datasets.CORPORA["arctic"], subset="dev-clean")
    with pytest.raises(VoiceganError, match="no speaker 'xyz'") as caught:
        datasets.fetch(datasets.CORPORA["arctic"], speakers=["xyz"])
    assert "bdl" in caught.value.hint
    with pytest.raises(VoiceganError, match="no public corpus called 'vtck'") as caught:
        datasets.find("vtck")
    assert "vctk" in caught.value.hint


def test_names_from_an_archive_cannot_leave_the_folder(publish, tmp_path):
    evil = {"cmu_us_bdl_arctic/wav/../../../evil.wav": b"!", "cmu_us_.._arctic/wav/evil.wav": b"!"}
    corpus = publish(datasets.CORPORA["arctic"], {"bdl": {**arctic("bdl"), **evil}})
    datasets.fetch(corpus, speakers=["bdl"])
    assert not list(tmp_path.rglob("*evil*"))


def test_an_interrupted_unpacking_leaves_no_half_speaker(publish, monkeypatch):
    corpus = publish(datasets.CORPORA["arctic"], {"bdl": arctic("bdl")})
    real = downloads.unpack

    def interrupted(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads, "unpack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        datasets.fetch(corpus, speakers=["bdl"])
    assert tree(datasets.data_home() / "arctic") == set()
    monkeypatch.setattr(downloads, "unpack", real)
    assert datasets.fetch(corpus, speakers=["bdl"]).speakers == {"bdl": 2}


def test_a_mirror_keeps_the_path():
    seen = []

    def download(url, target, **how):
        seen.append(url)
        raise VoiceganError("enough")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(VoiceganError, match="enough"):
        patch.setattr(downloads, "download", download)
        datasets.fetch(datasets.CORPORA["arctic"], speakers=["rms"], mirror="http://localhost:8000/")
    assert seen == ["http://localhost:8000/cmu_arctic/packed/cmu_us_rms_arctic.tar.bz2"]


@pytest.mark.parametrize(
    ("ours", "theirs"), [("arctic", "cmuarctic"), ("librispeech", "librispeech"), ("vctk", "vctk")]
)
def test_addresses_and_checksums_are_those_of_torchaudio(ours, theirs):
    # Read, not imported: torchaudio does not import everywhere.
    package = importlib.util.find_spec("torchaudio")
    if package is None:
        pytest.skip("torchaudio is not installed")
    source = (Path(package.origin).parent / "datasets" / f"{theirs}.py").read_text()
    stated = dict(re.findall(r'"(https?://\S+)": "([0-9a-f]{64})"', source))
    assert {archive.url: archive.sha256 for archive in datasets.CORPORA[ours].archives} == stated
