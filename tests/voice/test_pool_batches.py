"""Batches of a target and a pool: what belongs together does, nobody runs into another, and levels do not matter."""

import math

import numpy as np
import pytest
import torch
from made_pool import FILTER, SPEC, a_pool, a_speaker, a_target

from voicegan.core.random import Draws
from voicegan.errors import VoiceganError
from voicegan.voice.analysis import FollowedMean
from voicegan.voice.pool import Pool
from voicegan.voice.pool_batches import Disguise, TargetAndPool, picture_of
from voicegan.voice.source_picture import PRIOR_S, pitch_of
from voicegan.voice.speech_tape import SpeechTape, envelope_of
from voicegan.voice.throat import Sounds

M, FRAMES = SPEC.mels, 32
PLAIN = Disguise(warp=0.0, colour=0.0, noise=0.0)
PICTURES = ("own", "read", "pool")


def draws(rows=range(8), seed=0):
    return Draws(seed, 0, 0, rows)


def a_source(disguise=None, **pool):
    return TargetAndPool(a_target(), a_pool(**pool), FRAMES, disguise or Disguise())


@pytest.fixture(scope="module")
def source():
    return a_source()


@pytest.fixture(scope="module")
def undisguised():
    return a_source(PLAIN)


def test_what_a_batch_holds(source):
    batch = source.batch(draws())
    shapes = {name: tuple(value.shape) for name, value in batch.items()}
    picture, mel = (8, 2 * M + 2, FRAMES), (8, M, FRAMES)
    assert shapes == {
        "own": picture, "own_target": mel,
        "read": picture, "read_target": mel,
        "pool": picture,
        "b": mel, "b_envelope": mel, "b_more": (8, M + 2, FRAMES),
    }  # fmt: skip
    for name, value in batch.items():
        assert value.dtype == torch.float32 and value.isfinite().all(), name


def test_without_readers_there_is_no_reading():
    batch = a_source(reads=False).batch(draws())
    assert set(batch) == {"own", "own_target", "pool", "b", "b_envelope", "b_more"}


def test_a_lesson_belongs_to_its_crop_frame_for_frame():
    """Where the teacher gives back what it was given, the lesson is what the picture was drawn from."""
    target, pool = a_target(), a_pool()
    lessons = {u.key: u.mel for speaker in pool.speakers for u in speaker.utterances}
    source = TargetAndPool(target, pool, FRAMES, PLAIN, lessons=lessons)
    batch = source.batch(draws())
    assert batch["pool_target"].shape == (8, M, FRAMES)
    taught = (
        batch["pool_target"] * torch.from_numpy(target.std)[:, None] + torch.from_numpy(target.mean)[:, None]
    )
    spoken = [np.concatenate([u.mel for u in speaker.utterances], axis=1) for speaker in pool.speakers]
    crops = torch.cat([torch.from_numpy(mel).unfold(1, FRAMES, 1).transpose(0, 1) for mel in spoken])
    for row in taught:
        assert (crops - row).abs().amax(dim=(1, 2)).min() < 1e-4
    plain = a_source(PLAIN).batch(draws())
    assert "pool_target" not in plain and all(torch.equal(plain[name], batch[name]) for name in plain)


def test_same_draws_give_the_same_batch_and_others_another(source):
    one, again, other = (source.batch(draws(seed=seed)) for seed in (1, 1, 2))
    for name, value in one.items():
        assert torch.equal(value, again[name]), name
        assert not torch.equal(value, other[name]), name


def test_a_batch_is_its_rows(source):
    whole = source.batch(draws())
    for rows in (range(1), range(3, 8)):
        for name, value in source.batch(draws(rows)).items():
            torch.testing.assert_close(value, whole[name][rows.start : rows.stop], atol=1e-5, rtol=1e-5)


def test_crops_never_run_from_one_speaker_into_the_next(source):
    for tape in (source.pool, source.own, source.readers):
        starts = tape.starts(FRAMES).numpy()
        speaker = np.searchsorted(tape.ends, starts, side="right")
        assert (starts >= tape.begins[speaker]).all() and (starts + FRAMES <= tape.ends[speaker]).all()
        assert len(starts) == sum(tape.ends - tape.begins - FRAMES + 1)  # and every other place is drawn
        assert len(set(starts.tolist())) == len(starts)


def test_who_is_too_short_for_a_crop_does_not_spoil_the_others():
    pool = a_pool(reads=False)
    short = a_speaker("short", [500], frames=FRAMES - 1, pitch_hz=90.0)
    with_short = TargetAndPool(a_target(), Pool([*pool.speakers, short], [], {}), FRAMES, PLAIN)
    plain = TargetAndPool(a_target(), pool, FRAMES, PLAIN)
    assert torch.equal(with_short.batch(draws())["pool"], plain.batch(draws())["pool"])
    with pytest.raises(VoiceganError, match="nobody in the pool speaks for 0.5 s"):
        TargetAndPool(a_target(), Pool([short], [], {}), FRAMES, PLAIN)


def test_a_target_shorter_than_a_crop_is_repeated():
    source = TargetAndPool(a_speaker("slt", [0], frames=20), a_pool(reads=False), FRAMES, PLAIN)
    assert source.batch(draws())["own_target"].isfinite().all()


def test_the_targets_own_picture_is_of_the_moment_that_it_is_to_become(undisguised):
    """Undisguised, an own picture is the very envelope of own_target, but for a mean over time."""
    s, batch = undisguised.statistics, undisguised.batch(draws())
    log_mel = batch["own_target"] * s.target_std[:, None] + s.target_mean[:, None]
    voiced = batch["own"][:, 2 * M]
    f0_hz = pitch_of(batch["own"], s.target_log_f0) * voiced
    envelope = undisguised.filter.envelope(log_mel, f0_hz) / s.source_std[:, None]
    apart = envelope - batch["own"][:, :M]
    torch.testing.assert_close(apart, apart[..., :1].expand_as(apart), atol=0.05, rtol=0)


def test_readings_show_what_the_target_says_at_that_moment_in_its_own_pitch(undisguised):
    """bdl and the target say the same at the same frame, so undisguised envelopes go together; pitches are equal."""
    s, batch = undisguised.statistics, undisguised.batch(draws())
    log_mel = batch["read_target"] * s.target_std[:, None] + s.target_mean[:, None]
    f0_hz = pitch_of(batch["read"], s.target_log_f0) * batch["read"][:, 2 * M]
    wanted = undisguised.filter.envelope(log_mel, f0_hz)
    # Formants are moved towards the target's as the pitches tell; the course of the loudness is not.
    made = batch["read"][:, :M].mean(dim=1), (wanted / s.source_std[:, None]).mean(dim=1)
    for mine, theirs in zip(*made, strict=True):
        if theirs.std() > 0.3:
            assert np.corrcoef(mine, theirs)[0, 1] > 0.9
    pitch = f0_hz[f0_hz > 0].log().mean()
    assert pitch == pytest.approx(math.log(190.0), abs=0.1)


def test_the_pools_pitch_comes_to_lie_in_the_targets_range(source):
    batch = source.batch(draws(range(64)))
    voiced = batch["pool"][:, 2 * M] > 0
    found = pitch_of(batch["pool"], source.statistics.target_log_f0)[voiced].log()
    assert found.mean() == pytest.approx(source.statistics.target_log_f0, abs=0.03)
    assert found.std() < 0.15  # men and women alike


def test_a_disguise_of_no_strength_changes_nothing(undisguised):
    """A crop's envelope is then the tape's, without the mean and stretched by what the pitch tells."""
    start = undisguised._start(draws(), "own")
    shown = undisguised.batch(draws())["own"][:, :M] * undisguised.statistics.source_std[:, None]
    plain = torch.stack([undisguised.own.envelope[:, at : at + FRAMES] for at in start.tolist()])
    apart = plain - shown  # the mean that was taken out
    torch.testing.assert_close(apart, apart[..., :1].expand_as(apart), atol=1e-4, rtol=0)


@pytest.mark.parametrize("part", ["warp", "colour", "noise"])
def test_each_part_of_the_disguise_changes_pictures_and_no_targets(undisguised, part):
    strengths = {"warp": 0.2, "colour": 1.0, "noise": 1.0}
    only = Disguise(**({"warp": 0.0, "colour": 0.0, "noise": 0.0} | {part: strengths[part]}))
    plain, made = undisguised.batch(draws()), a_source(only).batch(draws())
    for name, value in plain.items():
        disguised = made[name]
        if name in PICTURES:
            assert torch.equal(value[:, M:], disguised[:, M:]), name  # the pitch is not disguised
            assert (value[:, :M] - disguised[:, :M]).abs().mean() > 0.02, name
        else:
            assert torch.equal(value, disguised), name


def test_levels_do_not_matter():
    """Nothing but the target's level is in what it is to become: a pool twice as loud gives the same pictures."""
    one, louder = a_source(), a_source(level=-3.0)
    quiet, loud = one.batch(draws()), louder.batch(draws())
    for name in ("read", "pool"):
        torch.testing.assert_close(quiet[name], loud[name], atol=2e-3, rtol=0)
    for name in ("own_target", "read_target", "b", "b_envelope", "b_more"):
        torch.testing.assert_close(quiet[name], loud[name])
    target = TargetAndPool(a_target(level=-3.0), a_pool(), FRAMES, Disguise()).batch(draws())
    for name in ("own_target", "read_target", "b", "b_envelope", "b_more", "pool"):
        torch.testing.assert_close(quiet[name], target[name], atol=2e-3, rtol=0)


def test_the_mean_is_what_a_stream_would_know_by_then(source):
    """With all of the past and no future, it is the mean that a stream has after the crop, forgetting aside."""
    tape, s = source.pool, source.statistics
    weight = PRIOR_S * source.frames_per_s
    for start in (0, 40, int(tape.begins[1]), int(tape.begins[1]) + 25):
        begin = int(tape.begins[np.searchsorted(tape.ends, start, side="right")])
        at = torch.tensor([start])
        known = tape.mean_around(at, FRAMES, at + 10**6, at * 0, s.source_mean, weight)[0, :, 0]
        heard = tape.envelope[:, begin : start + FRAMES]
        said = ((heard - s.source_mean[:, None]) / s.source_std[:, None]).mean(dim=0) > -1.5
        stream = FollowedMean(s.source_mean, PRIOR_S, source.frames_per_s).follow(heard, said)[:, -1]
        torch.testing.assert_close(known, stream, atol=0.02, rtol=0)  # 30 s of memory forget little of these


def test_the_mean_knows_nobody_but_the_speaker(source):
    tape, s = source.pool, source.statistics
    at = torch.from_numpy(tape.begins + 5)
    everything = torch.full_like(at, 10**6)
    known = tape.mean_around(at, FRAMES, everything, everything, s.source_mean, 0.0)[:, :, 0]
    alone = []
    for begin, end in zip(tape.begins, tape.ends, strict=True):
        heard = tape.envelope[:, begin:end]
        said = ((heard - s.source_mean[:, None]) / s.source_std[:, None]).mean(dim=0) > -1.5
        alone.append(heard[:, said].mean(dim=1))
    torch.testing.assert_close(known, torch.stack(alone), atol=1e-4, rtol=1e-4)


def test_of_whom_nothing_was_heard_the_pools_mean_is_known(source):
    silence = a_speaker("silent", [3])
    for utterance in silence.utterances:
        utterance.mel[:] = SPEC.floor
    tape = SpeechTape([silence.utterances], source.filter)
    s = source.statistics
    tape.finish(s)
    at = torch.tensor([7])
    known = tape.mean_around(at, FRAMES, at, at, s.source_mean, PRIOR_S * source.frames_per_s)
    torch.testing.assert_close(known[0, :, 0], s.source_mean)


def test_statistics_weigh_speakers_not_minutes():
    """However much one of them says, the pool's mean lies between the speakers."""
    low, high = (a_speaker("low", [1], level=-5.0), a_speaker("high", [1] * 6, level=-3.0))
    s = TargetAndPool(a_target(), Pool([low, high], [], {}), FRAMES, PLAIN).statistics
    one = envelope_of(low.utterances[0].mel, low.utterances[0].f0, FILTER)[:, 4:-4].mean()
    assert s.source_mean.mean() == pytest.approx(float(one) + 1.0, abs=0.1)
    assert (s.source_std > 0).all() and (s.harmonics >= 0).all() and (s.harmonics <= 2).all()
    assert s.target_log_f0 == pytest.approx(math.log(190.0), abs=0.02)
    # The made ripple is as strong as equal harmonics give, where there is any.
    assert s.harmonics[:15].mean() == pytest.approx(1.0, abs=0.3)


def test_whispers_have_no_pitch_and_do_no_harm():
    pool = a_pool(reads=False)
    for utterance in pool.speakers[0].utterances:
        utterance.f0[:] = 0.0
    source = TargetAndPool(a_target(), pool, FRAMES, Disguise())
    assert source.statistics.source_log_f0 == pytest.approx(math.log(210.0), abs=0.02)
    assert all(value.isfinite().all() for value in source.batch(draws()).values())


def test_a_whole_recordings_picture_is_that_of_its_crops(monkeypatch):
    """What is judged looks as what is trained on, once all of a speaker was heard."""
    # Of one utterance the throat is told less surely than of all.
    monkeypatch.setattr(Sounds, "told", lambda self, frames, expected=None: 0.05)
    undisguised = a_source(PLAIN)
    utterance = a_pool().speakers[0].utterances[0]
    made = picture_of(
        utterance.mel, utterance.f0, undisguised.statistics, undisguised.filter, undisguised.frames_per_s
    )
    assert made.shape == (2 * M + 2, utterance.frames) and made.dtype == np.float32
    crop = undisguised._picture(
        draws(range(1)), "pool", undisguised.pool, torch.tensor([10]),
        undisguised._pitch(undisguised.pool, torch.tensor([10]),
                           undisguised.statistics.target_log_f0 - undisguised.pool.log_f0_at(torch.tensor([10]))),
    )[0]  # fmt: skip
    apart = crop - torch.from_numpy(made[:, 10 : 10 + FRAMES])
    # The means that were taken out differ by how much was heard; nothing else does.
    assert (apart[:M] - apart[:M].mean(dim=1, keepdim=True)).abs().max() < 0.02
    assert apart[M:].abs().max() < 0.05


def test_without_a_pool_the_target_alone_trains_by_what_an_earlier_pool_was():
    s = a_source().statistics
    alone = TargetAndPool(
        a_target(),
        Pool([], [], {}),
        FRAMES,
        Disguise(),
        earlier={
            "source.mean": s.source_mean, "source.std": s.source_std, "source.pitch": torch.tensor([s.source_log_f0]),
            "target.pitch": torch.tensor([s.target_log_f0]),
            "target.throat": torch.tensor([s.throat]), "target.sounds": s.sounds,
        },
    )  # fmt: skip
    # The same target, so as far from that pool as it was; what the frames tell of it beside itself is next to nothing.
    assert alone.statistics.throat == pytest.approx(s.throat, abs=0.02)
    whole, made = a_source().batch(draws()), alone.batch(draws())
    assert set(made) == {"own", "own_target", "b"}
    for name, value in made.items():
        assert torch.equal(value, whole[name]), name


def test_nobody_in_the_pool_counts_for_more_than_half_a_minute(source):
    starts = source.pool.starts(FRAMES, most=10)
    speaker = np.searchsorted(source.pool.ends, starts.numpy(), side="right")
    assert np.bincount(speaker).tolist() == [10] * len(source.pool.ends)
    first, last = starts[:10].min(), starts[:10].max()  # over all that there is of a speaker
    assert first == 0 and last > 0.8 * (source.pool.ends[0] - FRAMES)
    assert set(starts.tolist()) <= set(source.pool.starts(FRAMES).tolist())


def test_a_throat_is_told_by_what_is_heard_only_where_that_is_asked_for():
    by_pitch, heard = (
        TargetAndPool(a_target(), a_pool(), FRAMES, PLAIN, throat=asked) for asked in (False, True)
    )
    assert by_pitch.statistics.throat == 0 and len(by_pitch.statistics.sounds) == 0
    assert len(heard.statistics.sounds) > 0
    for source, index in ((by_pitch, 0), (by_pitch, 1)):
        expected = source.statistics.expected(source.pool.log_f0[index])
        assert source.pool.stretch[index] == pytest.approx(expected, abs=1e-6)
    assert not np.allclose(by_pitch.pool.stretch, heard.pool.stretch)
