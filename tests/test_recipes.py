"""Every recipe runs: two steps on made speech whose files are called as the recipe says."""

import re
from pathlib import Path

import made_speech
import pytest
from click.testing import CliRunner

from voicegan import config
from voicegan.cli import main
from voicegan.vocoder.pack import load_vocoder_pack
from voicegan.voice.pack import load_pack

RECIPES = Path(__file__).parent.parent / "recipes"
VOICE_RECIPES = sorted(RECIPES.glob("voice/*/recipe.toml"))
ANY_TO_ONE = [path for path in VOICE_RECIPES if "target" in config.read_toml(path)]
TWO_SPEAKERS = [path for path in VOICE_RECIPES if path not in ANY_TO_ONE]
VOCODER_RECIPES = sorted(RECIPES.glob("vocoder/*/recipe.toml"))


def a_name_for(pattern):
    """One file name that a pattern matches: ``arctic_a03[0-5]?`` gives ``arctic_a0300``."""
    return re.sub(r"\[(.)[^]]*\]", r"\1", pattern).replace("?", "0").replace("*", "0")


def speak(folder, patterns, **how):
    """A folder of recordings with a name for each pattern, its digits being the sentence."""
    for pattern in patterns:
        name = a_name_for(pattern)
        sentence = int("".join(filter(str.isdigit, name))[-4:])
        made_speech.write(folder / f"{name}.wav", made_speech.utter(sentence, **how))


def test_there_are_recipes():
    assert VOICE_RECIPES and VOCODER_RECIPES


@pytest.mark.parametrize("recipe", TWO_SPEAKERS, ids=lambda path: path.parent.name)
def test_voice_recipe_runs_two_steps(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    sides = config.read_toml(recipe)
    for side, pitch_hz in (("a", 110.0), ("b", 190.0)):
        speak(tmp_path / side, [*sides[side]["files"], *sides[side]["held_out"]], pitch_hz=pitch_hz)
    result = CliRunner().invoke(main, [
        "train", "--config", str(recipe), "--a", str(tmp_path / "a"), "--b", str(tmp_path / "b"),
        "--steps", "2", "--out", str(tmp_path / "out"), "--set", "corpus.least_speech_s=2",
        "--set", "trainer.batch=2", "--device", "cpu",
    ])  # fmt: skip
    assert result.exit_code == 0, result.output
    assert load_pack(tmp_path / "out" / "b").licences


@pytest.mark.parametrize("recipe", ANY_TO_ONE, ids=lambda path: path.parent.name)
def test_any_to_one_recipe_runs_two_steps(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    told = config.read_toml(recipe)
    train, aside = (told["target"].get(name, []) for name in ("files", "held_out"))
    speak(tmp_path / "t", [*train, *aside], pitch_hz=190.0)
    # In the pool a reader of the target's sentences, a stranger who trains, and everybody who is kept aside.
    speak(tmp_path / "pool" / "reader", [*train, *aside], pitch_hz=110.0)
    speak(tmp_path / "pool" / "other", ["other-1", "other-2"], pitch_hz=130.0, syllables=14)
    strangers = [pattern for pattern in told.get("pool", {}).get("held_out", []) if pattern not in aside]
    for pattern in strangers:
        speak(tmp_path / "pool" / a_name_for(pattern), [pattern], pitch_hz=150.0, syllables=14)
    result = CliRunner().invoke(main, [
        "train", "--config", str(recipe), "--target", str(tmp_path / "t"), "--pool", str(tmp_path / "pool"),
        "--steps", "2", "--out", str(tmp_path / "out"), "--set", "corpus.least_speech_s=2", "--from", "none",
        "--set", "trainer.batch=2", "--device", "cpu",
    ])  # fmt: skip
    assert result.exit_code == 0, result.output
    pack = load_pack(tmp_path / "out" / "t")
    assert pack.licences and pack.sources == ("any",)
    assert pack.training["pool"]["speakers_held_out"] == len(strangers)
    assert pack.training["data"]["t"]["held_out"] == len(aside)


@pytest.mark.parametrize("recipe", VOCODER_RECIPES, ids=lambda path: path.parent.name)
def test_vocoder_recipe_runs_two_steps(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    corpus = config.read_toml(recipe)["corpus"]
    wav = made_speech.utter(0, syllables=3)
    for pattern in (*corpus["files"], *corpus["held_out"]):
        made_speech.write(tmp_path / "speech" / f"{a_name_for(pattern)}.wav", wav)
    result = CliRunner().invoke(main, [
        "vocoder", "train", str(tmp_path / "speech"), "--config", str(recipe), "--name", "v", "--steps", "2",
        "--out", str(tmp_path / "out"), "--set", "trainer.batch=2", "--device", "cpu",
    ])  # fmt: skip
    assert result.exit_code == 0, result.output
    pack = load_vocoder_pack(tmp_path / "out" / "v")
    assert pack.licences
    assert pack.training["data"]["recordings"] == len(corpus["files"])
    assert pack.training["data"]["held_out"] == len(corpus["held_out"])


@pytest.mark.parametrize("recipe", VOCODER_RECIPES, ids=lambda path: path.parent.name)
def test_vocoder_recipe_begins_with_its_command(recipe):
    command = recipe.read_text().split("\nsystem =")[0]
    assert command.startswith("# voicegan vocoder train ")
    assert f"--config recipes/vocoder/{recipe.parent.name}/recipe.toml" in command


@pytest.mark.parametrize("recipe", VOICE_RECIPES, ids=lambda path: path.parent.name)
def test_recipe_has_a_page_with_its_command_and_figures(recipe):
    page = (recipe.parent / "README.md").read_text()
    assert f"voicegan train --config recipes/voice/{recipe.parent.name}/recipe.toml" in page
    assert "voicegan eval" in page


@pytest.mark.parametrize("recipe", VOCODER_RECIPES, ids=lambda path: path.parent.name)
def test_vocoder_recipe_has_a_page_with_its_command_and_figures(recipe):
    page = (recipe.parent / "README.md").read_text()
    assert f"--config recipes/vocoder/{recipe.parent.name}/recipe.toml" in page
    assert "voicegan vocoder eval" in page and "PESQ" in page
