"""`voicegan vocoder train` from folders to a vocoder, in miniature."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import made_speech
import pytest
import torch
from click.testing import CliRunner, Result
from tiny_vocoders import make_vocoder

from voicegan.cli import main
from voicegan.core import state
from voicegan.vocoder.pack import load_vocoder_pack

TINY = [
    "--set", "model.dim=8", "--set", "model.intermediate=12", "--set", "model.layers=1",
    "--set", "model.crop_frames=16", "--set", "trainer.batch=2", "--set", "trainer.log_every=2",
    "--set", "trainer.check_every=4", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("speakers")
    os.environ["OMP_NUM_THREADS"] = "1"
    for name, pitch_hz in (("anna", 190.0), ("ben", 110.0)):
        for number in range(4):
            wav = made_speech.utter(number, syllables=3, pitch_hz=pitch_hz)
            made_speech.write(root / name / f"{name}{number}.wav", wav)
    return root


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def train(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["vocoder", "train", *map(str, arguments)])


def begin(speech: Path, *arguments: object) -> Result:
    return train(speech, *TINY, *arguments)


def plan_of(out: Path) -> dict:
    return json.loads((out / "run" / "plan.json").read_text())


def test_folders_become_a_vocoder(speech: Path, tmp_path: Path) -> None:
    result = train(
        speech / "anna", speech / "ben", *TINY, "--steps", 8, "--out", tmp_path / "o", "--name", "mine"
    )
    assert result.exit_code == 0, result.output
    pack = load_vocoder_pack(tmp_path / "o" / "mine")
    assert pack.name == "mine" and pack.training["data"]["recordings"] == 6
    assert pack.source.startswith("voicegan")  # the command line of the process, here the tests'
    rows = [json.loads(line) for line in (tmp_path / "o" / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {"g/magnitudes", "g/compressed", "validation/mr_stft", "validation/mel_l1"} <= set().union(*rows)
    assert [row["step"] for row in rows if "validation/score" in row] == [4, 8]
    for drawn in ("losses.png", "validation.png", "samples/0000008.png"):
        assert (tmp_path / "o" / "run" / drawn).stat().st_size
    assert f"--vocoder {tmp_path / 'o' / 'mine'}" in result.output
    copied = CliRunner().invoke(main, [
        "vocoder", "resynth", str(speech / "ben" / "ben0.wav"), "--out", str(tmp_path / "copy.wav"),
        "--vocoder", str(tmp_path / "o" / "mine"),
    ])  # fmt: skip
    assert copied.exit_code == 0 and (tmp_path / "copy.wav").stat().st_size > 1000


def test_vocoders_go_to_the_users_folder_by_default(speech: Path, home: Path) -> None:
    result = begin(speech, "--steps", 4)
    assert result.exit_code == 0, result.output
    assert (home / "vocoders" / "my-vocoder" / "vocoder.json").is_file()
    assert (home / "runs" / "vocoder-my-vocoder" / "plan.json").is_file()
    assert result.output.rstrip().endswith("--vocoder my-vocoder")
    listed = CliRunner().invoke(main, ["vocoder", "list"])
    assert "my-vocoder" in listed.output
    again = begin(speech, "--steps", 4)
    assert again.exit_code == 2 and "a run of my-vocoder is in" in again.output and "--resume" in again.output
    assert begin(speech, "--steps", 4, "--force").exit_code == 0
    assert train("--resume", "--steps", 6).exit_code == 0


def test_resume_goes_on_to_more_steps(speech: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    assert begin(speech, "--steps", 4, "--out", out, "--name", "x").exit_code == 0
    again = train("--resume", "--out", out)
    assert again.exit_code == 0 and "all 4 steps are done" in again.output, again.output
    more = train("--resume", "--out", out, "--steps", 8, "--minutes", 1)
    assert more.exit_code == 2 and "exclude each other" in more.output
    more = train("--resume", "--out", out, "--steps", 8, "--config", "nowhere.toml")
    assert more.exit_code == 0 and "continuing after step 4 of 8" in more.output, more.output
    assert "--config is not read again" in more.output
    assert state.latest(out / "run")[1]["step"] == 8
    assert load_vocoder_pack(out / "x").training["planned_steps"] in (4, 8)


def test_interrupted_run_resumes_from_where_it_was(speech: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "voicegan", "vocoder", "train", str(speech), *TINY]
    process = subprocess.Popen(
        [*command, "--steps", "100000", "--out", str(tmp_path / "o")], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 150
    while not state.found(tmp_path / "o" / "run") and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "continue with --resume" in said and "listen:" not in said
    step = state.latest(tmp_path / "o" / "run")[1]["step"]
    more = train("--resume", "--out", tmp_path / "o", "--steps", step + 4)
    assert more.exit_code == 0, more.output
    assert state.latest(tmp_path / "o" / "run")[1]["step"] == step + 4


def test_dry_run_prints_the_plan_and_leaves_nothing(speech: Path, tmp_path: Path) -> None:
    result = begin(speech, "--steps", 50, "--out", tmp_path / "o", "--dry-run")
    assert result.exit_code == 0, result.output
    for text in (
        "estimated time: ",
        '"steps": 50',
        "7 recordings, ",
        f"vocoder: {tmp_path / 'o' / 'my-vocoder'}",
    ):
        assert text in result.output
    assert not (tmp_path / "o").exists()


def test_minutes_become_steps_once(speech: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    result = begin(speech, "--minutes", "0.1", "--set", "trainer.check_every=100", "--out", out)
    assert result.exit_code == 0, result.output
    trainer = plan_of(out)["settings"]["trainer"]
    assert f"0.1 minutes are {trainer['steps']} steps" in result.output
    assert trainer["check_every"] == 100  # as told
    again = train("--resume", "--out", out, "--minutes", 5)
    assert again.exit_code == 0 and f"the run keeps its {trainer['steps']} steps" in again.output, (
        again.output
    )


def one_line(result: Result) -> str:
    """What went wrong; it is said in one line, with exit code 2, and without a traceback."""
    assert result.exit_code == 2, result.output
    said = [line for line in result.output.splitlines() if line.lower().startswith("error")]
    assert len(said) == 1 and "Traceback" not in result.output and "fault in voicegan" not in result.output
    return said[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "model.dimm=3"], "unknown key 'model.dimm'. Did you mean 'model.dim'"),
        (["--set", "lr_g=1"], "Did you mean 'model.lr_g'"),
        (["--set", "trainr.steps=3"], "Did you mean 'trainer'"),
        (["--set", "corpus.mel=24k"], "there is no mel preset 24k"),
        (["--set", "corpus.files=['s9*']"], "has no recording called 's9*'"),
        (["--system", "waveforms"], "Did you mean waveform"),
        (["--system", "waveform", "--set", "model.net=magnitudes"], "Expected: a network that makes sound"),
        (["--name", "a/b"], '"a/b" cannot be the name of a vocoder'),
        (["--steps", "3", "--minutes", "2"], "exclude each other"),
        (["--config", "missing.toml"], "missing.toml does not exist"),
        (["--resume", "--out", "nowhere"], "no training to resume"),
        (["--device", "tpu"], "no device is called 'tpu'"),
        (["--from", "none"], "there is no vocoder none"),
        (["--from", 'a"b\\c'], 'there is no vocoder a"b\\c'),
    ],
)  # fmt: skip
def test_mistakes_are_one_clear_line(speech: Path, arguments: list[str], said: str) -> None:
    assert said in one_line(begin(speech, *arguments))


def test_folders_that_cannot_be_used_are_one_clear_line(speech: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "notes.txt").write_text("x")
    made_speech.write(tmp_path / "silent" / "a.wav", made_speech.utter(0) * 0)
    for folder, said in (
        (tmp_path / "nowhere", "nowhere does not exist"),
        (tmp_path / "empty", "empty is empty"),
        (tmp_path / "text", "holds no audio (found: 1 .txt file)"),
        (tmp_path / "silent", "a.wav is silent"),
        (speech / "anna" / "anna0.wav", "is a file, not a folder"),
    ):
        arguments = [*TINY, "--steps", 4, "--out", tmp_path / "o"]
        assert said in one_line(train(folder, *arguments))
        if folder.name != "silent":  # beside good recordings, a bad one is only left out
            assert said in one_line(train(speech, folder, *arguments))
    assert not (tmp_path / "o").exists()
    nothing = train(*TINY)
    assert nothing.exit_code == 2 and "a folder of recordings is needed" in nothing.output


def test_places_that_cannot_be_used_are_refused_before_any_work(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    assert "is a file, not a folder" in one_line(begin(speech, "--out", tmp_path / "file" / "o"))
    over_recordings = begin(speech, "--out", speech, "--name", "anna")
    assert "which holds something else" in one_line(over_recordings)
    over_run = begin(speech, "--name", "run", "--out", tmp_path / "o")
    assert "which holds something else" in one_line(over_run)
    monkeypatch.setattr(os, "access", lambda place, how: not how & os.W_OK)
    assert "may not be written to" in one_line(begin(speech, "--out", tmp_path / "o"))
    assert not (tmp_path / "o").exists()


def test_recordings_that_are_left_out_are_named(
    speech: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(speech / "anna", tmp_path / "anna")
    (folder / "broken.wav").write_bytes(b"RIFF")
    result = train(folder, *TINY, "--steps", 4, "--out", tmp_path / "o")
    assert result.exit_code == 0 and "1 files left out" in result.output
    assert f"left out: {folder / 'broken.wav'}" in caplog.text


# Starting from a vocoder, and resuming


def test_training_starts_from_a_vocoder_and_resumes_without_it(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert begin(speech, "--steps", 4, "--out", tmp_path / "first", "--name", "start").exit_code == 0
    monkeypatch.chdir(tmp_path / "first")
    finer = begin(speech, "--from", "./start", "--steps", 4, "--out", tmp_path / "o")
    assert finer.exit_code == 0, finer.output
    assert load_vocoder_pack(tmp_path / "o" / "my-vocoder").training["started_from"] == "start"
    monkeypatch.chdir(tmp_path)
    other = train("--resume", "--out", tmp_path / "o", "--from", tmp_path / "o" / "my-vocoder")
    assert "begun with other weights" in one_line(other)
    same = train("--resume", "--out", tmp_path / "o", "--steps", 5, "--from", tmp_path / "first" / "start")
    assert same.exit_code == 0, same.output
    shutil.rmtree(tmp_path / "first")
    gone = train("--resume", "--out", tmp_path / "o", "--steps", 6)
    assert gone.exit_code == 0 and "continuing after step 5 of 6" in gone.output, gone.output


def test_vocoders_that_do_not_fit_are_refused_and_the_field_named(
    speech: Path, home: Path, tmp_path: Path
) -> None:
    make_vocoder(home / "vocoders" / "samples")
    another_network = begin(speech, "--from", "samples", "--out", tmp_path / "o")
    assert "its network is vocos, that of this run magnitudes" in one_line(another_network)
    another_contract = begin(
        speech, "--from", "samples", "--set", "corpus.mel=hifigan-22k", "--out", tmp_path / "o"
    )
    assert "center is False in this training and True in the vocoder samples" in one_line(another_contract)
    assert begin(speech, "--steps", 4, "--name", "start").exit_code == 0
    another_width = begin(speech, "--from", "start", "--set", "model.dim=16", "--out", tmp_path / "o")
    assert "dim is 8 there and 16 in this run" in one_line(another_width)
    assert not (tmp_path / "o").exists()


def test_resume_with_other_settings_is_refused_and_the_plan_stays(speech: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    assert begin(speech, "--steps", 4, "--out", out).exit_code == 0
    plan = (out / "run" / "plan.json").read_bytes()
    for wrong, said in (
        (["--set", "model.dim=16"], "does not belong to this system: size mismatch"),
        (["--system", "waveform"], "this run trains magnitudes"),
        (["--name", "x"], "the vocoder of this run is called my-vocoder"),
        (["--from", "x"], "begun with other weights"),
        (
            ["--set", "corpus.min_s=0.7", "--set", "corpus.held_out=[]"],
            "have changed since this run was begun",
        ),
    ):
        assert said in one_line(train("--resume", "--out", out, *wrong))
        assert (out / "run" / "plan.json").read_bytes() == plan
    voices = CliRunner().invoke(main, ["train", "--resume", "--out", str(out)])
    assert "holds a training of another kind" in one_line(voices)


def test_resume_needs_the_recordings_of_its_run(speech: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(speech / "anna", tmp_path / "anna")
    assert train(folder, *TINY, "--steps", 4, "--out", tmp_path / "o").exit_code == 0
    moved = folder.rename(tmp_path / "anna elsewhere")
    assert "does not exist" in one_line(train("--resume", "--out", tmp_path / "o"))
    assert train(moved, "--resume", "--out", tmp_path / "o").exit_code == 0
    (moved / "anna2.wav").unlink()
    changed = train(moved, "--resume", "--out", tmp_path / "o")
    assert "have changed since this run was begun" in one_line(changed)


def test_force_keeps_the_old_run_until_the_new_one_can_begin(speech: Path, tmp_path: Path) -> None:
    assert begin(speech, "--steps", 4, "--out", tmp_path / "o").exit_code == 0
    (tmp_path / "empty").mkdir()
    failed = train(tmp_path / "empty", *TINY, "--out", tmp_path / "o", "--force")
    assert "is empty" in one_line(failed)
    assert train("--resume", "--out", tmp_path / "o").exit_code == 0


@pytest.mark.slow
def test_two_processes_train_together(speech: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "voicegan", "vocoder", "train", str(speech), *TINY, "--steps", "4", "--devices", "2",
         "--out", str(tmp_path / "o")],
        capture_output=True, text=True, timeout=170, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    saved = state.latest(tmp_path / "o" / "run")[1]
    assert saved["step"] == 4 and len(saved["ranks"]) == 2
    assert torch.isfinite(saved["system"]["generator.head.weight"]).all()
