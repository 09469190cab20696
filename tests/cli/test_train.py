"""`voicegan train` from folder to voice, in miniature."""

import json
import os
import signal
import subprocess
import sys
import time

import made_speech
import pytest
import torch
from click.testing import CliRunner

from voicegan.cli import main
from voicegan.core import state
from voicegan.voice.pack import load_pack

TINY = [
    "--set", "model.channels=8", "--set", "model.dilations=[1,2]", "--set", "model.d_channels=4",
    "--set", "model.crop_frames=32", "--set", "trainer.batch=2", "--set", "trainer.log_every=2",
    "--set", "trainer.check_every=4",    "--set", "corpus.least_speech_s=5", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("two speakers")
    os.environ["OMP_NUM_THREADS"] = "1"
    a = made_speech.read_aloud(root / "anna", range(10), pitch_hz=190.0, formants=1.15)
    b = made_speech.read_aloud(root / "ben", range(10), pitch_hz=110.0)
    return a, b


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))


def train(folders, *arguments):
    a, b = folders
    return CliRunner().invoke(main, ["train", "--a", str(a), "--b", str(b), *TINY, *map(str, arguments)])


def test_two_folders_become_two_voices(folders, tmp_path):
    result = train(folders, "--steps", 8, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    for name, source in (("ben", "anna"), ("anna", "ben")):
        pack = load_pack(tmp_path / "out" / name)
        assert pack.name == name and pack.sources == (source,)
        assert pack.training["parallel_pairs"] > 0
    run = tmp_path / "out" / "run"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert {"g/adversarial", "g/cycle", "g/parallel", "d/a"} <= set().union(*rows)
    assert (run / "losses.png").stat().st_size and list((run / "samples").glob("to-ben-*.png"))
    assert "parallel: " in result.output


def test_voices_go_to_the_users_folder_by_default(folders, tmp_path):
    result = train(folders, "--steps", 4, "--names", "x,y")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "home" / "voices" / "y" / "voice.json").is_file()
    assert "voicegan convert RECORDING --to y" in result.output


def test_run_that_exists_is_not_overwritten_unasked(folders, tmp_path):
    assert train(folders, "--steps", 4, "--out", tmp_path / "o").exit_code == 0
    again = train(folders, "--steps", 4, "--out", tmp_path / "o")
    assert again.exit_code == 2 and "--resume" in again.output
    assert train(folders, "--steps", 4, "--out", tmp_path / "o", "--force").exit_code == 0


def test_resume_goes_on_to_more_steps_and_equals_one_run(folders, tmp_path):
    assert train(folders, "--steps", 8, "--out", tmp_path / "whole").exit_code == 0
    assert train(folders, "--steps", 4, "--out", tmp_path / "parts").exit_code == 0
    # The plan decides the schedules, so the longer plan is named when resuming; step 4 is before any decay.
    more = CliRunner().invoke(main, ["train", "--resume", "--out", str(tmp_path / "parts"), "--steps", "8"])
    assert more.exit_code == 0, more.output
    newest = state.latest(tmp_path / "parts" / "run")[1]
    assert newest["step"] == 8


def test_interrupted_run_resumes_from_where_it_was(folders, tmp_path):
    a, b = folders
    command = [sys.executable, "-m", "voicegan", "train"]
    begin = [*command, "--a", str(a), "--b", str(b), *TINY, "--steps", "100000", "--out", str(tmp_path / "o")]
    process = subprocess.Popen(begin, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 90
    while not state.found(tmp_path / "o" / "run") and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "continue with --resume" in said
    step = state.latest(tmp_path / "o" / "run")[1]["step"]
    more = CliRunner().invoke(
        main, ["train", "--resume", "--out", str(tmp_path / "o"), "--steps", str(step + 4)]
    )
    assert more.exit_code == 0, more.output
    assert state.latest(tmp_path / "o" / "run")[1]["step"] == step + 4


def test_dry_run_prints_the_plan_and_leaves_nothing(folders, tmp_path):
    result = train(folders, "--steps", 50, "--out", tmp_path / "o", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "estimated time" in result.output and '"steps": 50' in result.output
    assert not (tmp_path / "o").exists()


def test_minutes_become_steps_once(folders, tmp_path):
    result = train(folders, "--minutes", "0.1", "--out", tmp_path / "o")
    assert result.exit_code == 0, result.output
    plan = json.loads((tmp_path / "o" / "run" / "plan.json").read_text())
    assert f"0.1 minutes are {plan['settings']['trainer']['steps']} steps" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "model.chanels=3"], "Did you mean 'channels'"),
        (["--set", "trainr.steps=3"], "Did you mean 'trainer'"),
        (["--system", "ligth"], "Did you mean light"),
        (["--names", "one"], "two names"),
        (["--names", "x,x"], "both speakers are called x"),
        (["--steps", "3", "--minutes", "2"], "exclude each other"),
        (["--config", "missing.toml"], "missing.toml does not exist"),
        (["--resume", "--out", "nowhere"], "no training to resume"),
        (["--device", "tpu"], "no device is called 'tpu'"),
    ],
)
def test_mistakes_are_one_clear_line(folders, arguments, said):
    result = train(folders, *arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_same_folder_twice_is_refused(folders):
    result = train((folders[0], folders[0]), "--names", "x,y")
    assert result.exit_code == 2 and "both folders are" in result.output


def test_two_processes_train_together(folders, tmp_path):
    a, b = folders
    done = subprocess.run(
        [sys.executable, "-m", "voicegan", "train", "--a", str(a), "--b", str(b), *TINY, "--steps", "4",
         "--devices", "2", "--out", str(tmp_path / "o")],
        capture_output=True, text=True, timeout=170,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    saved = state.latest(tmp_path / "o" / "run")[1]
    assert saved["step"] == 4 and len(saved["ranks"]) == 2
    assert torch.isfinite(saved["system"]["g_ab.leave.weight"]).all()
