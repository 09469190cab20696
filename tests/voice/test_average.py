"""The mean of voices' weights is a voice that says what it is the mean of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from tiny_vocoders import empty_home  # noqa: F401
from tiny_voices import TinyLocal, make_voice, tiny_nets  # noqa: F401

from voicegan import cli
from voicegan.errors import VoiceganError
from voicegan.voice.average import average
from voicegan.voice.library import find_pack
from voicegan.voice.pack import load_pack

CARD = "# slt\n\n## Training\nLong.\n\n## On held-out utterances\n- score: 3\n\n## Licences\n- CC0\n"


def constant(value: float) -> TinyLocal:
    network = TinyLocal()
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, value)
    return network


@pytest.mark.usefixtures("tiny_nets")
def test_the_mean_is_a_voice_that_names_its_parts(tmp_path: Path) -> None:
    first = make_voice(tmp_path / "a", generator=constant(0.25), training={"command": "voicegan train a"})
    last = make_voice(
        tmp_path / "b",
        generator=constant(0.75),
        card=CARD,
        training={"command": "voicegan train b", "validation": {"score": 3.0}},
        licences=["CC BY 4.0"],
    )
    mean = average([first, last], tmp_path / "mean", "slt")
    network, statistics = mean.build()
    assert all(bool((value == 0.5).all()) for value in network.state_dict().values())
    assert torch.equal(statistics["source.mean"], first.build()[1]["source.mean"])
    assert mean.sources == ("bdl",) and mean.licences == ("CC BY 4.0", "CC0 (through the voice slt)")
    assert mean.training["mean_of"] == [
        {"sha256": first.sha256[:12], "share": 0.5, "command": "voicegan train a"},
        {"sha256": last.sha256[:12], "share": 0.5, "command": "voicegan train b"},
    ]
    # What was measured of the last voice is not true of the mean.
    assert "validation" not in mean.training and "On held-out" not in mean.card
    assert mean.card.endswith("besides those above:\n\n- CC0 (through the voice slt)\n")
    assert "mean of 2 voices" in mean.card and "## Licences" in mean.card and "Long." in mean.card


@pytest.mark.usefixtures("tiny_nets")
def test_a_mean_of_means_names_each_training_once(tmp_path: Path) -> None:
    card = f"{CARD}\n## Known flaws\nSome.\n\n## Measured\n\n    voicegan eval b\n"
    packs = [
        make_voice(
            tmp_path / name, generator=constant(value), card=card, training={"command": f"train {name}"}
        )
        for name, value in (("a", 0.0), ("b", 1.0))
    ]
    first = average(packs, tmp_path / "first", "slt")
    again = average([packs[0], first], tmp_path / "again", "slt")
    assert all(bool((value == 0.25).all()) for value in again.build()[0].state_dict().values())
    assert again.training["mean_of"] == [
        {"sha256": packs[0].sha256[:12], "share": 0.75, "command": "train a"},
        {"sha256": packs[1].sha256[:12], "share": 0.25, "command": "train b"},
    ]
    assert again.card.count("## Mean") == 1 and "25%: `train b`" in again.card and "50%" not in again.card
    assert "Measured" not in again.card and "Some." in again.card
    older = [{k: v for k, v in part.items() if k != "share"} for part in first.training["mean_of"]]
    unshared = make_voice(tmp_path / "older", generator=constant(0.5), training={"mean_of": older})
    both = average([packs[0], unshared], tmp_path / "both", "slt")
    assert [part["share"] for part in both.training["mean_of"]] == [0.75, 0.25]


@pytest.mark.usefixtures("tiny_nets")
def test_a_voice_counts_as_much_as_its_weight(tmp_path: Path) -> None:
    card = "# slt, from anyone\n\n`voicegan convert in.wav --to slt`, from arctic/slt.\n"
    packs = [make_voice(tmp_path / str(value), generator=constant(value), card=card) for value in (0.0, 1.0)]
    mean = average(packs, tmp_path / "mean", "hers", [3, 1])
    assert all(bool((value == 0.25).all()) for value in mean.build()[0].state_dict().values())
    assert [part["share"] for part in mean.training["mean_of"]] == [0.75, 0.25]
    said = "# hers, from anyone\n\n`voicegan convert in.wav --to hers`, from arctic/slt.\n"
    assert mean.name == "hers" and mean.card.startswith(said)
    for weights in ([1], [1, 0], [1, -1], [1, float("nan")], [1, float("inf")]):
        with pytest.raises(VoiceganError, match="the weights are"):
            average(packs, tmp_path / "other", "hers", weights)


@pytest.mark.usefixtures("tiny_nets")
def test_voices_that_differ_in_more_than_weights_are_refused(tmp_path: Path) -> None:
    one = make_voice(tmp_path / "a")
    heard = {f"{who}.{what}": torch.ones(80) for who in ("source", "target") for what in ("mean", "std")}
    others = {
        "one voice has no mean": [],
        "differ in sources": [make_voice(tmp_path / "b", sources=["kathleen"])],
        "differ in network": [make_voice(tmp_path / "c", network={"width": 8})],
        "differ in consent": [make_voice(tmp_path / "d", consent="for the stage")],
        "different recordings": [make_voice(tmp_path / "e", statistics=heard)],
    }
    for reason, other in others.items():
        with pytest.raises(VoiceganError, match=reason):
            average([one, *other], tmp_path / "mean", "slt")
    assert not (tmp_path / "mean").exists()


@pytest.mark.usefixtures("tiny_nets", "empty_home")
class TestCommand:
    def run(self, *arguments: object) -> Result:
        return CliRunner().invoke(cli.main, ["average", *map(str, arguments)])

    def test_the_mean_is_installed_and_found_by_name(self, tmp_path: Path) -> None:
        voices = tmp_path / "home" / "voices"
        for name, value in (("her", 0.0), ("her2", 1.0)):
            make_voice(voices / name, name=name, generator=constant(value))
        result = self.run("her", "her2", "--name", "her3", "--weights", "1,3")
        assert result.exit_code == 0, result.output
        assert "voicegan convert RECORDING --to her3" in result.stderr
        network, _ = find_pack("her3").build()
        assert all(bool((value == 0.75).all()) for value in network.state_dict().values())

    def test_what_is_there_is_replaced_only_by_force(self, tmp_path: Path) -> None:
        parts = [make_voice(tmp_path / name, generator=constant(0.0)).folder for name in "ab"]
        there = make_voice(tmp_path / "out" / "slt", generator=constant(1.0))
        result = self.run(*parts, "--out", tmp_path / "out")
        assert result.exit_code == 2 and "is there already" in result.stderr
        assert load_pack(there.folder).sha256 == there.sha256
        assert self.run(*parts, "--out", tmp_path / "out", "--force").exit_code == 0
        assert load_pack(there.folder).sha256 != there.sha256

    def test_wrong_weights_are_one_line(self, tmp_path: Path) -> None:
        parts = [make_voice(tmp_path / name).folder for name in "ab"]
        for weights in ("1", "1,x", "0,1", ""):
            result = self.run(*parts, "--out", tmp_path / "out", "--weights", weights)
            assert result.exit_code == 2 and "weights" in result.stderr, weights
        assert not (tmp_path / "out").exists()
