"""The plan of a vocoder training: what is filled in and refused, where it begins, what the vocoder says of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import made_speech
import pytest
import torch
from tiny_vocoders import TINY, make_vocoder, tiny_net

from voicegan.audio.mel import PRESETS
from voicegan.core import runs
from voicegan.errors import VoiceganError
from voicegan.vocoder import training
from voicegan.vocoder.corpus import Corpus, load_corpus
from voicegan.vocoder.nets.magnitudes import Magnitudes
from voicegan.vocoder.pack import VocoderPack, load_vocoder_pack

SPEC = PRESETS["16k"]
SMALL = {
    "model": {"dim": 8, "intermediate": 12, "layers": 1, "crop_frames": 16},
    "trainer": {"steps": 2, "batch": 2, "device": "cpu"},
    "licences": ["made by a test"],
}
FRAMES = {"dim": 8, "intermediate": 12, "layers": 2}
JUDGES = {"judges": ["periods"], "periods": [2], "d_width": 2, "crop_frames": 16}
SAMPLES = {**SMALL, "system": "waveform", "model": {"network": FRAMES, **JUDGES}}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    root = tmp_path_factory.mktemp("speech")
    for number in range(5):
        made_speech.write(root / "in" / f"s{number}.wav", made_speech.utter(number, syllables=3))
    made_speech.write(root / "in" / "short.wav", made_speech.utter(9, syllables=1)[:4000])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOICEGAN_HOME", str(root / "home"))
        return load_corpus([root / "in"], training.resolve({}).corpus)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def a_training(corpus: Corpus, out: Path, values: dict[str, Any] = SMALL, **more: Any) -> training.Training:
    settings = training.resolve({**values, **more})
    return training.Training(corpus, settings, "v", training.Places.of("v", out), command="the command")


# The plan


def test_what_is_not_said_comes_from_the_system() -> None:
    spectra, samples = training.resolve({}), training.resolve({"system": "waveform"})
    assert (spectra.system, spectra.trainer.steps, spectra.trainer.check_every) == (
        "magnitudes",
        20_000,
        1000,
    )
    assert (samples.trainer.steps, samples.trainer.batch) == (200_000, 16)
    assert spectra.model["dim"] == 256  # defaults are written out, so that a plan says everything
    assert samples.model["judges"] == ["periods", "resolutions"]


def test_what_is_said_holds() -> None:
    told = training.resolve({"trainer": {"steps": 60, "check_every": 7}, "model": {"dim": 64}})
    assert (told.trainer.steps, told.trainer.check_every, told.model["dim"]) == (60, 7, 64)


@pytest.mark.parametrize("values", [SMALL, SAMPLES])
def test_a_resolved_plan_resolves_to_itself(values: dict[str, Any]) -> None:
    once = training.resolve(values)
    assert training.resolve(once.model_dump(mode="json")) == once


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model": {"dimm": 8}}, "unknown key 'model.dimm'. Did you mean 'model.dim'"),
        ({"lr_g": 1}, "unknown key 'lr_g'. Did you mean 'model.lr_g'"),
        ({"system": "waveforms"}, "no vocoder system named 'waveforms'. Did you mean waveform"),
        ({"model": {"objective": "best"}}, "model.objective = 'best' is wrong. Expected: one of minimax"),
        ({"corpus": {"held_out_share": 1.5}}, "corpus.held_out_share = 1.5 is wrong"),
        ({"system": "waveform", "model": {"net": "vocoss"}}, "Did you mean vocos"),
        ({"system": "waveform", "model": {"net": "magnitudes"}}, "Expected: a network that makes sound"),
        ({"system": "waveform", "model": {"judges": []}}, "model.judges = [] is wrong"),
        ({"system": "waveform", "model": {"judges": ["period"]}}, "model.judges.0 = 'period' is wrong"),
    ],
)
def test_mistakes_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(VoiceganError) as caught:
        training.resolve(values)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("model", "preset", "said"),
    [
        (
            {"net": "hifigan", "network": {"channels": 32}},
            "44k",
            r"makes \(1, 768\) of 3 frames, where \(1, 1536\)",
        ),
        ({"network": {"dimm": 3}}, "16k", "system waveform cannot be built: .*dimm"),
        ({"network": {"dim": 0}}, "16k", "system waveform cannot be built: .*dim 0"),
        ({"network": {"mels": 20}}, "16k", "does not take mels of its contract, 80 bands"),
    ],
)
def test_a_network_that_cannot_be_is_refused_before_training(
    model: dict[str, Any], preset: str, said: str
) -> None:
    with pytest.raises(VoiceganError, match=said):
        training.make_system(
            training.resolve({"system": "waveform", "model": JUDGES | model}), PRESETS[preset]
        )


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("values", [SMALL, SAMPLES])
def test_a_system_is_built_for_every_contract(values: dict[str, Any], preset: str) -> None:
    system = training.make_system(training.resolve(values), PRESETS[preset])
    samples = (system.crop_frames - 1) * system.spec.hop + system.spec.n_fft
    batch = {"wav": torch.randn(2, samples)}
    assert system.mel_of(batch).shape == (2, system.spec.mels, system.crop_frames)
    assert system.wav_of(batch).shape == (2, system.crop_frames * system.spec.hop)


@pytest.mark.parametrize("preset", ["16k", "hifigan-22k"])
def test_the_sound_of_a_crop_lies_where_its_frames_do(preset: str) -> None:
    """A click at sample i of the sound is in the frames that a whole sound with the click there has it in."""
    system = training.make_system(training.resolve(SMALL), PRESETS[preset])
    samples = (system.crop_frames - 1) * system.spec.hop + system.spec.n_fft
    wav = torch.zeros(1, samples)
    wav[0, 2000] = 0.9
    sound = system.wav_of({"wav": wav})
    assert int(sound.abs().argmax()) == 2000 - system.spec.pad_samples
    torch.testing.assert_close(system.mel_of({"wav": wav}), system.log_mel(sound)[..., : system.crop_frames])


def test_mels_that_a_batch_brings_are_used() -> None:
    system = training.make_system(training.resolve(SMALL), SPEC)
    mel = torch.randn(2, 80, 16)
    assert system.mel_of({"wav": torch.zeros(2, 4864), "mel": mel}) is mel


# Where it begins


def test_same_seed_gives_the_same_weights() -> None:
    one, other, third = (
        training.make_system(training.resolve({**SMALL, "trainer": {"seed": seed}}), SPEC)
        for seed in (0, 0, 1)
    )
    for (name, value), (_, again) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(value, again), name
    assert not torch.equal(one.generator.head.weight, third.generator.head.weight)


def a_start(folder: Path, **changes: Any) -> VocoderPack:
    return make_vocoder(folder, network=TINY | changes, generator=tiny_net(**(TINY | changes)))


def test_training_begins_with_the_weights_of_a_vocoder(home: Path) -> None:
    start = a_start(home / "vocoders" / "start")
    expected = start.build().state_dict()
    for name in ("start", str(start.folder), str(start.folder / "vocoder.json")):
        system = training.make_system(training.resolve({**SAMPLES, "start_from": name}), SPEC)
        for network in (system.generator, system.best("generator")):
            assert all(torch.equal(value, expected[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (SMALL, "its network is vocos, that of this run magnitudes"),
        (SAMPLES | {"model": JUDGES | {"network": FRAMES | {"layers": 3}}}, "layers is 2 there and 3 in this run"),
        (SAMPLES | {"model": JUDGES | {"network": FRAMES | {"reach": 1}}}, "reach is 3 there and 1 in this run"),
        (SAMPLES | {"corpus": {"mel": "vocos-24k"}}, "sample_rate_hz is 24000 in this training and 16000 in"),
        (SMALL | {"corpus": {"mel": "hifigan-22k"}}, "center is False in this training and True in the vocoder start"),
    ],
)  # fmt: skip
def test_another_network_or_contract_is_refused_and_the_field_named(
    home: Path, values: dict[str, Any], said: str
) -> None:
    a_start(home / "vocoders" / "start")
    settings = training.resolve({**values, "start_from": "start"})
    with pytest.raises(VoiceganError, match=said):
        training.make_system(settings, settings.corpus.spec())


def test_a_vocoder_to_start_from_that_is_not_there_is_named(home: Path) -> None:
    a_start(home / "vocoders" / "start")
    settings = training.resolve({**SAMPLES, "start_from": "strat"})
    with pytest.raises(VoiceganError, match="there is no vocoder strat; did you mean start"):
        training.make_system(settings, SPEC)
    assert training.make_system(settings, SPEC, resumes=True)  # the weights come from the checkpoint then


def test_a_path_to_start_from_holds_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_start(tmp_path / "there" / "start")
    monkeypatch.chdir(tmp_path / "there")
    for name in ("start", "./start", "../there/start/vocoder.json"):
        settings = training.resolve({"start_from": name})
        assert Path(settings.start_from).is_absolute() and load_vocoder_pack(Path(settings.start_from))
    assert training.resolve({"start_from": "elsewhere"}).start_from == "elsewhere"
    assert training.resolve({}).start_from == ""


# The run


def test_the_vocoder_carries_data_command_and_licences(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    run = a_training(corpus, tmp_path / "o")
    run.run(quiet=True)
    pack = load_vocoder_pack(tmp_path / "o" / "v")
    assert (pack.name, pack.net, pack.mel, pack.licences) == ("v", "magnitudes", SPEC, ("made by a test",))
    assert pack.training["data"] == {
        "recordings": 4, "minutes": round(corpus.minutes, 1), "held_out": 1, "refused": 1,
    }  # fmt: skip
    assert pack.training["steps"] == 2 and pack.training["validation"].keys() == {
        "mr_stft",
        "mel_l1",
        "score",
    }
    for fact in ("the command", "made by a test", "4 recordings", "score: ", "contract `16k`"):
        assert fact in pack.card
    again = a_training(corpus, tmp_path / "again", start_from=str(tmp_path / "o" / "v"), licences=["CC0"])
    again.run(quiet=True)
    finer = load_vocoder_pack(tmp_path / "again" / "v")
    assert finer.training["started_from"] == "v" and "started from v" in finer.card
    assert finer.licences == ("CC0", "made by a test (through the vocoder v)")


def test_what_is_released_is_what_was_judged(corpus: Corpus, tmp_path: Path) -> None:
    run = a_training(corpus, tmp_path)
    run.run(quiet=True)
    released = load_vocoder_pack(tmp_path / "v").build().state_dict()
    for name, value in run.system.best("generator").state_dict().items():
        assert torch.equal(released[name], value.half().float()), name
    assert isinstance(run.system.best("generator"), Magnitudes)


def test_the_run_is_described(corpus: Corpus, tmp_path: Path) -> None:
    lines = "\n".join(a_training(corpus, tmp_path).describe())
    assert "4 recordings" in lines and "1 held out, 1 files left out" in lines
    assert "system magnitudes, network magnitudes of 0.0" in lines and "2 steps of 2, seed 0" in lines
    assert not list(tmp_path.glob("run"))  # nothing is written before it runs


def test_a_run_goes_on_with_its_recordings_only(corpus: Corpus, tmp_path: Path) -> None:
    run = a_training(corpus, tmp_path)
    run.save_plan()
    plan = runs.read_plan(tmp_path / "run", "name", "recordings")
    training.require_same(plan, corpus)
    training.require_same({}, corpus)
    swapped = dataclasses.replace(corpus, training=corpus.held_out, held_out=corpus.training)
    with pytest.raises(VoiceganError, match="have changed since this run was begun"):
        training.require_same(plan, swapped)
    with pytest.raises(VoiceganError, match="holds a training of another kind: its plan has no names"):
        runs.read_plan(tmp_path / "run", "names")


def test_places(tmp_path: Path, home: Path) -> None:
    mine, given = training.Places.of("v", None), training.Places.of("v", tmp_path / "o")
    assert mine == training.Places(home / "runs" / "vocoder-v", home / "vocoders" / "v")
    assert given == training.Places(tmp_path / "o" / "run", tmp_path / "o" / "v")


def test_what_is_no_vocoder_is_not_replaced(tmp_path: Path) -> None:
    places = training.Places.of("v", tmp_path)
    training.require_free(places)
    places.vocoder.mkdir()
    training.require_free(places)  # empty
    make_vocoder(places.vocoder)
    training.require_free(places)  # a vocoder may become a better one
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "letter.txt").write_text("dear all")
    for name in ("w", "run"):
        with pytest.raises(VoiceganError, match="which holds something else"):
            training.require_free(training.Places.of(name, tmp_path))


def test_minutes_become_steps(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_training(corpus, tmp_path)
    monkeypatch.setattr(run.trainer, "measure", lambda: 0.5)
    assert run.choose_steps(1.0) == run.trainer.config.steps == run.settings.trainer.steps
    assert run.settings.trainer.steps in range(90, 121)
    assert not list(tmp_path.glob("run"))  # the check that is measured leaves no trace


def test_without_held_out_recordings_the_training_ones_are_watched(corpus: Corpus, tmp_path: Path) -> None:
    none = dataclasses.replace(corpus, held_out=dataclasses.replace(corpus.held_out, paths=[]))
    run = a_training(none, tmp_path)
    assert len(run.monitor.wavs) == 4
    assert run.monitor.validate(run.system.eval(), run.trainer.progress, rehearsal=True)["score"] > 0
