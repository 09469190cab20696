"""Folders of recordings become crops of sound to train a vocoder on, from a file that is mapped, not loaded."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydantic
import torch
from torch import Tensor

from .. import storage
from ..audio import files, folders
from ..audio.mel import MelSpec, preset
from ..audio.resample import resample
from ..config import Config
from ..core.random import Draws
from ..core.system import Batch
from ..errors import VoiceganError
from .given import GivenMels

log = logging.getLogger(__name__)

FORMAT = 1  # of the decoded sound; raise it when decoding changes
_FULL_SCALE = 32767.0
_AT_ONCE = 16  # recordings decoded before they are written: a large corpus is never in memory as a whole


class CorpusConfig(Config):
    """How recordings become training material."""

    mel: str = "16k"  # preset of the mel contract
    min_s: float = pydantic.Field(default=0.5, ge=0.05)  # shorter recordings are left out
    files: tuple[str, ...] | None = None  # names or patterns of those that train; by default all not held out
    held_out: tuple[str, ...] | None = None  # those kept aside; by default a share chosen by name
    held_out_share: float = pydantic.Field(default=0.02, ge=0.0, lt=1.0)
    held_out_least: int = pydantic.Field(default=4, ge=0)
    held_out_most: int = pydantic.Field(default=40, ge=0)

    def spec(self) -> MelSpec:
        """The mel contract. Raises VoiceganError for an unknown preset."""
        return preset(self.mel)


@dataclass(frozen=True)
class Recordings:
    """Decoded recordings at one rate, end to end in one array of 16-bit samples.

    Attributes
    ----------
    paths : list of Path
        Where each is from.
    starts : ndarray
        ``(N + 1,)`` first sample of each, and the number of samples in all.
    samples : ndarray
        ``(T,)`` int16, usually mapped from a file.
    mels : GivenMels, optional
        Log-mels to learn from instead of the recordings' own; the sound is then at their level.
    """

    paths: list[Path]
    starts: np.ndarray
    samples: np.ndarray
    mels: GivenMels | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def wav(self, index: int, first: int = 0, last: int | None = None) -> np.ndarray:
        """Samples ``first`` to ``last`` (one past, at most as many as there are) of one recording, float32.

        They are in [-1, 1], unless mels are given that were taken of a louder sound.
        """
        begin, end = int(self.starts[index]), int(self.starts[index + 1])
        stop = end if last is None else min(begin + last, end)
        wav = self.samples[begin + first : stop].astype(np.float32) / _FULL_SCALE
        if self.mels is None:
            return wav
        return (wav - np.float32(self.mels.offsets[index])) * np.float32(self.mels.gains[index])

    @property
    def samples_in_all(self) -> int:
        return int(self.starts[-1])


@dataclass(frozen=True)
class Corpus:
    """What trains and what is kept aside."""

    places: tuple[Path, ...]
    spec: MelSpec
    training: Recordings
    held_out: Recordings
    refused: tuple[str, ...]  # a line for each file that was left out
    through: tuple[tuple[str, str], ...] = ()  # name and hash of what gave mels for the recordings

    @property
    def minutes(self) -> float:
        """Of training material."""
        return self.training.samples_in_all / self.spec.sample_rate_hz / 60

    @property
    def fingerprint(self) -> str:
        """Hash of the recordings' names and lengths: a run can go on with the same ones only."""
        parts = [
            [[path.name for path in side.paths], side.starts.tolist()]
            for side in (self.training, self.held_out)
        ]
        return storage.sha256(json.dumps(parts).encode())


def load_corpus(
    places: Sequence[Path], config: CorpusConfig, *, progress: folders.Progress | None = None
) -> Corpus:
    """Decode the recordings under some folders; what was decoded once is read from the cache.

    Raises
    ------
    VoiceganError
        A folder has no recordings, a listed file is missing, or nothing is left to train on. Files that cannot be
        used are logged one by one, and listed in the result.
    """
    spec = config.spec()
    listed = _recordings_under(places)
    training, aside = _split(listed, config)
    if not training:
        raise VoiceganError(f"nothing in {_listed(places)} is left to train on", "Hold out fewer files.")
    refused: list[str] = []
    sides = [_decoded(paths, spec, config.min_s, refused, progress) for paths in (training, aside)]
    for line in refused:
        log.warning("left out: %s", line)
    if not len(sides[0]):
        raise VoiceganError(
            f"nothing in {_listed(places)} can be used: {refused[0]}", "Give other recordings."
        )
    return Corpus(tuple(places), spec, sides[0], sides[1], tuple(refused))


def _listed(places: Sequence[Path]) -> str:
    return ", ".join(str(place) for place in places)


def _recordings_under(places: Sequence[Path]) -> dict[Path, list[Path]]:
    """Folder to the recordings in it. One that several folders hold, or a link means, counts where it is met first:
    it is to be heard once, and not to train under one name when it is held out under another.
    """
    listed, known = {}, set()
    for place in places:
        there = {os.path.realpath(path): path for path in reversed(folders.recordings_in(place))}
        if new := sorted(path for real, path in there.items() if real not in known):
            listed[place] = new
        known |= set(there)
    return listed


def _split(listed: dict[Path, list[Path]], config: CorpusConfig) -> tuple[list[Path], list[Path]]:
    """What trains and what is kept aside of the recordings in several folders."""
    everything = [path for paths in listed.values() for path in paths]
    if config.held_out is not None:
        aside = _named(listed, config.held_out)
    else:
        aside = []
        for place, paths in listed.items():
            names = {path: path.relative_to(place).with_suffix("").as_posix() for path in paths}
            chosen = folders.set_aside(
                list(names.values()), config.held_out_share, config.held_out_least, config.held_out_most
            )
            aside += [path for path in paths if names[path] in chosen]
    held = set(aside)
    wanted = everything if config.files is None else _named(listed, config.files)
    return [path for path in wanted if path not in held], aside


def _named(listed: dict[Path, list[Path]], wanted: Sequence[str]) -> list[Path]:
    """What a list of names or patterns means in any of the folders; each has to mean something in one of them."""
    found: dict[Path, None] = {}
    for name in wanted:
        faults, any_found = [], False
        for place, paths in listed.items():
            try:
                found.update(dict.fromkeys(folders.select(place, paths, [name])))
                any_found = True
            except VoiceganError as fault:
                faults.append(fault)
        if not any_found:
            raise faults[0]
    return list(found)


def _decoded(
    paths: list[Path], spec: MelSpec, min_s: float, refused: list[str], progress: folders.Progress | None
) -> Recordings:
    """Decode into a file in the cache, or map the one that is there."""
    if not paths:
        return Recordings([], np.zeros(1, np.int64), np.zeros(0, np.int16))
    rate = spec.sample_rate_hz
    key = storage.sha256(json.dumps([FORMAT, rate, min_s, [_stamp(path) for path in paths]]).encode())[:24]
    sound, index = (storage.cache_home() / "sound" / f"{key}{suffix}" for suffix in (".i16", ".json"))
    known = _decoded_before(sound, index)
    if known is None:
        lengths, left_out = _decode_into(sound, paths, rate, min_s, progress)
        known = {"lengths": lengths, "refused": left_out}
        storage.write_json(index, known)
    refused += known["refused"]
    used = [path for path, length in zip(paths, known["lengths"], strict=True) if length]
    starts = np.concatenate([[0], np.cumsum([length for length in known["lengths"] if length])])
    total = int(starts[-1])
    samples = np.memmap(sound, np.int16, "r", shape=(total,)) if total else np.zeros(0, np.int16)
    return Recordings(used, starts.astype(np.int64), samples)


def _stamp(path: Path) -> list[str | int]:
    """What changes when a file does, its permissions included."""
    real = os.path.realpath(path)
    try:
        state = os.stat(real)
    except OSError:  # a link to nothing: whoever reads it says so
        return [real]
    return [real, state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def _decoded_before(sound: Path, index: Path) -> dict[str, Any] | None:
    """What the cache holds, where it is whole."""
    try:
        known: dict[str, Any] = storage.read_json(index)
        whole = sound.stat().st_size == 2 * sum(known["lengths"]) and isinstance(known["refused"], list)
    except (OSError, VoiceganError, KeyError, TypeError):
        return None
    return known if whole else None


def _decode_into(
    sound: Path, paths: list[Path], rate_hz: int, min_s: float, progress: folders.Progress | None
) -> tuple[list[int], list[str]]:
    """Write all samples to one file; return each recording's length, 0 for one that is left out, and why."""
    lengths, refused = [], []
    with storage.atomic_path(sound) as temporary, open(temporary, "wb") as file:
        for first in range(0, len(paths), _AT_ONCE):
            some = paths[first : first + _AT_ONCE]
            for path, samples in zip(some, folders.in_threads(_reader(rate_hz), some), strict=True):
                if isinstance(samples, VoiceganError):
                    refused.append(str(samples))
                    lengths.append(0)
                elif len(samples) < min_s * rate_hz:
                    refused.append(f"{path} has {len(samples) / rate_hz:.2f} s, less than {min_s:g} s")
                    lengths.append(0)
                else:
                    lengths.append(len(samples))
                    samples.tofile(file)
            if progress:
                progress(first + len(some), len(paths), some[-1].name)
    return lengths, refused


def _reader(rate_hz: int) -> Callable[[Path], np.ndarray | VoiceganError]:
    def read(path: Path) -> np.ndarray | VoiceganError:
        try:
            wav, rate = files.read(path)
        except VoiceganError as fault:
            return fault
        wav = resample(wav, rate, rate_hz)
        return np.round(np.clip(wav, -1, 1) * _FULL_SCALE).astype(np.int16)

    return read


class Variety(NamedTuple):
    """How far crops are changed by chance, so that a few speakers and microphones stand for more."""

    gain_db: float = 0.0  # louder or softer by up to this
    speed: float = 0.0  # faster and higher, or slower and deeper, by up to this share
    colour_db: float = 0.0  # bands of the spectrum louder or softer by up to this


class Crops:
    """Batches of crops, each of one recording, changed by chance.

    A batch holds ``wav (B, (F - 1)·hop + n_fft)``: what F whole frames cover. A recording that is shorter is
    continued by silence. Where mels are given for the recordings, it also holds those F frames, ``mel (B, M, F)``;
    such crops lie on the recordings' own grid of frames, and of what is varied only the gain can be followed.

    Parameters
    ----------
    recordings : Recordings
        To cut from; each is as likely as it is long.
    spec : MelSpec
        Contract of the log-mels.
    frames : int
        F.
    variety : Variety
        How far crops are changed.
    """

    COLOURS = 8  # gains over the spectrum, with straight lines between them

    def __init__(self, recordings: Recordings, spec: MelSpec, frames: int, variety: Variety) -> None:
        self.recordings, self.variety = recordings, variety
        self.spec, self.frames = spec, frames
        self.samples = (frames - 1) * spec.hop + spec.n_fft

    def batch(self, draws: Draws) -> Batch:
        place = draws.integers("place", self.recordings.samples_in_all).tolist()
        gain = 10 ** ((2 * draws.uniform("gain", 1) - 1) * self.variety.gain_db / 20)
        if self.recordings.mels is not None:
            wavs, mels = zip(
                *(self._with_mel(position, self.recordings.mels) for position in place), strict=True
            )
            louder = self.spec.expand(torch.stack(mels)) * gain[..., None] ** self.spec.power
            return {"wav": torch.stack(wavs) * gain, "mel": self.spec.compress(louder)}
        if not self.variety.speed and not self.variety.colour_db:
            return {"wav": torch.stack([self._crop(position, self.samples) for position in place]) * gain}
        speeds = (1 + self.variety.speed) ** (2 * draws.uniform("speed", 1) - 1)
        colours = (2 * draws.uniform("colour", self.COLOURS) - 1) * self.variety.colour_db
        rows = [
            self._varied(position, float(speed), colour)
            for position, speed, colour in zip(place, speeds, colours, strict=True)
        ]
        return {"wav": torch.stack(rows) * gain}

    def _crop(self, position: int, samples: int) -> Tensor:
        starts = self.recordings.starts
        index = int(np.searchsorted(starts, position, "right")) - 1
        begin, end = int(starts[index]), int(starts[index + 1])
        # Every place where a crop fits is as likely as any other: none is pushed back from the recording's end.
        first = begin + (position - begin) * max(1, end - begin - samples + 1) // (end - begin)
        last = min(first + samples, end)
        wav = torch.from_numpy(self.recordings.samples[first:last].astype(np.float32) / _FULL_SCALE)
        return torch.nn.functional.pad(wav, (0, samples - len(wav)))

    def _with_mel(self, position: int, given: GivenMels) -> tuple[Tensor, Tensor]:
        """A crop from a whole frame on, and the mel that is given for its frames.

        The first and the last frames of a recording, which are partly of what was put around it, are left out.
        """
        spec, starts = self.spec, self.recordings.starts
        index = int(np.searchsorted(starts, position, "right")) - 1
        length = int(starts[index + 1] - starts[index])
        last = (length - self.samples + spec.pad_samples) // spec.hop
        frame = max(
            math.ceil(spec.pad_samples / spec.hop), min((position - int(starts[index])) // spec.hop, last)
        )
        first = frame * spec.hop - spec.pad_samples  # frame f covers n_fft samples from here on
        wav = torch.from_numpy(self.recordings.wav(index, first, first + self.samples))
        mel = torch.from_numpy(given.mel(index, frame, frame + self.frames))
        return (
            torch.nn.functional.pad(wav, (0, self.samples - len(wav))),
            torch.nn.functional.pad(mel, (0, self.frames - mel.shape[1]), value=spec.floor),
        )

    def _varied(self, position: int, speed: float, colour: Tensor) -> Tensor:
        """A crop played at another speed and coloured, in one transform of the whole."""
        taken = 64 * round(self.samples * speed / 64)  # a length that transforms quickly
        wav = self._crop(position, taken)
        ramp = torch.linspace(0, 1, 65)[1:]  # the transform takes the end to be followed by the beginning
        wav[:64] *= ramp
        wav[-64:] *= ramp.flip(0)
        spectrum = torch.fft.rfft(wav)
        gains = torch.nn.functional.interpolate(
            colour[None, None], size=len(spectrum), mode="linear", align_corners=True
        )[0, 0]
        spectrum = spectrum * 10 ** (gains / 20)
        return torch.fft.irfft(spectrum, n=self.samples) * (self.samples / taken)
