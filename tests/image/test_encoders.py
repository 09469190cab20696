"""What the papers say of the systems with an encoder, looked for in the systems themselves."""

import math
from typing import Any

import pytest
import torch
from image.by_heart import ByHeart
from image.shapes import CLASSES, SHAPE, a_batch, made

from voicegan.core.random import Draws
from voicegan.core.system import Progress
from voicegan.image.nets import ENCODERS
from voicegan.image.systems.vae import divergence

START = Progress(0, 10)


def plain(name: str, outputs: int, inputs: int, **config: Any) -> Any:
    """A system whose networks are one layer each, for those of the tables make all pictures alike at first."""
    system = made(name, **config)
    torch.manual_seed(0)
    system.e = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, outputs))
    system.g = torch.nn.Sequential(torch.nn.Linear(inputs, 64), torch.nn.Unflatten(1, SHAPE))
    return system


@pytest.mark.parametrize("name", ENCODERS.names())
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16), (1, 28, 28), (3, 64, 64), (1, 16, 8)], ids=str)
def test_encoders_take_every_size(name: str, shape: tuple[int, int, int]) -> None:
    encoder = ENCODERS.get(name)(shape, 5, 4)
    assert encoder(torch.randn(3, *shape)).shape == (3, 5)


# dae ---------------------------------------------------------------------------------------------------------------


def test_pictures_are_spoilt_as_asked() -> None:
    images, draws = torch.zeros(400, *SHAPE), Draws(0, 0, 0, range(400))
    spoilt = made("dae", sigma=0.3).corrupt(images, draws)
    assert spoilt.std().item() == pytest.approx(0.3, rel=0.05) and spoilt.mean().abs() < 0.01
    masked = made("dae", noise="masking", masked=0.4).corrupt(images, draws)
    assert set(masked.unique().tolist()) == {-1.0, 0.0}
    assert (masked == -1).float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert torch.equal(made("dae", noise="none").corrupt(images, draws), images)


def test_the_clean_picture_is_asked_for_and_the_spoilt_one_shown() -> None:
    system = made("dae", sigma=0.5)
    shown = []
    system.e.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0]))
    system.g = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.Unflatten(1, SHAPE))
    for parameter in system.g.parameters():
        torch.nn.init.zeros_(parameter)
    batch, scratch = a_batch()
    loss = system.loss(batch, scratch, START)["reconstruction"]
    torch.testing.assert_close(loss, batch["image"].square().mean())
    assert (shown[0] - batch["image"]).std().item() == pytest.approx(0.5, rel=0.15)


@pytest.mark.parametrize(("name", "size"), [("dae", 4), ("aae", 4), ("aae-few-labels", 4 + CLASSES)])
def test_each_picture_is_reconstructed_from_its_own_code(name: str, size: int) -> None:
    system = plain(name, outputs=size, inputs=size, **({"noise": "none"} if name == "dae" else {}))
    batch, scratch = a_batch(data=system.data)
    image = batch["image"]
    again = torch.cat([system.g(system.code(system.e(x[None]))) for x in image])
    expected, a_neighbours = ((again - x).square().mean() for x in (image, image.roll(1, 0)))
    assert not torch.isclose(expected, a_neighbours)
    (squares,) = system.phases(START)[0].loss(batch, scratch, START).values()
    torch.testing.assert_close(squares, expected)


# vae ---------------------------------------------------------------------------------------------------------------


def test_divergence_is_what_sampling_gives() -> None:
    mean, log_variance = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, -0.7]])
    deviation = (0.5 * log_variance).exp()
    z = mean + deviation * Draws(0, 0, 0, range(200_000)).normal("z", 2)
    q, p = torch.distributions.Normal(mean, deviation), torch.distributions.Normal(0.0, 1.0)
    sampled = (q.log_prob(z) - p.log_prob(z)).sum(1).mean()
    assert divergence(mean, log_variance).item() == pytest.approx(sampled.item(), rel=0.01)
    assert divergence(torch.zeros(3, 2), torch.zeros(3, 2)).tolist() == [0.0] * 3


def test_likelihoods_are_those_of_the_distributions() -> None:
    images = torch.rand(3, *SHAPE, dtype=torch.float64) * 2 - 1
    decoded = torch.randn(3, *SHAPE, dtype=torch.float64)
    normal = torch.distributions.Normal(decoded, 0.3).log_prob(images).flatten(1).sum(1)
    made_normal = made("vae", likelihood="gaussian", deviation=0.3).log_likelihood(images, decoded)
    torch.testing.assert_close(made_normal, normal)
    binary = images.sign()
    bits = torch.distributions.Bernoulli(logits=decoded).log_prob((binary + 1) / 2).flatten(1).sum(1)
    torch.testing.assert_close(made("vae").log_likelihood(binary, decoded), bits)


def test_a_linear_model_at_its_posterior_has_no_gap() -> None:
    """Where q is the true posterior, the bound is the likelihood itself: x = w z + noise, one pixel, one number."""
    w, deviation, x = 1.3, 0.5, 0.7
    variance = 1 / (1 + (w / deviation) ** 2)
    mean = variance * w * x / deviation**2
    system = made("vae", likelihood="gaussian", deviation=deviation, latent=1)
    z = mean + variance**0.5 * Draws(0, 0, 0, range(200_000)).normal("z", 1)
    images = torch.full((len(z), 1, 1, 1), x)
    bound = system.log_likelihood(images, w * z[:, :, None, None]).mean()
    bound = bound - divergence(torch.tensor([[mean]]), torch.tensor([[math.log(variance)]]))
    evidence = torch.distributions.Normal(0.0, math.hypot(w, deviation)).log_prob(torch.tensor(x))
    assert bound.item() == pytest.approx(evidence.item(), abs=0.01)


def test_noise_goes_through_the_encoder_to_its_gradient() -> None:
    """The reparametrisation trick: the reconstruction teaches μ and log σ² alike."""
    system = made("vae", latent=4, beta=0.0, net="mlp", width=8)
    sum(system.loss(*a_batch(), START).values()).backward()
    rows = system.e.layers[-1].weight.grad
    assert rows[:4].abs().sum() > 0 and rows[4:].abs().sum() > 0


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_minus_the_bound_is_what_is_minimised(likelihood: str) -> None:
    """``-E_q[log p(x | z)] + β KL``, by the densities of torch."""
    system = plain("vae", outputs=8, inputs=4, likelihood=likelihood, deviation=0.3, beta=0.5)
    batch, scratch = a_batch()
    batch["image"] = batch["image"].sign()  # of pixels in between, torch's Bernoulli knows nothing
    mean, log_variance = system.e(batch["image"]).chunk(2, dim=1)
    q, p = torch.distributions.Normal(mean, (0.5 * log_variance).exp()), torch.distributions.Normal(0.0, 1.0)
    decoded = system.g(q.mean + q.stddev * scratch.draws.normal("ε", 4))
    if likelihood == "gaussian":
        log_p = torch.distributions.Normal(decoded, 0.3).log_prob(batch["image"])
    else:
        log_p = torch.distributions.Bernoulli(logits=decoded).log_prob((batch["image"] + 1) / 2)
    terms = system.loss(batch, scratch, START)
    assert set(terms) == {"reconstruction", "divergence"}
    kl = torch.distributions.kl_divergence(q, p).sum(1).mean()
    for name, expected in (("reconstruction", -log_p.flatten(1).sum(1).mean()), ("divergence", 0.5 * kl)):
        torch.testing.assert_close(terms[name], expected, rtol=1e-5, atol=0)


# aae ---------------------------------------------------------------------------------------------------------------


def test_draws_of_the_prior_are_real_and_codes_are_fakes() -> None:
    system = made("aae", adversarial=1.0).eval()
    batch, scratch = a_batch()
    system.d = ByHeart((system.latents(scratch.draws), 2.0), (system.e(batch["image"]), -3.0))
    loss = system.discriminator_loss(batch, scratch, START)["adversarial"].item()
    assert loss == pytest.approx(math.log1p(math.exp(-2.0)) + math.log1p(math.exp(-3.0)), rel=1e-4)
    fooled = system.regularisation_loss(batch, scratch, START)["adversarial"].item()
    assert fooled == pytest.approx(math.log1p(math.exp(3.0)), rel=1e-4)


def test_classes_and_styles_are_told_from_the_priors_of_each() -> None:
    system = made("aae-few-labels", adversarial=0.5).eval()
    batch, scratch = a_batch(data="few-labels")
    drawn, code = system.latents(scratch.draws), system.code(system.e(batch["image"]))
    k = CLASSES
    system.d_class = ByHeart((drawn[:, :k], 2.0), (code[:, :k], -3.0))
    system.d_style = ByHeart((drawn[:, k:], 1.5), (code[:, k:], -0.5))
    judged = system.discriminator_loss(batch, scratch, START)
    paid = system.regularisation_loss(batch, scratch, START)
    for name, real, fake in (("class", 2.0, -3.0), ("style", 1.5, -0.5)):
        apart = math.log1p(math.exp(-real)) + math.log1p(math.exp(fake))
        assert judged[name].item() == pytest.approx(apart, rel=1e-5)
        assert paid[name].item() == pytest.approx(0.5 * math.log1p(math.exp(-fake)), rel=1e-5)


@pytest.mark.parametrize("name", ["aae", "aae-few-labels"])
def test_regularisation_has_nothing_to_say_to_the_decoder(name: str) -> None:
    system = made(name)
    batch, scratch = a_batch(data=system.data)
    sum(system.regularisation_loss(batch, scratch, START).values()).backward()
    assert all(p.grad is None for p in system.g.parameters())
    assert any(p.grad is not None and p.grad.any() for p in system.e.parameters())
    assert [phase.name for phase in system.phases(START)][:3] == ["reconstruction", "d", "regularisation"]


def test_few_labels_train_the_logits_and_codes_hold_their_softmax() -> None:
    """Softmax before cross-entropy is a bug of public code."""
    system = made("aae-few-labels", supervised=1.0)
    batch, scratch = a_batch(data="few-labels")
    logits = system.e(batch["few_image"])[:, :CLASSES]
    expected = torch.nn.functional.cross_entropy(logits, batch["few_label"])
    torch.testing.assert_close(system.classification_loss(batch, scratch, START)["few"], expected)
    code = system.code(system.e(batch["image"]))
    torch.testing.assert_close(code[:, :CLASSES].sum(1), torch.ones(6))
    drawn = system.latents(scratch.draws, torch.tensor([2] * 6))
    assert drawn[:, :CLASSES].argmax(1).tolist() == [2] * 6 and drawn.shape == code.shape
    assert "label" not in batch


# bigan -------------------------------------------------------------------------------------------------------------


def test_pairs_of_both_inverses_are_told_apart_and_their_labels_exchanged() -> None:
    system = made("bigan").eval()
    batch, scratch = a_batch()
    image, z = batch["image"], system.latents(scratch.draws)
    system.d = ByHeart(((image, system.e(image)), 2.0), ((system.g(z), z), -3.0))
    right = math.log1p(math.exp(-2.0)) + math.log1p(math.exp(-3.0))
    wrong = math.log1p(math.exp(2.0)) + math.log1p(math.exp(3.0))
    assert system.discriminator_loss(batch, scratch, START)["adversarial"].item() == pytest.approx(right)
    assert system.generator_loss(batch, scratch, START)["adversarial"].item() == pytest.approx(wrong)


def test_the_discriminator_sees_samples_with_their_codes() -> None:
    system = made("bigan").train()
    seen = []
    system.d.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    batch, scratch = a_batch()
    system.discriminator_loss(batch, scratch, START)
    z = system.latents(scratch.draws)
    assert z.abs().max() <= 1 and z.std().item() == pytest.approx(3**-0.5, rel=0.3)
    (image, code), (fake, drawn) = seen
    assert torch.equal(image, batch["image"]) and torch.equal(code, system.e(image))
    assert torch.equal(drawn, z) and torch.equal(fake, system.g(z))


def test_the_discriminator_sees_pairs_under_noise_and_codes_of_clean_samples() -> None:
    system = made("bigan", noise=0.5).eval()
    seen = []
    system.d.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    batch, scratch = a_batch()
    system.discriminator_loss(batch, scratch, START)
    (image, code), (fake, z) = seen
    noise = [image - batch["image"], fake - system.g(z)]
    assert torch.equal(code, system.e(batch["image"]))
    assert all(each.std().item() == pytest.approx(0.5, rel=0.2) for each in noise)
    assert abs(torch.corrcoef(torch.stack([each.flatten() for each in noise]))[0, 1]) < 0.3


def test_the_discriminator_of_bigan_learns_as_often_as_it_is_told() -> None:
    assert [phase.repeats for phase in made("bigan", d_repeats=3).phases(START)] == [1, 3]


def test_a_step_of_bigan_encodes_once_and_makes_fakes_once() -> None:
    system = made("bigan").train()
    passes = []
    for network in (system.e, system.g):
        network.register_forward_hook(lambda *_: passes.append(1))
    batch, scratch = a_batch()
    for phase in system.phases(START):
        sum(phase.loss(batch, scratch, START).values()).backward()
        scratch.detach()
    assert len(passes) == 2
    assert all(p.grad is not None and p.grad.any() for p in system.e.parameters())


def test_the_discriminators_of_codes_and_pairs_do_not_reach_the_others() -> None:
    for name in ("aae", "aae-few-labels", "bigan"):
        system = made(name).train()
        batch, scratch = a_batch(data=system.data)
        sum(system.discriminator_loss(batch, scratch, START).values()).backward()
        for network in (system.e, system.g):
            assert all(p.grad is None or not p.grad.any() for p in network.parameters()), name
