"""``voicegan check``: the table, the JSON, the exit code."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from made_speech import RATE_HZ, read_aloud, utter, write

from voicegan.cli.check import check
from voicegan.errors import VoiceganError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(check, [str(argument) for argument in arguments])


def test_clean_folder(run, tmp_path):
    folder = read_aloud(tmp_path / "anna", range(3), pitch_hz=200.0)
    result = run(folder)
    assert result.exit_code == 0, result.output
    assert "3 recordings: 3 usable (0 with warnings), 0 refused" in result.output
    assert "Pitch: mostly" in result.output and "minutes of speech" in result.output
    assert all(f"s{n:03d}.wav" in result.output for n in range(3))


def test_refusals_give_exit_code_1_with_reason_and_fix(run, tmp_path):
    folder = read_aloud(tmp_path / "anna", range(2))
    write(folder / "silent.wav", np.zeros(RATE_HZ, np.float32))
    result = run(folder)
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if line.startswith("silent.wav")]
    assert "REFUSED" in line and "silent (peak" in line and "Remove it or record it again" in line


def test_nothing_usable_gives_exit_code_2(run, tmp_path):
    write(tmp_path / "v" / "silent.wav", np.zeros(RATE_HZ, np.float32))
    result = run(tmp_path / "v")
    assert result.exit_code == 2 and "Nothing here can be used" in result.output


def test_warnings_give_exit_code_0(run, tmp_path):
    write(tmp_path / "v" / "noisy.wav", utter(1, noise_db=-28.0))
    result = run(tmp_path / "v")
    assert result.exit_code == 0 and "warning" in result.output and "noisy (speech only" in result.output


def test_two_folders(run, tmp_path):
    anna = read_aloud(tmp_path / "anna", range(8), pitch_hz=200.0)
    bert = read_aloud(tmp_path / "bert", range(8), pitch_hz=110.0, tempo=1.1)
    (bert / "stolen.wav").write_bytes((anna / "s000.wav").read_bytes())
    result = run(anna, bert)
    assert result.exit_code == 0, result.output
    assert "The two folders are parallel: 8 names match" in result.output
    assert "warning: s000.wav and stolen.wav are the same recording" in result.output


def test_json(run, tmp_path):
    anna = read_aloud(tmp_path / "anna", range(2))
    write(anna / "silent.wav", np.zeros(RATE_HZ, np.float32))
    other = read_aloud(tmp_path / "other", range(20, 22))
    result = run("--json", anna, other)
    said = json.loads(result.output)
    assert result.exit_code == said["exit_code"] == 1
    first = said["folders"][0]
    assert (first["recordings"], first["usable"], first["refused"]) == (3, 2, 1)
    verdicts = {file["file"]: file for file in first["files"]}
    assert verdicts["silent.wav"]["verdict"] == "refuse"
    assert verdicts["silent.wav"]["findings"][0]["kind"] == "silent"
    assert verdicts["s000.wav"]["facts"]["sample_rate_hz"] == RATE_HZ
    assert said["parallel"]["parallel"] is False and said["parallel"]["reason"]


def test_large_folders_list_what_needs_a_look(run, tmp_path):
    folder = tmp_path / "v"
    for sentence in range(32):
        write(folder / f"{sentence:02d}.wav", utter(sentence, syllables=6))
    write(folder / "silent.wav", np.zeros(RATE_HZ, np.float32))
    result = run(folder)
    assert "silent.wav" in result.output and "05.wav" not in result.output
    assert "32 more files are fine" in result.output
    assert "05.wav" in run("--all", folder).output


def test_strange_names_are_printed_safely(run, tmp_path):
    folder = tmp_path / "a [b] c"
    write(folder / "[bold]x\x1b[31m.wav", utter(1))
    result = run(folder)
    assert result.exit_code == 0 and "[bold]x" in result.output and "\x1b" not in result.output


def test_a_terminal_gets_a_table(monkeypatch, tmp_path, capsys):
    from voicegan.cli import check as command
    from voicegan.voice.check import check_folder

    write(tmp_path / "v" / "[red]a.wav", utter(1))
    write(tmp_path / "v" / "silent.wav", np.zeros(RATE_HZ, np.float32))
    monkeypatch.setenv("COLUMNS", "160")
    command._print_table(list(check_folder(tmp_path / "v").files))
    said = capsys.readouterr().out
    assert "[red]a.wav" in said and "what to do" in said and "REFUSED" in said


def test_bad_use(run, tmp_path):
    assert run().exit_code == 2
    assert run(tmp_path, tmp_path, tmp_path).exit_code == 2
    for folder, said in ((tmp_path / "missing", "does not exist"), (tmp_path, "is empty")):
        result = run(folder)
        assert isinstance(result.exception, VoiceganError) and said in result.exception.message


def test_two_speakers_in_one_folder_are_noticed(run, tmp_path):
    read_aloud(tmp_path / "both" / "anna", range(5), pitch_hz=200.0)
    read_aloud(tmp_path / "both" / "bert", range(5, 10), pitch_hz=110.0)
    assert "sound like two speakers" in run(tmp_path / "both").output
    assert "sound like two" not in run(tmp_path / "both" / "anna").output
