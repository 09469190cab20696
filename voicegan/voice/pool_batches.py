"""Batches for any-to-one voices: the target's speech disguised, others' readings of it, and a pool of strangers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..audio.mel import MelSpec
from ..audio.source_filter import SourceFilter
from ..core.random import Draws
from ..core.system import Batch
from ..errors import VoiceganError
from .batches import normalised
from .corpus import Speaker, Utterance
from .pool import Pool
from .pool_statistics import Known, statistics
from .source_picture import PRIOR_S, held, moved, picture, speech_frames
from .speech_tape import SpeechTape, envelope_of, mean_log_f0
from .throat import Sounds

_HEARD_S = 8.0  # most speech before a crop by which a speaker is known in training, ...
_AHEAD_S = 2.0  # ... and after it
_MOST_OF_ONE_S = 30.0  # of one speaker of the pool counts, however much there is
_PITCH_ERROR = 0.03  # deviation, in nepers, of a speaker's mean pitch as far as a moment's speech tells it
# Nepers of the first cosines of a microphone's colour, at strength 1.
_COLOURS = (0.2, 0.15, 0.15, 0.1, 0.1, 0.1)


@dataclass(frozen=True)
class Disguise:
    """How far the speech that trains is moved away from who speaks it.

    Attributes
    ----------
    warp : float
        Most that the mel axis is stretched or shrunk, as a natural logarithm of frequency.
    colour : float
        Strength of random equalisation; 1 is about 0.4 nepers (3 dB).
    noise : float
        Share of the crops that get noise 17 to 48 dB under the speech's mean level.
    """

    warp: float = 0.2
    colour: float = 1.0
    noise: float = 0.35


def picture_of(
    mel: np.ndarray, f0: np.ndarray, known: Known, source_filter: SourceFilter, frames_per_s: float
) -> np.ndarray:
    """The picture (2M + 2, F) of a recording's log-mel (M, F) and pitch (F,), the whole of it being known."""
    envelope = envelope_of(mel, f0, source_filter)
    loud = speech_frames(envelope, known.source_mean, known.source_std)
    weight = PRIOR_S * frames_per_s
    mean = (envelope[:, loud].sum(dim=1) + weight * known.source_mean) / (loud.sum() + weight)
    found = mean_log_f0(f0)
    log_f0 = known.source_log_f0 if found is None else found
    hz = moved(torch.from_numpy(held(f0, math.exp(log_f0))), log_f0, known.target_log_f0)
    without_mean = envelope - mean[:, None]
    told = Sounds(known.sounds, source_filter).told(without_mean[:, loud], known.expected(log_f0))
    factors = torch.full((1, len(f0)), math.exp(told))
    x = source_filter.stretched(without_mean[None], factors) / known.source_std[:, None]
    spoken = torch.from_numpy((f0 > 0).astype(np.float32))
    drawn = picture(x, hz[None], spoken[None], known.target_log_f0, source_filter)
    return drawn[0].numpy()


class TargetAndPool:
    """Crops for one target and a pool.

    A batch holds, each ``(B, channels, F)`` of B unrelated crops (pictures: see `source_picture`):

    - ``own``, a picture of the target's own speech in disguise, and ``own_target``, that speech;
    - ``read``, a picture of somebody who reads the target's sentences, in the target's own pitch, with
      ``read_target``, aligned to it; only where the pool has such readers;
    - ``b``, the target's speech at another moment;
    - ``pool``, a picture of anybody in the pool, the pitch moved into the target's range, and of ``b`` also
      ``b_envelope``, its envelope as in a picture, and ``b_more``, the picture's other channels; only with a pool;
    - ``pool_target``, what the teacher makes of the pool's crop; only with a teacher.

    Parameters
    ----------
    target : Speaker
        The target.
    pool : Pool
        The pool; may be empty.
    frames : int
        Length of the crops.
    disguise : Disguise
        How far pictures are moved away from who speaks.
    earlier : mapping, optional
        Statistics of the voice that training sets out from: what is known of a pool where this one is empty.
    throat : bool
        Whether throats are told by what is heard, or by the pitch alone.
    lessons : mapping, optional
        What each of the pool's utterances is to become, by `Utterance.key`: its log-mel (M, F), frame for frame.
    """

    def __init__(
        self,
        target: Speaker,
        pool: Pool,
        frames: int,
        disguise: Disguise,
        earlier: Mapping[str, Tensor] | None = None,
        *,
        throat: bool = False,
        lessons: Mapping[tuple[str, str], np.ndarray] | None = None,
    ) -> None:
        self.frames, self.disguise = frames, disguise
        self.spec: MelSpec = target.spec
        self.frames_per_s = self.spec.sample_rate_hz / self.spec.hop
        self.filter = SourceFilter(self.spec)
        long_enough = [s.utterances for s in pool.speakers if sum(u.frames for u in s.utterances) >= frames]
        if pool.speakers and not long_enough:
            raise VoiceganError(
                f"nobody in the pool speaks for {frames / self.frames_per_s:.1f} s, as long as the crops are",
                "Give more of each speaker, or lower model.crop_frames.",
            )
        self.pool = SpeechTape(long_enough, self.filter)
        self.taught: Tensor | None = None  # (M, F), frame for frame the pool's
        if lessons and long_enough:
            mels = [normalised(target, lessons[u.key]) for utterances in long_enough for u in utterances]
            self.taught = torch.from_numpy(np.concatenate(mels, axis=1).astype(np.float32))
        self.own = SpeechTape([_repeated(target.utterances, frames)], self.filter)
        own = np.concatenate([u.mel for u in _repeated(target.utterances, frames)], axis=1)
        self.target = torch.from_numpy(normalised(target, own).astype(np.float32))
        self.statistics = s = statistics(
            target, self.pool, self.own, self.target, self.filter, earlier, heard=throat
        )
        for tape in (self.pool, self.own):
            tape.finish(s)
        self.readers, self.read = self._readings(target, pool)
        # Whoever has much in the pool is no more of a stranger than who has little.
        most = round(_MOST_OF_ONE_S * self.frames_per_s)
        self._starts = {"own": self.own.starts(frames)}
        if long_enough:
            self._starts["pool"] = self.pool.starts(frames, most)
        if self.readers is not None:
            self._starts["read"] = self.readers.starts(frames)
        self._cosines = torch.cos(
            math.pi * torch.arange(1, len(_COLOURS) + 1)[:, None] * (torch.arange(self.spec.mels) + 0.5)
            / self.spec.mels
        ) * torch.tensor(_COLOURS)[:, None]  # fmt: skip

    def batch(self, draws: Draws) -> Batch:
        """One batch."""
        own = self._start(draws, "own")
        made: dict[str, Tensor] = {
            "own": self._picture(draws, "own", self.own, own, self._pitch(self.own, own)),
            "own_target": _cut(self.target, own, self.frames),
        }
        if self.readers is not None and self.read is not None:
            read = self._start(draws, "read")
            made["read"] = self._picture(draws, "read", self.readers, read, self._pitch(self.read, read))
            made["read_target"] = _cut(self.read.mel, read, self.frames)
        other = self._start(draws, "own", name="b")
        made["b"] = _cut(self.target, other, self.frames)
        if "pool" in self._starts:
            made |= self._of_pool(draws, other)
        return made

    def _of_pool(self, draws: Draws, other: Tensor) -> dict[str, Tensor]:
        """A stranger's picture, and the target's at another moment in parts."""
        pool = self._start(draws, "pool")
        s = self.statistics
        known = self.pool.log_f0_at(pool) + _PITCH_ERROR * draws.normal("pool pitch", 1)
        into_range = self._pitch(self.pool, pool, s.target_log_f0 - known)
        envelope = _cut(self.own.envelope, other, self.frames) - s.target_envelope[:, None]
        envelope = envelope / s.source_std[:, None]
        hz, voiced = self._pitch(self.own, other)
        whole = picture(envelope, hz, voiced, s.target_log_f0, self.filter)
        lesson = {} if self.taught is None else {"pool_target": _cut(self.taught, pool, self.frames)}
        return lesson | {
            "pool": self._picture(draws, "pool", self.pool, pool, into_range),
            "b_envelope": whole[:, : self.spec.mels],
            "b_more": whole[:, self.spec.mels :],
        }

    def disguised(self, mel: np.ndarray, place: int) -> np.ndarray:
        """A log-mel (M, F) under a disguise that depends on `place` alone, as it may meet a generator: (M, F)."""
        draws = Draws(0, 0, 0, range(place, place + 1))
        stretch = torch.exp(self.disguise.warp * (2 * draws.uniform("disguise", 1) - 1))
        tensor = torch.from_numpy(np.ascontiguousarray(mel, np.float32))[None]
        return self.filter.stretched(tensor, stretch.expand(-1, mel.shape[1]))[0].numpy()

    def _start(self, draws: Draws, tape: str, name: str = "") -> Tensor:
        starts = self._starts[tape]
        return starts[draws.integers(f"{name or tape} start", len(starts))]

    def _picture(
        self, draws: Draws, name: str, tape: SpeechTape, starts: Tensor, pitch: tuple[Tensor, Tensor]
    ) -> Tensor:
        """A crop in disguise, as it would look from a stream that has heard some of the speaker."""
        s, d = self.statistics, self.disguise
        envelope = _cut(tape.envelope, starts, self.frames)
        past = (draws.uniform(f"{name} past") * _HEARD_S * self.frames_per_s).long()
        future = (draws.uniform(f"{name} future") * _AHEAD_S * self.frames_per_s).long()
        mean = tape.mean_around(starts, self.frames, past, future, s.source_mean, PRIOR_S * self.frames_per_s)
        # A stranger is disguised less than the target: the pool holds many faces already.
        reach = d.warp if name == "own" else 0.5 * d.warp
        stretch = torch.exp(reach * (2 * draws.uniform(f"{name} warp") - 1))
        without_mean = self._noisy(draws, name, envelope, mean) - mean
        if name != "own":  # the target's throat is its own
            stretch = stretch * tape.stretch_at(starts)
        without_mean = self.filter.stretched(without_mean, stretch[:, None].expand(-1, self.frames))
        colour = d.colour * draws.normal(f"{name} colour", len(_COLOURS)) @ self._cosines
        x = (without_mean + colour[:, :, None]) / s.source_std[:, None]
        return picture(x, *pitch, s.target_log_f0, self.filter)

    def _noisy(self, draws: Draws, name: str, envelope: Tensor, mean: Tensor) -> Tensor:
        """Some of the crops with a floor of noise under them, of a random tilt."""
        has = (draws.uniform(f"{name} noisy") < self.disguise.noise)[:, None, None]
        level = (
            mean.mean(dim=1, keepdim=True) - 2.0 - 3.5 * draws.uniform(f"{name} noise level")[:, None, None]
        )
        tilt = 1.6 * draws.uniform(f"{name} noise tilt")[:, None, None] - 0.8
        grain = 0.25 * draws.normal(f"{name} noise", *envelope.shape[1:])
        noise = level + tilt * self._cosines[0][:, None] / _COLOURS[0] + grain
        return torch.where(has, torch.logaddexp(envelope, noise), envelope)

    def _pitch(
        self, tape: SpeechTape | _Readings, starts: Tensor, shift: Tensor | float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Pitch in Hz, shifted by so many nepers, and where there is voice, each ``(B, F)``."""
        hz, voiced = (_cut(x[None], starts, self.frames)[:, 0] for x in (tape.held_hz, tape.voiced))
        return moved(hz, 0.0, shift), voiced

    def _readings(self, target: Speaker, pool: Pool) -> tuple[SpeechTape | None, _Readings | None]:
        """Those of the pool who read the target's sentences, and the target's reading frame by frame beside them."""
        said: list[list[Utterance]] = []
        mels: list[np.ndarray] = []
        tracks: list[np.ndarray] = []
        otherwise = math.exp(self.statistics.target_log_f0)
        for index, parallel in pool.pairs.items():
            utterances = pool.speakers[index].utterances
            if sum(utterances[pair.index_a].frames for pair in parallel.pairs) < self.frames:
                continue
            said.append([utterances[pair.index_a] for pair in parallel.pairs])
            for pair in parallel.pairs:
                there = target.utterances[pair.index_b]
                mels.append(normalised(target, there.mel)[:, pair.index_ab])
                tracks.append(there.f0[pair.index_ab])
        if not said:
            return None, None
        tape = SpeechTape(said, self.filter)
        tape.finish(self.statistics)
        track = np.concatenate(tracks)
        return tape, _Readings(
            torch.from_numpy(np.concatenate(mels, axis=1).astype(np.float32)),
            torch.from_numpy(held(track, otherwise)),
            torch.from_numpy((track > 0).astype(np.float32)),
        )


@dataclass(frozen=True)
class _Readings:
    mel: Tensor  # (M, F) normalised
    held_hz: Tensor  # (F,)
    voiced: Tensor  # (F,)


def _cut(tape: Tensor, starts: Tensor, frames: int) -> Tensor:
    """Crops ``(B, C, frames)`` of a tape ``(C, F)``."""
    return tape[:, starts[:, None] + torch.arange(frames)].transpose(0, 1)


def _repeated(utterances: Sequence[Utterance], frames: int) -> list[Utterance]:
    """The utterances as often as it takes to fit one crop in."""
    total = sum(u.frames for u in utterances)
    return list(utterances) * -(-frames // max(total, 1))
