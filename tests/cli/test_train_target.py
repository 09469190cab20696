"""`voicegan train --target DIR --pool DIR`: from folders to a voice for anyone's speech, in miniature."""

import json
import shutil

import made_speech
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from made_pool import people

from voicegan import storage
from voicegan.cli import main
from voicegan.core import state
from voicegan.voice import library
from voicegan.voice.pack import load_pack

BETWEEN = [
    "--set", "model.channels=8", "--set", "model.dilations=[1]", "--set", "model.d_channels=4",
    "--set", "model.crop_frames=32", "--set", "trainer.batch=2", "--set", "trainer.log_every=2",
    "--set", "trainer.check_every=4", "--set", "corpus.least_speech_s=5", "--set", "vocoder=griffin-lim",
    "--device", "cpu",
]  # fmt: skip
TINY = [*BETWEEN, "--set", "model.back_channels=8"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return people(tmp_path_factory.mktemp("people"))


@pytest.fixture(autouse=True)
def own_home(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    # Features are cached once for all tests.
    monkeypatch.setattr(storage, "cache_home", lambda: tmp_path_factory.getbasetemp() / "cache")
    monkeypatch.setattr(library, "_BUNDLED", tmp_path / "no bundled voices")


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def train(folders, *arguments):
    target, pool = folders
    return invoke("train", "--target", target, "--pool", pool, *TINY, *arguments)


def resume(out, *arguments):
    return invoke("train", "--resume", "--out", out, *arguments)


def test_a_folder_and_a_pool_become_a_voice_that_converts_a_stranger(folders, tmp_path):
    out = tmp_path / "out"
    result = train(folders, "--steps", 4, "--out", out)
    assert result.exit_code == 0, result.output
    assert "ben of the pool read the target's sentences" in result.output
    assert f"voice anna from anyone: {out / 'anna'}" in result.output
    pack = load_pack(out / "anna")
    assert (pack.name, pack.sources, pack.normaliser) == ("anna", ("any",), "envelope")
    assert pack.training["pool"]["speakers"] == 3 and pack.training["pool"]["minutes"] > 0.3
    assert pack.training["parallel_pairs"] > 0
    assert json.loads((out / "anna" / "voice.json").read_text())["sources"] == ["any"]
    assert "pool: 3 speakers" in (out / "anna" / "README.md").read_text()
    assert (out / "run" / "losses.png").stat().st_size and list(
        (out / "run" / "samples").glob("to-anna-*.png")
    )
    rows = [json.loads(line) for line in (out / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {"g/own", "g/read", "g/cycle", "g/matching", "d/b"} <= set().union(*rows)
    wav = made_speech.utter(99, pitch_hz=140.0)
    stranger = made_speech.write(tmp_path / "stranger.wav", wav)
    made = invoke(
        "convert", stranger, "--to", out / "anna", "--out", tmp_path / "made.wav", "--device", "cpu"
    )
    assert made.exit_code == 0, made.output
    heard, rate_hz = soundfile.read(tmp_path / "made.wav")
    assert rate_hz == made_speech.RATE_HZ and len(heard) == len(wav)
    assert np.isfinite(heard).all() and np.abs(heard).max() > 1e-3


def test_a_voice_in_the_users_folder_is_what_the_next_sets_out_from(folders, tmp_path):
    first = train(folders, "--steps", 4)
    assert first.exit_code == 0, first.output
    assert "sets out" not in first.output
    assert "listen: voicegan convert RECORDING --to anna" in first.output
    named = train(folders, "--steps", 4, "--names", "carla", "--out", tmp_path / "c", "--from", "anna")
    nearest = train(folders, "--steps", 4, "--names", "dora", "--out", tmp_path / "d")
    for result, folder in ((named, tmp_path / "c" / "carla"), (nearest, tmp_path / "d" / "dora")):
        assert result.exit_code == 0, result.output
        assert "sets out from the voice anna" in result.output
        assert load_pack(folder).training["set_out_from"]["name"] == "anna"
        assert "It set out from the voice anna" in load_pack(folder).card
    alone = train(folders, "--steps", 4, "--names", "erna", "--out", tmp_path / "e", "--from", "none")
    assert alone.exit_code == 0, alone.output
    assert "set_out_from" not in load_pack(tmp_path / "e" / "erna").training
    # Going on, it does not take the voice that it has made by now for its start.
    again = invoke("train", "--resume", "--target", folders[0], "--steps", 8)
    assert again.exit_code == 0, again.output
    assert "continuing after step 4 of 8" in again.output and "sets out" not in again.output
    assert "set_out_from" not in load_pack(tmp_path / "home" / "voices" / "anna").training
    wide = train(folders, "--out", tmp_path / "f", "--from", "anna", "--set", "model.channels=16")
    assert wide.exit_code == 2 and "another network (channels 8, not 16)" in wide.output


def test_a_voice_is_taught_by_an_earlier_one_of_its_target(folders, tmp_path):
    first = train(folders, "--steps", 4)
    assert first.exit_code == 0, first.output
    replaced = train(folders, "--steps", 4, "--teacher", "anna", "--force")
    assert replaced.exit_code == 2 and "would replace its teacher" in replaced.output
    out = tmp_path / "o"
    lessons = ("--set", "passes=2", "--set", "retrieval=0.5")
    taught = train(folders, "--steps", 4, "--teacher", "anna", "--out", out, *lessons)
    assert taught.exit_code == 0, taught.output
    assert "lessons are moved by 50% of the way to anna's own nearest frames" in taught.output
    assert "learns what the voice anna makes of the pool in 2 passes" in taught.output
    assert f"voice anna from anyone: {out / 'anna'}" in taught.output and "best at step" not in taught.output
    pack = load_pack(out / "anna")
    assert pack.training["taught_by"] == {
        "name": "anna",
        "sha256": load_pack(tmp_path / "home" / "voices" / "anna").sha256,
        "passes": 2,
        "retrieval": 0.5,
    }
    assert "moved by 50% of the way to anna's own nearest frames" in pack.card
    told = resume(out, "--teacher", "anna")
    assert told.exit_code == 2 and "has its teacher, or none, already" in told.output
    more = resume(out, "--steps", 8)
    assert more.exit_code == 0 and "continuing after step 4 of 8" in more.output, more.output
    alone = invoke("train", "--target", folders[0], "--teacher", "anna", "--out", tmp_path / "p", *TINY)
    assert alone.exit_code == 2 and "a teacher needs a pool" in alone.output


def test_resume_needs_no_more_than_where_the_run_is(folders, tmp_path):
    out = tmp_path / "o"
    assert train(folders, "--steps", 4, "--out", out).exit_code == 0
    for wrong, said in (
        (["--names", "berta"], "the voice of this run is called anna"),
        (["--from", "none"], "a run that goes on has set out already"),
        (["--system", "light"], "this run trains any-to-one"),
        (["--set", "model.channels=16"], "does not belong to this system"),
    ):
        refused = resume(out, *wrong)
        assert refused.exit_code == 2 and said in refused.output, refused.output
    done = resume(out)
    assert done.exit_code == 0 and "all 4 steps are done" in done.output, done.output
    more = resume(out, "--steps", 8)
    assert more.exit_code == 0, more.output
    assert "continuing after step 4 of 8" in more.output
    assert state.latest(out / "run")[1]["step"] == 8
    plan = json.loads((out / "run" / "plan.json").read_text())
    assert plan["settings"]["start"] == "none" and plan["names"] == ["anna"] and len(plan["folders"]) == 2


def test_resume_needs_the_recordings_of_its_run(folders, tmp_path):
    target, pool = (shutil.copytree(folder, tmp_path / folder.name) for folder in folders)
    assert train((target, pool), "--steps", 4, "--out", tmp_path / "o").exit_code == 0
    moved = pool.rename(tmp_path / "pool elsewhere")
    assert "does not exist" in resume(tmp_path / "o").output
    assert resume(tmp_path / "o", "--pool", moved).exit_code == 0
    (moved / "p1" / "s021.wav").unlink()
    changed = resume(tmp_path / "o", "--pool", moved)
    assert changed.exit_code == 2
    assert f"the recordings in {moved} have changed since this run was begun" in changed.output
    shutil.copy(folders[1] / "p1" / "s021.wav", moved / "p1")
    (target / "s004.wav").unlink()
    changed = resume(tmp_path / "o", "--pool", moved)
    assert changed.exit_code == 2 and f"the recordings in {target} have changed" in changed.output


def test_dry_run_prints_the_plan_and_leaves_nothing(folders, tmp_path):
    result = train(folders, "--steps", 50, "--out", tmp_path / "o", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "estimated time" in result.output and '"steps": 50' in result.output
    assert f"voice: {tmp_path / 'o' / 'anna'}" in result.output
    assert not (tmp_path / "o").exists()


def test_minutes_become_steps_once(folders, tmp_path):
    result = train(folders, "--minutes", "0.1", "--out", tmp_path / "o")
    assert result.exit_code == 0, result.output
    trainer = json.loads((tmp_path / "o" / "run" / "plan.json").read_text())["settings"]["trainer"]
    assert f"0.1 minutes are {trainer['steps']} steps" in result.output
    assert trainer["check_every"] == 4
    again = resume(tmp_path / "o", "--minutes", "5")
    assert again.exit_code == 0 and f"the run keeps its {trainer['steps']} steps" in again.output


def test_a_run_that_exists_is_not_overwritten_unasked(folders, tmp_path):
    out = tmp_path / "o"
    assert train(folders, "--steps", 4, "--out", out).exit_code == 0
    again = train(folders, "--steps", 4, "--out", out)
    assert again.exit_code == 2 and "a run of anna is in" in again.output and "--resume" in again.output
    assert train(folders, "--steps", 4, "--out", out, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--names", "anna,ben"], "--target makes one voice, and --names takes one name here"),
        (["--names", "a/b"], "cannot be the name of a voice"),
        (["--set", "model.chanels=3"], "Did you mean 'model.channels'"),
        (["--set", "parallel=on"], "unknown key 'parallel'"),
        (["--system", "light"], "light makes two voices of two speakers"),
        (["--from", "nobody"], "there is no voice"),
        (["--teacher", "nobody"], "there is no voice"),
        (["--set", 'pool.held_out=["x*"]'], "'x*' of pool.held_out matches no recording of the pool"),
        (["--set", 'target.held_out=["x*"]'], "has no recording called 'x*'"),
        (["--set", "corpus.least_speech_s=600"], "s of speech, and 600 s are needed"),
        (["--set", "model.crop_frames=4000"], "nobody in the pool speaks for 64.0 s"),
        (["--steps", "3", "--minutes", "2"], "exclude each other"),
    ],
)
def test_mistakes_are_one_clear_line(folders, tmp_path, arguments, said):
    result = train(folders, "--out", tmp_path / "o", *arguments)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert "Traceback" not in result.output and isinstance(result.exception, SystemExit)
    assert not (tmp_path / "o").exists()


def test_folders_that_do_not_go_together_are_refused(folders, tmp_path):
    target, pool = folders
    (tmp_path / "empty").mkdir()
    for arguments, said in (
        (["--target", target], "neither a pool of other speakers nor a voice to set out from"),
        (["--pool", pool], "the target's folder is needed: --target DIR"),
        (["--from", "anna"], "the target's folder is needed: --target DIR"),
        (["--teacher", "anna"], "the target's folder is needed: --target DIR"),
        (["--target", target, "--pool", target], "the pool holds nobody but the target"),
        (["--target", target, "--pool", tmp_path / "empty"], "is empty"),
        (["--target", target, "--pool", tmp_path / "nowhere"], "does not exist"),
        (["--target", tmp_path / "nowhere", "--pool", pool], "does not exist"),
        (["--target", target, "--pool", pool, "--a", target], "--target trains one voice, --a and --b two"),
        (["--target", target, "--pool", pool, "--b", target], "--target trains one voice, --a and --b two"),
        (["--a", target, "--b", pool, "--from", "anna"], "--target trains one voice, --a and --b two"),
        (["--resume", "--target", target, "--pool", pool], "no training to resume"),
        (["--resume", "--pool", pool], "--resume needs --out DIR, or the --target"),
        (["--a", target, "--b", pool / "ben", "--system", "any-to-one"], "any-to-one makes one voice"),
    ):
        result = invoke("train", *arguments, *TINY)
        assert result.exit_code == 2, (arguments, result.output)
        assert said in result.output, result.output
        assert "Traceback" not in result.output and isinstance(result.exception, SystemExit), arguments


def test_the_targets_recordings_in_the_pool_are_refused(folders, tmp_path):
    target, pool = folders
    shutil.copytree(pool / "p1", tmp_path / "p1")
    shutil.copy(target / "s001.wav", tmp_path / "p1" / "x.wav")
    result = train((target, tmp_path), "--out", tmp_path / "o")
    assert result.exit_code == 2 and "of the pool is also the target's s001.wav" in result.output


def test_runs_of_two_kinds_are_not_resumed_as_each_other(folders, tmp_path):
    target, pool = folders
    assert train(folders, "--steps", 4, "--out", tmp_path / "one").exit_code == 0
    as_two = resume(tmp_path / "one", "--a", target, "--b", pool / "ben")
    assert as_two.exit_code == 2 and "--target trains one voice" in as_two.output
    sides = ["--a", target, "--b", pool / "ben", "--names", "anna,ben"]
    two = invoke("train", *sides, *BETWEEN, "--steps", 4, "--out", tmp_path / "two")
    assert two.exit_code == 0, two.output
    as_one = resume(tmp_path / "two", "--target", target, "--pool", pool)
    assert as_one.exit_code == 2 and "this run trains two voices (light)" in as_one.output, as_one.output
