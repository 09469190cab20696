"""WAV headers, read and written by hand for the two cases that libsndfile does not serve.

A WAV that comes through a pipe cannot be seeked, which libsndfile wants, and one that is cut off has a header
that promises more than there is, which libsndfile does not say.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

PCM, FLOAT, ALAW, ULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
# What programs write when they do not know the length yet: nothing, or about the most that 31 or 32 bits can
# say.
UNKNOWN_LENGTH = 0x7FFF0000
CHUNK_LIMIT = 1 << 26


class BrokenHeader(ValueError):
    """The header cannot be understood; the text says why."""


@dataclass(frozen=True)
class WavHeader:
    """What a WAV header says. data_bytes is None where the writer did not know the length."""

    sample_rate_hz: int
    channels: int
    coding: int
    bits: int
    frame_bytes: int
    data_bytes: int | None
    data_offset: int
    little_endian: bool = True

    @property
    def frames(self) -> int | None:
        """Samples per channel that the header promises, None if it does not."""
        return None if self.data_bytes is None else self.data_bytes // self.frame_bytes

    @property
    def is_plain(self) -> bool:
        """Whether `decode` understands the samples: linear, floating point or G.711."""
        sizes = {PCM: (8, 16, 24, 32), FLOAT: (32, 64), ALAW: (8,), ULAW: (8,)}.get(self.coding, ())
        return self.bits in sizes and self.frame_bytes == self.channels * self.bits // 8


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes, or fewer at the end: a pipe hands out less than was asked for whenever it pleases."""
    parts = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_header(stream: BinaryIO, taken_already: bytes = b"") -> tuple[WavHeader, bytes]:
    """Read up to the first sample. Also returns every byte consumed. Raises BrokenHeader.

    taken_already: the first 12 bytes, where they have been read from the stream to see what it is.

    Understands RIFF, big-endian RIFX, and RF64 (whose lengths are in a chunk of their own).
    """
    taken = bytearray(taken_already)

    def take(size: int) -> bytes:
        part = read_exactly(stream, size)
        taken.extend(part)
        if len(part) < size:
            raise BrokenHeader("it ends within the header")
        return part

    kind = taken_already or take(12)
    if kind[:4] not in (b"RIFF", b"RIFX", b"RF64") or kind[8:] != b"WAVE":
        raise BrokenHeader("it does not begin with RIFF ... WAVE")
    order = ">" if kind[:4] == b"RIFX" else "<"
    fmt: bytes | None = None
    long_data_bytes: int | None = None
    while True:
        name, size = struct.unpack(f"{order}4sI", take(8))
        if name == b"data":
            break
        if size > CHUNK_LIMIT:
            raise BrokenHeader(f"its chunk {name!r} claims {size} bytes")
        body = take(size + size % 2)
        if name == b"fmt ":
            fmt = body
        elif name == b"ds64" and size >= 16:
            long_data_bytes = struct.unpack_from("<Q", body, 8)[0]
    if fmt is None or len(fmt) < 16:
        raise BrokenHeader("the description of the samples is missing")
    coding, channels, rate, _, frame_bytes, bits = struct.unpack_from(f"{order}HHIIHH", fmt)
    if coding == EXTENSIBLE and len(fmt) >= 26:
        coding = struct.unpack_from(f"{order}H", fmt, 24)[0]
    if not (channels and frame_bytes and 0 < rate < 1 << 31):
        raise BrokenHeader(f"it claims {channels} channel{'' if channels == 1 else 's'} at {rate} Hz")
    data_bytes: int | None = long_data_bytes if kind[:4] == b"RF64" and long_data_bytes else size
    if data_bytes == 0 or (data_bytes == size and size >= UNKNOWN_LENGTH):
        data_bytes = None
    return WavHeader(rate, channels, coding, bits, frame_bytes, data_bytes, len(taken), order == "<"), bytes(
        taken
    )


def decode(data: bytes, header: WavHeader) -> np.ndarray:
    """Bytes of whole frames to samples (T, channels), float32 in [-1, 1). Needs header.is_plain."""
    order = "<" if header.little_endian else ">"
    raw = np.frombuffer(data, np.uint8)
    samples: np.ndarray
    if header.coding == FLOAT:
        samples = raw.view(f"{order}f{header.bits // 8}").astype(np.float32)
    elif header.coding in (ALAW, ULAW):
        samples = _g711_table(header.coding)[raw]
    elif header.bits == 8:
        samples = (raw.astype(np.float32) - 128) / 128
    elif header.bits == 24:
        wide = np.zeros((len(raw) // 3, 4), np.uint8)  # the upper three bytes of a 32 bit number
        wide[:, 1:] = raw.reshape(-1, 3) if header.little_endian else raw.reshape(-1, 3)[:, ::-1]
        samples = wide.view("<i4")[:, 0].astype(np.float32) / 2.0**31
    else:
        samples = raw.view(f"{order}i{header.bits // 8}").astype(np.float32) / np.float32(
            2.0 ** (header.bits - 1)
        )
    return samples.reshape(-1, header.channels)


def _g711_table(coding: int) -> np.ndarray:
    """The 256 values of ITU-T G.711, sign bit first, then a 3 bit exponent and a 4 bit mantissa."""
    code = np.arange(256) ^ (0x55 if coding == ALAW else 0xFF)
    exponent, mantissa = (code >> 4) & 7, code & 15
    if coding == ALAW:
        value = (
            np.where(exponent == 0, 2 * mantissa + 1, (2 * mantissa + 33) << np.maximum(exponent - 1, 0)) * 8
        )
        sign = np.where(code & 128, 1, -1)
    else:
        value = (((2 * mantissa + 33) << exponent) - 33) * 4
        sign = np.where(code & 128, -1, 1)
    return (sign * value / 32768).astype(np.float32)


def header_bytes(sample_rate_hz: int, comment: str | None, data_bytes: int | None) -> bytes:
    """A header for mono 16 bit samples, with the comment as a LIST INFO chunk. data_bytes None: length
    unknown.
    """
    info = b""
    if comment:
        text = comment.encode("utf-8") + b"\0"
        text += b"\0" * (len(text) % 2)
        info = b"LIST" + struct.pack("<I", 12 + len(text)) + b"INFOICMT" + struct.pack("<I", len(text)) + text
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, PCM, 1, sample_rate_hz, 2 * sample_rate_hz, 2, 16)
    unknown = 0xFFFFFFFF
    total = unknown if data_bytes is None else 4 + len(fmt) + len(info) + 8 + data_bytes
    data = struct.pack("<4sI", b"data", unknown if data_bytes is None else data_bytes)
    return b"RIFF" + struct.pack("<I", total) + b"WAVE" + fmt + info + data
