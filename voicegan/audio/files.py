"""Recordings: what they are, reading them block by block, and finding them in folders. Writing is in
`writing`.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import soundfile

from ..errors import VoiceganError
from . import wav
from .channels import ChannelMix, QualityWatch
from .compressed import has_mp3_index, unfinished_ogg_end
from .decoders import AudioInfo, Decoder, Padded, PlainWavDecoder, SoundFileDecoder
from .loudness import LevelMeter
from .writing import FORMATS, Writer

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "AUDIO_SUFFIXES", "FORMATS", "LOUDEST", "RATES_HZ", "SILENCE_DB", "AudioInfo", "Reader", "Writer", "find_audio",
    "info", "read", "require_sound",
]  # fmt: skip

AUDIO_SUFFIXES = frozenset({
    ".wav", ".wave", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".aif", ".aiff", ".aifc",
    ".au", ".snd", ".caf", ".sph", ".nist",
})  # fmt: skip
RATES_HZ = (1_000, 768_000)
"""Sample rates outside of this come from a broken header."""
_FOREIGN_SUFFIXES = frozenset({
    ".m4a", ".m4b", ".aac", ".wma", ".amr", ".3gp", ".ape", ".wv", ".mka", ".webm", ".ac3", ".dsf", ".ra",
})  # fmt: skip
LOUDEST = 100.0
"""Floating-point samples may exceed full scale (1), but beyond this they are in another unit, or damaged."""
SILENCE_DB = -70.0
"""A recording whose peak stays under this (dBFS) is called silent: it is the hiss of the converter."""

_MAGIC = {
    b"RIFF": "WAV", b"RIFX": "WAV", b"RF64": "WAV", b"FORM": "AIFF", b"fLaC": "FLAC", b"OggS": "Ogg", b".snd": "AU",
    b"caff": "CAF", b"riff": "W64", b"NIST": "NIST", b"ID3": "MP3",
}  # fmt: skip
_FOREIGN = "Readable are wav, flac, ogg, opus, mp3, aiff, au, caf and w64; convert it: ffmpeg -i IN OUT.wav"
_AGAIN = "Copy or export it again."
_READ_FRAMES = 1 << 15


def info(path: Path | str) -> AudioInfo:
    """What the header says. Raises VoiceganError for whatever is not a readable recording."""
    with Reader(Path(path)) as reader:
        return reader.info


class Reader:
    """A recording as mono float32 blocks (T,), in bounded memory.

    Iterating gives blocks of block_s seconds (the last one shorter) that do not depend on how the source
    delivers its bytes. Several channels become their mean, without the dead ones (`ChannelMix`). `warnings`
    holds one line for each thing that makes the recording worse than it might be; it is complete after the
    last block.

    source: a path, or a binary stream. Of a stream that cannot be seeked, a plain WAV is decoded as it comes,
    even when its header does not know the length; other formats are first copied to a temporary file.

    Raises VoiceganError where the source is missing, empty, not audio, has a broken header or no samples, and
    during iteration where a sample is not a number.
    """

    def __init__(self, source: Path | str | BinaryIO, *, block_s: float = 10.0) -> None:
        self.warnings: list[str] = []
        self._block_s = block_s
        self._expected: int | None = None
        self._stack = ExitStack()
        self.name = str(source) if isinstance(source, str | Path) else _stream_name(source)
        try:
            if isinstance(source, str | Path):
                self._decoder = self._open_path(Path(source))
            else:
                self._decoder = self._open_stream(source)
            self._stack.callback(self._decoder.close)
            self.info = self._decoder.info
            if self.info.frames == 0:
                raise self._holds_nothing()
            if not RATES_HZ[0] <= self.info.sample_rate_hz <= RATES_HZ[1]:
                claim = f"it claims {self.info.sample_rate_hz} samples a second"
                raise VoiceganError(f"{self.name} has a broken header: {claim}", _AGAIN)
        except BaseException:
            self._stack.close()
            raise
        if self.info.sample_rate_hz < 16000:
            self.warnings.append(
                f"{self.name} has {self.info.sample_rate_hz} samples a second: it holds nothing above "
                f"{self.info.sample_rate_hz / 2000:g} kHz and will sound dull. Use a recording of 16000 Hz or more."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what this reader has opened (not a stream that it was given)."""
        self._stack.close()

    @property
    def block_frames(self) -> int:
        """The length of every block but the last."""
        return max(1, round(self._block_s * self.info.sample_rate_hz))

    def __iter__(self) -> Iterator[np.ndarray]:
        size = self.block_frames
        held: list[np.ndarray] = []
        count = 0
        for mono in self._mono():
            held.append(mono)
            count += len(mono)
            while count >= size:
                joined = np.concatenate(held)
                yield joined[:size]
                held, count = [joined[size:]], count - size
        if count:
            yield np.concatenate(held)

    # Opening ------------------------------------------------------------------------------------------------

    def _open_path(self, path: Path) -> Decoder:
        try:
            file = self._stack.enter_context(open(path, "rb"))  # noqa: SIM115
            if not file.seekable():  # a named pipe
                return self._open_stream(file)
            if path.suffix.lower() == ".raw":  # soundfile would ask for rate and format instead of looking
                raise VoiceganError(f"{path} is not audio that can be read", _FOREIGN)
            return self._open_seekable(str(path), file)
        except (FileNotFoundError, NotADirectoryError):
            raise VoiceganError(f"{path} does not exist", "Check the name and the folder.") from None
        except IsADirectoryError:
            raise VoiceganError(f"{path} is a folder, not a recording", "Name a file.") from None
        except OSError as error:
            raise VoiceganError(
                f"{path} cannot be read: {error.strerror}", "Check its permissions."
            ) from None

    def _open_stream(self, stream: BinaryIO) -> Decoder:
        if _seekable(stream):
            return self._open_seekable(stream, stream)
        head = wav.read_exactly(stream, 12)
        if not head:
            raise self._is_empty()
        if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:] == b"WAVE":
            try:
                header, head = wav.read_header(stream, head)
            except wav.BrokenHeader as error:
                raise VoiceganError(f"{self.name} has a broken WAV header: {error}", _AGAIN) from None
            if header.is_plain:
                return PlainWavDecoder(self.name, stream, header)
        copy: BinaryIO = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        copy.write(head)
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        return self._open_seekable(copy, copy)

    def _open_seekable(self, source: str | BinaryIO, file: BinaryIO) -> Decoder:
        """Open `source`, a path or a stream; `file` is the same, open, to look into."""
        start = file.tell()
        head = file.read(16)
        if not head:
            raise self._is_empty()
        if head.startswith(b"OggS"):
            return self._open_ogg(source, file, start)
        file.seek(start)
        header, fault = None, ""
        try:
            header, _ = wav.read_header(file)
        except wav.BrokenHeader as error:
            # For libsndfile to judge: it may be another format, or readable all the same.
            fault = str(error)
        samples_from = file.tell()
        # With a block codec, frame_bytes is the size of a block of samples: nothing to be counted here.
        plain = header is not None and header.is_plain
        self._expected = header.frames if header is not None and plain else None
        file.seek(start)
        decoder = self._open_soundfile(source, head, fault)
        if decoder.info.format in ("MP3", "MPEG") and not has_mp3_index(file, start):
            with suppress(soundfile.LibsndfileError):  # by its name alone it was known for an MP3
                padded = SoundFileDecoder(self.name, Padded(file, start), maybe_mp3=True)
                decoder.close()
                return padded
        if header is not None and plain and decoder.info.frames == 0:
            # A header that was never completed. libsndfile believes its 0.
            file.seek(samples_from)
            if file.read(1):
                file.seek(samples_from)
                decoder.close()
                return PlainWavDecoder(self.name, file, header)
        return decoder

    def _open_ogg(self, source: str | BinaryIO, file: BinaryIO, start: int) -> Decoder:
        """libsndfile does not say that an Ogg file is cut off, and finds no length where it ends within a
        page.
        """
        end = unfinished_ogg_end(file)
        file.seek(start)
        decoder = self._open_soundfile(source, b"OggS")
        if end is None:
            return decoder
        if not decoder.info.frames:
            decoder.close()
            file.seek(start)
            whole_pages: BinaryIO = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            whole_pages.write(file.read(end - start))
            whole_pages.seek(0)
            decoder = self._open_soundfile(whole_pages, b"OggS")
        self.warnings.append(self._cut_off(decoder.info.frames or 0, decoder.info.sample_rate_hz, None))
        return decoder

    def _is_empty(self) -> VoiceganError:
        return VoiceganError(f"{self.name} is empty (0 bytes)", "Remove it or record it again.")

    def _holds_nothing(self) -> VoiceganError:
        return VoiceganError(f"{self.name} holds no samples (0 frames)", "Remove it or record it again.")

    def _open_soundfile(self, source: str | BinaryIO, head: bytes, wav_fault: str = "") -> Decoder:
        kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
        try:
            return SoundFileDecoder(self.name, source, maybe_mp3=kind in (None, "MP3"))
        except soundfile.LibsndfileError as error:
            if kind is None or (kind == "WAV" and head[8:12] != b"WAVE"):
                raise VoiceganError(f"{self.name} is not audio that can be read", _FOREIGN) from None
            said = str(error.error_string).removeprefix("Error : ").strip(" .")
            reason = wav_fault if kind == "WAV" and wav_fault else said
            raise VoiceganError(f"{self.name} has a broken {kind} header: {reason}", _AGAIN) from None

    # Reading ------------------------------------------------------------------------------------------------

    def _mono(self) -> Iterator[np.ndarray]:
        mix = ChannelMix(self.name, self.info.channels)
        watch = QualityWatch(self.name, self.info.sample_rate_hz, self.info.subtype)
        blocks: Iterator[np.ndarray] = self._samples()
        if self.info.channels > 1:
            blocks = self._survey(mix, blocks)
            self.warnings += mix.warnings
        for block in blocks:
            live = block[:, mix.live]
            watch.see(live)
            yield (live.mean(axis=1, dtype=np.float32) if live.shape[1] > 1 else live[:, 0].copy())
        self.warnings += watch.verdicts()

    def _survey(self, mix: ChannelMix, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Find the live channels: in a first pass over a file; over the first ten seconds of a pipe."""
        if isinstance(self._decoder, SoundFileDecoder):
            for block in self._samples(quiet=True):
                mix.see(block)
            mix.decide()
            self._decoder.rewind()
            return blocks
        held, seen = [], 0
        for block in blocks:
            mix.see(block)
            held.append(block)
            seen += len(block)
            if seen >= 10 * self.info.sample_rate_hz:
                break
        mix.decide()
        return _chain(held, blocks)

    def _samples(self, quiet: bool = False) -> Iterator[np.ndarray]:
        """Blocks (t, channels) as the decoder gives them, checked; a warning (unless quiet) where they end
        early.
        """
        done = 0
        while len(block := self._decoder.read(_READ_FRAMES)):
            bad = ~(np.abs(block) <= LOUDEST)  # what is not a number is not comparable either
            if bad.any():
                raise self._no_sound(block, bad, done)
            done += len(block)
            yield block
        if done == 0:
            raise self._holds_nothing()
        expected = self._expected if self._expected is not None else self.info.frames
        # Some headers are wrong by a few samples, and an MP3 may hold a little less than its index says.
        slack = 0.02 * (expected or 0) + 2400 if self.info.format == "MP3" else self.info.sample_rate_hz / 100
        if not quiet and expected is not None and done < expected - slack:
            self.warnings.append(self._cut_off(done, self.info.sample_rate_hz, expected))

    def _no_sound(self, block: np.ndarray, bad: np.ndarray, done: int) -> VoiceganError:
        first = (done + int(np.flatnonzero(bad.any(axis=1))[0])) / self.info.sample_rate_hz
        if np.isfinite(block).all():
            return VoiceganError(
                f"{self.name} holds samples of {np.abs(block).max():.3g} times full scale, first at {first:.3f} s",
                "Floating-point samples belong within -1 and 1: scale them, or export it again.",
            )
        return VoiceganError(
            f"{self.name} holds samples that are not numbers (NaN or infinite), first at {first:.3f} s",
            "Export it again.",
        )

    def _cut_off(self, frames: int, rate: int, expected: int | None) -> str:
        promised = f", of {expected / rate:.2f} s that its header promises" if expected else ""
        return (
            f"{self.name} is cut off or damaged: only {frames / rate:.2f} s can be read{promised}. {_AGAIN}"
        )


def read(path: Path | str) -> tuple[np.ndarray, int]:
    """A whole recording: samples (T,) float32, mono, and its rate in Hz. Raises VoiceganError also for
    silence.
    """
    with Reader(Path(path)) as reader:
        meter, blocks = LevelMeter(reader.info.sample_rate_hz), []
        for block in reader:
            meter.push(block)
            blocks.append(block)
        samples = np.concatenate(blocks)
        require_sound(reader.name, meter)
        return samples, reader.info.sample_rate_hz


def require_sound(name: str, meter: LevelMeter) -> None:
    """Raise VoiceganError for a recording in which there is nothing to be heard; a constant offset is not heard."""
    if meter.samples < 2 or meter.swing_db >= SILENCE_DB:
        return
    if math.isfinite(meter.swing_db):
        level = f"peak {meter.swing_db:.0f} dBFS"
    else:
        level = "all samples are zero" if math.isinf(meter.peak_db) else "all samples are equal"
    raise VoiceganError(f"{name} is silent ({level})", "Remove it or record it again.")


def find_audio(folder: Path) -> list[Path]:
    """Every file in a folder and the folders below it that its suffix calls sound, sorted, without hidden ones.

    Also those of formats that cannot be read: whoever reads them says so, rather than that they vanish silently.
    """
    if not Path(folder).is_dir():
        raise VoiceganError(f"{folder} is not a folder", "Name a folder of recordings.")
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name)
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in AUDIO_SUFFIXES | _FOREIGN_SUFFIXES
        ]
    return sorted(found)


def _chain(held: list[np.ndarray], rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield from held
    yield from rest


def _seekable(stream: BinaryIO) -> bool:
    try:
        return stream.seekable()
    except AttributeError:
        return False


def _stream_name(stream: BinaryIO) -> str:
    if stream is getattr(sys.stdin, "buffer", None):
        return "standard input"
    name = getattr(stream, "name", None)
    return name if isinstance(name, str) and name != "<stdin>" else "standard input"
