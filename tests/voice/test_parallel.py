"""Parallel folders are told by what is said; names alone prove nothing."""

from dataclasses import replace

import numpy as np
import pytest
from made_speech import read_aloud, utter, write

from voicegan.audio import align
from voicegan.errors import VoiceganError
from voicegan.voice import parallel
from voicegan.voice.check import check_folder
from voicegan.voice.corpus import CorpusConfig, load_speaker

SMALL = CorpusConfig(least_speech_s=1.0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """anna and bert read the same sentences; carl reads others under the same names; dora has other names."""
    root = tmp_path_factory.mktemp("speech")
    anna = read_aloud(root / "anna", range(16), pitch_hz=210.0, formants=1.12)
    bert = read_aloud(root / "bert", range(16), pitch_hz=115.0, tempo=1.15)
    carl = root / "carl"
    for sentence in range(16):
        write(carl / f"s{sentence:03d}.wav", utter(100 + sentence, pitch_hz=115.0, tempo=1.15))
    dora = read_aloud(root / "dora", range(50, 60), pitch_hz=190.0)
    return {folder.name: folder for folder in (anna, bert, carl, dora)}


@pytest.fixture(scope="module", autouse=True)
def shared_home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOICEGAN_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def speakers(folders, shared_home):
    return {name: load_speaker(folder, SMALL) for name, folder in folders.items()}


def test_the_same_sentences_are_parallel(speakers):
    verdict = parallel.is_parallel(speakers["anna"], speakers["bert"])
    assert verdict.parallel and verdict.matching == 16 and verdict.won >= 0.9
    assert verdict.matched_cost < 0.9 * verdict.shuffled_cost
    assert "16 names match and so does what is said" in verdict.reason


def test_the_same_names_prove_nothing(speakers):
    verdict = parallel.is_parallel(speakers["anna"], speakers["carl"])
    assert not verdict.parallel and verdict.matching == 16
    assert "16 names match, but what is said does not" in verdict.reason


def test_other_names_are_not_parallel(speakers):
    verdict = parallel.is_parallel(speakers["anna"], speakers["dora"])
    assert not verdict.parallel and verdict.reason == "no file names match"


def test_a_few_names_decide_nothing(speakers):
    few = replace(speakers["bert"], utterances=speakers["bert"].utterances[:3], held_out=[])
    assert "only 3 names match" in parallel.is_parallel(speakers["anna"], few).reason


def test_sentences_out_of_order_are_not_parallel(speakers):
    bert = speakers["bert"].utterances
    shifted = [replace(u, name=v.name) for u, v in zip(bert, bert[1:] + bert[:1], strict=True)]
    moved = replace(speakers["bert"], utterances=shifted, held_out=[])
    assert not parallel.is_parallel(speakers["anna"], moved).parallel


def test_case_of_names_does_not_matter(speakers):
    shouted = [replace(u, name=u.name.upper()) for u in speakers["bert"].utterances]
    verdict = parallel.is_parallel(
        speakers["anna"], replace(speakers["bert"], utterances=shouted, held_out=[])
    )
    assert verdict.parallel


@pytest.mark.parametrize(("other", "expected"), [("bert", True), ("carl", False), ("dora", False)])
def test_the_doctor_comes_to_the_same_verdict(folders, speakers, other, expected):
    reports = check_folder(folders["anna"]), check_folder(folders[other])
    verdict = parallel.check_parallel(*reports)
    assert verdict.parallel is expected
    assert verdict == parallel.is_parallel(speakers["anna"], speakers[other])


def test_pairs_know_the_way_between_their_frames(speakers):
    anna, bert = speakers["anna"], speakers["bert"]
    found = parallel.align_speakers(anna, bert)
    assert found.verdict.parallel and not found.dropped
    assert (len(found.pairs), len(found.held_out)) == (len(anna.utterances), len(anna.held_out))
    gains = []
    for pair in found.pairs:
        a, b = anna.utterances[pair.index_a], bert.utterances[pair.index_b]
        assert a.name == b.name
        assert pair.index_ab.dtype == pair.index_ba.dtype == np.int32
        assert pair.index_ab.shape == (a.frames,) and pair.index_ba.shape == (b.frames,)
        assert np.all(np.diff(pair.index_ab) >= 0) and np.all(np.diff(pair.index_ba) >= 0)
        assert pair.index_ab.min() >= 0 and pair.index_ab.max() < b.frames
        # There and back again is nearly where one started.
        assert np.abs(pair.index_ba[pair.index_ab] - np.arange(a.frames)).mean() < 3
        stretched = np.arange(a.frames) * b.frames // a.frames
        apart = [np.abs(a.mel - b.mel[:, index]).mean() for index in (pair.index_ab, stretched)]
        gains.append(apart[0] / apart[1])
    # Frames that belong together sound alike, more so than when time is merely stretched.
    assert np.mean(gains) < 0.95 and max(gains) < 1.0


def test_speakers_that_are_not_parallel_have_no_pairs(speakers):
    found = parallel.align_speakers(speakers["anna"], speakers["carl"])
    assert not found.verdict.parallel and found.pairs == found.held_out == []


def test_a_wrong_sentence_among_right_ones_is_dropped_by_name(speakers):
    bert = list(speakers["bert"].utterances)
    bert[2] = replace(bert[2], mel=speakers["carl"].utterances[5].mel, f0=speakers["carl"].utterances[5].f0)
    found = parallel.align_speakers(speakers["anna"], replace(speakers["bert"], utterances=bert))
    assert found.verdict.parallel and found.dropped == [bert[2].name]
    assert len(found.pairs) == len(bert) - 1
    assert all(pair.index_b != 2 for pair in found.pairs)


def test_alignments_are_cached_and_survive_damage(speakers, own_home, monkeypatch):
    first = parallel.align_speakers(speakers["anna"], speakers["bert"])
    (stored,) = (own_home / "cache" / "alignments").iterdir()
    whole = stored.read_bytes()

    def never(*arguments):
        raise AssertionError("aligned again")

    with monkeypatch.context() as patch:
        patch.setattr(parallel, "_align", never)
        second = parallel.align_speakers(speakers["anna"], speakers["bert"])
    stored.write_bytes(whole[:1000])
    third = parallel.align_speakers(speakers["anna"], speakers["bert"])
    for other in (second, third):
        for pair, same in zip(first.pairs + first.held_out, other.pairs + other.held_out, strict=True):
            np.testing.assert_array_equal(pair.index_ab, same.index_ab)
            np.testing.assert_array_equal(pair.index_ba, same.index_ba)
            assert (pair.index_a, pair.index_b, pair.cost) == (same.index_a, same.index_b, same.cost)


def test_changed_features_are_aligned_again(speakers, own_home):
    parallel.align_speakers(speakers["anna"], speakers["bert"])
    bert = [replace(u, mel=u.mel[:, 5:], f0=u.f0[5:]) for u in speakers["bert"].utterances]
    found = parallel.align_speakers(speakers["anna"], replace(speakers["bert"], utterances=bert))
    assert all(len(pair.index_ba) == bert[pair.index_b].frames for pair in found.pairs)
    assert len(list((own_home / "cache" / "alignments").iterdir())) == 2


def test_features_made_differently_are_not_aligned(folders, speakers):
    other = load_speaker(folders["bert"], CorpusConfig(least_speech_s=1.0, level_db=-30.0))
    with pytest.raises(VoiceganError, match="different level or trimming"):
        parallel.align_speakers(speakers["anna"], other)
    other = load_speaker(folders["bert"], CorpusConfig(least_speech_s=1.0, mel="vocos-24k"))
    with pytest.raises(VoiceganError, match="sample_rate_hz"):
        parallel.align_speakers(speakers["anna"], other)


def test_recordings_in_both_folders_are_found(folders, tmp_path):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "copy.wav").write_bytes((folders["anna"] / "s003.wav").read_bytes())
    write(mixed / "own.wav", utter(77))
    shared = parallel.shared_recordings(check_folder(folders["anna"]), check_folder(mixed))
    assert shared == [("s003.wav", "copy.wav")]


def test_cost_says_same_sentence_or_other(speakers):
    anna, bert = speakers["anna"].utterances, speakers["bert"].utterances
    same = [align.alignment_cost(x.mel, y.mel) for x, y in zip(anna, bert, strict=True)]
    other = [align.alignment_cost(x.mel, y.mel) for x, y in zip(anna, bert[1:] + bert[:1], strict=True)]
    assert np.median(same) < 0.85 * np.median(other)
