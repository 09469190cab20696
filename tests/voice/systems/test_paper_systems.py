"""The papers' systems: what a step computes, what it updates, and by which schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from voicegan.config import build
from voicegan.core.random import Draws
from voicegan.core.system import Progress, Scratch
from voicegan.core.trainer import Trainer, TrainerConfig
from voicegan.errors import VoiceganError
from voicegan.voice.nets import NETS, Condition
from voicegan.voice.systems import SYSTEMS
from voicegan.voice.systems.mask_cyclegan_vc import gap

PAPERS = ("cyclegan-vc", "cyclegan-vc2", "mask-cyclegan-vc")
TWO_STEP = PAPERS[1:]
MELS, FRAMES = 12, 16


def make(name: str, **settings: Any) -> Any:
    kind = SYSTEMS.get(name)
    torch.manual_seed(0)
    small = {"channels": 4, "d_channels": 4, "blocks": 1, "crop_frames": FRAMES}
    return kind(MELS, build(kind.Config, {**small, **settings}))


def make_batch(size: int = 3, *, parallel: bool = False) -> dict[str, Tensor]:
    draws = Draws(1, 0, 0, range(size))
    batch = {side: draws.normal(side, MELS, FRAMES) for side in "ab"}
    if parallel:
        batch |= {f"{side}_target": draws.normal(f"{side}_target", MELS, FRAMES) for side in "ab"}
        batch |= {f"{side}_weight": (draws.uniform(side, 1, FRAMES) > 0.3).float() for side in "ab"}
    return batch


def make_scratch(size: int = 3, step: int = 0) -> Scratch:
    return Scratch(Draws(0, step, 0, range(size)))


def progress(step: int = 0, total: int = 400_000) -> Progress:
    return Progress(step, total)


def l1(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).abs().mean()


def to_one(scores: Tensor) -> Tensor:
    return ((scores - 1) ** 2).mean()


def to_zero(scores: Tensor) -> Tensor:
    return (scores**2).mean()


class Source:
    """Two made-up voices: noise around two different means."""

    def batch(self, draws: Draws) -> dict[str, Tensor]:
        return {"a": draws.normal("a", MELS, FRAMES) + 1, "b": draws.normal("b", MELS, FRAMES) - 1}


# ------------------------------------------------------------------ the losses, against hand computation


def masks_of(system: Any, batch: dict[str, Tensor], scratch: Scratch) -> tuple[Tensor, Tensor]:
    """The masks of a step: ones where the system draws none."""
    masks = system.masks(batch["a"], batch["b"], scratch)
    ones = torch.ones(len(batch["a"]), 1, FRAMES)
    return (ones if masks[0] is None else masks[0], ones if masks[1] is None else masks[1])


@pytest.mark.parametrize("name", PAPERS)
def test_generator_terms_are_the_papers(name: str) -> None:
    system, batch = make(name), make_batch(parallel=True)
    terms = system.generator_loss(batch, make_scratch(), progress())
    a, b = batch["a"], batch["b"]
    mask_a, mask_b = masks_of(system, batch, make_scratch())

    fake_b = system.g_ab(a, Condition(mask=mask_a))
    fake_a = system.g_ba(b, Condition(mask=mask_b))
    cycle_a, cycle_b = system.g_ba(fake_b), system.g_ab(fake_a)
    expected = {
        "adversarial": to_one(system.d_b(fake_b).scores[0]) + to_one(system.d_a(fake_a).scores[0]),
        "cycle": 10 * (l1(cycle_a, a) + l1(cycle_b, b)),
        "identity": 5 * (l1(system.g_ab(b), b) + l1(system.g_ba(a), a)),
    }
    weighed = [
        ((fake - batch[f"{side}_target"]).abs() * batch[f"{side}_weight"]).sum()
        / (MELS * batch[f"{side}_weight"].sum())
        for fake, side in ((fake_b, "a"), (fake_a, "b"))
    ]
    expected["parallel"] = weighed[0] + weighed[1]
    if name in TWO_STEP:
        expected["second"] = to_one(system.d_a2(cycle_a).scores[0]) + to_one(system.d_b2(cycle_b).scores[0])
    assert set(terms) == set(expected)
    for key, value in expected.items():
        torch.testing.assert_close(terms[key], value, msg=key)


@pytest.mark.parametrize("name", PAPERS)
def test_discriminator_terms_are_the_papers(name: str) -> None:
    system, batch, scratch = make(name), make_batch(), make_scratch()
    system.generator_loss(batch, scratch, progress())
    scratch.detach()
    terms = system.discriminator_loss(batch, scratch, progress())
    games = {"a": (system.d_a, "a", "fake_a"), "b": (system.d_b, "b", "fake_b")}
    if name in TWO_STEP:
        games |= {"a2": (system.d_a2, "a", "cycle_a"), "b2": (system.d_b2, "b", "cycle_b")}
    assert set(terms) == set(games)
    for key, (judge, real, fake) in games.items():
        value = to_one(judge(batch[real]).scores[0]) + to_zero(judge(scratch[fake]).scores[0])
        torch.testing.assert_close(terms[key], value, msg=key)


@pytest.mark.parametrize("name", PAPERS)
def test_pairs_count_only_where_a_batch_has_them(name: str) -> None:
    system = make(name)
    assert "parallel" not in system.generator_loss(make_batch(), make_scratch(), progress())
    silent = make(name, parallel=0.0)
    assert "parallel" not in silent.generator_loss(make_batch(parallel=True), make_scratch(), progress())


@pytest.mark.parametrize("name", PAPERS)
def test_identity_loss_ends_after_its_steps(name: str) -> None:
    system = make(name)
    last = system.generator_loss(make_batch(), make_scratch(), progress(9_999))
    after = system.generator_loss(make_batch(), make_scratch(), progress(10_000))
    assert "identity" in last
    assert "identity" not in after
    torch.testing.assert_close(last["cycle"], after["cycle"])


# ------------------------------------------------------------------ settings and schedules


@pytest.mark.parametrize(
    ("name", "steps", "constant", "crop"),
    [
        ("cyclegan-vc", 400_000, 200_000, 128),
        ("cyclegan-vc2", 400_000, 200_000, 128),
        ("mask-cyclegan-vc", 500_000, 200_000, 64),
    ],
)
def test_defaults_are_the_papers(name: str, steps: int, constant: int, crop: int) -> None:
    kind = SYSTEMS.get(name)
    assert kind.trainer_defaults == {"steps": steps, "batch": 1}
    c = kind.Config()
    assert (c.cycle, c.identity, c.identity_until_step, c.crop_frames) == (10, 5, 10_000, crop)
    assert (c.lr_g, c.lr_d, c.betas, c.half_life) == (2e-4, 1e-4, (0.5, 0.999), None)
    assert c.decay_from * steps == constant


@pytest.mark.parametrize(("name", "total"), [("cyclegan-vc", 400_000), ("mask-cyclegan-vc", 500_000)])
def test_both_learning_rates_decay(name: str, total: int) -> None:
    specs = make(name).optimizers()
    for key, lr in (("g", 2e-4), ("d", 1e-4)):
        spec = specs[key]
        assert spec.lr == lr
        rest = total - 200_000
        assert spec.schedule(progress(0, total)) == spec.schedule(progress(200_000, total)) == 1.0
        assert spec.schedule(progress(200_000 + rest // 4, total)) == pytest.approx(0.75)
        assert spec.schedule(progress(total, total)) == pytest.approx(0.0)


@pytest.mark.parametrize("name", PAPERS)
def test_every_weight_has_one_optimizer(name: str) -> None:
    system = make(name)
    owned = [
        p for s in system.optimizers().values() for n in s.networks for p in getattr(system, n).parameters()
    ]
    assert len(owned) == len({id(p) for p in owned}) == len(list(system.parameters()))


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(VoiceganError, match="mask_share"):
        make("mask-cyclegan-vc", mask_shares=0.3)


@pytest.mark.parametrize("name", PAPERS)
def test_the_generator_can_be_built_again(name: str) -> None:
    system = make(name)
    again = NETS.get(system.generator_name)(**system.generator_arguments)
    again.load_state_dict(system.best("g_ab").state_dict())
    mel = torch.randn(1, MELS, 7)
    torch.testing.assert_close(again(mel), system.g_ab(mel))


def test_averages_are_kept_on_demand() -> None:
    assert make("cyclegan-vc").best("g_ab") is not make("cyclegan-vc", half_life=100.0).best("g_ab")
    assert set(make("cyclegan-vc").averages) == set()
    assert set(make("cyclegan-vc", half_life=100.0).averages) == {"g_ab", "g_ba"}


# ------------------------------------------------------------------ what a step costs and touches


def passes_in_a_step(system: Any, size: int, folder: Path, steps: int = 1) -> float:
    """Samples that go through the generators in a step, for each sample of the batch."""
    seen: list[int] = []
    for generator in (system.g_ab, system.g_ba):
        generator.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    trainer = Trainer(system, Source(), TrainerConfig(steps=4, batch=size, precision="fp32"), folder)
    for _ in range(steps):
        trainer.train_step()
    return sum(seen) / size / steps


@pytest.mark.parametrize("name", PAPERS)
def test_a_step_makes_six_generator_passes(name: str, tmp_path: Path) -> None:
    assert passes_in_a_step(make(name), 3, tmp_path) == 6


@pytest.mark.parametrize("name", PAPERS)
def test_without_identity_a_step_makes_four(name: str, tmp_path: Path) -> None:
    assert passes_in_a_step(make(name, identity_until_step=0), 2, tmp_path) == 4
    assert passes_in_a_step(make(name, identity=0.0), 2, tmp_path) == 4


@pytest.mark.parametrize("name", PAPERS)
def test_discriminators_phase_leaves_the_generators_alone(name: str) -> None:
    system, batch, scratch = make(name), make_batch(), make_scratch()
    system.generator_loss(batch, scratch, progress())
    scratch.detach()
    sum(system.discriminator_loss(batch, scratch, progress()).values()).backward()
    generators = [*system.g_ab.parameters(), *system.g_ba.parameters()]
    assert all(p.grad is None for p in generators)
    judges = [p for name in system.discriminators for p in getattr(system, name).parameters()]
    assert all(p.grad is not None for p in judges)


@pytest.mark.parametrize("name", PAPERS)
def test_a_few_steps_change_every_network(name: str, tmp_path: Path) -> None:
    system = make(name, half_life=10.0)
    before = {key: value.clone() for key, value in system.state_dict().items()}
    trainer = Trainer(system, Source(), TrainerConfig(steps=3, batch=2), tmp_path)
    outcome = trainer.fit()
    assert outcome.step == 3
    after = system.state_dict()
    for network in ("g_ab", "g_ba", *system.discriminators, "averages.g_ab"):
        keys = [key for key in before if key.startswith(network + ".")]
        assert keys
        assert any(not torch.equal(before[key], after[key]) for key in keys), network
    assert all(value.isfinite().all() for value in after.values())


@pytest.mark.parametrize("name", PAPERS)
def test_a_step_is_the_same_on_one_rank_and_on_two(name: str) -> None:
    """Masks and losses belong to samples: the mean over two halves is the whole batch's."""
    system, batch = make(name), make_batch(4)
    whole = system.generator_loss(batch, make_scratch(4), progress())
    halves = []
    for rows in (range(2), range(2, 4)):
        part = {key: value[rows.start : rows.stop] for key, value in batch.items()}
        halves.append(system.generator_loss(part, Scratch(Draws(0, 0, 0, rows)), progress()))
    for key, value in whole.items():
        torch.testing.assert_close((halves[0][key] + halves[1][key]) / 2, value, msg=key)


# ------------------------------------------------------------------ filling in frames


def test_the_first_pass_sees_masked_frames_and_the_others_all() -> None:
    system, batch = make("mask-cyclegan-vc"), make_batch(4)
    calls: list[tuple[Tensor, Tensor | None]] = []
    for generator in (system.g_ab, system.g_ba):
        generator.register_forward_pre_hook(
            lambda module, inputs: calls.append((inputs[0], inputs[1].mask if len(inputs) > 1 else None))
        )
    system.generator_loss(batch, make_scratch(4), progress())
    first_ab, first_ba, *back = calls
    mask_a, mask_b = system.masks(batch["a"], batch["b"], make_scratch(4))
    ones = torch.ones(4, 1, FRAMES)
    assert torch.equal(first_ab[1], torch.cat([mask_a, ones]))
    assert torch.equal(first_ba[1], torch.cat([mask_b, ones]))
    assert not torch.equal(mask_a, mask_b)
    assert len(back) == 2
    assert all(mask is None or bool((mask == 1).all()) for _, mask in back)  # None: every frame is given


def test_each_step_draws_new_masks_and_a_repeated_step_the_same() -> None:
    system, batch = make("mask-cyclegan-vc"), make_batch(3)
    first, second, again = (system.masks(batch["a"], batch["b"], make_scratch(step=s))[0] for s in (0, 1, 0))
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_gaps_are_runs_of_any_length_up_to_the_share(share: float) -> None:
    frames, size = 16, 4000
    mask = gap(Draws(0, 0, 0, range(size)).uniform("m", 2), frames, share)
    assert mask.shape == (size, 1, frames)
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    edges = torch.nn.functional.pad(mask, (1, 1), value=1.0).diff(dim=-1)
    assert int((edges < 0).sum(dim=-1).max()) <= 1  # one run
    lengths = (1 - mask).sum(dim=(1, 2)).long()
    assert sorted(set(lengths.tolist())) == list(range(int(share * frames) + 1))


def test_every_frame_can_be_taken_out() -> None:
    mask = gap(Draws(0, 0, 0, range(4000)).uniform("m", 2), 16, 0.5)
    assert bool((mask == 0).any(dim=0).all())


def test_gaps_of_extreme_draws_stay_inside() -> None:
    top = 1 - 2.0**-24
    mask = gap(torch.tensor([[top, top], [top, 0.0], [0.0, top], [0.0, 0.0]]), 8, 0.5)[:, 0]
    assert mask.tolist() == [[1] * 4 + [0] * 4, [0] * 4 + [1] * 4, [1] * 8, [1] * 8]
