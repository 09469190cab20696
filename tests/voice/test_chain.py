"""Recordings through voices: the mels are those of a conversion, frame by frame beside the recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_voices import (  # noqa: F401
    NETS,
    NoiseStream,
    NoiseVocoder,
    make_voice,
    pictured,
    speech_like,
    tiny_nets,
)
from torch import Tensor

from voicegan import vocoder as vocoders
from voicegan.audio.loudness import LevelMeter
from voicegan.audio.mel import PRESETS, LogMel
from voicegan.errors import VoiceganError
from voicegan.voice import chain
from voicegan.voice.converter import Converter

pytestmark = pytest.mark.usefixtures("tiny_nets")
SPEC, CPU = PRESETS["16k"], torch.device("cpu")


def voice(home: Path, name: str, source: str, folder: str = "", **changes: Any) -> Path:
    return make_voice(home / "voices" / (folder or name), name=name, sources=[source], **changes).folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def a_chain(home: Path, *names: str) -> chain.Chain:
    return chain.Chain(chain.find_chain(names), SPEC, CPU)


class Spy(NoiseVocoder):
    """Keeps the mels that it is given."""

    def __init__(self) -> None:
        super().__init__(SPEC)
        self.mels: list[Tensor] = []

    def stream(self) -> NoiseStream:
        stream, push = NoiseStream(SPEC), NoiseStream.push

        def keep(mel: Tensor) -> Tensor:
            self.mels.append(mel)
            return push(stream, mel)

        stream.push = keep  # type: ignore[method-assign]
        return stream


@pytest.mark.parametrize("normaliser", ["fixed", "running", "envelope"])
@pytest.mark.parametrize("net", ["tiny-local", "tiny-normed"])
def test_what_comes_out_is_what_a_conversion_gives_its_vocoder(
    home: Path, monkeypatch: pytest.MonkeyPatch, net: str, normaliser: str
) -> None:
    changes = {"net": net, "normaliser": normaliser} if normaliser != "envelope" else pictured()
    folder = make_voice(home / "voices" / "slt", **(changes | {"sources": ["any"]})).folder
    spy = Spy()
    monkeypatch.setattr(vocoders, "load", lambda *_: spy)
    # Seconds of silence first: until something is heard, a conversion takes the sound's own mean for an offset.
    wav = np.concatenate([np.zeros(4000, np.float32), speech_like(9.0, level_db=-35.0)])
    way = a_chain(home, str(folder))
    Converter(way.packs[0], device="cpu").convert(wav, 16000)
    made, given = torch.cat(spy.mels, dim=1), torch.from_numpy(way(wav).mel)
    assert made.shape == given.shape == (80, SPEC.frames(len(wav)))
    loud = given.mean(dim=0) > -8
    assert (made - given)[:, loud].abs().mean() < 0.02
    assert (made - given)[:, loud].roll(1, 1).abs().mean() < 0.02 < (made[:, 1:] - given[:, :-1]).abs().mean()


def test_voices_that_undo_each_other_leave_the_recording(home: Path) -> None:
    for name, source, by in (("bdl", "slt", 0.5), ("slt", "bdl", -0.5)):
        voice(home, name, source, net="louder", generator=NETS["louder"](by))
    wav = speech_like(3.0, level_db=-40.0) + np.float32(0.01)  # quiet, and with an offset
    mel, gain, offset = a_chain(home, "bdl", "slt")(wav)
    assert offset == pytest.approx(0.01, abs=1e-3)
    sound = torch.from_numpy((wav - np.float32(offset)) * np.float32(gain))
    np.testing.assert_allclose(mel, LogMel(SPEC)(sound[None])[0].numpy(), atol=1e-3)
    assert _level_db(sound.numpy()) == pytest.approx(-26.0, abs=0.2)


def test_a_voice_that_hears_pitch_can_only_be_the_first(home: Path) -> None:
    make_voice(home / "voices" / "slt", **(pictured() | {"sources": ["bdl"]}))
    voice(home, "bdl", "slt")
    wav = speech_like(2.0)
    assert a_chain(home, "slt", "bdl")(wav).mel.shape == (80, SPEC.frames(len(wav)))
    with pytest.raises(VoiceganError, match="the voice slt hears pitch") as caught:
        a_chain(home, "bdl", "slt")
    assert "\n" not in str(caught.value)


def test_each_voice_hears_the_level_that_it_expects(home: Path) -> None:
    voice(home, "bdl", "slt", net="louder", generator=NETS["louder"](0.0), level_db=-30.0)
    voice(home, "slt", "bdl", net="louder", generator=NETS["louder"](0.0), level_db=-20.0)
    wav = speech_like(3.0)
    mel, gain, _ = a_chain(home, "bdl", "slt")(wav)
    assert _level_db(wav * np.float32(gain)) == pytest.approx(-20.0, abs=0.2)
    own = LogMel(SPEC)(torch.from_numpy(wav * np.float32(gain))[None])[0].numpy()
    loud = own > -8  # what the lower level put under the floor is lost
    np.testing.assert_allclose(mel[loud], own[loud], atol=1e-3)


def test_mels_are_bounded(home: Path) -> None:
    voice(home, "slt", "any", net="louder", generator=NETS["louder"](-50.0))
    assert (a_chain(home, "slt")(speech_like(1.0)).mel == np.float32(SPEC.floor)).all()


def _level_db(wav: np.ndarray) -> float:
    meter = LevelMeter(16000)
    meter.push(wav)
    return meter.active_db


# Which voices


def test_a_name_means_the_voice_that_converts_who_comes_before(home: Path, tmp_path: Path) -> None:
    voice(home, "bdl", "slt")
    voice(home, "slt", "ksp", "slt-of-ksp")
    wanted = voice(home, "slt", "bdl")
    elsewhere = make_voice(tmp_path / "mine", name="bdl", sources=["slt"]).folder
    assert [pack.folder for pack in chain.find_chain(["bdl", "slt"])] == [home / "voices" / "bdl", wanted]
    assert [pack.folder for pack in chain.find_chain(["slt", "bdl"])] == [wanted, home / "voices" / "bdl"]
    assert chain.find_chain([str(elsewhere), "slt"])[0].folder == elsewhere
    assert [pack.name for pack in chain.find_chain(["bdl", "slt", "bdl", "slt"])] == ["bdl", "slt"] * 2


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["slt", "ksp"], "through slt, ksp and be themselves again: the voice ksp was not trained to convert slt"),
        (["bdl"], "the voice bdl was not trained to convert bdl"),
        (["bdl", "slt", "slt"], "the voice slt was not trained to convert slt"),
        (["bdl", "stl"], "there is no voice stl; did you mean slt"),
        (["nowhere/bdl", "slt"], "nowhere/bdl"),
        ([""], "there is no voice"),
    ],
)  # fmt: skip
def test_voices_that_do_not_fit_are_one_line(home: Path, names: list[str], said: str) -> None:
    for name, source in (("bdl", "slt"), ("slt", "bdl"), ("ksp", "bdl")):
        voice(home, name, source)
    with pytest.raises(VoiceganError) as caught:
        chain.find_chain(names)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_voice_of_another_contract_is_refused_and_the_field_named(home: Path) -> None:
    voice(home, "slt", "any")
    with pytest.raises(VoiceganError, match="center is True in the voice slt and False in this training"):
        chain.through(["slt"], PRESETS["hifigan-22k"], CPU)


def test_whatever_changes_a_voice_changes_its_hash(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def part(**changes: Any) -> tuple[str, str]:
        voice(home, "slt", "any", **changes)
        return chain.through(["slt"], SPEC, CPU).parts[0]

    again, *others = [
        part(**changes)
        for changes in (
            {},
            {"generator": NETS["tiny-local"](strength=0.2)},
            {"network": {"strength": 0.3}},
            {"normaliser": "running"},
            {"level_db": -20.0},
        )
    ]
    assert part(card="# another card", vocoder="pghi") == again
    assert {name for name, _ in (again, *others)} == {"slt"} and len(set(others) | {again}) == 5
    monkeypatch.setattr(chain, "HEARING", chain.HEARING + 1)
    assert part() not in (again, *others), "what is in a cache was heard otherwise"


def test_paths_mean_the_same_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_voice(tmp_path / "there" / "bdl", name="bdl").folder
    monkeypatch.chdir(tmp_path / "there")
    for name in ("bdl", "./bdl", "bdl/voice.json"):
        assert Path(chain.spelled([name])[0]) == folder
    assert chain.spelled(["slt", "bdl"]) == ("slt", str(folder))
