"""The any-to-one system: its terms by hand, whose turn it is, what it knows, and that a run is resumed exactly."""

from dataclasses import replace

import pytest
import torch
from made_pool import SPEC, a_pool, a_target

from voicegan.core import state
from voicegan.core.random import Draws
from voicegan.core.system import Progress, Scratch
from voicegan.core.trainer import Trainer, TrainerConfig
from voicegan.core.tricks import feature_matching
from voicegan.voice.pool_batches import TargetAndPool
from voicegan.voice.source_picture import is_speech
from voicegan.voice.systems import POOL_SYSTEMS, SYSTEMS
from voicegan.voice.systems.any_to_one import AnyToOne, AnyToOneConfig
from voicegan.voice.systems.terms import contrast, distance, distance_nearby

M = SPEC.mels
TINY = {"channels": 8, "dilations": (1,), "back_channels": 8, "d_channels": 4, "crop_frames": 32}
SOURCES = {}


def a_source(reads=True):
    if reads not in SOURCES:
        config = AnyToOneConfig(**TINY)
        SOURCES[reads] = TargetAndPool(
            a_target(), a_pool(reads=reads), config.crop_frames, AnyToOne(SPEC, config).disguise
        )
    return SOURCES[reads]


def a_system(reads=True, **changes):
    torch.manual_seed(0)
    system = AnyToOne(SPEC, AnyToOneConfig(**(TINY | changes)))
    system.know(a_source(reads).statistics)
    return system


def awake(**changes):
    """As after some training; in evaluation mode, so that spectral norm does not move between computations."""
    system = a_system(**changes)
    for generator in (system.g_ab, system.g_ba):
        torch.nn.init.normal_(generator.leave.weight, std=0.05)
    return system.eval()


def given(reads=True, rows=3):
    draws = Draws(0, 0, 0, range(rows))
    return a_source(reads).batch(draws), Scratch(draws)


def style(envelope):
    return torch.cat([envelope.mean(dim=2), envelope.std(dim=2) - 1], dim=1)


# Terms ----------------------------------------------------------------------------------------------------------------


def test_terms_follow_the_equations():
    system, (batch, scratch) = awake(), given()
    c = system.config
    terms = system.generator_loss(batch, scratch, Progress(0, 10))
    pool = batch["pool"][:, :M]
    fake_a = system.g_ba(batch["b_envelope"], style(pool)[[2, 0, 1]])  # everyone in somebody else's style
    fakes = {name: system.g_ab(batch[name]) for name in ("own", "read", "pool")}
    torch.testing.assert_close(terms["own"], c.own * distance(fakes["own"], batch["own_target"]))
    read = distance_nearby(fakes["read"], batch["read_target"], c.slack)
    torch.testing.assert_close(terms["read"], c.read * read)
    back = system.g_ab(torch.cat([fake_a, batch["b_more"]], dim=1))
    torch.testing.assert_close(terms["cycle_back"], c.cycle_back * distance(back, batch["b"]))
    judged_b = system.d_b(torch.cat(list(fakes.values()))).scores[0]
    judged_a = system.d_a(fake_a).scores[0]
    for name, weight, judged in (
        ("adversarial", c.adversarial, judged_b),
        ("adversarial_back", c.adversarial_back, judged_a),
    ):
        torch.testing.assert_close(terms[name], weight * (judged - 1).square().mean())
    real = system.d_b(torch.cat([batch["own_target"], batch["read_target"]]))
    fake = system.d_b(torch.cat([fakes["own"], fakes["read"]]))
    torch.testing.assert_close(terms["matching"], c.matching * feature_matching(real, fake))
    judged = system.discriminator_loss(batch, scratch, Progress(0, 10))
    real_b = system.d_b(torch.cat([batch["b"], batch["own_target"]])).scores[0]
    expected = (real_b - 1).square().mean() + judged_b.square().mean()
    torch.testing.assert_close(judged["b"], expected)
    expected = (system.d_a(pool).scores[0] - 1).square().mean() + judged_a.square().mean()
    torch.testing.assert_close(judged["a"], expected)


def test_the_cycle_comes_back_to_the_pools_envelope():
    """The classical conversion keeps the envelope, so untrained both ways the cycle loses little but the style."""
    system, (batch, scratch) = a_system().eval(), given()
    terms = system.generator_loss(batch, scratch, Progress(0, 10))
    pool = batch["pool"][:, :M]
    log_mel = system.g_ab(batch["pool"]) * system.target_std[:, None] + system.target_mean[:, None]
    hz = (batch["pool"][:, -1] / 3 + system.target_log_f0).exp()
    envelope = system.filter.envelope(log_mel, hz)
    again = (envelope - system.target_envelope[:, None]) / system.source_std[:, None]
    torch.testing.assert_close(terms["cycle"], system.config.cycle * distance(again, pool))
    assert distance(again, pool) < 0.35 * pool.abs().mean()


@pytest.mark.parametrize("weight", ["adversarial", "adversarial_back", "own", "read", "cycle", "cycle_back"])
def test_a_term_of_no_weight_is_nothing_and_leaves_the_others(weight):
    batch, scratch = given()
    terms = awake().generator_loss(batch, scratch, Progress(0, 10))
    made = awake(**{weight: 0.0}).generator_loss(batch, Scratch(Draws(0, 0, 0, range(3))), Progress(0, 10))
    assert made[weight] == 0 and terms[weight] > 0
    for name in set(terms) - {weight}:
        assert torch.equal(made[name], terms[name]), name


def test_without_matching_its_features_are_not_asked_for():
    system, (batch, scratch) = awake(matching=0.0), given()
    seen = []
    system.d_b.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    terms = system.generator_loss(batch, scratch, Progress(0, 10))
    assert "matching" not in terms and seen == [9]


def test_what_strangers_say_is_heard_by_an_encoder_that_the_generators_do_not_teach():
    system, (batch, scratch) = awake(content=2.0), given()
    terms = system.generator_loss(batch, scratch, Progress(0, 10))
    pool = batch["pool"][:, :M]
    made = system._envelope(system.g_ab(batch["pool"]), batch["pool"])
    expected = contrast(system.content(pool), system.content(made), is_speech(pool))
    torch.testing.assert_close(terms["content"], system.config.content * expected)
    (phase,) = (phase for phase in system.phases(Progress(0, 10)) if phase.optimizer == "content")
    taught = phase.loss(batch, scratch, Progress(0, 10))
    assert set(taught) == {"content_own", "content_read", "content_pool"}
    sum(taught.values()).backward()
    moved = {name.split(".")[0] for name, p in system.named_parameters() if p.grad is not None}
    assert moved == {"content"}


def test_without_a_weight_of_content_there_is_no_encoder_of_it():
    batch, scratch = given()
    plain = awake()
    assert not hasattr(plain, "content") and "content" not in plain.optimizers()
    assert "content" not in plain.generator_loss(batch, scratch, Progress(0, 10))


def test_without_readers_there_is_no_term_for_them():
    batch, scratch = given(reads=False)
    terms = awake(reads=False).generator_loss(batch, scratch, Progress(0, 10))
    assert set(terms) == {
        "adversarial",
        "adversarial_back",
        "own",
        "cycle",
        "cycle_back",
        "matching",
    }


def test_a_step_takes_four_passes_towards_the_target_and_two_back():
    system, (batch, scratch) = a_system(), given()
    rows = {"g_ab": 0, "g_ba": 0}
    for name in rows:

        def count(module, inputs, output, name=name):
            rows[name] += len(inputs[0])

        getattr(system, name).register_forward_hook(count)
    for phase in system.phases(Progress(0, 10)):
        phase.loss(batch, scratch, Progress(0, 10))
    assert rows == {"g_ab": 4 * 3, "g_ba": 2 * 3}


def test_a_batch_of_one_has_nobody_elses_style_and_trains():
    system, (batch, scratch) = a_system(), given(rows=1)
    terms = system.generator_loss(batch, scratch, Progress(0, 10))
    assert all(term.isfinite() for term in terms.values())


def test_gradients_are_numbers_where_the_generator_asks_for_silence():
    system, (batch, scratch) = a_system(), given()
    with torch.no_grad():
        system.g_ab.offset.fill_(-200.0)
    sum(system.generator_loss(batch, scratch, Progress(0, 10)).values()).backward()
    assert all(p.grad.isfinite().all() for p in system.g_ab.parameters() if p.grad is not None)


# What it knows --------------------------------------------------------------------------------------------------------


def test_what_it_is_told_is_in_its_average_too():
    system, s = a_system(), a_source().statistics
    best = system.best("g_ab")
    assert best is not system.g_ab
    for generator in (system.g_ab, best):
        torch.testing.assert_close(generator.scale, s.source_std / s.target_std)
        torch.testing.assert_close(generator.offset, (s.target_envelope - s.target_mean) / s.target_std)
        torch.testing.assert_close(generator.harmonics, s.harmonics / s.target_std)
    assert float(system.target_log_f0) == pytest.approx(s.target_log_f0)
    batch, _ = given()
    system.eval()
    assert torch.equal(best(batch["pool"]), system.g_ab(batch["pool"]))


def test_untrained_it_already_has_the_targets_mean_and_harmonics():
    """What the network adds to is the classical conversion: nearer to the target than doing nothing."""
    system, (batch, _) = a_system().eval(), given(rows=8)
    made = system.g_ab(batch["own"])
    assert made.mean().abs() < 0.3
    assert distance(made, batch["own_target"]) < 0.6 * distance(batch["own"][:, :M], batch["own_target"])


def test_the_disguise_is_what_the_settings_say():
    disguise = a_system(warp=0.1, colour=0.5, noise=0.25).disguise
    assert (disguise.warp, disguise.colour, disguise.noise) == (0.1, 0.5, 0.25)


def test_it_is_in_a_table_of_its_own():
    assert POOL_SYSTEMS.get("any-to-one") is AnyToOne
    assert "any-to-one" not in SYSTEMS.names()


# Training -------------------------------------------------------------------------------------------------------------


def a_trainer(folder, steps, precision="fp32", source=None, **changes):
    settings = TrainerConfig(
        steps=steps, batch=2, device="cpu", precision=precision, check_every=100, log_every=1
    )
    return Trainer(a_system(**changes), source or a_source(), settings, folder)


@pytest.mark.parametrize("only", ["g", "d", "content"])
def test_every_phase_moves_its_own_networks(only, tmp_path):
    trainer = a_trainer(tmp_path, 2, content=2.0)
    assert [phase.name for phase in trainer.system.phases(trainer.progress)] == ["g", "d", "content"]
    # The generators' phase makes what the discriminators' judges; without a learning rate it moves nothing.
    trainer.specs = {
        name: replace(spec, lr=spec.lr if name == only else 0.0) for name, spec in trainer.specs.items()
    }
    before = {name: value.detach().clone() for name, value in trainer.system.named_parameters()}
    trainer.train_step()
    moved = {
        name.split(".")[0]
        for name, value in trainer.system.named_parameters()
        if not torch.equal(value, before[name])
    }
    assert moved - {"averages"} == set(trainer.specs[only].networks)


def test_the_discriminators_get_no_gradient_into_the_generators():
    system, (batch, scratch) = a_system(), given()
    system.generator_loss(batch, scratch, Progress(0, 10))
    scratch.detach()
    sum(system.discriminator_loss(batch, scratch, Progress(0, 10)).values()).backward()
    assert all(p.grad is None for g in (system.g_ab, system.g_ba) for p in g.parameters())
    assert all(p.grad is not None for p in system.d_b.parameters())


def test_twice_as_many_steps_are_as_many_resumed_and_as_many_again(tmp_path):
    whole = a_trainer(tmp_path / "whole", 4)
    whole.fit(quiet=True)
    for part in range(2):
        trainer = a_trainer(tmp_path / "parts", 4)
        assert trainer.resume() == (part == 1)
        while trainer.step < 2 * (part + 1):
            trainer.train_step()
        trainer.save()
    one, two = (state.latest(tmp_path / place)[1] for place in ("whole", "parts"))
    assert one["step"] == two["step"] == 4 and one["system"].keys() == two["system"].keys()
    for name, value in one["system"].items():
        assert torch.equal(value, two["system"][name]), name
    for name, optimizer in one["optimizers"].items():
        for key, slots in optimizer["state"].items():
            for slot, value in slots.items():
                assert torch.equal(value, two["optimizers"][name]["state"][key][slot]), (name, key, slot)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_steps_are_finite_in_either_precision(precision, tmp_path):
    trainer = a_trainer(tmp_path, 2, precision)
    assert trainer.fit(quiet=True).step == 2
    for name, value in trainer.system.state_dict().items():
        assert value.isfinite().all(), name
    assert trainer.system.g_ab.leave.weight.abs().max() > 0


def test_learning_rates_fall_but_never_to_nothing():
    for spec in a_system().optimizers().values():
        factors = [spec.schedule(Progress(step, 100)) for step in range(101)]
        assert factors[0] == factors[50] == 1.0
        assert factors == sorted(factors, reverse=True) and factors[-1] == pytest.approx(0.05)


@pytest.mark.slow
def test_it_learns_what_the_classical_conversion_does_not_know(tmp_path):
    """A reader's sentences come out nearer to the target's than means and pitch bring them.

    So does the target's own speech in disguise, but less: much of a crop's colour and noise cannot be known from it.
    """
    trainer = a_trainer(tmp_path, 250, channels=48, dilations=(1, 2), lr_g=2e-3, half_life=100.0)
    batch = a_source().batch(Draws(7, 7, 7, range(16)))
    trainer.fit(quiet=True)
    best = trainer.system.best("g_ab").eval()
    for name, share in (("read", 0.75), ("own", 0.95)):
        with torch.no_grad():
            learnt = distance(best(batch[name]), batch[f"{name}_target"])
            classical = distance(best.classical(batch[name]), batch[f"{name}_target"])
        assert learnt < share * classical, name
