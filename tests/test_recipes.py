"""Every recipe runs: two steps on made speech whose files are called as the recipe says."""

import re
from pathlib import Path

import made_speech
import pytest
from click.testing import CliRunner

from voicegan import config
from voicegan.cli import main
from voicegan.voice.pack import load_pack

RECIPES = Path(__file__).parent.parent / "recipes"
VOICE_RECIPES = sorted(RECIPES.glob("voice/*/recipe.toml"))


def a_name_for(pattern):
    """One file name that a pattern matches: ``arctic_a03[0-5]?`` gives ``arctic_a0300``."""
    return re.sub(r"\[(.)[^]]*\]", r"\1", pattern).replace("?", "0")


def test_there_are_recipes():
    assert VOICE_RECIPES


@pytest.mark.parametrize("recipe", VOICE_RECIPES, ids=lambda path: path.parent.name)
def test_voice_recipe_runs_two_steps(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    sides = config.read_toml(recipe)
    for side, pitch_hz in (("a", 110.0), ("b", 190.0)):
        for pattern in [*sides[side]["files"], *sides[side]["held_out"]]:
            name = a_name_for(pattern)
            wav = made_speech.utter(int(name[-4:]), pitch_hz=pitch_hz)
            made_speech.write(tmp_path / side / f"{name}.wav", wav)
    result = CliRunner().invoke(main, [
        "train", "--config", str(recipe), "--a", str(tmp_path / "a"), "--b", str(tmp_path / "b"),
        "--steps", "2", "--out", str(tmp_path / "out"), "--set", "corpus.least_speech_s=2",
        "--set", "trainer.batch=2", "--device", "cpu",
    ])  # fmt: skip
    assert result.exit_code == 0, result.output
    assert load_pack(tmp_path / "out" / "b").licences


@pytest.mark.parametrize("recipe", VOICE_RECIPES, ids=lambda path: path.parent.name)
def test_recipe_has_a_page_with_its_command_and_figures(recipe):
    page = (recipe.parent / "README.md").read_text()
    assert f"voicegan train --config recipes/voice/{recipe.parent.name}/recipe.toml" in page
    assert "voicegan eval" in page
