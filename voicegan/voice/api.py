"""What `voicegan.load_voice`, `voicegan.convert` and `voicegan.list_voices` are."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import VoiceganError
from . import batch
from .library import find_pack, installed
from .marks import made_by
from .pack import Pack

if TYPE_CHECKING:
    import numpy as np

    from ..audio.files import Reader
    from ..audio.through import Done, Progress
    from .converter import Converter
    from .stream import Stream


def list_voices() -> list[Pack]:
    """The installed voices that can be read, in the order of their folders' names. Imports no torch."""
    return installed()[0]


def load_voice(
    name: str | Path, *, source: str | None = None, device: str = "auto", vocoder: str | None = None
) -> Converter:
    """Load a voice by the name of its speaker, or by path.

    >>> voice = voicegan.load_voice("slt")  # doctest: +SKIP
    >>> wav, rate = voice.convert(samples, 44100)  # doctest: +SKIP
    >>> stream = voice.stream(48000)  # doctest: +SKIP

    Parameters
    ----------
    source
        Which voice is meant where several with this name were trained for different speakers.
    device, vocoder
        As in `Converter`.

    Raises VoiceganError for a name that is unknown or ambiguous, and for a damaged voice.
    """
    pack = find_pack(name, source)
    from .converter import Converter

    return Converter(pack, device=device, vocoder=vocoder)


def convert(
    path: str | Path,
    to: str | Path | Converter,
    out: str | Path | None = None,
    *,
    source: str | None = None,
    format: str | None = None,
    rate: int | str | None = None,
    level: float | None = None,
    device: str = "auto",
    force: bool = False,
) -> Path:
    """Convert one sound file into another, as `voicegan convert` does, and return where the result lies.

    >>> voicegan.convert("in.wav", to="slt")  # doctest: +SKIP
    PosixPath('in_slt.wav')

    Parameters
    ----------
    to
        Name or path of a voice, or a loaded one (quicker where many files are converted).
    out
        File or folder; by default the result lies beside the input as `<stem>_<voice>.wav`.
    rate
        Of the output: in Hz, or "voice"; the input's by default.
    level
        Loudness of the output while somebody speaks, in dBFS; the input's by default.
    force
        Replace a file that exists already.

    Raises VoiceganError, as the command says it. For samples in memory there is `load_voice(name).convert`.
    """
    if Path(path).is_dir() or str(path) == batch.PIPE or str(out) == batch.PIPE:
        raise VoiceganError(
            f"{path} is not one file that becomes another", "Folders and pipes: voicegan convert."
        )
    pack = find_pack(to, source) if isinstance(to, (str, Path)) else to.pack
    [job] = batch.plan([path], pack.name, out=out, format=format, force=force)
    assert job.source is not None and job.target is not None
    voice = load_voice(pack.folder, device=device) if isinstance(to, (str, Path)) else to
    convert_file(voice, job.source, job.target, format=job.format, rate_out=rate, level_out=level)
    return job.target


def convert_file(
    voice: Converter,
    source: Path | BinaryIO,
    target: Path | BinaryIO,
    *,
    format: str = "wav",
    rate_out: int | str | None = None,
    level_out: float | None = None,
    progress: Progress | None = None,
) -> Done:
    """Convert a recording of any length in bounded memory.

    A file is read twice: for its level, then to convert it. What comes through a pipe gets a causal gain, which sets
    out from the level of the first seconds. The target appears when it is complete, or not at all. Raises VoiceganError
    when it cannot be read or written, or is silent.
    """
    if isinstance(source, Path) and source.exists() and not source.is_file() and not source.is_dir():
        with open(source, "rb") as pipe:  # a named pipe, or <(command): it can be read only once
            return convert_file(
                voice, pipe, target, format=format, rate_out=rate_out, level_out=level_out, progress=progress
            )
    from ..audio.loudness import active_level_db
    from ..audio.through import send_through

    started = time.perf_counter()
    measured = measure_level(source) if isinstance(source, Path) else None

    def begin(reader: Reader, first: np.ndarray) -> Stream:
        rate = reader.info.sample_rate_hz
        stream = partial(voice.stream, rate, rate_out, level_out=level_out)
        if measured is not None:
            return stream(level=measured)
        # It cannot be read twice, and its first seconds are there: perhaps all of it.
        level_db = active_level_db(first, rate)
        if len(first) < reader.block_frames:
            return stream(level=level_db)
        return stream(begin_db=level_db if math.isfinite(level_db) else voice.pack.level_db)

    comment = made_by(voice.pack)
    done = send_through(source, target, begin, format=format, comment=comment, progress=progress)
    return replace(done, took_s=time.perf_counter() - started)


def measure_level(path: Path) -> float:
    """Active level of a file in dBFS, from one pass over it. Raises VoiceganError when it is silent."""
    from ..audio.files import Reader, require_sound
    from ..audio.loudness import LevelMeter

    with Reader(path) as reader:
        meter = LevelMeter(reader.info.sample_rate_hz)
        for block in reader:
            meter.push(block)
    require_sound(reader.name, meter)
    return meter.active_db
