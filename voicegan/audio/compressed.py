"""What compressed files say about their end and their length, where libsndfile keeps it to itself."""

from __future__ import annotations

import os
from typing import BinaryIO


def unfinished_ogg_end(file: BinaryIO) -> int | None:
    """None where an Ogg file ends with the page that says so; else the place of its last page, which may be a
    part.
    """
    size = file.seek(0, os.SEEK_END)
    from_byte = max(0, size - (1 << 17))  # a page is shorter than 64 kB
    file.seek(from_byte)
    tail = file.read()
    last = tail.rfind(b"OggS")
    flags = tail[last + 5 : last + 6] if last >= 0 else b""
    return None if flags and flags[0] & 4 else from_byte + max(0, last)


def has_mp3_index(file: BinaryIO, start: int) -> bool:
    """Whether the first frame of an MP3 says how long it is; otherwise libsndfile guesses from the size of the file."""
    before = file.tell()
    file.seek(start)
    head = file.read(10)
    if head.startswith(b"ID3") and len(head) == 10:  # a tag comes first: its size in four times seven bits
        start += 10 + sum((byte & 127) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    file.seek(start)
    first_frames = file.read(4096)
    file.seek(before)
    return any(mark in first_frames for mark in (b"Xing", b"Info", b"VBRI"))
