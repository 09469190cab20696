"""Find what was said: transcripts beside recordings, in the forms that public corpora use."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ..errors import VoiceganError

# Tables that lie in a corpus folder (or one above a speaker's) and carry transcripts.
TABLE_NAMES = (
    "transcripts.tsv",
    "MANIFEST.tsv",
    "manifest.tsv",
    "metadata.csv",
    "txt.done.data",
    "etc/txt.done.data",
)
FILE_COLUMNS = ("file", "path", "filename", "name", "id")
TEXT_COLUMNS = ("transcript", "transcription", "text", "sentence")
FESTVOX = re.compile(r'^\(\s*(\S+)\s+"(.*)"\s*\)\s*$')
LIBRISPEECH = re.compile(r"^(\S+)\s+(.+)$")


class Transcripts:
    """What was said in which recording, found by as much of its path as tells it apart."""

    def __init__(self, texts: dict[str, str], source: Path | None = None) -> None:
        self.source = source
        self._texts: dict[str, str | None] = {}
        for name, text in texts.items():
            if text.strip():
                for key in _tails(name):
                    # Two different texts under one key (speaker_1/001, speaker_2/001) answer nothing.
                    known = self._texts.setdefault(key, text.strip())
                    self._texts[key] = known if known == text.strip() else None

    def __len__(self) -> int:
        return len(self._texts)

    def of(self, recording: Path) -> str | None:
        """The transcript of a recording, or None; the longest matching tail of its path decides."""
        for key in _tails(recording.as_posix(), is_file=True):
            if key in self._texts:
                return self._texts[key]
        return None


def read_transcripts(source: Path) -> Transcripts:
    """Read a transcript file, or a folder of them.

    Tables with a header (a column file, path, name or id, and one transcript, text or sentence; parted by
    tabs, commas or bars), LJSpeech's headerless ``metadata.csv``, festvox's ``txt.done.data``, LibriSpeech's
    ``*.trans.txt``, or a folder with one ``NAME.txt`` for each recording.

    Raises
    ------
    VoiceganError
        It does not exist, or no transcript can be read from it.
    """
    if not source.exists():
        raise VoiceganError(
            f"{source} does not exist", "Give --transcripts a table or a folder of text files."
        )
    transcripts = Transcripts(_from_folder(source) if source.is_dir() else dict(_from_file(source)), source)
    if not len(transcripts):
        raise VoiceganError(
            f"no transcript was found in {source}",
            "Give a table with columns 'file' and 'transcript', txt.done.data, *.trans.txt or NAME.txt.",
        )
    return transcripts


def find_transcripts(recordings: Path) -> Transcripts | None:
    """Transcripts that lie with a folder of recordings, or in a table one folder above; None without any."""
    tables = [folder / name for folder in (recordings, recordings.parent) for name in TABLE_NAMES]
    for source in [table for table in tables if table.is_file()] + [recordings]:
        try:
            return read_transcripts(source)
        except VoiceganError:
            continue  # a table of something else: the next place is asked
    return None


def _tails(name: str, is_file: bool = False) -> Iterator[str]:
    """``a/b/c.wav`` as a/b/c, b/c and c, the longest first. Names in tables may come without a suffix."""
    path = PurePosixPath(name.replace("\\", "/"))
    known_suffix = is_file or path.suffix.lower() in {".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff"}
    parts = [part for part in path.parent.parts if part not in ("/", "..", ".")]
    parts.append(path.stem if known_suffix else path.name)
    for start in range(len(parts)):
        yield "/".join(parts[start:])


def _from_folder(folder: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for path in sorted(folder.rglob("*.txt")):
        if path.name.endswith(".trans.txt"):
            texts.update(_from_file(path))
        elif path.stat().st_size < 10_000:  # longer ones are licences and notes
            texts[path.relative_to(folder).with_suffix("").as_posix()] = _read(path)
    return texts


def _from_file(path: Path) -> Iterator[tuple[str, str]]:
    lines = _read(path).splitlines()
    if path.name.endswith(".trans.txt"):
        yield from (match.groups() for line in lines if (match := LIBRISPEECH.match(line)))  # type: ignore[misc]
    elif any(FESTVOX.match(line) for line in lines[:5]):
        yield from (match.groups() for line in lines if (match := FESTVOX.match(line)))  # type: ignore[misc]
    elif lines:
        yield from _from_table(lines)


def _from_table(lines: list[str]) -> Iterator[tuple[str, str]]:
    delimiter = next((mark for mark in ("\t", "|", ",") if mark in lines[0]), "\t")
    # Bars and tabs part fields literally; only comma tables quote.
    rows = csv.reader(
        lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    )
    header = [cell.strip().lower() for cell in next(rows)]
    name_at = next((header.index(column) for column in FILE_COLUMNS if column in header), None)
    text_at = next((header.index(column) for column in TEXT_COLUMNS if column in header), None)
    if name_at is not None and text_at is not None:
        yield from ((row[name_at], row[text_at]) for row in rows if len(row) > max(name_at, text_at))
    elif delimiter == "|":  # LJSpeech: id|text|normalised text, the first line a recording like the others
        for line in lines:
            fields = line.split("|")
            yield fields[0], fields[-1]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise VoiceganError(f"{path} cannot be read as text ({error})", "Save it as UTF-8.") from None
