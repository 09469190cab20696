"""Folders become crops: nothing is lost silently, nothing kept aside trains, and the cache holds what files hold."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from made_speech import RATE_HZ, write

from voicegan.audio import files
from voicegan.audio.mel import PRESETS
from voicegan.core.random import Draws
from voicegan.errors import VoiceganError
from voicegan.vocoder.corpus import Corpus, CorpusConfig, Crops, Recordings, Variety, load_corpus

SPEC = PRESETS["16k"]
Make = Callable[..., Path]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def sound(seed: int, seconds: float = 0.6, rate_hz: int = RATE_HZ) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(round(seconds * rate_hz))
    return (0.1 * noise).astype(np.float32)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a folder of recordings called s000, s001, ..."""

    def folder(name: str, numbers: range = range(10)) -> Path:
        for number in numbers:
            write(tmp_path / name / f"s{number:03d}.wav", sound(number, 0.6 + 0.01 * number))
        return tmp_path / name

    return folder


def names(side: Recordings) -> list[str]:
    return [path.stem for path in side.paths]


def load(*places: Path, **settings: object) -> Corpus:
    return load_corpus(places, CorpusConfig(**settings))


# What is in it


def test_a_corpus_is_what_its_folders_say(make: Make) -> None:
    one, two = make("one"), make("two", range(10, 16))
    corpus = load(one, two)
    assert corpus.spec == SPEC and corpus.places == (one, two) and corpus.refused == ()
    assert len(corpus.held_out) == 2 + 1  # four of each folder at least, but a fifth at most
    assert sorted(names(corpus.training) + names(corpus.held_out)) == [f"s{n:03d}" for n in range(16)]
    assert not set(corpus.training.paths) & set(corpus.held_out.paths)
    lengths = [len(corpus.training.wav(index)) for index in range(len(corpus.training))]
    assert sum(lengths) == corpus.training.samples_in_all == len(corpus.training.samples)
    assert corpus.minutes == pytest.approx(sum(lengths) / RATE_HZ / 60)


def test_recordings_are_decoded_as_they_are(make: Make) -> None:
    corpus = load(make("one"), held_out_share=0.0)
    for index, path in enumerate(corpus.training.paths):
        wav, _ = files.read(path)
        np.testing.assert_allclose(corpus.training.wav(index), wav, atol=1 / 32000)


@pytest.mark.parametrize("rate_hz", [8000, 44100])
def test_any_rate_becomes_that_of_the_contract(tmp_path: Path, rate_hz: int) -> None:
    write(tmp_path / "in" / "a.wav", sound(0, 1.0, rate_hz), rate_hz)
    for preset in ("16k", "vocos-24k"):
        corpus = load(tmp_path / "in", mel=preset)
        assert corpus.training.samples_in_all == PRESETS[preset].sample_rate_hz


def test_loud_recordings_are_clipped_not_wrapped(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.wav", np.clip(sound(0) * 30, -5, 5), subtype="FLOAT")
    wav = load(tmp_path / "in").training.wav(0)
    assert wav.min() == -1 and wav.max() == 1 and np.abs(wav).mean() > 0.7


def test_a_side_may_be_empty(make: Make) -> None:
    corpus = load(make("one"), held_out=())
    assert len(corpus.training) == 10 and len(corpus.held_out) == 0
    assert corpus.held_out.samples_in_all == 0


# What is left out


def test_bad_files_are_named_and_left_out(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    folder = make("one")
    write(folder / "silent.wav", np.zeros(RATE_HZ, np.float32))
    write(folder / "short.wav", sound(0, 0.3))
    (folder / "broken.wav").write_bytes(b"RIFF")
    (folder / "gone.wav").symlink_to(folder / "nowhere.wav")
    (folder / "notes.txt").write_text("not audio")
    for _ in ("decoded", "cached"):
        corpus = load(folder, held_out=("s000",))
        assert names(corpus.training) == [f"s{n:03d}" for n in range(1, 10)]
        assert len(corpus.refused) == 4
        for text in ("silent.wav is silent", "short.wav has 0.30 s, less than 0.5 s", "broken.wav is not audio",
                     "gone.wav does not exist"):  # fmt: skip
            assert any(f"{folder}/{text}" in line for line in corpus.refused), text
            assert f"left out: {folder}/{text}" in caplog.text
        caplog.clear()


def test_what_is_kept_aside_may_be_bad_too(make: Make) -> None:
    folder = make("one", range(5))
    write(folder / "s000.wav", np.zeros(RATE_HZ, np.float32))
    corpus = load(folder, held_out=("s000", "s001"))
    assert names(corpus.held_out) == ["s001"] and len(corpus.refused) == 1


def test_nothing_to_train_on_is_an_error(make: Make, tmp_path: Path) -> None:
    folder = make("one", range(2))
    with pytest.raises(VoiceganError, match="nothing in .*one is left to train on"):
        load(folder, held_out=("s00?",))
    with pytest.raises(
        VoiceganError, match=r"nothing in .*one can be used: .*s000.wav has 0.60 s, less than 9 s"
    ):
        load(folder, min_s=9.0, held_out=())
    with pytest.raises(VoiceganError, match="does not exist"):
        load(folder, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(VoiceganError, match="is empty"):
        load(folder, tmp_path / "empty")


def test_an_unknown_contract_is_named() -> None:
    with pytest.raises(VoiceganError, match="no mel preset 24k") as caught:
        CorpusConfig(mel="24k").spec()
    assert "vocos-24k" in caught.value.hint


# Which files


def test_names_and_patterns_mean_something_in_any_of_several_folders(make: Make) -> None:
    one, two = make("one", range(6)), make("two", range(3, 20))
    corpus = load(one, two, files=("s00[0-4]", "s012.wav", "s004"), held_out=("s002", "s01[5-6]"))
    assert names(corpus.training) == ["s000", "s001", "s003", "s004", "s003", "s004", "s012"]
    assert {path.parent.name for path in corpus.training.paths[:4]} == {"one"}
    assert names(corpus.held_out) == ["s002", "s015", "s016"]


def test_what_means_nothing_in_any_folder_is_an_error(make: Make) -> None:
    one, two = make("one", range(3)), make("two", range(3, 6))
    with pytest.raises(VoiceganError, match="no recording called 's0003'") as caught:
        load(one, two, files=("s000", "s0003"))
    assert "s000" in caught.value.hint


def test_each_folder_keeps_its_share_aside(make: Make) -> None:
    one, two = make("one", range(40)), make("two", range(20, 30))
    corpus = load(one, two, held_out_share=0.1, held_out_least=1)
    assert [path.parent.name for path in corpus.held_out.paths] == ["one"] * 4 + ["two"]
    alone = load(two, held_out_share=0.1, held_out_least=1)
    assert alone.held_out.paths == corpus.held_out.paths[4:]  # whatever stands beside it
    assert names(load(one, held_out_share=0.0).held_out) == []


@pytest.mark.parametrize("how", ["inside", "twice", "link"])
def test_what_is_held_out_never_trains_under_another_name(make: Make, tmp_path: Path, how: str) -> None:
    folder = make("all/one")
    if how == "link":
        (tmp_path / "other").mkdir()
        for path in folder.iterdir():
            (tmp_path / "other" / f"x{path.name}").symlink_to(path)
        places = [folder, tmp_path / "other"]
    else:
        places = {
            "inside": [tmp_path / "all", folder],
            "twice": [folder, tmp_path / "all" / ".." / "all" / "one"],
        }[how]
    for several in (places, places[::-1]):
        corpus = load(*several)
        sides = [
            [os.path.realpath(path) for path in side.paths] for side in (corpus.training, corpus.held_out)
        ]
        assert len(sides[0]) + len(sides[1]) == len(set(sides[0] + sides[1])) == 10
        assert len(sides[1]) == 2


def test_two_recordings_of_one_name_are_two(make: Make, tmp_path: Path) -> None:
    make("all/one", range(3)), make("all/two", range(3))
    corpus = load(tmp_path / "all", held_out=("two/s001",))
    assert [str(path.relative_to(tmp_path / "all")) for path in corpus.held_out.paths] == ["two/s001.wav"]
    assert len(corpus.training) == 5


# The cache


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded from now on."""
    seen: list[str] = []
    read = files.read
    monkeypatch.setattr(files, "read", lambda path: (seen.append(Path(path).stem), read(path))[1])
    return seen


def test_a_second_load_decodes_nothing_and_is_equal(make: Make, decoded: list[str]) -> None:
    folder = make("one")
    first = load(folder)
    assert sorted(decoded) == [f"s{n:03d}" for n in range(10)]
    decoded.clear()
    second = load(folder)
    assert decoded == [] and second.fingerprint == first.fingerprint
    for one, other in ((first.training, second.training), (first.held_out, second.held_out)):
        np.testing.assert_array_equal(one.samples, other.samples)
        assert isinstance(other.samples, np.memmap) and other.paths == one.paths


@pytest.mark.parametrize("change", ["content", "dated back", "contract", "shortest"])
def test_what_has_changed_is_decoded_again(make: Make, decoded: list[str], change: str) -> None:
    folder = make("one", range(3))
    before = load(folder, held_out=())
    decoded.clear()
    path, settings = folder / "s001.wav", {}
    if change in ("content", "dated back"):
        was = path.stat()
        write(path, sound(99, 0.61))
        if change == "dated back":  # as by a tool that keeps times; the size is equal as well
            os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    else:
        settings = {"contract": {"mel": "vocos-24k"}, "shortest": {"min_s": 0.605}}[change]
    after = load(folder, held_out=(), **settings)
    assert decoded
    assert not np.array_equal(before.training.samples, after.training.samples)
    assert before.training.wav(0).shape == (9600,)  # what was mapped earlier can still be read


def test_a_file_that_can_be_read_again_is_not_left_out_for_ever(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make("one", range(3))
    read = files.read

    def forbidden(path: Path) -> tuple[np.ndarray, int]:
        if path.stem == "s001":
            raise VoiceganError(f"{path} cannot be read: Permission denied", "Check its permissions.")
        return read(path)

    monkeypatch.setattr(files, "read", forbidden)
    assert len(load(folder, held_out=()).training) == 2
    monkeypatch.setattr(files, "read", read)
    (folder / "s001.wav").chmod(0o600)
    assert len(load(folder, held_out=()).training) == 3


@pytest.mark.parametrize("damage", ["no sound", "no index", "cut", "index cut", "index of another kind"])
def test_a_damaged_cache_is_made_again(make: Make, home: Path, damage: str) -> None:
    folder = make("one", range(3))
    first = load(folder, held_out=()).training.samples.copy()
    (sound_file,), (index,) = ((home / "cache" / "sound").glob(kind) for kind in ("*.i16", "*.json"))
    if damage.startswith("no"):
        (sound_file if damage == "no sound" else index).unlink()
    elif damage == "index of another kind":
        index.write_text("[]")
    else:
        path = sound_file if damage == "cut" else index
        path.write_bytes(path.read_bytes()[:-10])
    np.testing.assert_array_equal(load(folder, held_out=()).training.samples, first)


def test_an_interruption_leaves_no_half_cache(make: Make, home: Path) -> None:
    folder = make("one", range(3))

    def interrupt(done: int, total: int, name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_corpus([folder], CorpusConfig(), progress=interrupt)
    assert not list((home / "cache" / "sound").iterdir())
    assert len(load(folder).training) == 2


def test_progress_is_told_to_the_end(make: Make) -> None:
    seen: list[tuple[int, int, str]] = []
    load_corpus([make("one", range(20))], CorpusConfig(held_out=()), progress=lambda *told: seen.append(told))
    assert seen == [(16, 20, "s015.wav"), (20, 20, "s019.wav")]


def test_the_fingerprint_tells_other_material_apart(make: Make) -> None:
    one, two = make("one", range(6)), make("two", range(6, 12))
    prints = {
        load(*places, **settings).fingerprint
        for places, settings in (
            ([one], {}), ([two], {}), ([one, two], {}), ([one], {"held_out": ("s000",)}), ([one], {"min_s": 0.62}),
        )
    }  # fmt: skip
    assert len(prints) == 5
    write(one / "s003.wav", sound(3, 0.7))
    assert load(one).fingerprint not in prints


# Crops

LENGTHS = [40_000, 300, 17_152, 20_000]


def numbered() -> Recordings:
    """Recordings whose samples tell which one they are of, and where: recording r holds 8000·r + 0 ... 7999."""
    samples = [(8000 * r + np.arange(length) % 8000).astype(np.int16) for r, length in enumerate(LENGTHS)]
    starts = np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.int64)
    return Recordings([Path(f"{r}.wav") for r in range(len(LENGTHS))], starts, np.concatenate(samples))


def draws(step: int = 0, rows: range = range(8)) -> Draws:
    return Draws(3, step, 0, rows)


@pytest.mark.parametrize("frames", [16, 64])
def test_crops_never_cross_recordings(frames: int) -> None:
    crops = Crops(numbered(), SPEC, frames, Variety())
    met = set()
    for step in range(60):
        wav = crops.batch(draws(step))["wav"]
        assert wav.shape == (8, (frames - 1) * SPEC.hop + SPEC.n_fft) and wav.dtype == torch.float32
        for values in (wav * 32767).round().int().numpy():
            recording = int(values[0]) // 8000
            length = min(LENGTHS[recording], len(values))
            place = values[:length] - 8000 * recording
            assert (
                (np.diff(place) == 1) | (np.diff(place) == -7999)
            ).all() and 0 <= place.min() <= place.max() < 8000
            assert not values[length:].any()  # a short recording is continued by silence
            met.add(recording)
    assert met >= {0, 2, 3}


def test_short_recordings_are_padded_and_whole() -> None:
    samples = np.arange(1, 301, dtype=np.int16)
    crops = Crops(Recordings([Path("a")], np.array([0, 300]), samples), SPEC, 16, Variety())
    wav = crops.batch(draws())["wav"]
    assert ((wav[:, :300] * 32767).round() == torch.arange(1, 301)).all() and wav[:, 300:].eq(0).all()


def test_every_recording_is_as_likely_as_it_is_long() -> None:
    crops = Crops(numbered(), SPEC, 16, Variety())
    firsts = torch.cat([crops.batch(draws(step, range(100)))["wav"][:, 0] for step in range(20)])
    drawn = np.bincount((firsts * 32767).round().int().numpy() // 8000, minlength=4) / 2000
    np.testing.assert_allclose(drawn, np.array(LENGTHS) / sum(LENGTHS), atol=0.04)


@pytest.mark.parametrize("variety", [Variety(), Variety(gain_db=6.0), Variety(6.0, 0.15, 6.0)])
def test_the_same_crops_on_any_number_of_ranks(variety: Variety) -> None:
    crops = Crops(numbered(), SPEC, 16, variety)
    whole = crops.batch(draws(5))["wav"]
    for rows in (range(4), range(4, 8), range(3, 4)):
        assert torch.equal(crops.batch(draws(5, rows))["wav"], whole[rows.start : rows.stop])
    assert not torch.equal(crops.batch(draws(6))["wav"], whole)


def test_gains_are_within_what_was_told() -> None:
    loud = np.full(60_000, 16_384, np.int16)
    recordings = Recordings([Path("a")], np.array([0, len(loud)]), loud)
    wav = Crops(recordings, SPEC, 16, Variety(gain_db=6.0)).batch(draws(0, range(200)))["wav"]
    gains_db = 20 * torch.log10(wav[:, 0] * 2)
    assert gains_db.abs().max() <= 6.001 and gains_db.min() < -5.5 and gains_db.max() > 5.5
    assert (wav.std(dim=1) < 1e-5).all()  # one gain for a whole crop


def one_recording(wav: np.ndarray) -> Recordings:
    return Recordings([Path("a")], np.array([0, len(wav)]), (wav * 32767).astype(np.int16))


def test_speeds_are_within_what_was_told_and_so_are_pitches() -> None:
    sine = one_recording(0.5 * np.sin(2 * np.pi * 1000 * np.arange(40_000) / RATE_HZ))
    crops = Crops(sine, SPEC, 16, Variety(speed=0.15))
    wav = crops.batch(draws(0, range(60)))["wav"]
    assert wav.shape == (60, 15 * SPEC.hop + SPEC.n_fft)
    spectra = torch.fft.rfft(wav * torch.hann_window(wav.shape[1])).abs()
    hertz = spectra.argmax(dim=1) * RATE_HZ / wav.shape[1]
    assert hertz.min() < 900 and hertz.max() > 1100 and ((hertz > 860) & (hertz < 1160)).all()
    inner = wav[:, 200:-200]  # the ends fade
    torch.testing.assert_close(inner.abs().amax(dim=1), torch.full((60,), 0.5), rtol=0.02, atol=0)


def test_colours_are_within_what_was_told() -> None:
    noise = one_recording(sound(0, 4.0))
    plain, coloured = (
        Crops(noise, SPEC, 64, variety).batch(draws(0, range(40)))["wav"]
        for variety in (Variety(), Variety(colour_db=6.0))
    )
    bands = [
        torch.fft.rfft(wav)[:, 1:].abs().square().unfold(1, 536, 536).mean(-1) for wav in (coloured, plain)
    ]
    gains_db = 10 * torch.log10(bands[0] / bands[1])
    assert gains_db.abs().max() < 7 and gains_db.std(dim=1).mean() > 1.5
    assert not torch.equal(plain, coloured)
