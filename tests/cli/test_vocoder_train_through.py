"""`voicegan vocoder train --through`: a vocoder fitted to what comes out of voices."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import made_speech
import pytest
import torch
from click.testing import CliRunner, Result
from tiny_voices import NETS, make_voice, tiny_nets  # noqa: F401

from voicegan.cli import main
from voicegan.core import state
from voicegan.vocoder.pack import load_vocoder_pack
from voicegan.voice import chain

pytestmark = pytest.mark.usefixtures("tiny_nets")
TINY = [
    "--set", "model.dim=8", "--set", "model.intermediate=12", "--set", "model.layers=1",
    "--set", "model.crop_frames=16", "--set", "trainer.batch=2", "--device", "cpu", "--steps", "2",
]  # fmt: skip


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speakers") / "slt"
    os.environ["OMP_NUM_THREADS"] = "1"
    for number in range(4):
        made_speech.write(folder / f"s{number}.wav", made_speech.utter(number, syllables=3, pitch_hz=190.0))
    return folder


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    """Where the voices bdl of slt and slt of bdl are installed."""
    folder = tmp_path / "home" / "voices"
    make_voice(folder / "bdl", name="bdl", sources=["slt"], licences=["theirs: CC BY 4.0"])
    make_voice(folder / "slt", name="slt", sources=["bdl"])
    return folder


def train(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["vocoder", "train", *map(str, arguments)])


def one_line(result: Result) -> str:
    assert result.exit_code == 2, result.output
    said = [line for line in result.output.splitlines() if line.lower().startswith("error")]
    assert len(said) == 1 and "Traceback" not in result.output and "fault in voicegan" not in result.output
    return said[0]


def test_a_vocoder_learns_from_what_voices_make(speech: Path, voices: Path, tmp_path: Path) -> None:
    assert train(speech, *TINY, "--out", tmp_path / "first", "--name", "start").exit_code == 0
    start = tmp_path / "first" / "start"
    result = train(speech, *TINY, "--from", start, "--through", "bdl, slt", "--out", tmp_path / "o")
    assert result.exit_code == 0, result.output
    assert "log-mels that have passed through bdl, slt" in result.output
    pack = load_vocoder_pack(tmp_path / "o" / "my-vocoder")
    assert pack.training["through"] == ["bdl", "slt"] and pack.training["started_from"] == "start"
    assert pack.licences[1:] == ("theirs: CC BY 4.0 (through the voice bdl)", "CC0 (through the voice slt)")
    plan = json.loads((tmp_path / "o" / "run" / "plan.json").read_text())
    assert plan["settings"]["through"] == ["bdl", "slt"]
    assert [name for name, _ in plan["through"]] == ["bdl", "slt"]


def test_a_run_resumes_with_its_voices_and_no_others(
    speech: Path, voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shutil.copytree(voices, tmp_path / "mine"))
    out = tmp_path / "o"
    assert train(speech, *TINY, "--through", "./bdl,slt", "--out", out).exit_code == 0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chain.Chain, "__call__", None)  # what was made is in the cache
    more = train("--resume", "--out", out, "--steps", 4)
    assert more.exit_code == 0 and "continuing after step 2 of 4" in more.output, more.output
    assert state.latest(out / "run")[1]["step"] == 4
    assert train("--resume", "--out", out, "--through", "mine/bdl,slt").exit_code == 0
    make_voice(voices / "slt", name="slt", sources=["any"])
    other = train("--resume", "--out", out, "--through", "slt")
    assert "this run has begun with mels through bdl, slt" in one_line(other)
    make_voice(voices / "slt", name="slt", sources=["bdl"])
    before = (out / "run" / "plan.json").read_bytes()
    torch.manual_seed(1)
    changed = NETS["tiny-local"]()
    make_voice(tmp_path / "mine" / "bdl", name="bdl", sources=["slt"], generator=changed)
    assert "the voice bdl has changed since this run was begun" in one_line(train("--resume", "--out", out))
    assert (out / "run" / "plan.json").read_bytes() == before
    shutil.rmtree(tmp_path / "mine")
    assert "mine/bdl" in one_line(train("--resume", "--out", out))


def test_a_run_without_voices_does_not_get_them_later(speech: Path, voices: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    assert train(speech, *TINY, "--out", out).exit_code == 0
    assert "begun with mels through no voice" in one_line(
        train("--resume", "--out", out, "--through", "bdl,slt")
    )
    plan = json.loads((out / "run" / "plan.json").read_text())
    del plan["through"], plan["settings"]["through"]  # as they were before there was a choice
    (out / "run" / "plan.json").write_text(json.dumps(plan))
    assert train("--resume", "--out", out, "--steps", 3).exit_code == 0


def test_a_recipe_may_name_the_voices(speech: Path, voices: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('through = ["bdl", "slt"]\n')
    result = train(speech, *TINY, "--config", tmp_path / "recipe.toml", "--out", tmp_path / "o", "--dry-run")
    assert result.exit_code == 0 and "have passed through bdl, slt" in result.output, result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--through", "slt,bdl,bdl"], "the voice bdl was not trained to convert bdl"),
        (["--through", "slt"], "the voice slt was not trained to convert slt"),
        (["--through", "bdl,stl"], "there is no voice stl; did you mean slt"),
        (["--through", ""], "there is no voice"),
        (["--through", "bdl,slt", "--set", "corpus.mel=hifigan-22k"],
         "center is True in the voice bdl and False in this training"),
    ],
)  # fmt: skip
def test_voices_that_do_not_fit_are_one_clear_line(
    speech: Path, voices: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    assert said in one_line(train(speech, *TINY, *arguments, "--out", tmp_path / "o"))
    assert not (tmp_path / "o").exists()
