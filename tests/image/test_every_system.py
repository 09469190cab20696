"""Every registered image system: it builds, steps, saves, resumes bit for bit, and makes samples."""

from pathlib import Path

import pydantic
import pytest
import torch
from image.shapes import CLASSES, SHAPE, Bars, made, trainer

from voicegan.core.random import Draws
from voicegan.core.system import Progress
from voicegan.errors import VoiceganError
from voicegan.image.systems import SYSTEMS

MAKERS = [name for name in SYSTEMS if SYSTEMS.get(name).can("sample")]
TRANSLATORS = [name for name in SYSTEMS if SYSTEMS.get(name).can("translate")]
INPAINTERS = [name for name in SYSTEMS if SYSTEMS.get(name).can("inpaint")]
ENCODERS = [name for name in SYSTEMS if SYSTEMS.get(name).can("encode")]
CLASSIFIERS = [name for name in SYSTEMS if SYSTEMS.get(name).can("classify")]
AVERAGED = [name for name in MAKERS if "half_life" in SYSTEMS.get(name).Config.model_fields]
# What is added to all scores of these critics makes no difference: the bias of the score has no gradient.
OF_DIFFERENCES = ("wgan", "wgan-gp", "dualgan")
OF_POINTS = [
    name
    for name in MAKERS
    if SYSTEMS.get(name).data in ("images", "few-labels") and "net" in SYSTEMS.get(name).Config.model_fields
]


@pytest.mark.parametrize("name", SYSTEMS.names())
def test_two_runs_in_one_are_one_run(name: str, tmp_path: Path) -> None:
    """2N steps equal N, resume, N; and of every network of every optimizer, every parameter has moved."""
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
    networks = {network for spec in whole.specs.values() for network in spec.networks}
    learnt = {key for key in before if key.split(".")[0] in networks}
    moved = {key for key, value in whole.system.named_parameters() if not torch.equal(value, before[key])}
    still = {key for key in learnt if name in OF_DIFFERENCES and key.endswith("score.bias")}
    assert learnt - moved <= still
    assert {key for key in moved if not key.startswith("averages.")} <= learnt
    if name in MAKERS:
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


@pytest.mark.parametrize("name", MAKERS)
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


@pytest.mark.parametrize("name", MAKERS)
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


@pytest.mark.parametrize("name", AVERAGED)
def test_an_average_is_kept_and_sampled_from_where_asked(name: str, tmp_path: Path) -> None:
    run = trainer(made(name, half_life=1e9), tmp_path)
    for _ in range(3):  # at first it follows the network closely
        run.train_step()
    system = run.system
    with torch.no_grad():
        for parameter in system.g.parameters():
            parameter.add_(1.0)  # so that a generator of black and white pixels draws others too
    assert not torch.equal(system.sample(3), _sampled_raw(system))


def _sampled_raw(system):
    average = system.averages.pop("g")
    samples = system.sample(3)
    system.averages["g"] = average
    return samples


@pytest.mark.parametrize("name", MAKERS)
def test_latent_vectors_are_decoded_as_they_are_sampled(name: str) -> None:
    system = made(name).train()
    with torch.no_grad():
        latents = system.latents(Draws(0, 0, 0, range(5)))
        torch.testing.assert_close(system.decode(latents), system.sample(5))
    assert system.g.training


def test_latent_vectors_can_be_searched_by_gradients() -> None:
    system = made("dcgan").train()
    latents = system.latents(Draws(0, 0, 0, range(5))).requires_grad_()
    system.decode(latents).sum().backward()
    assert latents.grad is not None and latents.grad.abs().sum() > 0


def the_same_in_parts(ability, images: torch.Tensor, system) -> torch.Tensor:
    """What an ability makes of pictures: without gradients, and of each by itself."""
    system.train()
    made_of_all = ability(images)
    torch.testing.assert_close(made_of_all, torch.cat([ability(part) for part in images.split(2)]))
    assert not made_of_all.requires_grad and all(module.training for _, module in system.named_children()
                                                 if module is not system.averages)  # fmt: skip
    return made_of_all


def some_images() -> torch.Tensor:
    return Bars().batch(Draws(5, 0, 0, range(5)))["image"]


@pytest.mark.parametrize("name", TRANSLATORS)
def test_pictures_are_translated_one_by_one(name: str) -> None:
    translated = the_same_in_parts((system := made(name)).translate, some_images(), system)
    assert translated.shape == (5, *SHAPE) and translated.abs().max() <= 1


@pytest.mark.parametrize("name", INPAINTERS)
def test_holes_are_filled_and_the_rest_stays(name: str) -> None:
    system, images = made(name), some_images()
    hole = torch.zeros(5, 1, 8, 8, dtype=torch.bool)
    hole[:, :, 2:6, 2:6] = True
    filled = the_same_in_parts(lambda part: system.inpaint(part, hole[: len(part)]), images, system)
    assert torch.equal(filled[~hole], images[~hole]) and not torch.equal(filled[hole], images[hole])


@pytest.mark.parametrize("name", ENCODERS)
def test_codes_and_reconstructions_are_of_each_picture(name: str) -> None:
    system = made(name)
    assert the_same_in_parts(system.encode, some_images(), system).ndim == 2
    if system.can("reconstruct"):
        assert the_same_in_parts(system.reconstruct, some_images(), system).shape == (5, *SHAPE)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classes_are_told_as_logits(name: str) -> None:
    system = made(name)
    assert the_same_in_parts(system.classify, some_images(), system).shape[0] == 5


@pytest.mark.parametrize("name", SYSTEMS.names())
def test_bf16_runs(name: str, tmp_path: Path) -> None:
    system = made(name)
    before = {key: value.clone() for key, value in system.state_dict().items()}
    trainer(system, tmp_path, steps=1, precision="bf16").fit(quiet=True)
    after = system.state_dict()
    assert all(value.isfinite().all() for value in after.values())
    assert any(not torch.equal(value, before[key]) for key, value in after.items())


@pytest.mark.parametrize("name", OF_POINTS)
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
