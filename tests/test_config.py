"""Config: defaults, files, overrides, and errors that name the key, the value and the expectation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pydantic
import pytest

from voicegan import config
from voicegan.config import Config
from voicegan.errors import VoiceganError


class Optimizer(Config):
    lr: float = pydantic.Field(2e-4, gt=0)
    betas: tuple[float, float] = (0.5, 0.999)


class Recipe(Config):
    steps: int = pydantic.Field(1000, ge=1)
    system: Literal["light", "cyclegan-vc"] = "light"
    a: Path | None = None
    optimizer: Optimizer = Optimizer(lr=1e-3)


def toml(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_then_file_then_overrides(tmp_path):
    file = toml(tmp_path, "steps = 10\n[optimizer]\nlr = 5e-4\n")
    recipe = config.load(Recipe, file, ["optimizer.betas=[0.0, 0.9]", "system=cyclegan-vc", "a = my folder"])
    assert recipe.steps == 10
    assert recipe.optimizer == Optimizer(lr=5e-4, betas=(0.0, 0.9))
    assert recipe.system == "cyclegan-vc"
    assert recipe.a == Path("my folder")
    assert config.load(Recipe) == Recipe()


def test_override_wins_over_file(tmp_path):
    assert config.load(Recipe, toml(tmp_path, "steps = 10"), ["steps=20", "steps=30"]).steps == 30


@pytest.mark.parametrize(
    ("text", "value"),
    [("5e-4", 5e-4), ("true", True), ('"5"', "5"), ("bob's voice", "bob's voice"), ("[1, 2]", [1, 2]), ("", ""),
     ("a=b", "a=b"), ("1\nsteps = 2", "1\nsteps = 2"), ("# note", "# note")],
)  # fmt: skip
def test_override_values_are_toml_or_text(text, value):
    assert config.merge({}, [f"key={text}"]) == {"key": value}


def test_merge_leaves_its_base_alone():
    base = {"optimizer": {"lr": 1.0}}
    assert config.merge(base, ["optimizer.lr=2.0"]) == {"optimizer": {"lr": 2.0}}
    assert base == {"optimizer": {"lr": 1.0}}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("step=5", "unknown key 'step'. Did you mean 'steps'?"),
        ("optimizer.lrr=5", "unknown key 'optimizer.lrr'. Did you mean 'optimizer.lr'?"),
        ("lr=5", "unknown key 'lr'. Did you mean 'optimizer.lr'?"),
        ("zzz=5", "unknown key 'zzz'. Known keys: steps, system, a, optimizer."),
        ("steps=many", "steps = 'many' is wrong. Expected: a valid integer"),
        ("steps=0", "steps = 0 is wrong. Expected: greater than or equal to 1."),
        ("optimizer.lr=nan", "optimizer.lr = nan is wrong"),
        ("system=heavy", "system = 'heavy' is wrong. Expected: 'light' or 'cyclegan-vc'."),
        ("optimizer.betas=[1]", "optimizer.betas = [1] is wrong. Expected: more values."),
        ("steps", "override 'steps' is not of the form key=value"),
        ("=5", "override '=5' is not of the form key=value"),
    ],
)
def test_errors_name_key_value_and_expectation(override, message):
    with pytest.raises(VoiceganError) as caught:
        config.load(Recipe, None, [override])
    assert message in str(caught.value)


def test_a_path_through_a_value_is_refused():
    with pytest.raises(VoiceganError, match="steps is a value, not a section"):
        config.load(Recipe, None, ["steps=3", "steps.more=4"])


def test_errors_of_a_file_name_it(tmp_path):
    with pytest.raises(VoiceganError, match=r"recipe\.toml: unknown key 'step'"):
        config.load(Recipe, toml(tmp_path, "step = 1"))
    with pytest.raises(VoiceganError, match=r"recipe\.toml is not valid TOML: .*line 2"):
        config.load(Recipe, toml(tmp_path, "steps = 1\nname = slt\n"))
    with pytest.raises(VoiceganError, match="nowhere.toml does not exist"):
        config.load(Recipe, tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b'a = "\xe9"')
    with pytest.raises(VoiceganError, match="is not UTF-8"):
        config.load(Recipe, tmp_path / "latin.toml")


def test_a_key_without_default_is_asked_for():
    class Needs(Config):
        name: str

    with pytest.raises(VoiceganError, match="key 'name' is missing. It has no default"):
        config.load(Needs)


def test_a_rule_between_keys_is_told_in_its_own_words():
    class Range(Config):
        lo: int = 0
        hi: int = 1

        @pydantic.model_validator(mode="after")
        def ordered(self) -> Range:
            if self.lo > self.hi:
                raise ValueError(f"lo = {self.lo} is above hi = {self.hi}")
            return self

    with pytest.raises(VoiceganError, match="lo = 3 is above hi = 1"):
        config.load(Range, None, ["lo=3"])


def test_frozen_and_closed():
    recipe = Recipe()
    with pytest.raises(pydantic.ValidationError):
        recipe.steps = 5
    with pytest.raises(pydantic.ValidationError):
        Recipe(stepz=5)
