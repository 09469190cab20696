"""What each paper says of its system, looked for in the system itself."""

import itertools
import math
from pathlib import Path

import pydantic
import pytest
import torch
from image.by_heart import ByHeart
from image.shapes import SHAPE, a_batch, made, trainer
from torch import nn
from torch.nn.utils import parametrize

from voicegan.core.blocks import spectral_norm
from voicegan.core.penalties import input_gradient
from voicegan.core.system import Logits, Phase, Progress
from voicegan.image.nets import DISCRIMINATORS
from voicegan.image.systems import SYSTEMS
from voicegan.image.systems.base import AdversarialSystem, GameSystem

START = Progress(0, 10)
GAMES = [name for name in SYSTEMS if issubclass(SYSTEMS.get(name), GameSystem)]
ADVERSARIAL = [name for name in SYSTEMS if issubclass(SYSTEMS.get(name), AdversarialSystem)]


class Linear(nn.Module):
    """A critic that is linear: its gradient is its weight everywhere. It remembers what it was shown."""

    def __init__(self, slope: float, score: float = 0.0) -> None:
        super().__init__()
        self.score = score
        self.weight = nn.Parameter(torch.full((math.prod(SHAPE),), slope))
        self.shown: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> Logits:
        self.shown.append(x.detach().clone())
        return Logits((x.flatten(1) @ self.weight[:, None] + self.score,))


@pytest.mark.parametrize("name", GAMES)
def test_both_sides_of_a_game_have_an_optimizer_and_a_turn(name: str) -> None:
    system = made(name, d_repeats=3, half_life=100.0)
    sides = {"g": system.generators, "d": system.discriminators}
    assert {key: spec.networks for key, spec in system.optimizers().items()} == sides
    assert {phase.name: phase.repeats for phase in system.phases(START)} == {"g": 1, "d": 3}
    assert all(system.best(player) is not getattr(system, player) for player in system.generators)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_the_discriminators_loss_does_not_reach_the_generator(name: str) -> None:
    """Also where nobody has frozen it."""
    system = made(name).train()
    batch, scratch = a_batch(data=system.data)
    loss = sum(system.discriminator_loss(batch, scratch, START).values())
    loss.backward()
    assert all(p.grad is None or not p.grad.any() for p in system.g.parameters())
    assert any(p.grad is not None and p.grad.any() for p in system.d.parameters())


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_fakes_are_made_once_a_batch(name: str) -> None:
    system = made(name).train()
    passes = []
    system.g.register_forward_hook(lambda *_: passes.append(1))
    batch, scratch = a_batch(data=system.data)
    for phase in system.phases(START):
        phase.loss(batch, scratch, START)
        scratch.detach()
    assert len(passes) == 1


def test_where_d_is_sure_only_the_non_saturating_generator_learns() -> None:
    steep = {}
    for objective in ("minimax", "non_saturating"):
        system = made("gan", objective=objective)
        system.d = Linear(0.01, score=-12.0)
        sum(system.generator_loss(*a_batch(), START).values()).backward()
        steep[objective] = sum(p.grad.norm() for p in system.g.parameters()).item()
    assert steep["non_saturating"] > 1000 * steep["minimax"] > 0


def test_rates_stay_unless_they_are_asked_to_fall() -> None:
    for changes, rates in (({}, [1.0, 1.0, 1.0]), ({"decay_from": 0.25}, [1.0, 1.0, 0.5])):
        for spec in made("wgan-gp", d_norm="none", **changes).optimizers().values():
            assert [spec.schedule(Progress(step, 80)) for step in (0, 20, 50)] == rates


@pytest.mark.parametrize("name", ["wgan", "wgan-gp"])
def test_critic_sees_five_batches_a_step(name: str, tmp_path: Path) -> None:
    system = made(name, d_norm="none", penalty=0.0) if name == "wgan-gp" else made(name, d_norm="none")
    system.d = Linear(0.005)
    run = trainer(system, tmp_path, steps=1)
    run.train_step()
    # Only bars are bright in every sample.
    real = [x for x in system.d.shown if x.flatten(1).amax(1).min() > 0.75]
    assert len(real) == SYSTEMS.get(name).Config().d_repeats == 5
    assert all(not torch.equal(x, y) for i, x in enumerate(real) for y in real[:i])
    repeats = {phase.name: phase.repeats for phase in system.phases(START)}
    assert repeats == {"g": 1, "d": 5}


def test_wasserstein_terms_are_means_of_scores() -> None:
    system = made("wgan")
    system.d = Linear(0.1)
    batch, scratch = a_batch()
    losses = system.discriminator_loss(batch, scratch, START), system.generator_loss(batch, scratch, START)
    real, fake = 0.1 * batch["image"].flatten(1).sum(1).mean(), 0.1 * scratch["fake"].flatten(1).sum(1).mean()
    torch.testing.assert_close(losses[0]["adversarial"], fake - real)
    torch.testing.assert_close(losses[1]["adversarial"], -fake)


def test_weights_of_the_critic_are_clipped_after_each_update(tmp_path: Path) -> None:
    system = made("wgan", clip=0.003, lr_d=0.1)
    run = trainer(system, tmp_path)
    largest = []
    (generator, critic) = system.phases(START)
    assert not generator.after and len(critic.after) == 1
    system.d.register_forward_pre_hook(
        lambda d, _: largest.append(max(p.abs().max().item() for p in d.parameters()))
    )
    run.train_step()
    assert len(largest) == 1 + 5 * 2  # the generator's, and real and fake of each update
    assert max(largest[3:]) <= 0.003 + 1e-9 < largest[0]
    assert any(p.abs().max() > 0.003 for p in system.g.parameters())
    assert type(run.optimizers["d"]) is type(run.optimizers["g"]) is torch.optim.RMSprop


def test_gradient_penalty_is_its_closed_form_on_a_linear_critic() -> None:
    system = made("wgan-gp", penalty=10.0)
    system.d = Linear(0.25)  # the norm of its gradient is 0.25 · √64 = 2
    terms = system.discriminator_loss(*a_batch(), START)
    assert terms["penalty"].item() == pytest.approx(10.0 * (2.0 - 1.0) ** 2, rel=1e-5)
    terms["penalty"].backward()
    # d/dw 10 (‖w‖ - 1)² = 20 (‖w‖ - 1) w / ‖w‖
    torch.testing.assert_close(system.d.weight.grad, torch.full((64,), 20 * 0.25 / 2))


def test_a_lazy_penalty_comes_in_every_third_update_three_times_as_heavy(tmp_path: Path) -> None:
    system = made("wgan-gp", penalty=10.0, penalty_every=3)
    system.d = Linear(0.25)
    told = []
    for step, repeat in itertools.product(range(2), range(5)):
        batch, scratch = a_batch(repeat=repeat)
        told.append(system.discriminator_loss(batch, scratch, Progress(step, 10)).get("penalty"))
    assert [number for number, penalty in enumerate(told) if penalty is not None] == [0, 3, 6, 9]
    assert told[3].item() == pytest.approx(3 * 10.0 * (2.0 - 1.0) ** 2, rel=1e-5)
    judged = []  # and so in a training: two passes of real and fake in each update, one more where it is penalised
    run = trainer(system := made("wgan-gp", penalty_every=3), tmp_path)
    system.d.register_forward_pre_hook(lambda *_: judged.append(1))
    run.train_step()
    assert len(judged) == 1 + 5 * 2 + 2


def test_gradient_penalty_lies_between_real_and_fake_with_a_mix_for_each_sample() -> None:
    system = made("wgan-gp")
    system.d = Linear(0.1)
    batch, scratch = a_batch()
    system.discriminator_loss(batch, scratch, START)
    between = system.d.shown[-1]
    real, fake = batch["image"].flatten(1), scratch["fake"].detach().flatten(1)
    share = (between.flatten(1) - fake) / (real - fake)
    spread = share.amax(1) - share.amin(1)
    assert spread.max() < 1e-3 and share.min() >= 0 and share.max() <= 1
    assert share.mean(1).std() > 0.05


def test_dragan_penalises_around_real_data_alone() -> None:
    """What the generator makes does not change it, and what is perturbed lies about the data."""
    penalties, around = [], []
    for seed in (0, 1):
        system = made("dragan", seed=seed, scale=0.5)
        torch.manual_seed(5)
        system.d = made("dragan").d
        shown = []
        system.d.register_forward_pre_hook(lambda d, inputs, shown=shown: shown.append(inputs[0].detach()))
        batch, scratch = a_batch()
        penalties.append(system.discriminator_loss(batch, scratch, START)["penalty"].item())
        around.append((shown[-1] - batch["image"]) / batch["image"].std(correction=0))
    assert penalties[0] == penalties[1] > 0
    assert around[0].std().item() == pytest.approx(0.5, rel=0.15)
    system = made("dragan", penalty=10.0)
    system.d = Linear(0.25)
    penalty = system.discriminator_loss(*a_batch(), START)["penalty"].item()
    assert penalty == pytest.approx(10.0, rel=1e-5)


@pytest.mark.parametrize("name", ["wgan-gp", "dragan"])
def test_batch_norm_is_refused_where_gradients_are_penalised(name: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="mixes the samples"):
        SYSTEMS.get(name).Config(d_norm="batch")
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in made(name).d.modules())


def test_spectral_norms_are_one_while_it_trains(tmp_path: Path) -> None:
    system = made("sngan", width=8, lr_d=1e-3)
    run = trainer(system, tmp_path, steps=60)
    for _ in range(60):
        run.train_step()
    norms = [
        torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        for layer in system.d.eval().modules()
        if isinstance(layer, (nn.Linear, nn.Conv2d))
    ]
    assert len(norms) == 6 and norms == pytest.approx([1.0] * 6, abs=0.1)
    assert not any(parametrize.is_parametrized(layer) for layer in system.g.modules())


def test_a_spectral_discriminator_judges_both_kinds_by_the_same_weights() -> None:
    """Each pass takes the power iteration further, so it is one pass for all."""
    system = made("sngan").train()
    shown = []
    system.d.register_forward_pre_hook(lambda d, inputs: shown.append(inputs[0]))
    batch, scratch = a_batch()
    system.discriminator_loss(batch, scratch, START)
    (both,) = shown
    assert torch.equal(both, torch.cat([batch["image"], scratch["fake"]]))


def test_the_spectral_discriminator_is_the_papers() -> None:
    """Table 3 for 32 x 32 pictures: seven convolutions of 64 to 512 channels, no norm, and one score."""
    kind = SYSTEMS.get("sngan")
    d = kind((3, 32, 32), 10, kind.Config(width=64)).d
    layers = [m for m in d.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in layers] == [64, 128, 128, 256, 256, 512, 512]
    assert [m.kernel_size[0] for m in layers] == [3, 4, 3, 4, 3, 4, 3]
    assert [m.stride[0] for m in layers] == [1, 2, 1, 2, 1, 2, 1]
    assert d.judgement.score.in_features == 4 * 4 * 512
    assert {m.negative_slope for m in d.modules() if isinstance(m, nn.LeakyReLU)} == {0.1}
    assert not any(isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)) for m in d.modules())


def test_a_deep_spectral_discriminator_can_stretch_what_a_shallow_one_cannot() -> None:
    """Why the depth is there: the longest gradient of the score that training can reach."""
    longest = {}
    for net in ("dcgan", "sngan"):
        torch.manual_seed(0)
        d = spectral_norm(DISCRIMINATORS.get(net)((1, 8, 8), 8, "none"))
        for layer in (m for m in d.modules() if isinstance(m, (nn.Conv2d, nn.Linear))):
            layer.parametrizations.weight.original.data.fill_(1.0)  # the same everywhere: nothing cancels
            for _ in range(15):
                d(torch.ones(1, 1, 8, 8))
        longest[net] = input_gradient(d.eval(), torch.ones(1, 1, 8, 8)).norm().item()
    assert longest["sngan"] > 3 * longest["dcgan"] > 0


def test_dropout_is_in_the_first_discriminator_alone() -> None:
    system = made("gan").train()
    image = a_batch()[0]["image"]
    assert not torch.equal(system.d(image).scores[0], system.d(image).scores[0])
    assert not any(isinstance(layer, nn.Dropout) for layer in system.g.modules())


def test_hinge_leaves_alone_what_is_beyond_the_margin() -> None:
    system = made("sngan").eval()
    batch, scratch = a_batch()
    real, fake = batch["image"], system.fake(scratch)
    for of_real, of_fake, loss in ((1.5, -1.25, 0.0), (1.5, 2.0, 3.0), (-2.0, -1.25, 3.0)):
        system.d = ByHeart((real, of_real), (fake, of_fake))
        judged = system.discriminator_loss(batch, scratch, START)["adversarial"]
        assert judged.item() == pytest.approx(loss)
        judged.backward()
        assert system.d.scores.grad[:2].ne(0).tolist() == [of_real < 1, of_fake > -1]
        assert system.generator_loss(batch, scratch, START)["adversarial"].item() == pytest.approx(-of_fake)


def test_a_phase_is_plain_data() -> None:
    for name in SYSTEMS:
        assert all(isinstance(phase, Phase) for phase in made(name).phases(START))


def test_looking_ahead_leaves_the_discriminator_as_it_is() -> None:
    """Its running means too, where it has batch norm."""
    system = made("unrolled", net="dcgan", d_norm="batch", unroll=3)
    batch, scratch = a_batch()
    before = {name: value.clone() for name, value in system.d.state_dict().items()}
    system.generator_loss(batch, scratch, Progress(0, 10))["adversarial"].backward()
    after = system.d.state_dict()
    assert "layers.1.1.running_mean" in before and all(
        torch.equal(after[name], before[name]) for name in before
    )
