"""What the papers of the systems with classes, codes and holes say, looked for in the systems themselves."""

import math

import pytest
import torch
import torch.nn.functional as F
from image.by_heart import ByHeart
from image.shapes import CLASSES, SHAPE, a_batch, made

from voicegan.core.random import Draws
from voicegan.core.system import Logits, Progress
from voicegan.errors import VoiceganError
from voicegan.image.augment import warped
from voicegan.image.systems import SYSTEMS
from voicegan.image.systems.acgan import class_loss
from voicegan.image.systems.catgan import conditional_entropy, marginal_entropy
from voicegan.image.systems.infogan import shared_information
from voicegan.image.systems.sgan import as_score

START = Progress(0, 10)


# CGAN ---------------------------------------------------------------------------------------------------------


def test_both_players_are_told_the_class() -> None:
    system = made("cgan", width=8).eval()
    draws, ones, twos = Draws(0, 0, 0, range(3)), torch.ones(3).long(), torch.full((3,), 2)
    z = system.latents(draws, ones)
    assert z.shape == (3, 4 + CLASSES) and torch.equal(z[:, 4:], F.one_hot(ones, CLASSES).float())
    assert torch.equal(z[:, :4], system.latents(draws, twos)[:, :4])  # the noise does not depend on the class
    assert not torch.equal(system.g(z), system.g(system.latents(draws, twos)))
    image = a_batch(3)[0]["image"]
    judged = [system.d(image, system.one_hot(y)).scores[0] for y in (ones, twos)]
    assert not torch.equal(*judged)
    with pytest.raises(ValueError, match="conditions"):
        system.d(image)


@pytest.mark.parametrize("name", ["cgan", "acgan"])
def test_fakes_have_the_classes_of_the_batch(name: str) -> None:
    system = made(name).eval()
    batch, scratch = a_batch()
    system.generator_loss(batch, scratch, START)
    torch.testing.assert_close(scratch["fake"], system.g(system.latents(scratch.draws, batch["label"])))


# ACGAN --------------------------------------------------------------------------------------------------------


def test_the_class_loss_takes_logits() -> None:
    """A softmax before the cross-entropy would never come under log(1 + 3/e) for 4 classes."""
    sure = torch.tensor([[30.0, 0.0, 0.0, 0.0]])
    assert class_loss(sure, torch.tensor([0])).item() < 1e-6
    assert class_loss(sure, torch.tensor([1])).item() == pytest.approx(30.0)
    system = made("acgan")
    images = 100.0 * torch.randn(50, *SHAPE)
    logits = system.classify(images)
    assert logits.min() < 0 and not torch.allclose(logits.exp().sum(1), torch.ones(50))


def test_acgan_sums_source_and_class() -> None:
    """L_S and L_C, of real pictures and of generated ones; test_games.py has L_S in numbers."""
    system = made("acgan", auxiliary=2.0).eval()
    batch, scratch = a_batch()
    c, guesses = batch["label"], torch.randn(2, 6, CLASSES, generator=torch.Generator().manual_seed(0))
    real, fake = batch["image"], system.fake(scratch, c)
    system.d = ByHeart((real, 0.5, {"class": guesses[0]}), (fake, -0.3, {"class": guesses[1]}))
    wrong = [F.cross_entropy(logits, c).item() for logits in guesses]
    d = system.discriminator_loss(batch, scratch, START)
    assert d["class"].item() == pytest.approx(2.0 * sum(wrong), rel=1e-5)
    g = system.generator_loss(batch, scratch, START)
    assert g["class"].item() == pytest.approx(2.0 * wrong[1], rel=1e-5)
    assert set(d) == set(g) == {"adversarial", "class"}


# InfoGAN ------------------------------------------------------------------------------------------------------


def test_the_codes_that_are_read_are_the_codes_that_were_put_in() -> None:
    system = made("infogan", categories=5, continuous=2)
    draws = Draws(0, 0, 0, range(400))
    z, (category, continuous) = system.latents(draws), system.codes(draws)
    assert torch.equal(z[:, 4:9].argmax(1), category) and torch.equal(z[:, 9:], continuous)
    assert category.unique().tolist() == [0, 1, 2, 3, 4]
    assert -1 <= continuous.min() < -0.9 and 0.9 < continuous.max() < 1
    assert system.latents(draws, torch.zeros(400).long())[:, 4].eq(1).all()


def test_information_is_its_closed_form() -> None:
    """Q that knows nothing: log K for the category, and half the codes' variance, 1/3 each."""
    system = made("infogan", categories=5, information=2.0, information_continuous=0.1)
    draws = Draws(0, 0, 0, range(4000))
    nothing = Logits((), (), {"category": torch.zeros(4000, 5), "mean": torch.zeros(4000, 2)})
    terms = system.surprise(nothing, draws)
    assert terms["category"].item() == pytest.approx(2.0 * math.log(5), rel=1e-5)
    assert terms["continuous"].item() == pytest.approx(0.1 * 0.5 * 2 / 3, rel=0.05)
    category, continuous = system.codes(draws)
    all_known = Logits((), (), {"category": 40.0 * F.one_hot(category, 5), "mean": continuous})
    assert sum(term.item() for term in system.surprise(all_known, draws).values()) < 1e-6


def test_q_shares_the_body_of_d_and_needs_no_labels() -> None:
    system = made("infogan", categories=5)
    heads = {name for name, _ in system.d.named_parameters() if "heads" in name}
    assert heads == {
        f"judgement.heads.{head}.{p}" for head in ("category", "mean") for p in ("weight", "bias")
    }
    batch, scratch = a_batch()
    del batch["label"]
    system.generator_loss(batch, scratch, START)["category"].backward()
    assert all(p.grad is not None and p.grad.any() for p in system.g.parameters())
    scratch.detach()
    system.zero_grad()
    system.discriminator_loss(batch, scratch, START)["category"].backward()
    assert system.d.judgement.heads["category"].weight.grad.any()
    assert system.d.layers[0][0].weight.grad.any()  # the body learns to read codes too


def test_codes_are_asked_of_what_was_made_of_them() -> None:
    """Q is told nothing of real pictures' codes, for they have none: both players pay for the fakes alone."""
    system = made("infogan", categories=5, information=2.0).eval()
    batch, scratch = a_batch()
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    of_real = {"category": torch.full((5,), torch.nan), "mean": torch.full((2,), torch.nan)}
    of_fake = {"category": logits, "mean": torch.zeros(2)}
    system.d = ByHeart((batch["image"], 0.5, of_real), (system.fake(scratch), -0.3, of_fake))
    category, continuous = system.codes(scratch.draws)
    for loss in (system.generator_loss, system.discriminator_loss):
        terms = loss(batch, scratch, START)
        torch.testing.assert_close(terms["category"], 2.0 * F.cross_entropy(logits, category))
        torch.testing.assert_close(terms["continuous"], 0.1 * 0.5 * continuous.square().sum(1).mean())


def test_shared_information_is_its_closed_form() -> None:
    """log K where both say the same, surely and evenly; nothing where all is one; in between the sum over all pairs."""
    sure = 60.0 * F.one_hot(torch.arange(20) % 5, 5).double()
    assert shared_information(sure, sure).item() == pytest.approx(math.log(5), rel=1e-9)
    one = sure[:1].expand(20, -1)
    assert shared_information(one, one).item() == pytest.approx(0.0, abs=1e-9)
    # One copy is always told the first category: it is found 12 times of 20, each other twice.
    by_hand = 0.2 * math.log(0.2 / 0.6**2) + 8 * 0.1 * math.log(0.1 / (0.6 * 0.1))
    assert shared_information(sure, one).item() == pytest.approx(by_hand, rel=1e-9)
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(7, 3, dtype=torch.float64, generator=generator) for _ in range(2))
    p, q = first.softmax(1), second.softmax(1)
    joint = sum(torch.outer(x, y) + torch.outer(y, x) for x, y in zip(p, q, strict=True)) / 14
    summed = sum(
        joint[i, j] * math.log(joint[i, j] / (joint[i].sum() * joint[j].sum()))
        for i in range(3)
        for j in range(3)
    )
    assert shared_information(first, second).item() == pytest.approx(float(summed), rel=1e-9)


def test_consistency_is_of_real_pictures_alone_and_none_is_the_paper() -> None:
    batch, scratch = a_batch()
    del batch["label"]
    assert "consistency" not in made("infogan", categories=5).discriminator_loss(batch, scratch, START)
    system = made("infogan", categories=5, consistency=0.5, warp=0.25)
    batch, scratch = a_batch()
    del batch["label"]
    terms = system.discriminator_loss(batch, scratch, START)
    copies = warped(batch["image"], scratch.draws, "warp", 0.25)
    told = [system.d(x).heads["category"] for x in (batch["image"], copies)]
    assert terms["consistency"].item() == pytest.approx(-0.5 * shared_information(*told).item(), rel=1e-5)
    system.zero_grad()
    terms["consistency"].backward()
    assert system.d.judgement.heads["category"].weight.grad.any()
    assert "consistency" not in system.generator_loss(*a_batch(), START)


# SGAN ---------------------------------------------------------------------------------------------------------


def test_the_generated_class_is_the_one_with_logit_zero() -> None:
    logits = torch.randn(7, 4, dtype=torch.float64)
    score = as_score(Logits((), (), {"class": logits})).scores[0]
    z = logits.exp().sum(1, keepdim=True)
    torch.testing.assert_close(score.sigmoid(), z / (z + 1))
    with_one_more = torch.cat([logits, torch.zeros(7, 1, dtype=torch.float64)], dim=1).softmax(1)
    torch.testing.assert_close(1 - score.sigmoid()[:, 0], with_one_more[:, 4])


def test_few_labels_train_d_alone_and_g_matches_features() -> None:
    system = made("sgan", dropout=0.0)
    batch, scratch = a_batch(data="few-labels")
    losses = system.discriminator_loss(batch, scratch, START)
    few = system.d(batch["few_image"]).heads["class"]
    torch.testing.assert_close(losses["supervised"], F.cross_entropy(few, batch["few_label"]))
    del batch["few_image"], batch["few_label"]
    real, fake = (system.d(x).features[0][-1] for x in (batch["image"], scratch["fake"]))
    matched = system.generator_loss(batch, scratch, START)["features"]
    torch.testing.assert_close(matched, (real.mean(0) - fake.mean(0)).square().sum())
    scratch["fake"] = batch["image"].flip(0)  # the same statistics in another order
    assert system.generator_loss(batch, scratch, START)["features"].item() < 1e-10


def test_all_that_sgan_s_discriminator_sees_is_noisy_alike_for_both_players() -> None:
    """Section 5.1 adds noise to D's inputs. The generator's phase is judged by what the discriminator's will see."""
    system = made("sgan", net="mlp-deep", noise=0.4, dropout=0.0)
    batch, scratch = a_batch(400, data="few-labels")
    seen: list[torch.Tensor] = []
    system.d.register_forward_pre_hook(lambda _, shown: seen.append(shown[0].detach()))
    system.generator_loss(batch, scratch, START)
    system.discriminator_loss(batch, scratch, START)
    clean = [batch["image"], scratch["fake"].detach()]
    of_g, of_d, few = seen[:2], seen[2:4], seen[4]
    assert all(torch.equal(one, other) for one, other in zip(of_g, of_d, strict=True))
    noise = [x - y for x, y in zip((*of_d, few), (*clean, batch["few_image"]), strict=True)]
    for each in noise:
        assert each.std().item() == pytest.approx(0.4, rel=0.02) and abs(each.mean().item()) < 0.01
    assert abs(torch.corrcoef(torch.stack([each.flatten() for each in noise])).fill_diagonal_(0)).max() < 0.03
    assert (
        not system.eval().classify(batch["image"]).equal(system.d(of_d[0]).heads["class"])
    )  # which sees none


@pytest.mark.parametrize("name", ["sgan", "catgan", "ccgan"])
def test_few_labels_need_classes(name: str) -> None:
    assert SYSTEMS.get(name).data == "few-labels"
    with pytest.raises(VoiceganError, match="labels"):
        SYSTEMS.get(name)(SHAPE, 0, SYSTEMS.get(name).Config())


@pytest.mark.parametrize(
    ("name", "term"), [("sgan", "supervised"), ("catgan", "supervised"), ("ccgan", "class")]
)
def test_labels_of_the_few_are_learnt_by_logits(name: str, term: str) -> None:
    """A softmax before the cross-entropy is a bug of public code; the weight is the config's where it has one."""
    weight = {} if name == "sgan" else {"supervised": 0.5}
    system = made(name, **weight).eval()
    batch, scratch = a_batch(data="few-labels")
    fake = system.filled(batch["image"], scratch) if name == "ccgan" else system.fake(scratch)
    logits = 3.0 * torch.randn(6, CLASSES, generator=torch.Generator().manual_seed(0))
    unsure = {"class": torch.zeros(CLASSES)}
    few = (batch["few_image"], 0.0, {"class": logits})
    system.d = ByHeart((batch["image"], 0.5, unsure), (fake, -0.3, unsure), few)
    paid = system.discriminator_loss(batch, scratch, START)[term]
    of_each = logits.logsumexp(1) - logits[torch.arange(6), batch["few_label"]]
    torch.testing.assert_close(paid, weight.get("supervised", 1.0) * of_each.mean())


# CatGAN -------------------------------------------------------------------------------------------------------


def test_entropies_are_their_closed_forms() -> None:
    unsure, sure = torch.zeros(6, 4), 60.0 * F.one_hot(torch.tensor([0, 0, 0, 1, 1, 1]), 4).float()
    assert conditional_entropy(unsure).item() == pytest.approx(math.log(4))
    assert marginal_entropy(unsure).item() == pytest.approx(math.log(4))
    assert conditional_entropy(sure).item() == pytest.approx(0.0, abs=1e-6)
    assert marginal_entropy(sure).item() == pytest.approx(math.log(2), rel=1e-5)
    logits = torch.randn(9, 4, dtype=torch.float64)
    p = logits.softmax(1)
    torch.testing.assert_close(conditional_entropy(logits), -(p * p.log()).sum(1).mean())
    torch.testing.assert_close(marginal_entropy(logits), -(p.mean(0) * p.mean(0).log()).sum())


def test_categories_are_found_without_labels_where_asked() -> None:
    batch, scratch = a_batch(data="few-labels")
    assert set(made("catgan").discriminator_loss(batch, scratch, START)) == {
        "marginal",
        "conditional",
        "fake",
        "supervised",
    }
    del batch["few_image"], batch["few_label"]
    system = made("catgan", supervised=0.0, dropout=0.0)
    batch, scratch = {"image": batch["image"]}, a_batch()[1]
    terms = system.discriminator_loss(batch, scratch, START)
    real, fake = (system.d(x).heads["class"] for x in (batch["image"], scratch["fake"]))
    torch.testing.assert_close(terms["fake"], -conditional_entropy(fake))
    torch.testing.assert_close(terms["marginal"], -marginal_entropy(real))
    terms = system.generator_loss(batch, scratch, START)
    torch.testing.assert_close(terms["conditional"], conditional_entropy(fake))
    torch.testing.assert_close(terms["marginal"], -marginal_entropy(fake))


def test_every_entropy_of_the_category_game_has_the_papers_sign() -> None:
    """Eq. 7 and 8 where D hesitates between two of four categories for each real picture, and three for each fake."""
    system = made("catgan").eval()
    batch, scratch = a_batch(data="few-labels")
    one, other, no = [2.0, 2.0, -60.0, -60.0], [-60.0, -60.0, 2.0, 2.0], torch.nan
    of_real, of_fake = torch.tensor([one] * 3 + [other] * 3), torch.tensor([2.0, 2.0, 2.0, -60.0])
    system.d = ByHeart(
        (batch["image"], no, {"class": of_real}), (system.fake(scratch), no, {"class": of_fake})
    )
    batch["few_image"] = batch["image"]
    d, g = system.discriminator_loss(batch, scratch, START), system.generator_loss(batch, scratch, START)
    found = {name: d[name].item() for name in ("marginal", "conditional", "fake")}
    assert found == pytest.approx(
        {"marginal": -math.log(4), "conditional": math.log(2), "fake": -math.log(3)}
    )
    found = {name: term.item() for name, term in g.items()}
    assert found == pytest.approx({"marginal": -math.log(3), "conditional": math.log(3)})


# CCGAN --------------------------------------------------------------------------------------------------------


def test_holes_are_squares_anywhere() -> None:
    system = made("ccgan", hole=0.5)
    holes = system.holes(Draws(0, 0, 0, range(300)))
    assert holes.shape == (300, 1, 8, 8) and holes.dtype == torch.bool
    assert holes.flatten(1).sum(1).eq(16).all()
    assert holes.any(2).sum(2).eq(4).all() and holes.any(3).sum(2).eq(4).all()
    assert holes.any(0).all() and len(holes.flatten(1).unique(dim=0)) == 25


def test_what_the_hole_hides_is_not_seen_and_what_is_around_stays() -> None:
    system = made("ccgan").train()
    batch, scratch = a_batch(data="few-labels")
    hole = system.holes(scratch.draws)
    seen = []
    system.d.register_forward_pre_hook(lambda d, inputs: seen.append(inputs))
    terms = system.generator_loss(batch, scratch, START)
    filled = scratch["filled"]
    assert torch.equal(filled[~hole], batch["image"][~hole]) and not torch.equal(filled, batch["image"])
    assert len(seen[0]) == 1 and seen[0][0].shape == batch["image"].shape  # D is not told where the hole is
    other = torch.where(hole, torch.randn(6, *SHAPE), batch["image"])
    torch.testing.assert_close(system.g(other, hole), system.g(batch["image"], hole))
    terms["adversarial"].backward()
    assert all(p.grad is not None and p.grad.any() for p in system.g.parameters())
    scratch.detach()
    system.zero_grad()
    sum(system.discriminator_loss(batch, scratch, START).values()).backward()
    assert all(p.grad is None or not p.grad.any() for p in system.g.parameters())


def test_whole_pictures_of_g_are_fakes_too_where_asked() -> None:
    """CC-GAN²: x_G, of which x_I is a part, is judged besides; G gets a gradient outside of the hole."""
    system = made("ccgan", whole=0.5).eval()
    batch, scratch = a_batch(data="few-labels")
    seen = []
    system.d.register_forward_pre_hook(lambda d, inputs: seen.append(inputs[0]))
    terms = system.generator_loss(batch, scratch, START)
    hole = system.holes(scratch.draws)
    whole = scratch["made"]
    torch.testing.assert_close(whole, system.g(batch["image"], hole))
    assert torch.equal(seen[0], scratch["filled"]) and torch.equal(seen[1], whole)
    assert torch.equal(whole.masked_fill(~hole, 0.0), scratch["filled"].masked_fill(~hole, 0.0))
    score = system.d(whole).scores[0]
    torch.testing.assert_close(terms["whole"], 0.5 * F.softplus(-score).mean())
    outside = torch.autograd.grad(terms["whole"], whole, retain_graph=True)[0]
    assert (outside[(~hole).expand_as(whole)] != 0).all()
    told = system.discriminator_loss(batch, scratch, START)
    torch.testing.assert_close(told["whole"], 0.5 * F.softplus(score).mean())
    of_g = torch.autograd.grad(told["whole"], list(system.g.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in of_g)  # the fakes are detached
    plain = made("ccgan").eval()
    assert "whole" not in plain.generator_loss(*a_batch(data="few-labels"), START)
