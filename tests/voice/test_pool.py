"""A pool: each folder is a speaker, the target is none of them, and what is kept aside stays aside."""

import logging
import shutil

import made_speech
import pytest

from voicegan.errors import VoiceganError
from voicegan.voice.corpus import CorpusConfig, load_speaker
from voicegan.voice.pool import PoolConfig, load_pool

CORPUS = CorpusConfig(least_speech_s=2.0)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Recordings of a target, of two who read other sentences, and of one who reads the target's."""
    root = tmp_path_factory.mktemp("recorded")
    made_speech.read_aloud(root / "anna", range(8), pitch_hz=190.0, formants=1.15)
    made_speech.read_aloud(root / "ben", range(7), pitch_hz=110.0)
    made_speech.read_aloud(root / "p1", range(20, 23), pitch_hz=130.0)
    made_speech.read_aloud(root / "p2", range(40, 42), pitch_hz=220.0)
    return root


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    # One for all: features are cached there.
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path_factory.getbasetemp() / "pool home"))


@pytest.fixture
def target(recorded):
    return load_speaker(recorded / "anna", CORPUS)


def pool(target, *places, **chosen):
    return load_pool(places, target, CORPUS, PoolConfig(**chosen))


def names(speakers):
    return [speaker.name for speaker in speakers]


def recordings(speakers):
    return {u.name for s in speakers for u in (*s.utterances, *s.held_out)}


def test_every_folder_is_a_speaker_and_the_targets_own_is_passed_over(recorded, target):
    found = pool(target, recorded)
    assert names(found.speakers) == ["ben", "p1", "p2"] and not found.strangers
    assert len(found.speakers[2].utterances) == 2  # one with hardly anything counts too
    assert found.minutes == pytest.approx(sum(s.minutes for s in found.speakers))


def test_who_reads_the_targets_sentences_is_found(recorded, target):
    found = pool(target, recorded)
    assert list(found.pairs) == [0] and found.speakers[0].name == "ben"
    for pair in found.pairs[0].pairs:
        mine, theirs = found.speakers[0].utterances[pair.index_a], target.utterances[pair.index_b]
        assert mine.name == theirs.name
        assert len(pair.index_ab) == mine.frames and pair.index_ab.max() < theirs.frames


def test_the_target_is_passed_over_wherever_its_recordings_lie(recorded, tmp_path):
    shutil.copytree(recorded / "anna", tmp_path / "anna" / "wav")
    shutil.copytree(recorded / "p1", tmp_path / "p1" / "wav")
    assert names(pool(load_speaker(tmp_path / "anna", CORPUS), tmp_path).speakers) == ["wav"]


def test_one_utterance_is_enough_of_a_speaker_and_too_little_is_said(recorded, target, tmp_path, caplog):
    made_speech.write(tmp_path / "once" / "a.wav", made_speech.utter(60, syllables=14))
    made_speech.write(tmp_path / "hardly" / "b.wav", made_speech.utter(61, syllables=4))
    with caplog.at_level(logging.WARNING):
        found = pool(target, tmp_path)
    assert names(found.speakers) == ["once"] and not found.speakers[0].held_out
    assert "hardly left out of the pool" in caplog.text


def test_places_may_overlap_and_repeat(recorded, target):
    twice = pool(target, recorded, recorded / "p1", recorded / "p1")
    assert names(twice.speakers) == ["ben", "p1", "p2"]


def test_a_folder_above_others_is_the_speaker_of_its_own_recordings_alone(recorded, target, tmp_path):
    shutil.copytree(recorded / "p1", tmp_path / "p1")
    made_speech.read_aloud(tmp_path, range(20, 23), pitch_hz=160.0)  # the same names as below it
    found = pool(target, tmp_path)
    assert [len(s.utterances) for s in found.speakers] == [3, 3]
    assert {u.path.parent for u in found.speakers[0].utterances} == {tmp_path}


def test_patterns_keep_recordings_and_whole_speakers_aside(recorded, target):
    found = pool(target, recorded, held_out=("s02?", "s000", "s001.wav"))
    assert names(found.speakers) == ["ben", "p2"] and names(found.strangers) == ["p1"]
    assert {u.name for u in found.speakers[0].held_out} == {"s000", "s001"}
    assert {u.name for u in found.speakers[0].utterances} == {f"s{k:03d}" for k in range(2, 7)}
    assert not found.speakers[1].held_out  # nothing is chosen by name where there is a list
    assert not recordings(found.strangers) & recordings(found.speakers)


def test_a_pattern_that_matches_nothing_is_named(recorded, target):
    with pytest.raises(VoiceganError, match="'s09\\?' of pool.held_out matches no recording"):
        pool(target, recorded, held_out=("s02?", "s09?"))


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
def test_whole_speakers_are_kept_aside_by_name_wherever_they_lie(target, tmp_path, share):
    for number in range(6):
        wav = made_speech.utter(70 + number, syllables=14)
        made_speech.write(tmp_path / "here" / f"r{number}" / "wav" / "a.wav", wav)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    here, there = (pool(target, tmp_path / place, held_out_speakers=share) for place in ("here", "there"))
    assert len(here.strangers) == (0 if share == 0 else 1)  # never over a fifth
    for mine, other in ((here.speakers, there.speakers), (here.strangers, there.strangers)):
        assert [s.folder.parent.name for s in mine] == [s.folder.parent.name for s in other]
    assert not pool(target, tmp_path / "here", held_out_speakers=share, held_out_most=0).strangers


def test_the_targets_recordings_under_another_path_are_refused(recorded, target, tmp_path):
    shutil.copytree(recorded / "p1", tmp_path / "p1")
    shutil.copy(recorded / "anna" / "s003.wav", tmp_path / "p1" / "other name.wav")
    with pytest.raises(VoiceganError, match=r"p1/other name.wav of the pool is also the target's s003.wav"):
        pool(target, tmp_path)
    shutil.copytree(recorded / "p2", tmp_path / "p2")
    with pytest.raises(VoiceganError, match="of the pool is also the target's"):  # nor as one kept aside
        pool(target, tmp_path, held_out=("s02?", "other*"))


def test_a_pool_of_nobody_else_is_refused(recorded, target):
    with pytest.raises(VoiceganError, match="the pool holds nobody but the target"):
        pool(target, recorded / "anna")
    with pytest.raises(VoiceganError, match="nothing in the pool is left to train on"):
        pool(target, recorded / "p1", held_out=("*",))
    with pytest.raises(VoiceganError, match="does not exist"):
        pool(target, recorded / "nowhere")


def test_progress_counts_speakers(recorded, target):
    told = []
    load_pool([recorded], target, CORPUS, PoolConfig(), progress=lambda *call: told.append(call))
    assert told == [(1, 3, "ben"), (2, 3, "p1"), (3, 3, "p2")]
