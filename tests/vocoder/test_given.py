"""Mels that are given for recordings: they lie where their sound does, are made once, and are what a run looks at."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import made_speech
import numpy as np
import pytest
import torch

from voicegan.audio.mel import PRESETS, LogMel, MelSpec
from voicegan.core.random import Draws
from voicegan.errors import VoiceganError
from voicegan.vocoder import training
from voicegan.vocoder.corpus import Corpus, CorpusConfig, Crops, Recordings, Variety, load_corpus
from voicegan.vocoder.given import Given, Through, with_mels
from voicegan.vocoder.pack import load_vocoder_pack

SMALL = {
    "model": {"dim": 8, "intermediate": 12, "layers": 1, "crop_frames": 16},
    "trainer": {"steps": 2, "batch": 2, "device": "cpu"},
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return a_corpus(tmp_path)


def a_corpus(folder: Path, mel: str = "16k") -> Corpus:
    rate_hz = PRESETS[mel].sample_rate_hz
    for number in range(6):
        noise = np.random.default_rng(number).standard_normal(2 * rate_hz + 1000 * number)
        made_speech.write(folder / "in" / f"s{number}.wav", (0.05 * noise).astype(np.float32), rate_hz)
    return load_corpus([folder / "in"], CorpusConfig(mel=mel))


def own(spec: MelSpec, gain: float = 1.0, offset: float = 0.0, part: str = "a") -> Through:
    """What gives recordings their own mels, louder."""
    log_mel = LogMel(spec)

    def give(wav: np.ndarray) -> Given:
        sound = torch.from_numpy((wav - np.float32(offset)) * np.float32(gain))
        return Given(log_mel(sound[None])[0].numpy(), gain, offset)

    return Through(((part, "1234"),), give)


def draws(step: int = 0, rows: range = range(8)) -> Draws:
    return Draws(3, step, 0, rows)


# Crops


@pytest.mark.parametrize("gain_db", [0.0, 10.0])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_crops_mel_is_about_its_sound_whatever_the_gain(
    tmp_path: Path, preset: str, gain_db: float
) -> None:
    spec = PRESETS[preset]
    given = with_mels(a_corpus(tmp_path, preset), own(spec, gain=0.7, offset=0.01))
    for step in range(4):
        batch = Crops(given.training, spec, 16, Variety(gain_db)).batch(draws(step))
        assert batch["wav"].shape == (8, 15 * spec.hop + spec.n_fft) and batch["mel"].dtype == torch.float32
        heard = LogMel(spec).of_padded(batch["wav"])
        torch.testing.assert_close(batch["mel"], heard, rtol=0, atol=0.01)  # of float16


def test_speed_and_colour_cannot_be_followed_and_so_are_left(corpus: Corpus) -> None:
    side = with_mels(corpus, own(corpus.spec)).training
    plain, varied = (
        Crops(side, corpus.spec, 16, variety).batch(draws()) for variety in (Variety(6), Variety(6, 0.15, 6))
    )
    assert all(torch.equal(plain[name], varied[name]) for name in ("wav", "mel"))


def test_recordings_without_given_mels_are_cropped_as_ever(corpus: Corpus) -> None:
    batch = Crops(corpus.training, corpus.spec, 16, Variety(6.0)).batch(draws())
    assert batch.keys() == {"wav"}
    assert corpus.fingerprint == with_mels(corpus, own(corpus.spec)).fingerprint


def test_the_same_crops_on_any_number_of_ranks(corpus: Corpus) -> None:
    crops = Crops(with_mels(corpus, own(corpus.spec)).training, corpus.spec, 16, Variety(6.0))
    whole, part = crops.batch(draws(5)), crops.batch(draws(5, range(3, 6)))
    assert all(torch.equal(part[name], whole[name][3:6]) for name in ("wav", "mel"))


@pytest.mark.parametrize("preset", PRESETS)
def test_short_recordings_are_continued_by_silence(tmp_path: Path, preset: str) -> None:
    given = with_mels(a_corpus(tmp_path, preset), own(PRESETS[preset]))
    batch = Crops(given.training, given.spec, 400, Variety(6.0)).batch(draws())
    assert batch["mel"].shape == (8, given.spec.mels, 400)
    end = torch.full_like(batch["mel"][..., -100:], given.spec.floor)
    torch.testing.assert_close(batch["mel"][..., -100:], end)
    assert batch["wav"][:, -100 * given.spec.hop :].eq(0).all() and batch["wav"][:, :100].any(dim=1).all()
    heard = LogMel(given.spec).of_padded(batch["wav"])[..., :90]
    torch.testing.assert_close(batch["mel"][..., :90], heard, rtol=0, atol=0.01)


def test_silence_stays_silent_at_any_gain(corpus: Corpus) -> None:
    silent = Through((), lambda wav: Given(np.full((80, 1 + len(wav) // 256), corpus.spec.floor), 1.0, 0.0))
    batch = Crops(with_mels(corpus, silent).training, corpus.spec, 16, Variety(20.0)).batch(draws())
    assert (batch["mel"] == np.float32(corpus.spec.floor)).all() and batch["wav"].abs().max() > 0.1


# The cache


def counted(through: Through) -> tuple[Through, list[int]]:
    lengths: list[int] = []

    def give(wav: np.ndarray) -> Given:
        lengths.append(len(wav))
        return through.give(wav)

    return dataclasses.replace(through, give=give), lengths


def sides(corpus: Corpus) -> list[np.ndarray]:
    mels = [side.mels for side in (corpus.training, corpus.held_out)]
    return [array for given in mels if given for array in (given.values, given.gains, given.offsets)]


def test_what_was_given_once_is_not_made_again(corpus: Corpus) -> None:
    way, made = counted(own(corpus.spec, 0.7, 0.01))
    first = with_mels(corpus, way)
    assert sorted(made) == [32_000 + 1000 * number for number in range(6)]
    assert isinstance(first.training.mels.values, np.memmap)
    again = with_mels(corpus, way)
    assert len(made) == 6
    for one, other in zip(sides(first), sides(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (first.held_out.mels.gains == 0.7).all() and (first.held_out.mels.offsets == 0.01).all()
    for index in range(len(first.training)):
        frames = corpus.spec.frames(len(corpus.training.wav(index)))
        assert first.training.mels.mel(index).shape == (80, frames)


@pytest.mark.parametrize(
    "change", ["another way", "other recordings", "damaged", "no index", "index of another kind"]
)
def test_what_has_changed_is_given_anew(corpus: Corpus, home: Path, change: str) -> None:
    way, made = counted(own(corpus.spec))
    first = sides(with_mels(corpus, way))[0].copy()
    made.clear()
    if change == "another way":
        way = dataclasses.replace(way, parts=(("a", "4321"),))
    elif change == "other recordings":  # of the same lengths
        samples = np.roll(corpus.training.samples, 5)
        corpus = dataclasses.replace(corpus, training=dataclasses.replace(corpus.training, samples=samples))
    else:
        for path in (home / "cache" / "mels").iterdir():
            if change == "damaged" and path.suffix == ".f16":
                path.write_bytes(path.read_bytes()[:-2])
            elif change != "damaged" and path.suffix == ".json":
                path.write_text("[]") if change == "index of another kind" else path.unlink()
    anew = sides(with_mels(corpus, way))[0]
    assert made and np.array_equal(anew, first) == (change != "other recordings")


def test_an_interruption_leaves_no_half_cache(corpus: Corpus, home: Path) -> None:
    def interrupt(done: int, total: int, name: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with_mels(corpus, own(corpus.spec), interrupt)
    assert not list((home / "cache" / "mels").iterdir())


def test_mels_of_another_length_are_a_fault(corpus: Corpus) -> None:
    short = Through((), lambda wav: Given(np.zeros((80, 3), np.float32), 1.0, 0.0))
    with pytest.raises(ValueError, match=r"\(80, 3\) was given for .*wav, not \(80, 1"):
        with_mels(corpus, short)


def test_a_side_may_be_empty(corpus: Corpus) -> None:
    nothing = Recordings([], np.zeros(1, np.int64), np.zeros(0, np.int16))
    given = with_mels(dataclasses.replace(corpus, held_out=nothing), own(corpus.spec))
    assert given.held_out.mels is None and given.training.mels is not None


# A run


def a_training(corpus: Corpus, out: Path) -> training.Training:
    return training.Training(corpus, training.resolve(SMALL), "v", training.Places.of("v", out))


def floor_only(spec: MelSpec) -> Through:
    return Through((), lambda wav: Given(np.full((80, spec.frames(len(wav))), spec.floor), 1.0, 0.0))


def test_checks_look_at_the_given_mels(corpus: Corpus, tmp_path: Path) -> None:
    def score(of: Corpus) -> float:
        run = a_training(of, tmp_path / "o")
        return run.monitor.validate(run.system.eval(), run.trainer.progress, rehearsal=True)["score"]

    plain = score(corpus)
    assert score(with_mels(corpus, own(corpus.spec))) == pytest.approx(plain, rel=1e-2)
    assert score(with_mels(corpus, floor_only(corpus.spec))) > plain + 1


def test_a_run_learns_from_the_given_mels(corpus: Corpus, tmp_path: Path) -> None:
    losses = []
    ways: list[Callable[[MelSpec], Through]] = [own, floor_only]
    for way in ways:
        run = a_training(with_mels(corpus, way(corpus.spec)), tmp_path / "o")
        batch = run.trainer.source.batch(draws())
        losses.append(float(run.system.mel_of(batch).mean()))
    assert losses[0] > -6 and losses[1] == pytest.approx(corpus.spec.floor)


def test_the_vocoder_says_what_its_mels_have_passed_through(corpus: Corpus, tmp_path: Path) -> None:
    run = a_training(with_mels(corpus, own(corpus.spec, part="bdl")), tmp_path / "o")
    assert "log-mels that have passed through bdl" in "\n".join(run.describe())
    run.run(quiet=True)
    pack = load_vocoder_pack(tmp_path / "o" / "v")
    assert pack.training["through"] == ["bdl"] and "passed through the voices bdl" in pack.card
    assert (tmp_path / "o" / "run" / "samples" / "0000002.png").stat().st_size


def test_a_run_goes_on_with_its_voices_only() -> None:
    way = own(PRESETS["16k"])
    plan = {"through": [["a", "1234"]]}
    training.require_same_parts({}, way)
    training.require_same_parts(plan, way)
    training.require_same_parts({"settings": {}}, None)  # a plan of before there were any
    for other, through, said in (
        (plan, own(PRESETS["16k"], part="b"), "has begun with mels through a"),
        (plan, None, "has begun with mels through a"),
        ({"settings": {}}, way, "has begun with mels through no voice"),
        (plan, Through((("a", "4321"),), way.give), "the voice a has changed since this run was begun"),
    ):
        with pytest.raises(VoiceganError, match=said):
            training.require_same_parts(other, through)
