"""Every registered image system: it builds, steps, saves, resumes bit for bit, and makes samples."""

from pathlib import Path

import pydantic
import pytest
import torch
from image.shapes import CLASSES, SHAPE, made, trainer

from voicegan.core.system import Progress
from voicegan.errors import VoiceganError
from voicegan.image.systems import SYSTEMS


@pytest.mark.parametrize("name", SYSTEMS.names())
def test_two_runs_in_one_are_one_run(name: str, tmp_path: Path) -> None:
    """2N steps equal N, resume, N; and every network of every optimizer has moved."""
    whole = trainer(made(name), tmp_path / "whole")
    before = {key: value.clone() for key, value in whole.system.named_parameters()}
    for _ in range(4):
        whole.train_step()
    first = trainer(made(name), tmp_path / "parts")
    for _ in range(2):
        first.train_step()
    first.save()
    again = trainer(made(name, seed=1), tmp_path / "parts")
    assert again.resume() and again.step == 2
    again.fit(quiet=True)

    assert_equal(whole.state()["system"], again.state()["system"])
    assert_equal(whole.state()["optimizers"], again.state()["optimizers"])
    moved = {
        key.split(".")[0] for key, value in whole.system.named_parameters() if (value != before[key]).any()
    }
    assert moved == {network for spec in whole.specs.values() for network in spec.networks}
    assert torch.equal(whole.system.sample(5, seed=3), again.system.sample(5, seed=3))


def assert_equal(one: object, other: object) -> None:
    if isinstance(one, torch.Tensor):
        assert isinstance(other, torch.Tensor) and torch.equal(one, other)
        assert not one.is_floating_point() or one.isfinite().all()
    elif isinstance(one, dict):
        assert isinstance(other, dict) and one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list):
        assert isinstance(other, list) and len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_equal(a, b)
    else:
        assert one == other


@pytest.mark.parametrize("name", SYSTEMS.names())
def test_samples_are_pictures_that_depend_on_seed_and_place_alone(name: str) -> None:
    system = made(name).train()
    samples = system.sample(7, seed=1)
    assert samples.shape == (7, *SHAPE) and samples.dtype == torch.float32 and not samples.requires_grad
    assert samples.min() >= -1 and samples.max() <= 1
    torch.testing.assert_close(samples, system.sample(7, seed=1, at_once=3))
    torch.testing.assert_close(samples[:4], system.sample(4, seed=1))
    assert not torch.allclose(samples, system.sample(7, seed=2))
    assert system.sample(0).shape == (0, *SHAPE)
    assert system.g.training  # left as it was


@pytest.mark.parametrize("name", SYSTEMS.names())
def test_labels_are_taken_by_those_that_know_them(name: str) -> None:
    system = made(name)
    if system.conditional:
        assert system.sample(CLASSES, labels=torch.arange(CLASSES)).shape == (CLASSES, *SHAPE)
        with pytest.raises(VoiceganError, match="labels from 0 to 3"):
            system.sample(1, labels=torch.tensor([CLASSES]))
        with pytest.raises(VoiceganError, match="data with labels"):
            type(system)(SHAPE, 0, system.config)
    else:
        with pytest.raises(VoiceganError, match="no classes"):
            system.sample(1, labels=torch.tensor([0]))


@pytest.mark.parametrize("name", SYSTEMS.names())
def test_an_average_is_kept_and_sampled_from_where_asked(name: str, tmp_path: Path) -> None:
    run = trainer(made(name, half_life=1e9), tmp_path)
    for _ in range(3):  # at first it follows the network closely
        run.train_step()
    system = run.system
    assert not torch.equal(system.sample(3), _sampled_raw(system))


def _sampled_raw(system):
    average = system.averages.pop("g")
    samples = system.sample(3)
    system.averages["g"] = average
    return samples


@pytest.mark.parametrize("name", SYSTEMS.names())
def test_bf16_runs(name: str, tmp_path: Path) -> None:
    system = made(name)
    before = {key: value.clone() for key, value in system.state_dict().items()}
    trainer(system, tmp_path, steps=1, precision="bf16").fit(quiet=True)
    after = system.state_dict()
    assert all(value.isfinite().all() for value in after.values())
    assert any(not torch.equal(value, before[key]) for key, value in after.items())


@pytest.mark.parametrize("name", SYSTEMS.names())
def test_it_plays_with_points_too(name: str) -> None:
    kind = SYSTEMS.get(name)
    norm = {} if "d_norm" not in kind.Config.model_fields else {"d_norm": "none"}
    system = kind((2, 1, 1), CLASSES, kind.Config(net="mlp", width=4, **norm))
    assert system.sample(3).shape == (3, 2, 1, 1)
    assert system.phases(Progress(0, 1))


def test_keys_are_checked() -> None:
    for name in SYSTEMS:
        with pytest.raises(pydantic.ValidationError):
            SYSTEMS.get(name).Config(no_such_key=1)
        assert SYSTEMS.get(name).trainer_defaults["steps"] > 0
