"""Long readings of one text become pieces that say the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_speech import pause, utter, write

from voicegan.voice import parallel, recut
from voicegan.voice.check import check_folder
from voicegan.voice.corpus import CorpusConfig, Speaker, load_speaker
from voicegan.voice.pool import PoolConfig, load_pool
from voicegan.voice.training import gather, resolve

SHORT = CorpusConfig(longest_s=6.0, least_speech_s=1.0)


def _read(folder: Path, pauses_s: tuple[float, float], *, first: int = 0, tempo: float = 1.0) -> Path:
    """Four recordings of five sentences each; where this reader pauses longest differs from other readers."""
    for recording in range(4):
        parts = []
        for place in range(5):
            sentence = first + 5 * recording + place
            parts += [utter(sentence, pitch_hz=120 * tempo, tempo=tempo), pause(pauses_s[place % 2])]
        write(folder / f"p{recording}.wav", np.concatenate(parts))
    return folder


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Speaker]:
    """anna and bert read the same; carl reads something else under the same names."""
    root = tmp_path_factory.mktemp("speech")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOICEGAN_HOME", str(root / "home"))
        anna = _read(root / "anna", (0.25, 0.02))
        bert = _read(root / "bert", (0.02, 0.25), tempo=1.3)
        carl = _read(root / "carl", (0.02, 0.25), first=100, tempo=1.3)
        return {folder.name: load_speaker(folder, SHORT) for folder in (anna, bert, carl)}


def _by_name(speaker: Speaker) -> dict[str, int]:
    return {u.name: u.frames for u in [*speaker.utterances, *speaker.held_out]}


def test_pieces_of_one_name_say_the_same(speakers: dict[str, Speaker]) -> None:
    anna, bert = speakers["anna"], speakers["bert"]
    alike = recut.cut_like(bert, anna)
    assert set(_by_name(alike)) == set(_by_name(anna)) and max(n.count("#") for n in _by_name(alike)) == 1
    assert {u.name for u in alike.held_out} == {u.name for u in anna.held_out}
    before, after = (parallel.align_speakers(anna, one) for one in (bert, alike))
    assert after.verdict.parallel and not after.dropped
    assert len(after.pairs) + len(after.held_out) == len(_by_name(anna))
    assert after.verdict.matched_cost < before.verdict.matched_cost
    shares = [alike_frames / _by_name(anna)[name] for name, alike_frames in _by_name(alike).items()]
    assert max(shares) / min(shares) < 1.5  # cut at the same words, each piece is about as much shorter


def test_nothing_is_lost_and_statistics_are_of_what_trains(speakers: dict[str, Speaker]) -> None:
    bert = speakers["bert"]
    alike = recut.cut_like(bert, speakers["anna"])
    assert sum(_by_name(alike).values()) == sum(_by_name(bert).values())
    everything = np.concatenate([u.mel for u in alike.utterances], axis=1)
    np.testing.assert_allclose(alike.mean, everything.mean(axis=1), rtol=1e-4)
    for utterance in alike.utterances:
        assert utterance.f0.shape == (utterance.frames,)
        assert utterance.seconds == pytest.approx(utterance.frames * bert.spec.hop / bert.spec.sample_rate_hz)


def test_what_says_something_else_stays_as_it_is(speakers: dict[str, Speaker]) -> None:
    assert recut.cut_like(speakers["carl"], speakers["anna"]) is speakers["carl"]


def test_names_that_say_nothing_are_soon_given_up(
    speakers: dict[str, Speaker], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    monkeypatch.setattr(recut, "cut", lambda pieces, like: tried.append(pieces[0].name) or [])
    recut.cut_like(speakers["carl"], speakers["anna"])
    assert len(tried) == 3


def test_a_recording_that_only_one_had_to_cut(speakers: dict[str, Speaker]) -> None:
    """A slow reader's is over the longest length, a fast one's is not: either is cut as the other is."""
    anna, bert = speakers["anna"], speakers["bert"]
    whole = load_speaker(bert.folder, SHORT.model_copy(update={"longest_s": 60.0}))
    assert set(_by_name(recut.cut_like(whole, anna))) == set(_by_name(anna))
    joined = recut.cut_like(anna, whole)
    assert set(_by_name(joined)) == {"p0", "p1", "p2", "p3"}


def test_what_was_kept_aside_as_a_whole_never_trains(speakers: dict[str, Speaker]) -> None:
    """Whoever lists a recording to be held out means all of it, whatever the other speaker trains on."""
    anna = speakers["anna"]
    bert = load_speaker(speakers["bert"].folder, SHORT, held_out_files=["p3"])
    alike = recut.cut_like(bert, replace(anna, utterances=[*anna.utterances, *anna.held_out], held_out=[]))
    assert {u.name.partition("#")[0] for u in alike.held_out} == {"p3"}
    assert {u.name.partition("#")[0] for u in alike.utterances} == {"p0", "p1", "p2"}
    assert len(alike.held_out) == sum(name.startswith("p3#") for name in _by_name(anna))


def test_very_long_recordings_are_left_alone(
    speakers: dict[str, Speaker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recut, "_MOST_S", 5.0)
    assert recut.cut_like(speakers["bert"], speakers["anna"]) is speakers["bert"]


def test_speakers_without_long_recordings_stay_themselves(speakers: dict[str, Speaker]) -> None:
    short = [u for u in speakers["bert"].utterances if u.name.endswith("#1")]
    bert = replace(speakers["bert"], utterances=short, held_out=[])
    assert recut.cut_like(bert, replace(speakers["anna"], utterances=short, held_out=[])) is bert


def test_the_data_doctor_sees_it_too(
    speakers: dict[str, Speaker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four recordings are too few to tell by; their pieces are not."""
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path))
    reports = {name: check_folder(one.folder) for name, one in speakers.items()}
    assert parallel.check_parallel(reports["anna"], reports["bert"], SHORT).parallel
    assert not parallel.check_parallel(reports["anna"], reports["carl"], SHORT).parallel


def test_both_kinds_of_training_are_helped(
    speakers: dict[str, Speaker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path))
    anna, bert = speakers["anna"], speakers["bert"]
    corpus = SHORT.model_dump()
    two = gather(anna.folder, bert.folder, resolve({"corpus": corpus}))
    assert two.parallel is not None and len(two.parallel.pairs) == len(anna.utterances)
    assert [u.name for u in two.b.held_out] == [u.name for u in anna.held_out]
    pool = load_pool([bert.folder], anna, SHORT, PoolConfig(held_out_speakers=0.0))
    assert len(pool.pairs) == 1 and len(pool.pairs[0].pairs) > 6
