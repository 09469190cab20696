"""`voicegan vocoder eval`: the table, the JSON, and its faults in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner, Result
from tiny_vocoders import empty_home  # noqa: F401
from tiny_voices import speech_like

from voicegan.cli import main
from voicegan.errors import VoiceganError
from voicegan.metrics import judges
from voicegan.metrics.plan import read_listed


@pytest.fixture(autouse=True)
def folder(empty_home: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """Two speakers of two recordings; no optional judge is installed."""

    def missing(self: object) -> None:
        raise ModuleNotFoundError("No module named 'pesq'")

    for judge in (judges.PesqJudge, judges.StoiJudge, judges.NaturalnessJudge):
        monkeypatch.setattr(judge, "__init__", missing)
    for seed, speaker in enumerate(("ann", "bob b")):
        (tmp_path / "in" / speaker).mkdir(parents=True)
        for number in range(2):
            soundfile.write(tmp_path / "in" / speaker / f"s{number}.wav", speech_like(0.4, seed=seed), 16000)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["vocoder", "eval", *arguments, "--vocoder", "griffin-lim-live"])


def test_the_table_and_the_figures(folder: Path):
    result = run("in", "--json", "out/f.json", "--keep", "kept", "--pictures", "p", "--by-speaker")
    assert result.exit_code == 0, result.output
    assert "griffin-lim-live" in result.stdout and "MR-STFT" in result.stdout and "CPU s / s" in result.stdout
    assert "PESQ: not measured (No module named 'pesq'); pip install 'voicegan[pesq]'" in result.stdout
    figures = json.loads(Path("out/f.json").read_text())
    assert figures["format"] == 1 and len(figures["rows"]["griffin-lim-live"]["utterances"]) == 4
    assert Path("kept/griffin-lim-live/bob b/s1.wav").is_file() and Path("p/ann/s0.png").is_file()


def test_a_page_to_listen_to(folder: Path):
    result = run("in", "--report", "r.html", "--report-limit", "1", "--limit", "1")
    assert result.exit_code == 0, result.output
    text = Path("r.html").read_text()
    vocoders = text.count("<figure>") - 1
    assert vocoders >= 1 and text.count("<article") == 1 and text.count("<audio") == 1 + vocoders
    assert text.count("<tr data-card") == vocoders and "griffin-lim-live" in text and "MR-STFT" in text
    assert "r.html: 1 recordings" in result.stderr


def test_a_table_says_which_files_and_whose(folder: Path):
    Path("list.tsv").write_text("file\tspeaker\nann/s0.wav\tANN\nbob b/s1.wav\tBOB\n")
    assert read_listed(Path("list.tsv")) == {"ann/s0.wav": "ANN", "bob b/s1.wav": "BOB"}
    assert run("in", "--files", "list.tsv", "--json", "f.json").exit_code == 0
    assert [one["speaker"] for one in json.loads(Path("f.json").read_text())["recordings"]] == ["ANN", "BOB"]


def test_a_broken_file_is_a_line_and_exit_code_1(folder: Path):
    Path("in/ann/s0.wav").write_bytes(b"")
    result = run("in")
    assert result.exit_code == 1 and "griffin-lim-live" in result.stdout
    assert "error: in/ann/s0.wav is empty" in result.stderr
    assert "1 of 4 recordings were not judged." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere is not a folder"),
        (["in", "--files", "no.txt"], "cannot be read"),
        (["in", "--mel", "8k"], "there is no mel preset 8k"),
        (["in", "--vocoder", "vocs"], "vocs"),
    ],
)
def test_faults_in_words(folder: Path, arguments: list[str], words: str):
    result = run(*arguments)
    assert result.exit_code == 2 and words in result.stderr and len(result.stderr.splitlines()) == 1
    assert not isinstance(result.exception, VoiceganError)  # the program itself put it into words
