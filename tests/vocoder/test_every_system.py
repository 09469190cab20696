"""Every vocoder system, network and set of judges: it steps, saves, resumes, learns, and releases what makes sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_speech
import pytest
import torch

from voicegan import vocoder as vocoders
from voicegan.audio.mel import LogMel
from voicegan.vocoder import training
from voicegan.vocoder.corpus import Corpus, load_corpus
from voicegan.vocoder.nets import NETS
from voicegan.vocoder.systems import SYSTEMS
from voicegan.vocoder.systems.waveform import Judge

# Widths that take moments; the papers' own are checked in tests/vocoder/nets.
MAGNITUDES = {"dim": 8, "intermediate": 12, "layers": 1, "crop_frames": 16}
WIDER = {"dim": 64, "intermediate": 128}
FRAMES = {"dim": 8, "intermediate": 12, "layers": 1}
STAGES = {"channels": 8, "up_rates": [16, 16]}
BLOCKS = {"up_kernels": [32, 32], "kernels": [3], "dilations": [[1]]}
ALL = {"adversarial_from": 0.0, "warm_up": 0.0}  # every term from the first step on
JUDGED = ALL | {"crop_frames": 16, "periods": [2, 3], "resolutions": [256, 512], "d_width": 2, "d_most": 8}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "magnitudes": ("magnitudes", MAGNITUDES),
    "magnitudes-judged": (
        "magnitudes", MAGNITUDES | ALL | {"adversarial": 0.1, "matching": 1.0, "d_width": 2, "objective": "hinge"},
    ),
    "vocos": ("waveform", JUDGED | {"network": FRAMES}),
    "vocos-random-windows": (
        "waveform", JUDGED | {"network": FRAMES, "judges": ["random-windows", "periods"], "d_every": 2},
    ),
    "hifigan": ("waveform", JUDGED | {"net": "hifigan", "network": STAGES | BLOCKS, "judges": ["periods"]}),
    "melgan": ("waveform", JUDGED | {"net": "melgan", "network": STAGES | {"layers": 1}, "judges": ["resolutions"]}),
    "bigvgan": ("waveform", JUDGED | {"net": "bigvgan", "network": STAGES | BLOCKS, "judges": ["periods"]}),
}  # fmt: skip


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("speech")
    for number in range(16):
        wav = made_speech.utter(number, syllables=6, pitch_hz=110 + 15 * (number % 4))
        made_speech.write(root / f"s{number:02d}.wav", wav)
    return root


@pytest.fixture(scope="module")
def corpus(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOICEGAN_HOME", str(tmp_path_factory.mktemp("home")))
        return load_corpus([speech], training.resolve({}).corpus)


def a_training(
    system: str, model: dict[str, Any], corpus: Corpus, out: Path, **trainer: Any
) -> training.Training:
    settings = training.resolve({
        "system": system, "model": model,
        "trainer": {"steps": 4, "batch": 2, "check_every": 4, "device": "cpu", "precision": "fp32"} | trainer,
    })  # fmt: skip
    return training.Training(corpus, settings, "v", training.Places.of("v", out))


def test_every_system_network_and_judge_is_tried() -> None:
    assert {system for system, _ in CASES.values()} == set(SYSTEMS.names())
    models = [model for system, model in CASES.values() if system == "waveform"]
    assert {model.get("net", "vocos") for model in models} | {"magnitudes"} == set(NETS.names())
    judges = {judge for model in models for judge in model.get("judges", ["periods", "resolutions"])}
    assert judges == set(Judge.__args__)


@pytest.mark.parametrize("case", CASES)
def test_system_trains_resumes_bit_for_bit_and_makes_sound(case: str, corpus: Corpus, tmp_path: Path) -> None:
    whole = a_training(*CASES[case], corpus, tmp_path / "whole")
    for _ in range(4):
        whole.trainer.train_step()
    first = a_training(*CASES[case], corpus, tmp_path / "parts")
    for _ in range(2):
        first.trainer.train_step()
    first.trainer.save()
    again = a_training(*CASES[case], corpus, tmp_path / "parts")
    assert again.resume() and again.trainer.step == 2
    assert again.run(quiet=True).best_step == 4
    for part in ("system", "optimizers"):
        assert_equal(whole.trainer.state()[part], again.trainer.state()[part], part)

    vocoder = vocoders.load(str(tmp_path / "parts" / "v"), corpus.spec)
    wav = torch.from_numpy(made_speech.utter(9, syllables=2))[None]
    made = vocoder.synthesize(LogMel(corpus.spec)(wav))
    assert made.shape[1] == wav.shape[1] // 256 * 256
    assert made.isfinite().all() and made.abs().max() > 1e-4


def assert_equal(one: Any, other: Any, name: str) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), name
        assert not one.is_floating_point() or one.isfinite().all(), name
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), name
        for key in one:
            assert_equal(one[key], other[key], f"{name}.{key}")
    elif isinstance(one, list):
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_equal(a, b, f"{name}.{index}")
    else:
        assert one == other, name


@pytest.mark.parametrize("case", ["magnitudes-judged", "vocos-random-windows"])
def test_phases_follow_the_plan(case: str, corpus: Corpus, tmp_path: Path) -> None:
    """Spectra alone, then the judges alone, then everything; the judges in every second step only."""
    system, model = CASES[case]
    model = model | {"adversarial_from": 0.25, "warm_up": 0.25, "d_every": 2}
    run = a_training(system, model, corpus, tmp_path, steps=16, check_every=16, log_every=1)
    seen = []
    for _ in range(16):
        run.trainer.train_step()
        seen.append(set(run.trainer._logged()))
    judged = [any(name.startswith("d/") for name in terms) for terms in seen]
    listened = [{"g/adversarial", "g/matching"} <= terms for terms in seen]
    assert judged == [step >= 4 and step % 2 == 0 for step in range(16)]
    every = 2 if system == "waveform" else 1  # there the judges are what costs
    assert listened == [step >= 8 and step % every == 0 for step in range(16)]


@pytest.mark.parametrize(
    ("case", "model", "stft", "mel"),
    [
        ("magnitudes", WIDER | {"layers": 3}, 0.96, 0.8),
        ("vocos", {"network": WIDER | {"layers": 2}, "adversarial_from": 1.0}, 0.85, 0.8),
    ],
    ids=["magnitudes", "vocos"],
)
def test_system_learns(
    case: str, model: dict[str, Any], stft: float, mel: float, corpus: Corpus, tmp_path: Path
) -> None:
    """Sentences kept aside come out nearer after two seconds of training, even where the beginning is good already."""
    system, small = CASES[case]
    model = small | model | {"crop_frames": 32, "gain_db": 0.0, "half_life": 0.0, "lr_g": 0.005}
    run = a_training(system, model, corpus, tmp_path, steps=150, batch=4)
    before = run.monitor.validate(run.system.eval(), run.trainer.progress, rehearsal=True)
    assert not (tmp_path / "run").exists()
    for _ in range(150):
        run.trainer.train_step()
    after = run.monitor.validate(run.system.eval(), run.trainer.progress)
    assert after["mr_stft"] < stft * before["mr_stft"] and after["mel_l1"] < mel * before["mel_l1"]
    assert after["score"] == after["mr_stft"]
    assert (tmp_path / "run" / "samples" / "0000150.png").stat().st_size
