"""The small reader of YAML: what it understands it reads as YAML is meant, and the rest it refuses by line."""

from __future__ import annotations

import pytest

from voicegan.errors import VoiceganError
from voicegan.vocoder.public.plain_yaml import read_yaml


def test_nested_settings() -> None:
    text = """
# a comment
seed_everything: 4444
data:
  class_path: vocos.dataset.VocosDataModule   # another
  init_args:
    filelist_path: ???
    rate: 24000
    empty:
model: {NAME}
---
trainer:
  callbacks:
    - class_path: a.b.C
    - class_path: d.e.F
      init_args:
        filename: x_{epoch}_{step}_{val_loss:.4f}
    - plain
  devices: [0]
  steps: 2_000
...
""".replace("model: {NAME}\n", "")
    assert read_yaml(text, "config.yaml") == {
        "seed_everything": 4444,
        "data": {
            "class_path": "vocos.dataset.VocosDataModule",
            "init_args": {"filelist_path": "???", "rate": 24000, "empty": None},
        },
        "trainer": {
            "callbacks": [
                {"class_path": "a.b.C"},
                {"class_path": "d.e.F", "init_args": {"filename": "x_{epoch}_{step}_{val_loss:.4f}"}},
                "plain",
            ],
            "devices": [0],
            "steps": "2_000",
        },
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1024", 1024),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-5", 1e-5),
        ("1.", 1.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("vocos.models.VocosBackbone", "vocos.models.VocosBackbone"),
        ("'quoted # text: x'", "quoted # text: x"),
        ('"1024"', "1024"),
        ("''", ""),
        ("it's", "it's"),
        ("a#b", "a#b"),
        ("[]", []),
        ("[1, 2.5, x, 'y z',]", [1, 2.5, "x", "y z"]),
        ("[[1, 3, 5], [1, 2]]", [[1, 3, 5], [1, 2]]),
        ("12:30", "12:30"),
    ],
)
def test_values(text: str, value: object) -> None:
    assert read_yaml(f"key: {text}  # comment\n", "x") == {"key": value}


def test_lists_below_their_name() -> None:
    assert read_yaml("a:\n- 1\n- - 2\n  - 3\n-\n  b: 4\nc: 5", "x") == {"a": [1, [2, 3], {"b": 4}], "c": 5}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n...\n"])
def test_nothing_is_no_settings(text: str) -> None:
    assert read_yaml(text, "x") == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: !!python/object/apply:os.system ['true']", 1),
        ("!!python/object:argparse.Namespace\na: 1", 1),
        ("a: &mark 1\nb: *mark", 1),
        ("a: |\n  text", 1),
        ("a: {b: 1}", 1),
        ("a: 1\n\tb: 2", 2),
        ("a: 1\n   b: 2", 2),
        ("a:\n    b: 1\n  c: 2", 3),
        ("a: 1\na: 2", 2),
        ("a: [1, 2", 1),
        ("a: [[1, 2]", 1),
        ("a: [1]]", 1),
        ("just words", 1),
        ("- 1\n- 2", 1),
        ("a: 1\n- 2", 2),
        ("a: 'open", 1),
        ("<<: 3\nx: 1\n? y", 3),
    ],
)
def test_the_rest_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(VoiceganError) as caught:
        read_yaml(text, "config.yaml")
    assert f"config.yaml, line {line}, " in str(caught.value)


def test_deep_nesting_is_refused_not_a_crash() -> None:
    text = "\n".join(" " * depth + "a:" for depth in range(500))
    with pytest.raises(VoiceganError, match="line"):
        read_yaml(text, "x")
    with pytest.raises(VoiceganError, match="line"):
        read_yaml("a: " + "[" * 5000 + "]" * 5000, "x")
    with pytest.raises(VoiceganError, match="line"):
        read_yaml("a:\n  " + "- " * 5000 + "b", "x")
