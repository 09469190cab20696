"""`voicegan train` from folder to voice, in miniature."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import made_speech
import pytest
import torch
from click.testing import CliRunner

from voicegan.cli import main
from voicegan.core import runs, state
from voicegan.voice import training
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
    trainer = json.loads((tmp_path / "o" / "run" / "plan.json").read_text())["settings"]["trainer"]
    assert f"0.1 minutes are {trainer['steps']} steps" in result.output
    assert trainer["check_every"] == 4  # as told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "model.chanels=3"], "unknown key 'model.chanels'. Did you mean 'model.channels'"),
        (["--set", "lr_g=1"], "Did you mean 'model.lr_g'"),
        (["--set", "model.objective=best"], "Expected: one of minimax, non_saturating"),
        (["--set", "vocoder=griffin"], "did you mean griffin-lim"),
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


def resume(out, *arguments):
    return CliRunner().invoke(main, ["train", "--resume", "--out", str(out), *map(str, arguments)])


def test_resume_with_other_settings_is_refused_and_the_plan_stays(folders, tmp_path):
    out = tmp_path / "o"
    assert train(folders, "--steps", 4, "--out", out).exit_code == 0
    plan = (out / "run" / "plan.json").read_bytes()
    for wrong, said in (
        (["--set", "model.channels=16"], "does not belong to this system: size mismatch"),
        (["--system", "cyclegan-vc"], "this run trains light"),
        (["--seed", "3"], "this run was begun with --seed 0, and cannot go on with --seed 3"),
        (["--names", "x,y"], "voices of this run are called anna,ben"),
    ):
        refused = resume(out, *wrong)
        assert refused.exit_code == 2 and said in refused.output, refused.output
        assert (out / "run" / "plan.json").read_bytes() == plan
    again = resume(out)
    assert again.exit_code == 0 and "all 4 steps are done" in again.output, again.output


def test_resume_names_a_damaged_checkpoint_and_uses_the_one_before(folders, tmp_path, caplog):
    out = tmp_path / "o"
    assert train(folders, "--steps", 8, "--out", out).exit_code == 0
    newest = state.found(out / "run")[0][1]
    newest.write_bytes(newest.read_bytes()[:-100])
    result = resume(out)
    assert result.exit_code == 0, result.output
    assert f"{newest.name} is damaged" in caplog.text and "continuing after step 4 of 8" in result.output
    assert state.latest(out / "run")[1]["step"] == 8
    rows = [json.loads(line) for line in (out / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "seen" in row] == [2, 4, 6, 8]
    assert [row["step"] for row in rows if "validation/score" in row] == [4, 8]


def test_resume_from_another_folder_keeps_steps_that_minutes_gave(folders, tmp_path, monkeypatch):
    a, b = folders
    monkeypatch.chdir(a.parent)
    arguments = [
        "train",
        "--a",
        a.name,
        "--b",
        b.name,
        *TINY,
        "--minutes",
        "0.1",
        "--out",
        str(tmp_path / "o"),
    ]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    steps = json.loads((tmp_path / "o" / "run" / "plan.json").read_text())["settings"]["trainer"]["steps"]
    monkeypatch.chdir(tmp_path)
    result = resume("o", "--minutes", 5)
    assert result.exit_code == 0, result.output
    assert f"the run keeps its {steps} steps" in result.output


def test_resume_needs_the_recordings_of_its_run(folders, tmp_path):
    a, b = (shutil.copytree(folder, tmp_path / folder.name) for folder in folders)
    assert train((a, b), "--steps", 4, "--out", tmp_path / "o").exit_code == 0
    moved = b.rename(tmp_path / "ben elsewhere")
    assert "does not exist" in resume(tmp_path / "o").output
    assert resume(tmp_path / "o", "--b", moved).exit_code == 0
    (moved / "s003.wav").unlink()
    changed = resume(tmp_path / "o", "--b", moved)
    assert changed.exit_code == 2 and "have changed since this run was begun" in changed.output


def test_force_keeps_the_old_run_until_the_new_one_can_begin(folders, tmp_path):
    assert train(folders, "--steps", 4, "--out", tmp_path / "o").exit_code == 0
    (tmp_path / "empty").mkdir()
    failed = train(
        (folders[0], tmp_path / "empty"), "--names", "anna,ben", "--out", tmp_path / "o", "--force"
    )
    assert failed.exit_code == 2 and "is empty" in failed.output
    kept = resume(tmp_path / "o")
    assert kept.exit_code == 0, kept.output


@pytest.mark.parametrize("way", ["--force", "--resume"])
def test_a_run_belongs_to_one_process(folders, tmp_path, way, monkeypatch):
    out = tmp_path / "o"
    assert train(folders, "--steps", 4, "--out", out).exit_code == 0
    before = {path: path.read_bytes() for path in sorted((out / "run").rglob("*")) if path.is_file()}
    with runs.held(out / "run"), monkeypatch.context() as patched:
        patched.setattr(training, "gather", None)  # said before the recordings are read
        result = train(folders, "--steps", 8, "--out", out, way)
    assert result.exit_code == 2 and f"another process is training in {out / 'run'}" in result.output
    assert {path: path.read_bytes() for path in before} == before
    assert train(folders, "--steps", 8, "--out", out, way).exit_code == 0


def test_a_file_system_without_locks_trains_all_the_same(folders, tmp_path, monkeypatch, caplog):
    def refuse(code):
        def acquire(*arguments, **options):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(runs.filelock.FileLock, "acquire", acquire)

    refuse(errno.ENOLCK)
    result = train(folders, "--steps", 4, "--out", tmp_path / "o")
    assert result.exit_code == 0, result.output
    assert load_pack(tmp_path / "o" / "ben").name == "ben"
    assert f"{tmp_path / 'o' / 'run'} can hold no locks" in caplog.text
    refuse(errno.EIO)  # a broken disk is something else
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), runs.held(tmp_path / "run"):
        pytest.fail("began all the same")


def test_places_that_cannot_be_used_are_refused_before_any_work(folders, tmp_path):
    (tmp_path / "file").write_text("x")
    over_file = train(folders, "--out", tmp_path / "file" / "o")
    assert over_file.exit_code == 2 and "is a file, not a folder" in over_file.output
    over_recordings = train(folders, "--out", folders[0].parent)
    assert over_recordings.exit_code == 2 and "which holds something else" in over_recordings.output
    over_run = train(folders, "--names", "run,ben", "--out", tmp_path / "o")
    assert over_run.exit_code == 2 and "which holds something else" in over_run.output
    assert not (tmp_path / "o").exists()


def test_recordings_in_both_folders_are_warned_of(folders, tmp_path, caplog):
    a = shutil.copytree(folders[0], tmp_path / "anna")
    shutil.copy(folders[1] / "s001.wav", a / "other.wav")
    assert train((a, folders[1]), "--steps", 4, "--out", tmp_path / "o").exit_code == 0
    assert "1 recordings are in both folders" in caplog.text and "other.wav" in caplog.text


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
