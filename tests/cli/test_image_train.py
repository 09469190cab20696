"""`voicegan image train` from data to a model, in miniature."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from voicegan.cli import main
from voicegan.core import state
from voicegan.image.pack import load_model_pack
from voicegan.image.systems import SYSTEMS

TINY = [
    "--set", "model.width=4", "--set", "model.latent=4", "--set", "trainer.batch=4", "--set", "trainer.log_every=2",
    "--set", "trainer.check_every=2", "--device", "cpu",
]  # fmt: skip

OWN = '''"""A system of one's own."""
from voicegan.image.systems.dcgan import DCGAN

class MyGAN(DCGAN):
    """As DCGAN."""

number = 3
'''


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def train(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["image", "train", *map(str, arguments)])


def image(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["image", *map(str, arguments)])


def begin(*arguments: object) -> Result:
    return train("dcgan", *TINY, *arguments)


def plan_of(out: Path) -> dict:
    return json.loads((out / "run" / "plan.json").read_text())


def one_line(result: Result) -> str:
    """What went wrong; it is said in one line, with exit code 2, and without a traceback."""
    assert result.exit_code == 2, result.output
    said = [line for line in result.output.splitlines() if line.lower().startswith("error")]
    assert len(said) == 1 and "Traceback" not in result.output and "fault in voicegan" not in result.output
    return said[0]


def pictures(folder: Path, count: int = 10, size: int = 8) -> Path:
    for number in range(count):
        (folder / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 256, (size, size), dtype=np.uint8)
        Image.fromarray(values).save(folder / "ab"[number % 2] / f"{number // 2}.png")
    return folder


def test_digits_become_a_model(tmp_path: Path) -> None:
    out = tmp_path / "o"
    result = begin("--data", "digits", "--steps", 4, "--out", out, "--name", "mine", "--seed", 3)
    assert result.exit_code == 0, result.output
    assert "1200 pictures of digits to train on, 597 held out, 8×8 in grey" in result.output
    assert "the judge of digits chooses the checkpoint" in result.output
    pack = load_model_pack(out / "mine")
    assert (pack.name, pack.system, pack.shape, len(pack.classes)) == ("mine", "dcgan", (1, 8, 8), 10)
    assert pack.training["seed"] == 3 and pack.data["names"] == ["digits"]
    rows = [json.loads(line) for line in (out / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {"g/adversarial", "d/adversarial", "validation/frechet", "validation/classes"} <= set().union(
        *rows
    )
    for drawn in ("losses.png", "validation.png", "samples/0000002.png", "samples/0000004.png"):
        assert Image.open(out / "run" / drawn).size[0] > 100
    assert f"voicegan image sample {out / 'mine'}" in result.output
    built = pack.build()
    latest = state.latest(out / "run")[1]
    if pack.training["steps"] == latest["step"]:
        assert all(torch.equal(value, latest["system"][key]) for key, value in built.state_dict().items())
    card = (out / "mine" / "README.md").read_text()
    assert "`dcgan`" in card and "1200 pictures of digits" in card and "voicegan image sample mine" in card


def test_models_go_to_the_users_folder_and_are_listed(home: Path) -> None:
    result = begin("--steps", 2)
    assert result.exit_code == 0, result.output
    assert (home / "images" / "dcgan-digits" / "model.json").is_file()
    assert (home / "runs" / "image-dcgan-digits" / "plan.json").is_file()
    assert "dcgan-digits" in image("list").output
    again = begin("--steps", 2)
    assert (
        again.exit_code == 2 and "a run of dcgan-digits is in" in again.output and "--resume" in again.output
    )
    assert begin("--steps", 2, "--force").exit_code == 0
    assert train("dcgan", "--resume", "--steps", 4).exit_code == 0
    assert train("--resume", "--name", "dcgan-digits", "--steps", 6).exit_code == 0
    assert state.latest(home / "runs" / "image-dcgan-digits")[1]["step"] == 6


def test_resume_is_one_run_bit_for_bit(tmp_path: Path) -> None:
    assert begin("--steps", 4, "--out", tmp_path / "whole").exit_code == 0
    assert begin("--steps", 2, "--out", tmp_path / "parts").exit_code == 0
    more = train("--resume", "--out", tmp_path / "parts", "--steps", 4, "--config", "nowhere.toml")
    assert more.exit_code == 0 and "continuing after step 2 of 4" in more.output, more.output
    assert "--config is not read again" in more.output
    whole, parts = (state.latest(tmp_path / name / "run")[1] for name in ("whole", "parts"))
    for key, value in whole["system"].items():
        assert torch.equal(value, parts["system"][key])


def test_interrupted_run_resumes_from_where_it_was(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "voicegan", "image", "train", "dcgan", *TINY, "--steps", "100000"]
    process = subprocess.Popen([*command, "--out", str(tmp_path / "o")], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 150
    while not state.found(tmp_path / "o" / "run") and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "continue with --resume" in said and "look:" not in said
    step = state.latest(tmp_path / "o" / "run")[1]["step"]
    more = train("--resume", "--out", tmp_path / "o", "--steps", step + 2)
    assert more.exit_code == 0, more.output


def test_dry_run_prints_the_plan_and_leaves_nothing(tmp_path: Path) -> None:
    result = begin("--steps", 50, "--out", tmp_path / "o", "--dry-run")
    assert result.exit_code == 0, result.output
    for text in ("estimated time: ", '"steps": 50', f"model: {tmp_path / 'o' / 'dcgan-digits'}"):
        assert text in result.output
    assert not (tmp_path / "o").exists()


def test_minutes_become_steps_once(tmp_path: Path) -> None:
    out = tmp_path / "o"
    result = begin("--minutes", "0.1", "--set", "trainer.check_every=100000", "--out", out)
    assert result.exit_code == 0, result.output
    steps = plan_of(out)["settings"]["trainer"]["steps"]
    assert f"0.1 minutes are {steps} steps" in result.output
    again = train("--resume", "--out", out, "--minutes", 5)
    assert again.exit_code == 0 and f"the run keeps its {steps} steps" in again.output, again.output


def test_folders_and_points_are_learnt_too(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures")
    result = begin("--data", folder, "--steps", 2, "--out", tmp_path / "o")
    assert result.exit_code == 0, result.output
    assert (
        "nothing judges the checkpoints: the newest counts" in result.output and "score" not in result.output
    )
    pack = load_model_pack(tmp_path / "o" / "dcgan-pictures")
    assert pack.classes == ("a", "b") and pack.data["names"] == ["pictures"]  # no path of this machine
    larger = begin("--data", folder, "--size", 16, "--channels", 3, "--steps", 2, "--out", tmp_path / "l")
    assert larger.exit_code == 0, larger.output
    assert load_model_pack(tmp_path / "l" / "dcgan-pictures").shape == (3, 16, 16)
    ring = train("gan", "--data", "ring-8", *TINY, "--steps", 2, "--out", tmp_path / "p")
    assert ring.exit_code == 0, ring.output
    assert "the modes that are reached choose the checkpoint" in ring.output
    assert Image.open(tmp_path / "p" / "run" / "samples" / "0000002.png").size[0] > 200


def test_a_system_of_ones_own_is_trained_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "my_gan.py").write_text(OWN)
    mine = f"{tmp_path / 'my_gan.py'}:MyGAN"
    result = train(mine, *TINY, "--steps", 2, "--out", tmp_path / "o")
    assert result.exit_code == 0, result.output
    model = tmp_path / "o" / "mygan-digits"
    assert load_model_pack(model).system == "my_gan.py:MyGAN"
    assert f"voicegan image sample {model} --system {mine} --out samples.png" in result.output
    card = (model / "README.md").read_text()
    assert "voicegan image sample mygan-digits --system my_gan.py:MyGAN --out samples.png" in card
    assert train("--resume", "--out", tmp_path / "o", "--steps", 4).exit_code == 0
    grid = tmp_path / "grid.png"
    # The model cannot name the code that is run: its user does.
    refused = image("sample", model, "--out", grid)
    assert "Name its code, which will be run: --system my_gan.py:MyGAN" in one_line(refused)
    assert image("sample", model, "--out", grid, "--system", mine).exit_code == 0 and grid.is_file()
    for wrong, said in (
        (f"{tmp_path / 'nowhere.py'}:MyGAN", "nowhere.py does not exist"),
        (f"{tmp_path / 'my_gan.py'}:Yours", "holds no Yours"),
        (f"{tmp_path / 'my_gan.py'}:number", "is no image system"),
        ("json:JSONDecoder", "is no image system"),
        ("no_such_package.gan:GAN", "cannot be imported"),
    ):
        assert said in one_line(train(wrong, *TINY, "--steps", 2, "--out", tmp_path / "x"))
    for without in (tmp_path / "my_gan.py", f"{tmp_path / 'my_gan.py'}:"):
        assert f"my_gan.py is named without its class. Name it: {mine}." in one_line(train(without, *TINY))
    assert "There is no such file" in one_line(train(tmp_path / "nowhere.py", *TINY))
    (tmp_path / "broken.py").write_text("import = 3")
    assert "named without its class" in one_line(train(tmp_path / "broken.py", *TINY))
    assert "cannot be imported (SyntaxError" in one_line(train(f"{tmp_path / 'broken.py'}:A", *TINY))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return self.g(0)", "MyGAN cannot be trained: {file}, line 4 (TypeError: "),
        ("return next(self.g.parameters()).sum()",
         "the loss MyGAN.generator_loss of the phase 'g' gives a value of the type Tensor ({file}). It has to give"),
        ("return {'whole': 1.0}", "gives the term 'whole' that is not a tensor of one number"),
        ("return {}", "the loss MyGAN.generator_loss of the phase 'g' gives no terms ({file})"),
    ],
)  # fmt: skip
def test_faults_in_code_of_ones_own_are_told_as_such(body: str, said: str, tmp_path: Path) -> None:
    own = tmp_path / "my_gan.py"
    own.write_text(
        "from voicegan.image.systems.dcgan import DCGAN\nclass MyGAN(DCGAN):\n"
        f"    def generator_loss(self, batch, scratch, progress):\n        {body}\n"
    )
    result = train(f"{own}:MyGAN", *TINY, "--steps", 2, "--out", tmp_path / "o")
    assert said.format(file=own) in one_line(result), result.output


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_refuses_rates_that_cannot_be(name: str) -> None:
    for field in SYSTEMS.get(name).Config.model_fields:
        if field.startswith("lr"):
            assert f"model.{field} = -1 is wrong" in one_line(train(name, "--set", f"model.{field}=-1"))
        if field in ("betas", "d_repeats", "width"):
            wrong = "[0.5, 1.0]" if field == "betas" else "0"
            assert f"model.{field}" in one_line(train(name, "--set", f"model.{field}={wrong}"))


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_is_trained_without_a_download_and_read_back(name: str, tmp_path: Path) -> None:
    known = SYSTEMS.get(name).Config.model_fields
    small = [part for key in ("width", "latent") if key in known for part in ("--set", f"model.{key}=4")]
    result = train(
        name, *small, "--set", "trainer.batch=4", "--device", "cpu", "--steps", 1, "--out", tmp_path / "o"
    )
    assert result.exit_code == 0, result.output
    (model,) = (path.parent for path in (tmp_path / "o").glob("*/model.json"))
    assert load_model_pack(model).build().image_shape == (1, 8, 8)
    assert (tmp_path / "o" / "run" / "samples" / "0000001.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "model.widht=3"], "unknown key 'model.widht'. Did you mean 'model.width'"),
        (["--set", "lr_g=1"], "Did you mean 'model.lr_g'"),
        (["--set", "trainr.steps=3"], "Did you mean 'trainer'"),
        (["--data", "digitz"], "there is no data named digitz, nor a folder"),
        (["--data", "mnist"], "mnist is not there"),
        (["--data", "digits", "--data", "digits"], "one dataset, not from 2"),
        (["--data", "ring-8"], "cannot be built for (2, 1, 1)|cannot be halved twice"),
        (["--size", "3"], "cannot be halved twice"),
        (["--size", "10000000"], "1797 pictures of 10000000×10000000 need "),
        (["--data", "facades"], "facades holds two domains, and this system learns from one collection"),
        (["--name", "a/b"], '"a/b" cannot be the name of a model'),
        (["--steps", "3", "--minutes", "2"], "exclude each other"),
        (["--minutes", "nan"], "nan is not a finite number"),
        (["--minutes", "inf"], "inf is not a finite number"),
        (["--config", "missing.toml"], "missing.toml does not exist"),
        (["--resume", "--out", "nowhere"], "no training to resume"),
        (["--device", "tpu"], "no device is called 'tpu'"),
        (["--set", "judge=nobody"], "there is no judge nobody"),
    ],
)  # fmt: skip
def test_mistakes_are_one_clear_line(arguments: list[str], said: str) -> None:
    told = one_line(begin(*arguments))
    assert any(part in told for part in said.split("|")), told


def test_names_of_systems_are_checked(tmp_path: Path) -> None:
    assert "Did you mean dcgan" in one_line(train("dcgn", *TINY))
    assert "a system is needed" in one_line(train(*TINY))
    assert begin("--steps", 2, "--out", tmp_path / "o").exit_code == 0
    for wrong, said in (
        (["lsgan"], "this run trains dcgan"),
        (["--name", "x"], "the model of this run is called dcgan-digits"),
    ):
        assert said in one_line(train(*wrong, "--resume", "--out", tmp_path / "o"))
    voices = CliRunner().invoke(main, ["train", "--resume", "--out", str(tmp_path / "o")])
    assert "holds a training of another kind" in one_line(voices)


def test_a_run_goes_on_as_itself_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "o"
    folder = pictures(tmp_path / "pictures")
    assert begin("--data", folder, "--steps", 2, "--out", out).exit_code == 0
    plan = plan_of(out)
    for wrong, said in (
        (["--seed", 3], "this run was begun with --seed 0, and cannot go on with --seed 3"),
        (["--set", "trainer.batch=8"], "with trainer.batch=4, and cannot go on with trainer.batch=8"),
        (["--set", "model.width=8"], "with model.width=4, and cannot go on with model.width=8"),
        (["--set", "model.dropout=0.5"], "cannot go on with model.dropout=0.5"),
        (["--set", "data.flip=true"], "cannot go on with data.flip=True"),
        (["--set", "judge=none"], "cannot go on with judge=none"),
        (["--size", 16], "begun without --size, and cannot go on with --size 16"),
        (["--channels", 3], "begun without --channels, and cannot go on with --channels 3"),
        (["--data", "digits"], f"with --data {folder}, and cannot go on with --data digits"),
        (["--force"], "--resume and --force exclude each other"),
    ):
        assert said in one_line(train(*wrong, "--resume", "--steps", 4, "--out", out))
        assert plan_of(out) == plan
    # A run that is done keeps the plan by which it was made.
    assert train("--resume", "--out", out, "--set", "trainer.keep=1").exit_code == 0
    assert plan_of(out) == plan
    moved = folder.rename(tmp_path / "moved")
    allowed = ["--seed", 0, "--set", "trainer.check_every=1", "--set", "model.lr_g=1e-5", "--data", moved]
    assert train("--resume", "--out", out, "--steps", 4, *allowed).exit_code == 0
    assert plan_of(out)["settings"]["trainer"]["steps"] == 4
    (moved / "a" / "0.png").unlink()
    again = train("--resume", "--out", out, "--steps", 6)
    assert "the pictures of moved have changed since this run was begun" in one_line(again)


def test_a_recipe_and_a_name_have_to_agree(tmp_path: Path) -> None:
    recipe = tmp_path / "vae.toml"
    recipe.write_text('system = "vae"')
    short = ["--config", recipe, "--set", "trainer.batch=4", "--steps", 1, "--device", "cpu"]
    assert "vae.toml is a recipe of vae, not of dcgan" in one_line(train("dcgan", *short))
    for number, named in enumerate(([], ["vae"])):
        assert train(*named, *short, "--out", tmp_path / str(number)).exit_code == 0


def test_places_that_cannot_be_used_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "is a file, not a folder" in one_line(begin("--out", tmp_path / "file" / "o"))
    pictures(tmp_path / "full" / "dcgan-digits")
    assert "which holds something else" in one_line(begin("--out", tmp_path / "full"))
    assert "which holds something else" in one_line(begin("--name", "run", "--out", tmp_path / "o"))
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_two_processes_train_together(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "voicegan", "image", "train", "dcgan", *TINY, "--steps", "4", "--devices", "2",
         "--out", str(tmp_path / "o")],
        capture_output=True, text=True, timeout=170, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    saved = state.latest(tmp_path / "o" / "run")[1]
    assert saved["step"] == 4 and len(saved["ranks"]) == 2
