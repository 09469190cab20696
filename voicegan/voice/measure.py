"""What can be said about one recording, from one pass over it: level, noise, clipping, pauses, pitch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import storage
from ..errors import VoiceganError

FORMAT = 1  # of what is cached; raise it when a measure below changes its meaning
RATE_HZ, HOP = 16_000, 256  # the grid of the 16k mel preset, so that training can use the pitch found here

SILENT_DB = -70.0  # a peak under this is the hiss of a converter; the same line as in audio.files
_DIGITAL_SILENCE_DB = -95.0  # under the noise of any microphone: gated or padded, says nothing about noise
_PITCH_S = 60  # of sound are searched for pitch at a time
_FLAT_RUN = 3  # equal samples in a row at the very top: a sine of any pitch does not stay there that long


@dataclass(frozen=True)
class Facts:
    """Measures of one recording, mixed to mono. Levels in dB relative to full scale."""

    sample_rate_hz: int
    channels: int
    seconds: float
    peak_db: float
    active_db: float  # RMS while somebody speaks
    snr_db: float  # speech against what is heard in its quietest tenth
    clipped: int  # samples in flat tops
    dc: float  # mean of the samples
    speech_s: float  # what is not a pause
    voiced_s: float
    f0_hz: tuple[float, float, float]  # 5 %, 50 %, 95 % of the voiced frames; zeros when nothing is voiced
    samples_sha256: str  # of the samples at 16 bits: equal for a wav and the flac made of it
    warnings: tuple[str, ...]  # what the reader of the file had to say

    @property
    def silent(self) -> bool:
        """Nothing to be heard; a constant offset alone is not heard either."""
        return self.peak_db < SILENT_DB or self.active_db < SILENT_DB

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """Raises ValueError, KeyError or TypeError when `text` is not what `to_json` writes today."""
        values: dict[str, Any] = json.loads(text)
        if values.pop("format") != FORMAT:
            raise ValueError("written by another version")
        values["f0_hz"], values["warnings"] = tuple(values["f0_hz"]), tuple(values["warnings"])
        return cls(**values)


@dataclass(frozen=True)
class Measured:
    """Facts, and the signal that they were measured on."""

    facts: Facts
    wav: np.ndarray  # (T,) float32, mono, at `rate_hz`
    rate_hz: int
    f0: np.ndarray  # (F,) float32 Hz, 0 where unvoiced, F = 1 + T // hop


def measure(path: Path, rate_hz: int = RATE_HZ, hop: int = HOP) -> Measured:
    """Decode a file once, block by block, resample it, and measure it.

    Raises
    ------
    VoiceganError
        What `audio.files.Reader` raises: not readable, not audio, no frames, NaN or infinite samples.
    """
    from ..audio import files, loudness, resample

    meter, parts = _Meter(), []
    with files.Reader(path) as reader:
        info = reader.info
        resampler = resample.StreamResampler(info.sample_rate_hz, rate_hz)
        for block in reader:
            meter.push(block)
            parts.append(resampler.push(block))
        # Facts are cached by content: the name of the file that happened to be read is no part of them.
        warnings = tuple(remark.removeprefix(reader.name).lstrip(": ") for remark in reader.warnings)
    parts.append(resampler.flush())
    wav = np.concatenate(parts).astype(np.float32, copy=False)
    if not meter.samples or not len(wav):
        raise VoiceganError(f"{path} holds no samples", "Remove it or record it again.")

    wav -= np.float32(_offset_in(meter.dc))
    active_db = max(float(loudness.active_level_db(wav, rate_hz)), -120.0)  # it is -inf for silence
    silent = min(meter.peak_db, active_db) < SILENT_DB
    levels = block_levels(wav, hop)
    frames = 1 + len(wav) // hop
    found = np.zeros(frames, np.float32) if silent else _pitch(wav, rate_hz, hop)
    voiced = found[found > 0]
    facts = Facts(
        sample_rate_hz=info.sample_rate_hz,
        channels=info.channels,
        seconds=meter.samples / info.sample_rate_hz,
        peak_db=meter.peak_db,
        active_db=active_db,
        snr_db=0.0 if silent else active_db - noise_db(levels),
        clipped=meter.clipped,
        dc=meter.dc,
        speech_s=0.0 if silent else float(speech_blocks(levels, active_db).sum()) * hop / rate_hz,
        voiced_s=len(voiced) * hop / rate_hz,
        f0_hz=_quantiles(voiced),
        samples_sha256=meter.sha256,
        warnings=warnings,
    )
    return Measured(facts, wav, rate_hz, found)


def constant_offset(wav: np.ndarray) -> float:
    """The offset (DC) of samples (T,), T >= 1, that is taken out before anything hears them."""
    return _offset_in(float(wav.mean(dtype=np.float64)))


def _offset_in(mean: float) -> float:
    """An offset is no sound; the mean of a clean recording is left, so zeros stay zeros."""
    return mean if abs(mean) > 0.005 else 0.0


def facts_of(path: Path, content_sha256: str) -> Facts:
    """Facts about a file, from the cache when its content was measured before. Raises as `measure` does."""
    cached = facts_path(content_sha256)
    if (known := read_facts(cached)) is not None:
        return known
    facts = measure(path).facts
    write_facts(cached, facts)
    return facts


def facts_path(content_sha256: str) -> Path:
    return storage.cache_home() / "facts" / content_sha256[:2] / f"{content_sha256}.json"


def read_facts(cached: Path) -> Facts | None:
    try:
        return Facts.from_json(cached.read_text(encoding="utf-8"))
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
    ):  # not there, cut off, or of another version: measure again
        return None


def write_facts(cached: Path, facts: Facts) -> None:
    try:
        storage.write_atomic(cached, facts.to_json())
    except OSError:  # a cache that cannot be written costs time, nothing else; `voicegan doctor` tells of it
        return


def block_levels(wav: np.ndarray, hop: int) -> np.ndarray:
    """Level in dB, any offset apart, of every whole block of `hop` samples: (T // hop,), at least one."""
    whole = len(wav) // hop
    blocks = wav[: whole * hop].reshape(whole, hop) if whole else wav[None, :]
    return 10 * np.log10(blocks.var(axis=1, dtype=np.float64) + 1e-12)


def noise_db(levels: np.ndarray) -> float:
    """Level of the quietest tenth of the blocks, digital silence set aside."""
    heard = np.sort(levels[levels > _DIGITAL_SILENCE_DB])
    if not len(heard):
        return _DIGITAL_SILENCE_DB
    quietest = heard[: max(1, len(heard) // 10)]
    return float(10 * np.log10(np.mean(10 ** (quietest / 10))))


def speech_blocks(levels: np.ndarray, active_db: float) -> np.ndarray:
    """Which blocks are speech: boolean (B,).

    A block is speech when it stands out from the background (8 dB over the quietest tenth). The line is never
    higher than 15 dB under the speech, for recordings without pauses, nor lower than 40 dB under it.
    """
    line = max(active_db - 40.0, min(noise_db(levels) + 8.0, active_db - 15.0))
    # Three blocks are averaged: single loud blocks in a pause are clicks.
    power = np.convolve(np.pad(10 ** (levels / 10), 1, mode="edge"), np.full(3, 1 / 3), mode="valid")
    return 10 * np.log10(power + 1e-12) > line


class _Meter:
    """What is measured at the file's own rate, block by block."""

    def __init__(self) -> None:
        self.samples = 0
        self._sum = 0.0
        self._tops: list[tuple[float, int]] = []  # of each block: its peak, and its samples in flat tops
        self._digest = hashlib.sha256()

    def push(self, block: np.ndarray) -> None:
        if not len(block):
            return
        self.samples += len(block)
        self._sum += float(block.sum(dtype=np.float64))
        self._digest.update(np.round(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())
        magnitude = np.abs(block)
        peak = float(magnitude.max())
        self._tops.append((peak, _in_runs(magnitude >= 0.9999 * peak, _FLAT_RUN) if peak > 0.1 else 0))

    @property
    def peak_db(self) -> float:
        return float(20 * np.log10(max((peak for peak, _ in self._tops), default=0.0) + 1e-9))

    @property
    def clipped(self) -> int:
        """Flat tops count where they reach the file's own ceiling, which may be far under full scale."""
        ceiling = max((peak for peak, _ in self._tops), default=0.0)
        return sum(flat for peak, flat in self._tops if peak >= 0.98 * ceiling)

    @property
    def dc(self) -> float:
        return self._sum / max(self.samples, 1)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _in_runs(marked: np.ndarray, shortest: int) -> int:
    """How many of the marked samples stand in runs of at least `shortest`."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], marked.view(np.int8), [0]))))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= shortest].sum())


def _pitch(wav: np.ndarray, rate_hz: int, hop: int) -> np.ndarray:
    """Pitch of every frame (1 + T // hop,), found a minute at a time: bounded memory."""
    from ..audio import pitch

    frames, step, around = 1 + len(wav) // hop, _PITCH_S * rate_hz // hop, rate_hz // hop
    found = np.zeros(frames, np.float32)
    for first in range(0, frames, step):
        start = max(0, first - around)
        track = pitch.f0(wav[start * hop : (first + step + around) * hop], rate_hz, hop)
        part = track[first - start : first - start + step]
        found[first : first + step][: len(part)] = part[: frames - first]
    return found


def _quantiles(voiced: np.ndarray) -> tuple[float, float, float]:
    if not len(voiced):
        return (0.0, 0.0, 0.0)
    low, middle, high = np.quantile(voiced, [0.05, 0.5, 0.95])
    return (float(low), float(middle), float(high))
