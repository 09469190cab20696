"""Folders become speakers: nothing is lost silently, features are cached safely, pauses are shortened."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_speech import RATE_HZ, pause, read_aloud, utter, write

import voicegan
from voicegan.audio import files, folders
from voicegan.audio.mel import PRESETS, LogMel
from voicegan.errors import VoiceganError
from voicegan.voice import check, corpus, features, measure
from voicegan.voice.corpus import CorpusConfig, load_speaker

SPEC = PRESETS["16k"]
SMALL = CorpusConfig(least_speech_s=1.0)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path):
    return read_aloud(tmp_path / "anna", range(12), pitch_hz=200.0)


def names(utterances):
    return [utterance.name for utterance in utterances]


def test_a_speaker_is_what_its_folder_says(folder):
    speaker = load_speaker(folder, SMALL)
    assert speaker.name == "anna" and speaker.spec == SPEC
    assert sorted(names(speaker.utterances + speaker.held_out)) == [f"s{n:03d}" for n in range(12)]
    assert len(speaker.held_out) == 2 and not speaker.refused  # four at least, but a fifth at most
    for utterance in speaker.utterances:
        assert utterance.mel.dtype == np.float32 and utterance.mel.shape == (SPEC.mels, utterance.frames)
        assert utterance.f0.shape == (utterance.frames,) and utterance.f0.dtype == np.float32
        assert utterance.seconds == pytest.approx(utterance.frames * SPEC.hop / SPEC.sample_rate_hz)
    frames = np.concatenate([utterance.mel for utterance in speaker.utterances], axis=1)
    np.testing.assert_allclose(speaker.mean, frames.mean(axis=1), atol=1e-4)
    np.testing.assert_allclose(speaker.std, frames.std(axis=1), atol=1e-4)
    assert speaker.minutes == pytest.approx(sum(u.seconds for u in speaker.utterances) / 60)
    assert np.exp(speaker.log_f0_mean) == pytest.approx(200, rel=0.1) and 0 < speaker.log_f0_std < 0.3


def test_without_trimming_features_are_the_log_mel_at_the_level(tmp_path):
    wav = utter(1)
    path = write(tmp_path / "v" / "a.wav", wav, subtype="FLOAT")
    made = features.make(measure.measure(path), features.Recipe(SPEC, -26.0, trim=False))
    import torch

    gain = 10 ** ((-26.0 - made.facts.active_db) / 20)
    expected = LogMel(SPEC)(torch.from_numpy(wav * np.float32(gain))[None])[0].numpy()
    np.testing.assert_allclose(made.mel, expected, atol=1e-4)


def test_level_does_not_matter(tmp_path):
    recipe = CorpusConfig().recipe()
    loud, soft = (
        features.make(
            measure.measure(write(tmp_path / f"{gain}.wav", utter(2) * gain, subtype="FLOAT")), recipe
        )
        for gain in (1.5, 0.05)
    )
    np.testing.assert_allclose(loud.mel, soft.mel, atol=2e-3)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100])
def test_any_rate_gives_the_same_grid(tmp_path, rate_hz):
    path = write(tmp_path / "a.wav", utter(3, rate_hz=rate_hz), rate_hz)
    made = features.make(measure.measure(path), features.Recipe(SPEC, -26.0, trim=False))
    seconds = len(utter(3, rate_hz=rate_hz)) / rate_hz
    assert (
        made.mel.shape[1]
        == len(made.f0)
        == pytest.approx(SPEC.frames(round(seconds * SPEC.sample_rate_hz)), abs=1)
    )


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_mel_preset_works(folder, preset):
    speaker = load_speaker(folder, CorpusConfig(mel=preset, least_speech_s=1.0))
    assert speaker.mean.shape == (PRESETS[preset].mels,)
    assert all(len(u.f0) == u.frames > 10 for u in speaker.utterances)


def test_an_unknown_preset_is_named():
    with pytest.raises(VoiceganError, match="no mel preset 24k") as caught:
        CorpusConfig(mel="24k").recipe()
    assert "16k" in caught.value.hint


# Trimming


def test_long_silences_are_shortened_and_speech_is_kept(tmp_path):
    first, second = utter(4), utter(5)
    wav = np.concatenate([pause(2), first, pause(1.5), second, pause(3)])
    made = features.make(measure.measure(write(tmp_path / "a.wav", wav)), CorpusConfig().recipe())
    expected = (len(first) + len(second)) / RATE_HZ - 4 * 0.1 + features.PAUSE_S + 2 * features.EDGE_S
    assert made.mel.shape[1] * SPEC.hop / RATE_HZ == pytest.approx(expected, abs=0.2)
    untrimmed = features.make(measure.measure(tmp_path / "a.wav"), features.Recipe(SPEC, -26.0, trim=False))
    loud = [(mel.mean(axis=0) > -7).sum() for mel in (made.mel, untrimmed.mel)]
    assert loud[0] >= 0.97 * loud[1]
    assert (made.f0 > 0).sum() >= 0.97 * (untrimmed.f0 > 0).sum()


def test_short_pauses_stay(tmp_path):
    wav = np.concatenate([utter(4), pause(0.05), utter(5)])
    made = features.make(measure.measure(write(tmp_path / "a.wav", wav)), CorpusConfig().recipe())
    assert made.mel.shape[1] >= SPEC.frames(len(wav)) - 3


@pytest.mark.parametrize(
    ("speech", "kept"),
    [
        ("...............", "111111111111111"),  # nothing stands out: nothing is cut
        ("#" * 15, "1" * 15),
        ("....########....", "..1111111111" + "11.."),
        ("####.....####", "1111111111111"),  # 5 blocks of 50 ms are a pause to keep
        ("####" + "." * 12 + "####", "1111111......1111111"),
        ("####....#....####", "11111111111111111"),
        ("####" + "." * 12 + "#", "1111111......1111"),
    ],
)
def test_which_blocks_are_kept(speech, kept):
    marks = features.kept_blocks(np.array([sign == "#" for sign in speech]), block_s=0.05)
    assert "".join("1" if mark else "." for mark in marks) == kept


def test_cutting_makes_no_clicks_and_keeps_the_grid():
    hop, time = 256, np.arange(60 * 256 + 100) / RATE_HZ
    wav = np.sin(2 * np.pi * 100 * time).astype(np.float32)
    kept = np.ones(60, bool)
    kept[10:17] = kept[30:45] = False
    joined, f0 = features.cut(wav, np.arange(61, dtype=np.float32), kept, hop)
    assert len(joined) == len(wav) - 22 * hop and len(f0) == 1 + len(joined) // hop
    assert np.abs(np.diff(joined)).max() < 3 * np.abs(np.diff(wav)).max()
    np.testing.assert_array_equal(joined[10 * hop : 23 * hop - 200], wav[17 * hop : 30 * hop - 200])
    assert f0[9:12].tolist() == [9, 17, 18]


def test_long_recordings_give_the_same_mel_in_pieces(monkeypatch):
    wav = np.concatenate([utter(n) for n in range(3)])
    whole = features.log_mel(wav, SPEC)
    monkeypatch.setattr(features, "_LONG_S", 1.0)
    np.testing.assert_allclose(features.log_mel(wav, SPEC), whole, atol=1e-4)


# What is left out, and what is not


def test_refused_files_are_left_out_loudly(folder, caplog):
    write(folder / "silent.wav", np.zeros(RATE_HZ, np.float32))
    (folder / "broken.wav").write_bytes(b"RIFF")
    (folder / "twin.wav").write_bytes((folder / "s001.wav").read_bytes())
    speaker = load_speaker(folder, SMALL)
    assert sorted(file.name for file in speaker.refused) == ["broken.wav", "silent.wav", "twin.wav"]
    assert len(speaker.utterances) + len(speaker.held_out) == 12
    for word in (
        "broken.wav left out",
        "silent.wav left out: silent",
        "twin.wav left out: the same recording as s001",
    ):
        assert word in caplog.text


def test_training_and_the_doctor_agree(folder):
    write(folder / "silent.wav", np.zeros(RATE_HZ, np.float32))
    write(folder / "short.wav", utter(30, syllables=2))
    write(folder / "noisy.wav", utter(31, noise_db=-25.0))
    doctor = {f.name: (f.verdict, f.reason) for f in check.check_folder(folder).files}
    training = {f.name: (f.verdict, f.reason) for f in load_speaker(folder, SMALL).files}
    assert doctor == training and {verdict for verdict, _ in doctor.values()} == {"ok", "warn", "refuse"}


def test_short_clips_are_kept(tmp_path):
    folder = tmp_path / "v"
    for sentence in range(20):
        write(folder / f"{sentence:02d}.wav", utter(sentence, syllables=2))
    speaker = load_speaker(folder, SMALL)
    assert len(speaker.utterances) == 16


@pytest.mark.parametrize("count", [0, 3])
def test_too_little_is_an_error_that_counts_the_reasons(tmp_path, count):
    folder = read_aloud(tmp_path / "v", range(count))
    for name in ("x", "y"):
        write(folder / f"{name}.wav", np.zeros(RATE_HZ, np.float32))
    with pytest.raises(VoiceganError) as caught:
        load_speaker(folder)
    said = "nothing in" if count == 0 else "30 s are needed"
    assert (
        said in caught.value.message and "2 silent" in caught.value.message and "\n" not in str(caught.value)
    )


def test_long_recordings_become_pieces_cut_at_pauses(tmp_path):
    parts = []
    for sentence in range(16):
        parts += [utter(sentence), pause(0.25)]
    write(tmp_path / "v" / "long.wav", np.concatenate(parts))
    speaker = load_speaker(tmp_path / "v", CorpusConfig(longest_s=8.0))
    everything = sorted(speaker.utterances + speaker.held_out, key=lambda u: int(u.name.partition("#")[2]))
    assert names(everything) == [f"long#{n}" for n in range(1, len(everything) + 1)]
    assert speaker.held_out and all(2.0 < u.seconds <= 8.0 for u in everything)
    assert sum(u.seconds for u in everything) == pytest.approx(len(np.concatenate(parts)) / RATE_HZ, rel=0.1)
    cuts = [u.mel[:, 0].mean() for u in everything[1:]]
    assert max(cuts) < -8  # pauses, not words


# Which files


def test_explicit_lists(folder):
    speaker = load_speaker(folder, SMALL, files=["s003.wav", "s001", "s00[4-6]*"], held_out_files=["s011"])
    assert names(speaker.utterances) == ["s003", "s001", "s004", "s005", "s006"]
    assert names(speaker.held_out) == ["s011"]
    rest = load_speaker(folder, SMALL, held_out_files=["s01?"])
    assert (names(rest.utterances), names(rest.held_out)) == (
        [f"s{n:03d}" for n in range(10)],
        ["s010", "s011"],
    )
    assert load_speaker(folder, SMALL, files=["s000", "s001", "s002"], held_out_files=[]).held_out == []


def test_listed_files_that_are_missing_are_named(folder):
    with pytest.raises(VoiceganError, match=r"no recording called 's0001' and 1 more") as caught:
        load_speaker(folder, SMALL, files=["s001", "s0001", "x"])
    assert "s001" in caught.value.hint
    with pytest.raises(VoiceganError, match="both for training and to be held out"):
        load_speaker(folder, SMALL, files=["s001", "s002"], held_out_files=["s002"])


def test_parallel_folders_hold_out_the_same_names(folder, tmp_path):
    other = read_aloud(tmp_path / "bert", range(12), pitch_hz=110.0)
    held = [names(load_speaker(where, SMALL).held_out) for where in (folder, other)]
    assert held[0] == held[1]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 0), (2, 1), (10, 2), (20, 4), (80, 4), (200, 10), (2000, 40)]
)
def test_how_many_are_held_out(count, expected):
    one = corpus.Utterance("", None, np.zeros((80, 1), np.float32), np.zeros(1, np.float32), 1.0, "")
    many = [replace(one, name=f"u{n}") for n in range(count)]
    train, held = corpus.hold_out(many, CorpusConfig())
    assert len(held) == expected and sorted(names(train + held)) == sorted(names(many))
    assert corpus.hold_out(many, CorpusConfig(held_out=0.0))[1] == []


def test_equal_names_in_subfolders_stay_apart(tmp_path):
    for sentence, place in enumerate(["one", "two", "three"]):
        write(tmp_path / "v" / place / "001.wav", utter(sentence))
    write(tmp_path / "v" / "three" / "002.wav", utter(9))
    speaker = load_speaker(tmp_path / "v", SMALL, held_out_files=[])
    assert names(speaker.utterances) == ["one/001", "three/001", "002", "two/001"]


# The cache


def forbid_decoding(monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("decoded although cached")

    monkeypatch.setattr(files, "Reader", never)


def test_a_second_load_decodes_nothing_and_is_equal(folder, monkeypatch):
    first = load_speaker(folder, SMALL)
    forbid_decoding(monkeypatch)
    second = load_speaker(folder, SMALL)
    for one, other in zip(first.utterances, second.utterances, strict=True):
        np.testing.assert_array_equal(one.mel, other.mel)
        np.testing.assert_array_equal(one.f0, other.f0)
    check.check_folder(folder)  # the doctor profits from the same work


def test_the_cache_goes_by_content_not_by_name(folder, monkeypatch):
    load_speaker(folder, SMALL)
    (folder / "s000.wav").rename(folder / "zzz.wav")
    forbid_decoding(monkeypatch)
    assert "zzz" in names(load_speaker(folder, SMALL, held_out_files=[]).utterances)


def test_changed_content_or_contract_is_not_taken_from_the_cache(folder):
    before = load_speaker(folder, SMALL, held_out_files=[]).utterances[0].mel
    softer = load_speaker(folder, CorpusConfig(least_speech_s=1.0, level_db=-36.0), held_out_files=[])
    assert np.median(before - softer.utterances[0].mel) == pytest.approx(np.log(10 ** (10 / 20)), abs=0.01)
    write(folder / "s000.wav", utter(99))
    after = load_speaker(folder, SMALL, held_out_files=[]).utterances[0].mel
    assert after.shape != before.shape or not np.allclose(after, before)


@pytest.mark.parametrize("damage", ["empty", "half", "noise"])
def test_damaged_cache_files_are_made_again(folder, home, damage):
    first = load_speaker(folder, SMALL)
    for path in (home / "cache" / "features").rglob("*.npz"):
        data = path.read_bytes()
        noise = data[: len(data) // 2] + os.urandom(64) + data[len(data) // 2 + 64 :]
        path.write_bytes({"empty": b"", "half": data[: len(data) // 2], "noise": noise}[damage])
    second = load_speaker(folder, SMALL)
    np.testing.assert_array_equal(first.utterances[0].mel, second.utterances[0].mel)


def test_a_cache_that_cannot_be_written_does_not_matter(folder, home):
    home.write_text("a file where the folder should be")
    assert load_speaker(folder, SMALL).utterances


@pytest.fixture
def load_elsewhere(folder, home):
    """Start another process that loads the folder."""
    code = (
        "import sys; from voicegan.voice.corpus import CorpusConfig, load_speaker;"
        "load_speaker(sys.argv[1], CorpusConfig(least_speech_s=1.0))"
    )
    root = str(Path(voicegan.__file__).parents[1])
    environment = {**os.environ, "VOICEGAN_HOME": str(home), "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    return lambda: subprocess.Popen([sys.executable, "-c", code, str(folder)], env=environment)


def test_two_processes_at_once(load_elsewhere, folder, home, monkeypatch):
    processes = [load_elsewhere() for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert len(list((home / "cache" / "features").rglob("*"))) == 1 + 12  # nothing temporary is left
    forbid_decoding(monkeypatch)
    assert load_speaker(folder, SMALL).utterances


def test_killed_in_the_middle(load_elsewhere, folder, home):
    process = load_elsewhere()
    deadline = time.monotonic() + 60
    while not list((home / "cache" / "features").rglob("*.npz")) and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.wait(60)
    for path in sorted(folder.iterdir()):  # whatever is there under its final name is whole
        stored = features.features_path(folders.hashed(path), SMALL.recipe())
        assert not stored.exists() or features._read(stored) is not None
    speaker = load_speaker(folder, SMALL)
    assert len(speaker.utterances) + len(speaker.held_out) == 12


def test_interruption_ends_soon_and_keeps_what_is_done(folder, home):
    def interrupt(done, total, name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_speaker(folder, SMALL, progress=interrupt)
    assert list((home / "cache" / "features").rglob("*.npz"))
    assert len(load_speaker(folder, SMALL).files) == 12
