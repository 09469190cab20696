"""Writing recordings block by block: whole or not at all to a path, as they come to a pipe."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import soundfile

from ..errors import VoiceganError
from ..storage import atomic_path
from . import wav
from .decoders import library_name

if TYPE_CHECKING:
    from typing_extensions import Self

_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclass(frozen=True)
class Format:
    """How libsndfile names a format, and the rates that it can hold (None: any)."""

    container: str
    subtype: str
    rates_hz: tuple[int, ...] | None = None


FORMATS: dict[str, Format] = {
    "wav": Format("WAV", "PCM_16"),
    "flac": Format("FLAC", "PCM_16"),
    "ogg": Format("OGG", "VORBIS"),
    "opus": Format("OGG", "OPUS", _OPUS_RATES),
    "mp3": Format("MP3", "MPEG_LAYER_III", _MP3_RATES),
}
WAV_LIMIT_BYTES = (1 << 32) - (1 << 16)
# libsndfile's Vorbis encoder keeps a whole write on the stack.
_WRITE_FRAMES = 1 << 14
_FULL_BYTES = 1 << 18  # libsndfile does not say why a write failed; with less room than this, it is clear


class Writer:
    """Write a mono recording in blocks (T,), float32 in [-1, 1].

    Samples beyond full scale are clipped and counted in `clipped`: scaling is the caller's business. A path
    appears when the `with` block ends well, and not at all when it does not. A binary stream gets a WAV as it
    is written (its header is completed at the end where the stream can be seeked, and says "length unknown"
    where not); other formats are written to a temporary file first and copied.

    Raises VoiceganError for an unknown format, a rate that the format cannot hold, samples that are not
    numbers, more than a WAV can hold, and a disk that cannot take it.
    """

    def __init__(
        self,
        target: Path | str | BinaryIO,
        sample_rate_hz: int,
        format: str = "wav",
        subtype: str | None = None,
        comment: str | None = None,
    ) -> None:
        if format not in FORMATS:
            raise VoiceganError(f"there is no format {format!r}", f"Choose one of {', '.join(FORMATS)}.")
        self.format = FORMATS[format]
        self.name = str(target) if isinstance(target, str | Path) else "standard output"
        rates = self.format.rates_hz
        if rates is not None and sample_rate_hz not in rates:
            raise VoiceganError(
                f"{self.name}: {format} cannot hold {sample_rate_hz} samples a second",
                f"Choose wav, flac or ogg, or a rate of {', '.join(map(str, rates))}.",
            )
        self.sample_rate_hz = sample_rate_hz
        self.clipped = 0
        self.frames = 0
        self._target = target
        self._subtype = subtype or self.format.subtype
        self._comment = comment
        self._stack = ExitStack()
        self._file: soundfile.SoundFile | None = None
        self._bytes = 0
        self._start: int | None = None
        self._spooled = ""

    @property
    def _by_hand(self) -> bool:
        """A WAV to a stream, which is written here: libsndfile would go back to the header after each block."""
        return (
            not isinstance(self._target, str | Path)
            and self.format.container == "WAV"
            and self._subtype == "PCM_16"
        )

    def __enter__(self) -> Self:
        try:
            if self._by_hand:
                assert not isinstance(self._target, str | Path)
                self._start = self._target.tell() if _seekable(self._target) else None
                self._target.write(wav.header_bytes(self.sample_rate_hz, self._comment, None))
            elif isinstance(self._target, str | Path):
                place = self._stack.enter_context(atomic_path(Path(self._target)))
                self._file = self._stack.enter_context(self._open(str(place)))
            else:
                folder = self._stack.enter_context(tempfile.TemporaryDirectory())
                self._spooled = os.path.join(folder, "spooled")
                self._file = self._open(self._spooled)
        except BaseException as error:
            # The stack has to see the fault: closed without one, it would put a part in the target's place.
            with suppress(type(error)):
                self._stack.__exit__(type(error), error, error.__traceback__)
            if isinstance(error, OSError | soundfile.LibsndfileError) and not isinstance(
                error, BrokenPipeError
            ):
                raise self._cannot(error) from None
            raise
        return self

    def _open(self, place: str) -> soundfile.SoundFile:
        with open(place, "wb"):
            pass  # where this is not possible, the system says why; libsndfile does not
        file = soundfile.SoundFile(
            library_name(place), "w", self.sample_rate_hz, 1, self._subtype, format=self.format.container
        )
        if self._comment:
            file.comment = self._comment
        return file

    def write(self, block: np.ndarray) -> None:
        """Append samples (T,)."""
        block = np.asarray(block, np.float32)
        if not np.isfinite(block).all():
            raise VoiceganError(
                f"{self.name}: the sound to be written holds samples that are not numbers",
                "The voice may be damaged.",
            )
        self.clipped += int(np.count_nonzero(np.abs(block) > 1.0))
        block = block.clip(-1.0, 1.0)
        self.frames += len(block)
        if (
            self.format.container == "WAV"
            and self.frames * 8 > WAV_LIMIT_BYTES
            and self._wav_bytes() > WAV_LIMIT_BYTES
        ):
            raise VoiceganError(f"{self.name} would be longer than a WAV can be (4 GiB)", "Choose flac.")
        try:
            if self._by_hand:
                self._write_by_hand(block)
            else:
                assert self._file is not None
                samples = _to_int16(block) if self._subtype == "PCM_16" else block
                for start in range(0, len(samples), _WRITE_FRAMES):
                    self._file.write(samples[start : start + _WRITE_FRAMES])
        except BrokenPipeError:
            raise
        except (OSError, soundfile.LibsndfileError) as error:
            raise self._cannot(error) from None

    def _wav_bytes(self) -> int:
        return self.frames * {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "DOUBLE": 8}.get(self._subtype, 4)

    def _write_by_hand(self, block: np.ndarray) -> None:
        assert not isinstance(self._target, str | Path)
        data = _to_int16(block).astype("<i2", copy=False).tobytes()
        self._target.write(data)
        self._target.flush()
        self._bytes += len(data)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None
    ) -> None:
        if kind is not None:
            # Handing the fault on makes atomic_path remove what was written.
            self._stack.__exit__(kind, fault, at)
            return
        try:
            if self._by_hand:
                self._complete_header()
            elif not isinstance(self._target, str | Path):
                assert self._file is not None
                self._file.close()
                with open(self._spooled, "rb") as written:
                    shutil.copyfileobj(written, self._target)
                self._target.flush()
            self._stack.close()
        except BrokenPipeError:
            raise
        except (OSError, soundfile.LibsndfileError) as error:
            raise self._cannot(error) from None

    def _complete_header(self) -> None:
        assert not isinstance(self._target, str | Path)
        if self._start is not None:
            end = self._target.tell()
            self._target.seek(self._start)
            self._target.write(wav.header_bytes(self.sample_rate_hz, self._comment, self._bytes))
            self._target.seek(end)
        self._target.flush()

    def _cannot(self, error: Exception) -> VoiceganError:
        reason = getattr(error, "strerror", None)
        if isinstance(error, FileExistsError | NotADirectoryError):
            reason = "what should be its folder is a file"
        elif reason is None:
            reason = "no space is left" if self._disk_is_full() else f"libsndfile says: {error}".strip(" .")
        return VoiceganError(
            f"{self.name} cannot be written: {reason}",
            "Check the folder, its permissions and the space left.",
        )

    def _disk_is_full(self) -> bool:
        folder = self._spooled or str(Path(self.name).absolute())
        with suppress(OSError):
            return shutil.disk_usage(os.path.dirname(folder)).free < _FULL_BYTES
        return False


def _to_int16(samples: np.ndarray) -> np.ndarray:
    """To the nearest of 65536 steps: libsndfile would round downwards, and so shift everything by half a
    step.
    """
    return np.rint(samples * 32768).clip(-32768, 32767).astype(np.int16)


def _seekable(stream: BinaryIO) -> bool:
    try:
        return stream.seekable()
    except AttributeError:
        return False
