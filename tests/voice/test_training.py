"""The plan of a training: what is filled in, what is refused, and what the voices say of it."""

import made_speech
import pytest

from voicegan.errors import VoiceganError
from voicegan.voice import release, training
from voicegan.voice.pack import load_pack

SMALL = {
    "model": {"channels": 8, "dilations": [1], "d_channels": 4, "crop_frames": 32},
    "corpus": {"least_speech_s": 3.0},
    "trainer": {"steps": 2, "batch": 2, "device": "cpu"},
    "licences": ["made by a test"],
}


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    root = tmp_path_factory.mktemp("speakers")
    a = made_speech.read_aloud(root / "anna", range(8), pitch_hz=190.0)
    b = made_speech.read_aloud(root / "ben", range(8), pitch_hz=110.0)
    return training.gather(a, b, training.resolve(SMALL))


def test_what_is_not_said_comes_from_the_system():
    light, masked = training.resolve({}), training.resolve({"system": "mask-cyclegan-vc"})
    assert light.trainer.steps == 8000 and light.trainer.batch == 8
    assert masked.trainer.batch == 1
    assert light.model["channels"] == 192  # defaults are written out, so that a plan says everything
    assert light.trainer.check_every == 400


def test_what_is_said_holds():
    told = training.resolve({"trainer": {"steps": 60, "check_every": 7}, "model": {"channels": 64}})
    assert (told.trainer.steps, told.trainer.check_every, told.model["channels"]) == (60, 7, 64)


def test_a_resolved_plan_resolves_to_itself():
    once = training.resolve(SMALL)
    assert training.resolve(once.model_dump(mode="json")) == once


def test_misspelt_setting_of_a_system_is_named():
    with pytest.raises(VoiceganError, match="unknown key 'model.cycel'") as caught:
        training.resolve({"model": {"cycel": 1}})
    assert "model.cycle" in caught.value.hint
    with pytest.raises(VoiceganError, match=r"unknown key 'lr_g'. Did you mean 'model.lr_g'"):
        training.resolve({"lr_g": 1})


def test_pairs_asked_for_but_missing_are_refused(tmp_path):
    a = made_speech.read_aloud(tmp_path / "a", range(8), pitch_hz=190.0)
    b = made_speech.read_aloud(tmp_path / "b", range(20, 28), pitch_hz=110.0)
    with pytest.raises(VoiceganError, match="not parallel"):
        training.gather(a, b, training.resolve({**SMALL, "parallel": "on"}))
    assert training.gather(a, b, training.resolve(SMALL)).parallel is None


def test_same_seed_gives_the_same_weights():
    one, other = (training.make_system(training.resolve(SMALL), 80) for _ in range(2))
    for (name, value), (_, again) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        assert (value == again).all(), name


# What `core.runs.Run.facts` says.
FACTS = {
    "date": "2026-01-31",
    "voicegan": "0.0",
    "steps": 2,
    "planned_steps": 2,
    "batch": 1,
    "seed": 0,
    "minutes": 0.1,
    "command": "the command",
    "validation": {"score": 1.5},
}


def test_voice_carries_data_command_licences_and_its_own_direction(material, tmp_path):
    settings = training.resolve(SMALL)
    system = training.make_system(settings, 80)
    for target, (name, source) in enumerate([("anna", "ben"), ("ben", "anna")]):
        release.save_voice(
            tmp_path / name, system=system, material=material, settings=settings,
            names=("anna", "ben"), target=target, facts=FACTS,
        )  # fmt: skip
        pack = load_pack(tmp_path / name)
        assert (pack.name, pack.sources) == (name, (source,))
        assert pack.training["data"].keys() == {"anna", "ben"}
        assert pack.licences == ("made by a test",)
        for fact in ("the command", "made by a test", f"{source}'s speech", "score: 1.5"):
            assert fact in pack.card
    mean_of_ben = load_pack(tmp_path / "ben").build()[1]["target.mean"].numpy()
    assert mean_of_ben == pytest.approx(material.b.mean)


def test_voice_of_another_source_is_not_replaced(material, tmp_path):
    settings = training.resolve(SMALL)
    system = training.make_system(settings, 80)
    release.save_voice(
        tmp_path / "ben", system=system, material=material, settings=settings,
        names=("anna", "ben"), target=1, facts=FACTS,
    )  # fmt: skip
    assert release.folder_of(tmp_path, ("anna", "ben"), 1) == tmp_path / "ben"
    assert release.folder_of(tmp_path, ("carl", "ben"), 1) == tmp_path / "ben-from-carl"
