"""The data doctor's verdicts: each fault made on purpose, and clean speech left in peace."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from made_speech import RATE_HZ, pause, utter, write

from voicegan.audio import files
from voicegan.errors import VoiceganError
from voicegan.voice import check, measure


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def verdict(tmp_path):
    """Write samples (or bytes) as one file among good ones, and say what the doctor says of it."""

    def judge(content, rate_hz=RATE_HZ, name="odd.wav", **how):
        folder = tmp_path / "voice"
        write(folder / "good.wav", utter(1))
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            write(folder / name, content, rate_hz, **how)
        report = check.check_folder(folder)
        by_name = {file.name: file for file in report.files}
        assert by_name["good.wav"].verdict == "ok", by_name["good.wav"].reason
        return by_name[name]

    return judge


def kinds(file):
    return [finding.kind for finding in file.findings]


def test_clean_speech_is_fine(verdict):
    file = verdict(utter(2, pitch_hz=200.0))
    assert (file.verdict, file.reason) == ("ok", "")
    facts = file.facts
    assert facts.sample_rate_hz == RATE_HZ and facts.channels == 1
    assert facts.seconds == pytest.approx(file.seconds)
    assert facts.f0_hz[1] == pytest.approx(200, rel=0.1)
    assert facts.active_db == pytest.approx(-21, abs=2)
    assert 0.6 * facts.seconds < facts.speech_s <= facts.seconds


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (b"", "unreadable", "empty"),
        (b"this is no audio at all" * 99, "unreadable", "not audio"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "unreadable", "broken"),
        (np.zeros(RATE_HZ, np.float32), "silent", "silent"),
        (np.full(RATE_HZ, 0.1, np.float32), "silent", "silent"),
        (np.zeros(0, np.float32), "unreadable", "no samples"),
        (utter(3)[: RATE_HZ // 8], "too short", "0.12 s"),
    ],
    ids=["empty", "text", "header", "silent", "offset only", "no frames", "short"],
)
def test_what_cannot_be_used_is_refused_with_a_reason_and_a_fix(verdict, content, kind, said):
    file = verdict(content)
    assert file.verdict == "refuse" and kinds(file)[0] == kind
    assert said in file.reason and file.fix
    assert "odd.wav" not in file.reason  # the table has a column for it


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(verdict, bad):
    wav = utter(4)
    wav[1000] = bad
    file = verdict(wav, subtype="FLOAT")
    assert (file.verdict, kinds(file)) == ("refuse", ["unreadable"])
    assert "not numbers" in file.reason


@pytest.mark.parametrize("ceiling", [1.0, 0.5])
def test_clipping_is_seen_at_any_ceiling(verdict, ceiling):
    wav = np.clip(utter(5, level_db=-6.0), -0.6, 0.6) / 0.6 * ceiling * 0.9999
    assert kinds(verdict(wav.astype(np.float32))) == ["clipped"]


def test_a_loud_recording_is_not_called_clipped(verdict):
    wav = utter(5)
    assert verdict(wav / np.abs(wav).max()).verdict == "ok"


@pytest.mark.parametrize(("snr_db", "expected"), [(25, []), (18, []), (10, ["noisy"]), (3, ["noisy"])])
def test_noise_is_measured(verdict, snr_db, expected):
    wav = np.concatenate([utter(6), pause(0.5), utter(7)])
    noise = np.random.default_rng(0).standard_normal(len(wav)) * 10 ** ((-21.5 - snr_db) / 20)
    file = verdict((wav + noise).astype(np.float32))
    assert [kind for kind in kinds(file) if kind == "noisy"] == expected
    assert file.facts.snr_db == pytest.approx(snr_db, abs=3)


def test_gated_pauses_are_not_taken_for_low_noise_or_high(verdict):
    wav = np.concatenate([utter(6, noise_db=-50.0), np.zeros(RATE_HZ, np.float32)])
    assert verdict(wav).facts.snr_db < 45


@pytest.mark.parametrize("rate_hz", [8000, 11025])
def test_low_rates_are_called_muffled(verdict, rate_hz):
    file = verdict(utter(8, rate_hz=rate_hz, syllables=8), rate_hz)
    assert kinds(file) == ["odd rate"] and "muffled" in file.reason


@pytest.mark.parametrize("rate_hz", [22050, 44100, 48000])
def test_usual_rates_pass(verdict, rate_hz):
    file = verdict(utter(8, rate_hz=rate_hz), rate_hz)
    assert file.verdict == "ok" and file.facts.sample_rate_hz == rate_hz


def test_an_impossible_rate_is_doubted(verdict):
    assert "header" in verdict(utter(8), 15_999 + 2).reason


def test_mostly_silence(verdict):
    file = verdict(np.concatenate([pause(9), utter(9, syllables=4), pause(9)]))
    assert kinds(file) == ["mostly silence"]


def test_noise_without_a_voice(verdict):
    noise = np.random.default_rng(1).standard_normal(3 * RATE_HZ).astype(np.float32) * 0.05
    assert "no voice" in kinds(verdict(noise))


def test_quiet_short_and_off_centre_are_mentioned_but_used(verdict):
    assert kinds(verdict(utter(10, level_db=-52.0, noise_db=-90.0))) == ["quiet"]
    assert kinds(verdict(utter(10, syllables=2))) == ["short"]
    file = verdict(utter(10) + np.float32(0.1))
    assert kinds(file) == ["offset"]
    assert file.facts.active_db == pytest.approx(-21, abs=2)  # the offset is not heard as level


def test_a_file_cut_off_is_used_with_a_warning(verdict, tmp_path):
    whole = write(tmp_path / "whole.wav", utter(11)).read_bytes()
    file = verdict(whole[: len(whole) * 2 // 3])
    assert file.verdict == "warn" and kinds(file) == ["cut off"]


def test_one_live_channel_of_eight(verdict):
    wav = np.zeros((len(utter(12)), 8), np.float32)
    wav[:, 3] = utter(12)
    file = verdict(wav)
    assert kinds(file) == ["channels"] and file.facts.channels == 8
    assert file.facts.active_db == pytest.approx(-21, abs=2)


def test_duplicates_are_found_by_what_is_heard(tmp_path):
    folder, wav = tmp_path / "voice", np.round(utter(13) * 32767).astype(np.int16)
    write(folder / "a.wav", wav)
    write(folder / "b.flac", wav)
    write(folder / "c.wav", np.stack([wav, wav], axis=1))
    write(folder / "d.wav", utter(14))
    write(folder / "e.wav", wav[:-1])
    report = check.check_folder(folder)
    assert [file.verdict for file in report.files] == ["ok", "refuse", "refuse", "ok", "ok"]
    assert report.files[1].reason == report.files[2].reason == "the same recording as a.wav"


def test_silent_files_are_not_called_duplicates_of_each_other(tmp_path):
    for name in "ab":
        write(tmp_path / "voice" / f"{name}.wav", np.zeros(RATE_HZ, np.float32))
    assert check.check_folder(tmp_path / "voice").counts() == {"silent": 2}


def test_totals(tmp_path):
    folder = tmp_path / "voice"
    for sentence in range(6):
        write(folder / f"{sentence}.wav", utter(sentence, pitch_hz=210.0))
    write(folder / "silent.wav", np.zeros(RATE_HZ, np.float32))
    (folder / "notes.txt").write_text("hello")
    told = []
    report = check.check_folder(folder, progress=lambda done, total, name: told.append((done, total)))
    assert (len(report.usable), len(report.refused), report.ignored) == (6, 1, {".txt": 1})
    assert report.usable_minutes == pytest.approx(sum(f.facts.speech_s for f in report.usable) / 60)
    low, middle, high = report.pitch_hz
    assert 170 < low < middle < high < 250 and middle == pytest.approx(210, rel=0.08)
    assert told == [(done, 7) for done in range(1, 8)]


def test_names_of_any_kind(tmp_path):
    folder = tmp_path / "a voice [1]"
    names = ["a b.wav", "[bold].wav", "ü.wav", "deep/er/x.WAV"]
    for sentence, name in enumerate(names):
        write(folder / name, utter(sentence), format="WAV")
    assert sorted(file.name for file in check.check_folder(folder).files) == sorted(names)


# Folders that hold nothing


def refused_folder(folder):
    with pytest.raises(VoiceganError) as caught:
        check.check_folder(folder)
    assert "\n" not in str(caught.value) and str(folder) in caught.value.message and caught.value.hint
    return caught.value.message


def test_folders_without_recordings_are_one_clear_line(tmp_path):
    assert "does not exist" in refused_folder(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    assert "is empty" in refused_folder(tmp_path / "empty")
    (tmp_path / "file.wav").write_bytes(b"")
    assert "is a file, not a folder" in refused_folder(tmp_path / "file.wav")
    (tmp_path / "texts").mkdir()
    for name in ("a.txt", "b.txt", "c.pdf", ".hidden"):
        (tmp_path / "texts" / name).write_text("")
    assert "holds no audio (found: 2 .txt files, 1 .pdf file)" in refused_folder(tmp_path / "texts")


def test_permission_denied(tmp_path, monkeypatch):
    write(tmp_path / "voice" / "a.wav", utter(1))

    def denied(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", denied)
    assert "permission denied" in refused_folder(tmp_path / "voice")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_dangling_link_is_a_verdict_not_a_crash(tmp_path):
    write(tmp_path / "voice" / "a.wav", utter(1))
    (tmp_path / "voice" / "b.wav").symlink_to(tmp_path / "gone.wav")
    report = check.check_folder(tmp_path / "voice")
    assert [file.verdict for file in report.files] == ["ok", "refuse"]
    assert "cannot be read" in report.files[1].reason


# Caching


def test_facts_are_cached_by_content(tmp_path, home, monkeypatch):
    write(tmp_path / "voice" / "a.wav", utter(1))
    first = check.check_folder(tmp_path / "voice")
    (tmp_path / "voice" / "a.wav").rename(tmp_path / "voice" / "renamed.wav")

    def never(*arguments):
        raise AssertionError("decoded again")

    monkeypatch.setattr(files, "Reader", never)
    again = check.check_folder(tmp_path / "voice")
    assert again.files[0].facts == first.files[0].facts


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 0}', '{"format": 1}'])
def test_damaged_facts_are_measured_again(tmp_path, damage):
    path = write(tmp_path / "voice" / "a.wav", utter(1))
    facts = check.check_folder(tmp_path / "voice").files[0].facts
    measure.facts_path(check.hashed(path)).write_text(damage)
    assert check.check_folder(tmp_path / "voice").files[0].facts == facts


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path, home):
    home.write_text("a file where the folder should be")
    write(tmp_path / "voice" / "a.wav", utter(1))
    assert check.check_folder(tmp_path / "voice").files[0].verdict == "ok"


def test_reading_in_threads_leaves_standard_error_alone(tmp_path):
    before = os.fstat(2)
    for sentence in range(24):
        write(tmp_path / "voice" / f"{sentence}.mp3", utter(sentence, syllables=3))
    check.check_folder(tmp_path / "voice")
    after = os.fstat(2)
    assert (before.st_dev, before.st_ino) == (after.st_dev, after.st_ino)


def test_silence_means_the_same_as_in_the_audio_room():
    assert measure.SILENT_DB == files.SILENCE_DB


def test_block_levels_of_a_known_signal():
    wav = np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    assert measure.block_levels(wav, 256) == pytest.approx(np.full(62, -3.01), abs=0.2)
    assert len(measure.block_levels(wav[:10], 256)) == 1


@pytest.mark.parametrize(("samples", "count"), [("000111", 3), ("010011", 0), ("111110", 5), ("1110111", 6)])
def test_flat_tops_are_runs_of_three(samples, count):
    assert measure._in_runs(np.array([sign == "1" for sign in samples]), 3) == count


def test_paths_may_be_relative(tmp_path, monkeypatch):
    write(tmp_path / "voice" / "a.wav", utter(1))
    monkeypatch.chdir(tmp_path)
    assert check.check_folder(Path("voice")).files[0].name == "a.wav"


def test_pitch_of_long_recordings_is_found_in_pieces(monkeypatch):
    wav = np.concatenate([utter(sentence, pitch_hz=150.0) for sentence in range(3)])
    whole = measure._pitch(wav, RATE_HZ, 256)
    monkeypatch.setattr(measure, "_PITCH_S", 1)
    pieces = measure._pitch(wav, RATE_HZ, 256)
    assert len(whole) == len(pieces) == 1 + len(wav) // 256
    assert np.mean(np.abs(whole - pieces) < 2) > 0.97
