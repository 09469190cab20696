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
from .source_picture import held, moved, picture, speech_frames
from .throat import SLOPE, Sounds, by_pitch

PRIOR_S = 1.0  # how much speech the pool's mean weighs against what is heard of a speaker
_HEARD_S = 8.0  # most speech before a crop by which a speaker is known in training, ...
_AHEAD_S = 2.0  # ... and after it
_MOST_OF_ONE_S = 30.0  # of one speaker of the pool counts, however much there is
_PITCH_ERROR = 0.03  # deviation, in nepers, of a speaker's mean pitch as far as a moment's speech tells it
_PAUSE_DEPTH = 5.0  # nepers under a speaker's loud frames
_UNKNOWN_LOG_F0 = math.log(150.0)
_COLOURS = (
    0.2,
    0.15,
    0.15,
    0.1,
    0.1,
    0.1,
)  # nepers of the first cosines of a microphone's colour, at strength 1


@dataclass(frozen=True)
class Statistics:
    """What training takes from the material once; all of it is in the voice.

    Attributes
    ----------
    source_mean, source_std : Tensor
        ``(M,)``: of the pool's envelopes, the mean over speakers and the deviation within a speaker.
    source_log_f0, target_log_f0 : float
        Mean natural logarithm of the pitch in Hz.
    target_mean, target_std : Tensor
        ``(M,)``: of the target's log-mel.
    target_envelope : Tensor
        ``(M,)``: mean of the target's envelope over speech.
    harmonics : Tensor
        ``(M,)``: how strongly the pitch's ripple shows in the target's log-mel.
    throat : float
        How much higher the target's formants are than a speaker's of its pitch, on average, in nepers.
    sounds : Tensor
        ``(K, ORDER)``: see `throat.Sounds`.
    """

    source_mean: Tensor
    source_std: Tensor
    source_log_f0: float
    target_mean: Tensor
    target_std: Tensor
    target_log_f0: float
    target_envelope: Tensor
    harmonics: Tensor
    throat: float
    sounds: Tensor

    def expected(self, log_f0: float) -> float:
        """By which factor, as a logarithm, the formants of a speaker of this mean pitch are to move."""
        return float(by_pitch(log_f0, self.target_log_f0, self.throat))


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


class SpeechTape:
    """Speakers end to end: envelopes, pitch, and what is known of each speaker up to any frame.

    Parameters
    ----------
    speakers : sequence of sequence of Utterance
        The utterances of each.
    source_filter : SourceFilter
        Of the mel contract.
    """

    def __init__(self, speakers: Sequence[Sequence[Utterance]], source_filter: SourceFilter) -> None:
        self.filter = source_filter
        said = [u for utterances in speakers for u in utterances]
        nothing = torch.zeros(source_filter.spec.mels, 0)
        self.envelope = torch.cat([nothing, *(envelope_of(u.mel, u.f0, source_filter) for u in said)], dim=1)
        self.f0 = np.concatenate([np.zeros(0, np.float32), *(u.f0 for u in said)])
        lengths = [sum(u.frames for u in utterances) for utterances in speakers]
        self.ends = np.cumsum(lengths, dtype=np.int64)
        self.begins = self.ends - np.array(lengths)

    def finish(self, known: Statistics) -> None:
        """Note which frames are speech, by the pool's statistics, each speaker's mean pitch, and the throat."""
        loud = speech_frames(self.envelope.numpy(), known.source_mean.numpy(), known.source_std.numpy())
        counted = torch.from_numpy(np.concatenate([[0], np.cumsum(loud)]))
        spoken = self.envelope.double() * torch.from_numpy(loud)
        self.sums = torch.nn.functional.pad(spoken.cumsum(dim=1), (1, 0))
        self.counts = counted.double()
        self.log_f0 = np.full(len(self.begins), known.source_log_f0)
        self.stretch = np.zeros(len(self.begins))
        sounds = Sounds(known.sounds, self.filter)
        self.held_hz = torch.empty(len(self.f0))
        for index, (begin, end) in enumerate(zip(self.begins, self.ends, strict=True)):
            track = self.f0[begin:end]
            voiced = track[track > 0]
            if len(voiced):
                self.log_f0[index] = np.log(voiced).mean()
            expected = known.expected(self.log_f0[index])
            self.stretch[index] = sounds.told(self.frames_of(index, loud), expected)
            kept = held(track, math.exp(self.log_f0[index]))
            self.held_hz[begin:end] = torch.from_numpy(kept)
        self.voiced = torch.from_numpy((self.f0 > 0).astype(np.float32))

    def starts(self, frames: int, most: int | None = None) -> Tensor:
        """Where crops of so many frames may begin: within one speaker, at so many places of each at most."""
        spans = [np.arange(b, e - frames + 1) for b, e in zip(self.begins, self.ends, strict=True)]
        if most is not None:  # evenly over what there is of the speaker
            spans = [s[np.arange(min(len(s), most)) * len(s) // min(len(s), most)] for s in spans]
        return torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *spans]))

    def mean_around(self, starts: Tensor, frames: int, past: Tensor, future: Tensor, prior: Tensor,
                    weight: float) -> Tensor:  # fmt: skip
        """What would be known of each speaker's mean envelope, ``(B, M, 1)``, from the frames about a crop."""
        speaker = np.searchsorted(self.ends, starts.numpy(), side="right")
        begin, end = torch.from_numpy(self.begins[speaker]), torch.from_numpy(self.ends[speaker])
        first = torch.maximum(starts - past, begin)
        last = torch.minimum(starts + frames + future, end)
        total = (self.sums[:, last] - self.sums[:, first]).T + weight * prior.double()
        count = self.counts[last] - self.counts[first] + weight
        return (total / count[:, None]).float()[:, :, None]

    def stretch_at(self, starts: Tensor) -> Tensor:
        """By which factors the formants of the speakers at these frames move to the target's, ``(B,)``."""
        speaker = np.searchsorted(self.ends, starts.numpy(), side="right")
        return torch.from_numpy(self.stretch[speaker]).float().exp()

    def frames_of(self, index: int, loud: np.ndarray | None = None) -> Tensor:
        """A speaker's frames of speech (M, F), the mean taken off."""
        span = slice(self.begins[index], self.ends[index])
        said = self.envelope[:, span]
        said = said[:, _loud(said) if loud is None else torch.from_numpy(loud[span])]
        return said - said.mean(dim=1, keepdim=True)

    def log_f0_at(self, starts: Tensor) -> Tensor:
        """Mean log-pitch of the speakers at these frames, ``(B, 1)``."""
        speaker = np.searchsorted(self.ends, starts.numpy(), side="right")
        return torch.from_numpy(self.log_f0[speaker]).float()[:, None]


def envelope_of(mel: np.ndarray, f0: np.ndarray, source_filter: SourceFilter) -> Tensor:
    """The envelope (M, F) of a log-mel (M, F) with the pitch (F,)."""
    tensors = (torch.from_numpy(np.ascontiguousarray(x, np.float32))[None] for x in (mel, f0))
    return source_filter.envelope(*tensors)[0]


def picture_of(
    mel: np.ndarray, f0: np.ndarray, known: Statistics, source_filter: SourceFilter, frames_per_s: float
) -> np.ndarray:
    """The picture (2M + 2, F) of a recording's log-mel (M, F) and pitch (F,), the whole of it being known."""
    envelope = envelope_of(mel, f0, source_filter)
    loud = speech_frames(envelope.numpy(), known.source_mean.numpy(), known.source_std.numpy())
    weight = PRIOR_S * frames_per_s
    mean = (envelope[:, loud].sum(dim=1) + weight * known.source_mean) / (loud.sum() + weight)
    voiced = f0 > 0
    log_f0 = float(np.log(f0[voiced]).mean()) if voiced.any() else known.source_log_f0
    hz = moved(torch.from_numpy(held(f0, math.exp(log_f0))), log_f0, known.target_log_f0)
    without_mean = envelope - mean[:, None]
    told = Sounds(known.sounds, source_filter).told(without_mean[:, loud], known.expected(log_f0))
    factors = torch.full((1, len(f0)), math.exp(told))
    x = (
        source_filter.stretched((envelope - mean[:, None])[None], factors.to(hz.dtype))
        / known.source_std[:, None]
    )
    spoken = torch.from_numpy(voiced.astype(np.float32))
    drawn = picture(x, hz[None], spoken[None], known.target_log_f0, source_filter)
    return drawn[0].numpy()


class TargetAndPool:
    """Crops for one target and a pool.

    A batch holds, each ``(B, channels, F)`` of B unrelated crops (pictures: see `source_picture`):

    - ``own``, a picture of the target's own speech in disguise, and ``own_target``, that speech;
    - ``read``, a picture of somebody who reads the target's sentences, in the target's own pitch, with
      ``read_target`` and ``read_weight``, aligned to it; only where the pool has such readers;
    - ``b``, the target's speech at another moment;
    - ``pool``, a picture of anybody in the pool, the pitch moved into the target's range, and of ``b`` also
      ``b_envelope``, its envelope as in a picture, and ``b_more``, the picture's other channels; only with a pool.

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
        self.own = SpeechTape([_repeated(target.utterances, frames)], self.filter)
        mels = np.concatenate([u.mel for u in _repeated(target.utterances, frames)], axis=1)
        self.target = torch.from_numpy(normalised(target, mels).astype(np.float32))
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
            made["read_weight"] = _cut(self.read.weight, read, self.frames)
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
        return {
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
        weights: list[np.ndarray] = []
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
                weights.append(np.ones((1, len(pair.index_ab)), np.float32))
        if not said:
            return None, None
        tape = SpeechTape(said, self.filter)
        s = self.statistics
        tape.finish(s)
        track = np.concatenate(tracks)
        return tape, _Readings(
            torch.from_numpy(np.concatenate(mels, axis=1).astype(np.float32)),
            torch.from_numpy(np.concatenate(weights, axis=1)),
            torch.from_numpy(held(track, otherwise)),
            torch.from_numpy((track > 0).astype(np.float32)),
        )


@dataclass(frozen=True)
class _Readings:
    mel: Tensor  # (M, F) normalised
    weight: Tensor  # (1, F)
    held_hz: Tensor  # (F,)
    voiced: Tensor  # (F,)


def of_pool(pool: SpeechTape) -> tuple[Tensor, Tensor, float]:
    """Mean over speakers and deviation within a speaker (M,) of a pool's envelopes, and its mean log-pitch."""
    means, variances, pitches = [], [], []
    for begin, end in zip(pool.begins, pool.ends, strict=True):
        said = pool.envelope[:, begin:end]
        said = said[:, _loud(said)]
        means.append(said.mean(dim=1))
        variances.append(said.var(dim=1, correction=0))
        track = pool.f0[begin:end]
        if (track > 0).any():
            pitches.append(float(np.log(track[track > 0]).mean()))
    return (
        torch.stack(means).mean(dim=0),
        torch.stack(variances).mean(dim=0).sqrt().clamp(min=1e-2),
        float(np.mean(pitches)) if pitches else _UNKNOWN_LOG_F0,
    )


def statistics(
    target: Speaker,
    pool: SpeechTape,
    own: SpeechTape,
    mel: Tensor,
    filter_: SourceFilter,
    earlier: Mapping[str, Tensor] | None = None,
    *,
    heard: bool = False,
) -> Statistics:
    """Take the statistics of the material. mel: the target's, normalised, frame for frame own's.

    heard: whether the throat is told by frames, or by the pitch alone.
    """
    own_track = own.f0[own.f0 > 0]
    target_log_f0 = float(np.log(own_track).mean()) if len(own_track) else _UNKNOWN_LOG_F0
    mean, std = torch.from_numpy(target.mean), torch.from_numpy(target.std)
    # How much of the ripple shows in each band of the target's voiced frames: least squares, band by band.
    voiced = torch.from_numpy(own.f0 > 0)
    ripple = filter_.harmonics(torch.from_numpy(own.f0)[None])[0][:, voiced]
    shown = (mel * std[:, None] + mean[:, None] - own.envelope)[:, voiced]
    strength = (shown * ripple).sum(dim=1) / ((ripple**2).sum(dim=1) + 1e-3)
    # Without any frames of the target nothing is heard, and the pitch alone tells.
    sounds = Sounds.of(own.frames_of(0) if heard else own.envelope[:, :0], filter_)
    throat = 0.0
    if len(pool.begins) or earlier is None:
        source = of_pool(pool)
        throat = _offset(pool, sounds, target_log_f0) if heard else throat
    else:
        source = earlier["source.mean"], earlier["source.std"], float(earlier["source.pitch"])
        throat = _offset_beside(earlier, own, target_log_f0, filter_) if heard else throat
    return Statistics(
        source_mean=source[0],
        source_std=source[1],
        source_log_f0=source[2],
        target_mean=mean,
        target_std=std,
        target_log_f0=target_log_f0,
        target_envelope=own.envelope[:, _loud(own.envelope)].mean(dim=1),
        harmonics=strength.clamp(0.0, 2.0),
        throat=throat,
        sounds=sounds.centres,
    )


def _offset(pool: SpeechTape, sounds: Sounds, target_log_f0: float) -> float:
    """How much higher the target's formants are than the pool's, beyond what the pitch tells: the median speaker's."""
    beyond = []
    for index, (begin, end) in enumerate(zip(pool.begins, pool.ends, strict=True)):
        track = pool.f0[begin:end]
        if (track > 0).any():
            by_pitch_alone = SLOPE * (target_log_f0 - float(np.log(track[track > 0]).mean()))
            beyond.append(sounds.told(pool.frames_of(index)) - by_pitch_alone)
    return float(np.median(beyond)) if beyond else 0.0


def _offset_beside(
    earlier: Mapping[str, Tensor], own: SpeechTape, target_log_f0: float, filter_: SourceFilter
) -> float:
    """The same without a pool: by how much the target differs from another whose offset from a pool is known."""
    if "target.sounds" not in earlier:
        return 0.0
    to_other = Sounds(earlier["target.sounds"], filter_).told(own.frames_of(0))
    by_pitch_alone = SLOPE * (float(earlier["target.pitch"]) - target_log_f0)
    return float(earlier["target.throat"]) - (to_other - by_pitch_alone)


def _loud(envelope: Tensor) -> Tensor:
    """Frames of one speaker's envelope (M, F) that are no pauses, boolean (F,): before any pool is known."""
    level = envelope.mean(dim=0)
    return level > torch.quantile(level, 0.95) - _PAUSE_DEPTH


def _cut(tape: Tensor, starts: Tensor, frames: int) -> Tensor:
    """Crops ``(B, C, frames)`` of a tape ``(C, F)``."""
    return tape[:, starts[:, None] + torch.arange(frames)].transpose(0, 1)


def _repeated(utterances: Sequence[Utterance], frames: int) -> list[Utterance]:
    """The utterances as often as it takes to fit one crop in."""
    total = sum(u.frames for u in utterances)
    return list(utterances) * -(-frames // max(total, 1))
