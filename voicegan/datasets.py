"""Public collections that recipes name: addresses, checksums, and how they become plain folders."""

from __future__ import annotations

import difflib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import downloads, storage
from .errors import VoiceganError

Progress = Callable[[str, int, "int | None"], None]  # what is being done, how much of it, of how much

FORMAT = 1  # of fetched.json


@dataclass(frozen=True)
class Archive:
    """One file to fetch. `speakers` are those known to be in it; empty when only its content tells."""

    name: str
    url: str
    sha256: str
    speakers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """How members of an archive become ``<speaker>/<file>`` and transcripts.

    Both patterns must match a member's whole name. `audio` has groups ``speaker``, ``file`` (a bare name) and
    ``suffix``, and only what these groups match becomes part of a path.
    """

    audio: re.Pattern[str]
    text: re.Pattern[str]
    read_text: Callable[[str, str], Iterable[tuple[str, str]]]  # member name, content → (file, transcript)


@dataclass(frozen=True)
class Corpus:
    """A public speech corpus."""

    name: str
    title: str
    licence: str
    homepage: str
    size: str
    archives: tuple[Archive, ...]
    layout: Layout
    subset_default: tuple[str, ...]  # archives fetched when nothing is chosen
    by_speaker: bool = False  # one archive per speaker

    def choose(self, subset: str | None, speakers: Sequence[str]) -> list[Archive]:
        """The archives that hold what is asked for. Raises VoiceganError naming what exists."""
        known = {archive.name: archive for archive in self.archives}
        if subset is not None:
            if self.by_speaker or len(known) == 1:
                raise VoiceganError(
                    f"{self.name} has no subsets", "Leave --subset out; choose with --speakers."
                )
            return [known[_known(subset, list(known), f"{self.name} has no subset")]]
        if not self.by_speaker:
            return [known[name] for name in self.subset_default]
        if list(speakers) == ["all"]:
            return list(self.archives)
        wanted = speakers or self.subset_default
        return [known[_known(speaker, list(known), f"{self.name} has no speaker")] for speaker in wanted]


@dataclass(frozen=True)
class Fetched:
    """What a fetch has left on the disk."""

    folder: Path
    speakers: dict[str, int] = field(default_factory=dict)  # speaker → recordings
    kept: tuple[Path, ...] = ()  # archives that stay, since only a part of them was unpacked


def data_home() -> Path:
    """Where collections are fetched to: ``data`` in the user's data folder."""
    return storage.home() / "data"


def find(name: str, others: Sequence[str] = ()) -> Corpus:
    """A corpus by name. Raises VoiceganError naming those that exist; `others` are near names of other kinds."""
    return CORPORA[_known(name, [*CORPORA, *others], "there is no public corpus called")]


def fetch(
    corpus: Corpus,
    *,
    speakers: Sequence[str] = (),
    subset: str | None = None,
    to: Path | None = None,
    mirror: str | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Fetch a corpus, or some of its speakers, as ``<folder>/<speaker>/<recordings>`` with
    ``transcripts.tsv``.

    What was fetched before is not fetched again. Archives are kept only while speakers in them were left out.

    Parameters
    ----------
    speakers
        Those to keep; all in the archive when empty (for ARCTIC: the usual pair); ``["all"]`` for everyone.
    to
        The folder; ``<data home>/<corpus>`` by default.
    mirror
        Another server that offers the same paths, such as ``http://localhost:8000``; checksums still hold.

    Raises
    ------
    VoiceganError
        An unknown speaker or subset, or anything that `downloads` raises.
    """
    chosen = corpus.choose(subset, speakers)
    wanted = None if corpus.by_speaker or not speakers or list(speakers) == ["all"] else set(speakers)
    folder = Path(to) if to else data_home() / corpus.name
    record = _read_record(folder)
    counts: dict[str, int] = {}
    kept = []
    for archive in chosen:
        before = record.get(archive.sha256, {})
        if _still_there(folder, before, archive, wanted):
            counts.update(
                {name: n for name, n in before["speakers"].items() if wanted is None or name in wanted}
            )
            continue
        packed = _download(archive, mirror, progress)
        if progress:
            progress(f"unpacking {archive.name}", 0, None)
        found = _unpack(packed, corpus.layout, wanted, folder)
        counts.update(found)
        partial = wanted is not None or before.get("partial", False)
        record[archive.sha256] = {"name": archive.name, "url": archive.url, "partial": wanted is not None,
                                  "speakers": {**before.get("speakers", {}), **found}}  # fmt: skip
        _write_record(folder, corpus, record)
        if partial and wanted is not None:
            kept.append(packed)
        else:
            packed.unlink(missing_ok=True)
    if wanted and (missing := sorted(wanted - set(counts))):
        near = difflib.get_close_matches(missing[0], sorted(counts), n=3)
        raise VoiceganError(
            f"{', '.join(archive.name for archive in chosen)} holds no speaker {', '.join(missing)}",
            f"Did you mean {', '.join(near)}?"
            if near
            else "The corpus' page lists its speakers: " + corpus.homepage,
        )
    return Fetched(folder, dict(sorted(counts.items())), tuple(kept))


def fetched_speakers(corpus: Corpus) -> list[str]:
    """Speakers of a corpus that lie in the data folder."""
    folder = data_home() / corpus.name
    if not folder.is_dir():
        return []
    return sorted(
        child.name for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")
    )


def _download(archive: Archive, mirror: str | None, progress: Progress | None) -> Path:
    url = archive.url
    if mirror:
        url = mirror.rstrip("/") + "/" + url.split("://", 1)[-1].partition("/")[2]
    target = storage.cache_home() / "downloads" / url.rpartition("/")[2]

    def tell(done: int, total: int | None) -> None:
        if progress:
            progress(f"fetching {archive.name}", done, total)

    return downloads.download(url, target, sha256=archive.sha256, progress=tell)


def _unpack(packed: Path, layout: Layout, wanted: set[str] | None, folder: Path) -> dict[str, int]:
    """Unpack aside, then move speaker by speaker: an interruption leaves no half-filled speaker."""
    texts: list[str] = []
    counts: dict[str, int] = {}

    def choose(member: str) -> str | None:
        if match := layout.audio.fullmatch(member):
            speaker = match["speaker"]
            if wanted is not None and speaker not in wanted:
                return None
            counts[speaker] = counts.get(speaker, 0) + 1
            return f"speakers/{speaker}/{match['file']}.{match['suffix']}"
        if layout.text.fullmatch(member):
            texts.append(member)
            return f"texts/{len(texts) - 1}"
        return None

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as temporary:
        work = Path(temporary)
        downloads.unpack(packed, work, choose)
        if not counts and wanted is None:
            raise VoiceganError(
                f"{packed.name} holds no recordings where they should be", "Tell the project about it."
            )
        said = _transcripts(work, texts, layout)
        for speaker in sorted(counts):
            source = work / "speakers" / speaker
            lines = [
                f"{path.name}\t{said[path.stem]}\n" for path in sorted(source.iterdir()) if path.stem in said
            ]
            if lines:
                (source / "transcripts.tsv").write_text("".join(lines), encoding="utf-8")
            _move(source, folder / speaker)
    return counts


def _transcripts(work: Path, texts: Sequence[str], layout: Layout) -> dict[str, str]:
    said: dict[str, str] = {}
    for number, member in enumerate(texts):
        content = (work / "texts" / str(number)).read_text(encoding="utf-8", errors="replace")
        said.update((name, " ".join(text.split())) for name, text in layout.read_text(member, content))
    return said


def _move(source: Path, target: Path) -> None:
    if not target.exists():
        source.rename(target)
        return
    for path in source.iterdir():
        shutil.move(path, target / path.name)


def _still_there(folder: Path, before: dict, archive: Archive, wanted: set[str] | None) -> bool:
    """Whether an earlier fetch has left all that is asked for."""
    speakers = before.get("speakers", {})
    if not speakers or (wanted is None and before.get("partial")) or (wanted and not wanted <= set(speakers)):
        return False
    # transcripts.tsv may lie there too, hence "at least".
    return all(
        (folder / name).is_dir() and sum(1 for _ in (folder / name).iterdir()) >= count
        for name, count in speakers.items()
        if wanted is None or name in wanted
    )


def _read_record(folder: Path) -> dict:
    path = folder / "fetched.json"
    if not path.exists():
        return {}
    record = storage.read_json(path)
    if record.get("format") != FORMAT:
        raise VoiceganError(
            f"{path} was written by another version of voicegan", "Delete it: files are fetched again."
        )
    return dict(record["archives"])


def _write_record(folder: Path, corpus: Corpus, record: dict) -> None:
    storage.write_json(
        folder / "fetched.json",
        {"format": FORMAT, "corpus": corpus.name, "title": corpus.title, "licence": corpus.licence,
         "homepage": corpus.homepage, "archives": record},
    )  # fmt: skip


def _known(name: str, names: Sequence[str], complaint: str) -> str:
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
    raise VoiceganError(f"{complaint} {name!r}", hint)


# The corpora. Addresses and checksums are facts of their publishers; torchaudio's dataset classes name the
# same ones (a test compares them where torchaudio can be imported), but bring no resuming and cannot always
# be imported.


def _arctic_text(member: str, content: str) -> Iterable[tuple[str, str]]:
    """Lines such as ``( arctic_a0001 "Author of the danger trail, ..." )``."""
    return re.findall(r'^\s*\(\s*(\S+)\s+"(.*)"\s*\)\s*$', content, flags=re.MULTILINE)


def _vctk_text(member: str, content: str) -> Iterable[tuple[str, str]]:
    """One file for each sentence."""
    return [(Path(member).stem, content)]


def _librispeech_text(member: str, content: str) -> Iterable[tuple[str, str]]:
    """Lines such as ``103-1240-0000 CHAPTER ONE ...``."""
    return [(name, text) for name, _, text in (line.partition(" ") for line in content.splitlines()) if text]


_ARCTIC = {
    "aew": "645cb33c0f0b2ce41384fdd8d3db2c3f5fc15c1e688baeb74d2e08cab18ab406",
    "ahw": "024664adeb892809d646a3efd043625b46b5bfa3e6189b3500b2d0d59dfab06c",
    "aup": "2c55bc3050caa996758869126ad10cf42e1441212111db034b3a45189c18b6fc",
    "awb": "d74a950c9739a65f7bfc4dfa6187f2730fa03de5b8eb3f2da97a51b74df64d3c",
    "axb": "dd65c3d2907d1ee52f86e44f578319159e60f4bf722a9142be01161d84e330ff",
    "bdl": "26b91aaf48b2799b2956792b4632c2f926cd0542f402b5452d5adecb60942904",
    "clb": "3f16dc3f3b97955ea22623efb33b444341013fc660677b2e170efdcc959fa7c6",
    "eey": "8a0ee4e5acbd4b2f61a4fb947c1730ab3adcc9dc50b195981d99391d29928e8a",
    "fem": "3fcff629412b57233589cdb058f730594a62c4f3a75c20de14afe06621ef45e2",
    "gka": "dc82e7967cbd5eddbed33074b0699128dbd4482b41711916d58103707e38c67f",
    "jmk": "3a37c0e1dfc91e734fdbc88b562d9e2ebca621772402cdc693bbc9b09b211d73",
    "ksp": "8029cafce8296f9bed3022c44ef1e7953332b6bf6943c14b929f468122532717",
    "ljm": "b23993765cbf2b9e7bbc3c85b6c56eaf292ac81ee4bb887b638a24d104f921a0",
    "lnh": "4faf34d71aa7112813252fb20c5433e2fdd9a9de55a00701ffcbf05f24a5991a",
    "rms": "c6dc11235629c58441c071a7ba8a2d067903dfefbaabc4056d87da35b72ecda4",
    "rxr": "1fa4271c393e5998d200e56c102ff46fcfea169aaa2148ad9e9469616fbfdd9b",
    "slp": "54345ed55e45c23d419e9a823eef427f1cc93c83a710735ec667d068c916abf1",
    "slt": "7c173297916acf3cc7fcab2713be4c60b27312316765a90934651d367226b4ea",
}
_LIBRISPEECH = {
    "dev-clean": "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    "dev-other": "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365",
    "test-clean": "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
    "test-other": "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29",
    "train-clean-100": "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
    "train-clean-360": "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf",
    "train-other-500": "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2",
}

CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="arctic",
            title="CMU ARCTIC: 18 speakers who read the same 1,132 sentences, 16 kHz",
            licence="CMU ARCTIC free licence (attribution)",
            homepage="http://festvox.org/cmu_arctic/",
            size="about 0.1 GB a speaker",
            archives=tuple(
                Archive(
                    name,
                    f"http://festvox.org/cmu_arctic/packed/cmu_us_{name}_arctic.tar.bz2",
                    digest,
                    (name,),
                )
                for name, digest in _ARCTIC.items()
            ),
            layout=Layout(
                audio=re.compile(
                    r"(?:\./)?cmu_us_(?P<speaker>\w+)_arctic/wav/(?P<file>\w+)\.(?P<suffix>wav)"
                ),
                text=re.compile(r"(?:\./)?cmu_us_\w+_arctic/etc/txt\.done\.data"),
                read_text=_arctic_text,
            ),
            subset_default=("bdl", "slt"),
            by_speaker=True,
        ),
        Corpus(
            name="vctk",
            title="VCTK 0.92: 110 English speakers of many accents, about 400 sentences each, 48 kHz",
            licence="CC BY 4.0",
            homepage="https://datashare.ed.ac.uk/handle/10283/3443",
            size="11 GB",
            archives=(
                Archive(
                    "vctk-0.92",
                    "https://datashare.is.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip",
                    "f96258be9fdc2cbff6559541aae7ea4f59df3fcaf5cf963aae5ca647357e359c",
                ),
            ),
            layout=Layout(  # the first of the two microphones: some speakers lack the second
                audio=re.compile(
                    r"(?:.*/)?wav48_silence_trimmed/(?P<speaker>[ps]\d+)/(?P<file>\w+)_mic1\.(?P<suffix>flac)"
                ),
                text=re.compile(r"(?:.*/)?txt/[ps]\d+/\w+\.txt"),
                read_text=_vctk_text,
            ),
            subset_default=("vctk-0.92",),
        ),
        Corpus(
            name="librispeech",
            title="LibriSpeech: audiobooks read by 2,484 speakers, 16 kHz; train-clean-100 unless chosen",
            licence="CC BY 4.0",
            homepage="https://www.openslr.org/12",
            size="0.3 GB (dev-clean) to 30 GB (train-other-500)",
            archives=tuple(
                Archive(name, f"http://www.openslr.org/resources/12/{name}.tar.gz", digest)
                for name, digest in _LIBRISPEECH.items()
            ),
            layout=Layout(
                audio=re.compile(
                    r"(?:\./)?LibriSpeech/[\w-]+/(?P<speaker>\d+)/\d+/(?P<file>\d+-\d+-\d+)\.(?P<suffix>flac)"
                ),
                text=re.compile(r"(?:\./)?LibriSpeech/[\w-]+/\d+/\d+/[\d-]+\.trans\.txt"),
                read_text=_librispeech_text,
            ),
            subset_default=("train-clean-100",),
        ),
    )
}
