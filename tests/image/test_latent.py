"""Walks and sums of latent vectors, and the search that completes pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from image.shapes import made

from voicegan.core.random import Draws
from voicegan.core.trainer import Trainer, TrainerConfig
from voicegan.errors import VoiceganError
from voicegan.image import metrics
from voicegan.image.complete import complete, importance, poisson, searchable
from voicegan.image.data import ImageSource, load_pictures
from voicegan.image.judge import load_judge
from voicegan.image.latent import Term, between, latents_of, parse, plane
from voicegan.image.show import hole
from voicegan.image.systems import SYSTEMS

SEARCHED = ["gan", "dcgan", "lsgan", "wgan", "wgan-gp", "dragan", "sngan", "unrolled", "infogan"]


def test_walks_keep_to_the_sphere_and_go_evenly() -> None:
    ends = Draws(0, 0, 0, range(3)).normal("z", 16).double()
    ways = between(ends, 7)
    assert ways.shape == (2, 7, 16)
    torch.testing.assert_close(ways[:, 0], ends[:-1])
    torch.testing.assert_close(ways[:, -1], ends[1:])
    unit = torch.nn.functional.normalize(ways, dim=-1)
    angles = torch.acos((unit[:, 1:] * unit[:, :-1]).sum(-1).clamp(-1, 1))
    torch.testing.assert_close(angles, angles[:, :1].expand_as(angles))
    lengths = ways.norm(dim=-1)
    torch.testing.assert_close(lengths.diff(dim=1), lengths.diff(dim=1)[:, :1].expand(-1, 6))


def test_walks_between_parallel_vectors_are_straight() -> None:
    ends = torch.tensor([[1.0, 0.0], [3.0, 0.0], [3.0, 0.0]])
    torch.testing.assert_close(between(ends, 3)[:, 1], torch.tensor([[2.0, 0.0], [3.0, 0.0]]))


def test_sums_are_read_with_their_signs() -> None:
    assert parse("class:7 - class:1 + seed:3") == [
        Term(1, "class", "7"),
        Term(-1, "class", "1"),
        Term(1, "seed", "3"),
    ]
    assert parse('-4+class:"ankle boot"') == [Term(-1, "seed", "4"), Term(1, "class", "ankle boot")]
    for wrong in ("", "1 2", "seed:a", "1 + ", "1 * 2"):
        with pytest.raises(VoiceganError, match="no sum"):
            parse(wrong)


def test_vectors_are_those_that_samples_are_made_of() -> None:
    system = made("dcgan")
    with torch.no_grad():
        torch.testing.assert_close(system.decode(latents_of(system, [4])), system.sample(1, seed=4))


# Completing ------------------------------------------------------------------------------------------------------


def test_pixels_beside_the_hole_count_most_and_those_within_nothing() -> None:
    weights = importance(hole(torch.zeros(1, 1, 16, 16)), window=5)[0, 0]
    assert (weights[4:12, 4:12] == 0).all()
    assert weights.max() == 1 and weights[3, 8] > weights[2, 8] > 0.1
    assert weights[0, 0] == pytest.approx(0.1)


def test_poisson_blending_takes_gradients_and_not_brightness() -> None:
    ramp = torch.linspace(-0.5, 0.4, 8).expand(1, 1, 8, 8).clone()
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    mask[..., 2:6, 2:8] = True  # reaches the border of the picture
    torch.testing.assert_close(poisson(ramp, ramp + 0.3, mask), ramp)
    # Without gradients of its own, the hole goes smoothly from one side to the other (Laplace's equation).
    row = torch.tensor([0.0, 9.0, 9.0, 0.9]).view(1, 1, 1, 4) / 3
    middle = torch.tensor([False, True, True, False]).view(1, 1, 1, 4)
    torch.testing.assert_close(
        poisson(row, torch.zeros_like(row), middle).flatten(), torch.tensor([0, 0.1, 0.2, 0.3])
    )


def test_what_is_known_stays_and_a_search_depends_on_its_seed_alone() -> None:
    system = made("dcgan").train()
    images = system.sample(2, seed=5)
    mask = hole(images)
    before = {name: value.clone() for name, value in system.state_dict().items()}
    done, again = (complete(system, images, mask, steps=5, tries=2, seed=1, blend=False) for _ in range(2))
    assert torch.equal(done.images, again.images) and torch.equal(done.images[~mask], images[~mask])
    assert torch.equal(done.images[mask], done.found[mask])
    longer = complete(system, images, mask, steps=60, tries=2, seed=1)
    assert (longer.contextual < done.contextual).all()
    assert system.g.training and all(
        torch.equal(value, before[name]) for name, value in system.state_dict().items()
    )


def test_models_that_cannot_be_searched_are_refused() -> None:
    system = made("dcgan")
    images = torch.zeros(1, 1, 8, 8)
    with pytest.raises(VoiceganError, match="nothing to fill"):
        complete(system, images, torch.zeros(1, 1, 8, 8, dtype=torch.bool))


@pytest.mark.parametrize(("name", "reach"), [("vae", 1.5), ("bigan", 0.9)])
def test_a_plane_lies_evenly_in_its_prior(name: str, reach: float) -> None:
    """Of a Gaussian, its quantiles; of uniform numbers, even steps. Rows go down, columns across."""
    made_of = plane(made(name, latent=2), 8).view(8, 8, 2)
    across, down = made_of[0, :, 0], made_of[:, 0, 1]
    assert (made_of[..., 0] == across).all() and (made_of[..., 1] == down[:, None]).all()
    assert (across.diff() > 0).all() and (down.diff() > 0).all()
    shares = (torch.arange(8) + 0.5) / 8
    wanted = torch.special.ndtri(shares) if name == "vae" else 2 * shares - 1
    torch.testing.assert_close(across, wanted, atol=0.1, rtol=0)
    assert across[-1] == pytest.approx(reach, abs=0.1)
    with pytest.raises(VoiceganError, match="two numbers, not of 4"):
        plane(made(name), 8)


@pytest.mark.parametrize("name", SYSTEMS.names())
def test_every_model_is_searched_or_refused_in_one_line(name: str) -> None:
    images = torch.zeros(1, 1, 8, 8)
    system = made(name)
    assert searchable(SYSTEMS.get(name)) == (name in SEARCHED)
    if name in SEARCHED:
        assert complete(system, images, hole(images), steps=1, tries=1).images.shape == images.shape
    else:
        with pytest.raises(
            VoiceganError, match="searched|tells classes|draws its pixels|no discriminator of pic"
        ):
            complete(system, images, hole(images), steps=1, tries=1)


@pytest.mark.slow
def test_digits_are_completed(tmp_path: Path) -> None:
    """A GAN that was never told of holes fills those of digits that it never saw (Yeh et al. 2016)."""
    digits, judge = load_pictures("digits"), load_judge("digits")
    kind = SYSTEMS.get("dcgan")
    torch.manual_seed(0)
    system = kind(digits.shape, 10, kind.Config(lr_g=1e-3, lr_d=1e-3))
    config = TrainerConfig(steps=1500, batch=64, device="cpu", precision="fp32", check_every=1500)
    Trainer(system, ImageSource(digits.train), config, tmp_path).fit(quiet=True)

    images, labels = digits.test.floats()[:60], digits.test.labels[:60]
    mask = hole(images)
    inside = mask[0, 0]
    mean = torch.where(mask, digits.train.floats().mean(0, keepdim=True), images)
    done = complete(system, images, mask, steps=150).images
    found, plain = (metrics.psnr(each[..., inside], images[..., inside]).mean() for each in (done, mean))
    kept, by_mean = (metrics.label_accuracy(judge(each)[1], labels) for each in (done, mean))
    print(
        f"PSNR in the hole {found:.1f} dB, mean fill {plain:.1f}; class kept {kept:.2f}, mean fill {by_mean:.2f}"
    )
    assert found > plain + 1.5
    assert kept > by_mean + 0.15
