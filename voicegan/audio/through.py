"""Send a recording through a stream into another file, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from .files import Reader, Writer, require_sound
from .loudness import LevelMeter

Progress = Callable[[float, "float | None"], None]  # seconds done, seconds in all where known


class SoundStream(Protocol):
    """Takes samples of one rate in blocks of any size and gives those of another as they become ready."""

    rate_out: int

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Samples (t,) to samples (t',)."""
        ...

    def flush(self) -> np.ndarray:
        """The rest (t',)."""
        ...


@dataclass(frozen=True)
class Done:
    """What it was like to send one recording through."""

    seconds: float  # of sound
    took_s: float
    warnings: tuple[str, ...]

    @property
    def real_time_factor(self) -> float:
        return self.took_s / self.seconds if self.seconds else 0.0


def send_through(
    source: Path | BinaryIO,
    target: Path | BinaryIO,
    begin: Callable[[Reader, np.ndarray], SoundStream],
    *,
    format: str = "wav",
    comment: str | None = None,
    silence_too: bool = False,
    progress: Progress | None = None,
) -> Done:
    """Read a recording of any length, push it through a stream, and write what comes out.

    Parameters
    ----------
    begin
        Makes the stream from the reader and the first block (T,), of a length of `Reader.block_frames`, or less where
        that is the whole recording.
    comment
        Written into the file.
    silence_too
        Take a recording in which nothing is to be heard.

    The target appears when it is complete, or not at all. Raises VoiceganError when something cannot be read or
    written, and for a silent recording.
    """
    started = time.perf_counter()
    with Reader(source) as reader:
        rate = reader.info.sample_rate_hz
        meter, blocks = LevelMeter(rate), iter(reader)
        first = next(blocks)
        stream = begin(reader, first)
        with Writer(target, stream.rate_out, format=format, comment=comment) as writer:
            for block in chain([first], blocks):
                writer.write(stream.push(block))
                meter.push(block)
                if progress is not None:
                    progress(meter.samples / rate, reader.info.seconds)
            if not silence_too:
                require_sound(reader.name, meter)
            writer.write(stream.flush())
        warnings = tuple(reader.warnings)
    return Done(meter.samples / rate, time.perf_counter() - started, warnings)
