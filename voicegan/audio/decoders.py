"""Where samples come from: libsndfile, or a plain WAV that cannot be seeked."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np
import soundfile

from . import wav

# Marks the places of a buffer that the decoder has not reached: when it fails on a damaged file, what it
# decoded before the damage is still good. Sound files hold no such number.
_UNTOUCHED = np.float32(3.1e38)


@dataclass(frozen=True)
class AudioInfo:
    """What a recording's header says. frames and seconds are None for a pipe of unknown length."""

    path: str
    sample_rate_hz: int
    channels: int
    frames: int | None
    seconds: float | None
    format: str
    subtype: str
    comment: str | None = None


class Decoder(Protocol):
    """Hands out samples from front to back."""

    info: AudioInfo

    def read(self, frames: int) -> np.ndarray:
        """The next samples (t, channels) float32, t <= frames; none at the end or where the source is damaged."""
        ...

    def close(self) -> None:
        """Let go of what the decoder holds."""
        ...


class _Sequential(soundfile.SoundFile):
    """A sound file that is read from front to back.

    soundfile seeks after each read of a seekable file, to where the file already is. An MP3 decoder forgets
    its history over that and gives zeros for a while.
    """

    def seekable(self) -> bool:
        return False


class Padded:
    """A file that seems much longer than it is: zeros follow.

    libsndfile guesses the length of an MP3 without an index from the size of the file, and reads no further than
    that. Variable bit rates make the guess too small, and the end would be missing.
    """

    TIMES = 12  # the widest ratio of bit rates, 320 to 32, and some more

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._start = start
        self._real = file.seek(0, os.SEEK_END) - start
        self._size = self.TIMES * self._real + (1 << 16)
        self._at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of a file."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """As of a file."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:
        """As of a file; zeros behind its end."""
        self._file.seek(self._start + min(self._at, self._real))
        data = wav.read_exactly(self._file, len(buffer))
        count = max(0, min(len(buffer), self._size - self._at))
        buffer[:count] = data + bytes(count - len(data))
        self._at += count
        return count

    def read(self, size: int) -> bytes:
        """As of a file; soundfile asks for the method."""
        buffer = bytearray(size)
        return bytes(buffer[: self.readinto(memoryview(buffer))])

    def write(self, data: bytes) -> int:
        """Nothing is written; soundfile asks for the method."""
        raise OSError("this file is only read")


class SoundFileDecoder:
    """libsndfile behind the decoder's two methods."""

    def __init__(self, name: str, source: str | BinaryIO | Padded, maybe_mp3: bool) -> None:
        with _quiet(maybe_mp3):
            self._file = _Sequential(library_name(source) if isinstance(source, str) else source)
        file = self._file
        self._is_mp3 = file.format in ("MP3", "MPEG")
        known = 0 <= file.frames < 1 << 62 and not isinstance(source, Padded)
        frames = file.frames if known else None
        seconds = None if frames is None else frames / file.samplerate
        self.info = AudioInfo(
            name,
            file.samplerate,
            file.channels,
            frames,
            seconds,
            file.format,
            file.subtype,
            file.comment or None,
        )
        self._failed = False

    def read(self, frames: int) -> np.ndarray:
        """The next samples; also those that were decoded before a fault."""
        if self._failed:
            return np.zeros((0, self.info.channels), np.float32)
        out = np.full((frames, self.info.channels), _UNTOUCHED, np.float32)
        with _quiet(self._is_mp3):
            try:
                self._file.read(frames, dtype="float32", out=out, fill_value=_UNTOUCHED)
            except soundfile.LibsndfileError:
                self._failed = True
        return out[: int((out[:, 0] != _UNTOUCHED).sum())]

    def rewind(self) -> None:
        """Begin again."""
        self._failed = False
        self._file.seek(0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class PlainWavDecoder:
    """A plain WAV decoded as it comes."""

    def __init__(self, name: str, stream: BinaryIO, header: wav.WavHeader) -> None:
        kind = {wav.PCM: "PCM", wav.FLOAT: "FLOAT", wav.ALAW: "ALAW", wav.ULAW: "ULAW"}[header.coding]
        subtype = f"PCM_{'U8' if header.bits == 8 else header.bits}" if kind == "PCM" else kind
        seconds = None if header.frames is None else header.frames / header.sample_rate_hz
        self.info = AudioInfo(
            name, header.sample_rate_hz, header.channels, header.frames, seconds, "WAV", subtype
        )
        self._stream = stream
        self._header = header
        self._left = header.data_bytes

    def read(self, frames: int) -> np.ndarray:
        """The next samples."""
        size = frames * self._header.frame_bytes
        data = wav.read_exactly(self._stream, size if self._left is None else min(size, self._left))
        if self._left is not None:
            self._left -= len(data)
        return wav.decode(
            data[: len(data) // self._header.frame_bytes * self._header.frame_bytes], self._header
        )

    def close(self) -> None:
        """The stream is its owner's to close."""


def library_name(path: str) -> str | bytes:
    """A path as soundfile takes it: outside of Windows a name may be any bytes, not only text."""
    return path if sys.platform == "win32" else os.fsencode(path)


# File descriptor 2 belongs to the whole process: two threads that turn it aside at once would each keep, and
# put back, the other's. A fork waits too, so that no child starts with its standard error gone or the lock held.
_STANDARD_ERROR = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_STANDARD_ERROR.acquire,
        after_in_parent=_STANDARD_ERROR.release,
        after_in_child=_STANDARD_ERROR.release,
    )


@contextmanager
def _quiet(wanted: bool) -> Iterator[None]:
    """libmpg123 writes remarks about damaged files straight to the terminal; the user gets one line, ours.

    One thread at a time, for as long as a block takes to decode.
    """
    if not wanted or sys.stderr is None:
        yield
        return
    with _STANDARD_ERROR:
        with suppress(OSError, ValueError):  # whoever replaced or closed it knows why
            sys.stderr.flush()
        try:
            kept = os.dup(2)
        except OSError:  # closed: nothing can be written there
            yield
            return
        try:
            void = os.open(os.devnull, os.O_WRONLY)
            os.dup2(void, 2)
            os.close(void)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
