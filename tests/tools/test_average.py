"""tools/average.py: the mean of voices' weights is a voice that says what it is the mean of."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tiny_voices import TinyLocal, make_voice, tiny_nets  # noqa: F401

from voicegan.errors import VoiceganError

TOOL = Path(__file__).resolve().parents[2] / "tools" / "average.py"
CARD = "# slt\n\n## Training\nLong.\n\n## On held-out utterances\n- score: 3\n\n## Licences\n- CC0\n"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    found = importlib.util.spec_from_file_location("average", TOOL)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["average"] = module
    found.loader.exec_module(module)
    return module


def constant(value: float) -> TinyLocal:
    network = TinyLocal()
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, value)
    return network


@pytest.mark.usefixtures("tiny_nets")
def test_the_mean_is_a_voice_that_names_its_parts(tool: ModuleType, tmp_path: Path) -> None:
    first = make_voice(tmp_path / "a", generator=constant(0.25), training={"command": "voicegan train a"})
    last = make_voice(
        tmp_path / "b",
        generator=constant(0.75),
        card=CARD,
        training={"command": "voicegan train b", "validation": {"score": 3.0}},
    )
    mean = tool.average([first.folder, last.folder], tmp_path / "mean")
    network, statistics = mean.build()
    assert all(bool((value == 0.5).all()) for value in network.state_dict().values())
    assert torch.equal(statistics["source.mean"], first.build()[1]["source.mean"])
    assert mean.sources == ("bdl",) and mean.licences == ("CC0",)
    assert mean.training["mean_of"] == [
        {"sha256": first.sha256[:12], "command": "voicegan train a"},
        {"sha256": last.sha256[:12], "command": "voicegan train b"},
    ]
    # What was measured of the last voice is not true of the mean.
    assert "validation" not in mean.training and "On held-out" not in mean.card
    assert "mean of 2 voices" in mean.card and "## Licences" in mean.card and "Long." in mean.card


@pytest.mark.usefixtures("tiny_nets")
def test_voices_that_differ_in_more_than_weights_are_refused(tool: ModuleType, tmp_path: Path) -> None:
    one = make_voice(tmp_path / "a").folder
    with pytest.raises(VoiceganError, match="differ in name"):
        tool.average([one, make_voice(tmp_path / "b", name="bdl").folder], tmp_path / "mean")
    with pytest.raises(VoiceganError, match="differ in licences"):
        tool.average([one, make_voice(tmp_path / "d", licences=["CC BY 4.0"]).folder], tmp_path / "mean")
    heard = {f"{who}.{what}": torch.ones(80) for who in ("source", "target") for what in ("mean", "std")}
    other = make_voice(tmp_path / "c", statistics=heard).folder
    with pytest.raises(VoiceganError, match="different recordings"):
        tool.average([one, other], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
