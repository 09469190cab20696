"""What the systems to come ask of phases: growth, unrolling, lazy and repeated updates, penalties in bf16."""

import itertools
from pathlib import Path

import pytest
import torch
from core.toy import Critic, Points, Toy, trainer, weights
from torch import nn
from torch.func import functional_call

from voicegan.core.objectives import NON_SATURATING, WASSERSTEIN
from voicegan.core.penalties import clip_weights, gradient_penalty
from voicegan.core.system import Logits, OptimizerSpec, Phase, System
from voicegan.core.trainer import Trainer, TrainerConfig


def made(system, folder: Path, steps=6, precision="fp32"):
    config = TrainerConfig(
        steps=steps, batch=4, device="cpu", precision=precision, log_every=1, check_every=steps
    )
    return Trainer(system, Points(), config, folder)


class Small(System):
    """A linear generator and critic."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.g, self.d = nn.Linear(4, 2), nn.Linear(2, 1)

    def optimizers(self):
        return {"g": OptimizerSpec(("g",), 1e-2), "d": OptimizerSpec(("d",), 1e-2)}

    def phases(self, progress):
        return (Phase("g", "g", self.g_loss), Phase("d", "d", self.d_loss))

    def judge(self, x):
        return Logits((self.d(x),))

    def fake(self, scratch):
        return self.g(scratch.draws.normal("z", 4))

    def g_loss(self, batch, scratch, progress):
        return {"adversarial": NON_SATURATING.g(self.judge(self.fake(scratch)))}

    def d_loss(self, batch, scratch, progress):
        return {
            "adversarial": NON_SATURATING.d(
                self.judge(batch["real"]), self.judge(self.fake(scratch).detach())
            )
        }


class Clipped(Small):
    """Three critic updates in every second step, each followed by weight clipping (Arjovsky 2017)."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def phases(self, progress):
        return (
            Phase("d", "d", self.d_loss, repeats=3, every=2, after=(self.clip,)),
            Phase("g", "g", self.g_loss),
        )

    def d_loss(self, batch, scratch, progress):
        self.seen.append((progress.step, scratch.repeat, batch["real"].clone()))
        return super().d_loss(batch, scratch, progress)

    def clip(self):
        assert not torch.is_grad_enabled()
        self.seen[-1] += (self.d.weight.abs().max().item(),)
        clip_weights(self.d, 0.01)


def test_repeats_come_in_steps_that_are_due_each_with_new_data_and_its_after(tmp_path):
    system = Clipped()
    made(system, tmp_path).fit(quiet=True)
    assert [(step, repeat) for step, repeat, *_ in system.seen] == list(
        itertools.product((0, 2, 4), range(3))
    )
    batches = [real for _, _, real, _ in system.seen]
    assert all(not torch.equal(x, y) for i, x in enumerate(batches) for y in batches[:i])
    assert system.seen[1][3] > 0.01  # the update came before the clipping
    assert system.d.weight.abs().max() <= 0.01


def test_gradients_are_cut_to_the_longest_allowed(tmp_path):
    class Cut(Small):
        def optimizers(self):
            return {
                "g": OptimizerSpec(("g",), 1.0, (0.0, 0.9), kind="sgd", clip_norm=1e-3),
                "d": OptimizerSpec(("d",), 1e-2),
            }

    system = Cut()
    before = weights(system)
    made(system, tmp_path).train_step()
    moved = torch.cat([(p - before[f"g.{n}"]).flatten() for n, p in system.g.named_parameters()])
    assert moved.norm().item() == pytest.approx(1e-3, rel=1e-3)


class Growing(Small):
    """A second layer joins at half of the run (Karras 2018): the set of parameters stays, gradients come."""

    def __init__(self):
        super().__init__()
        self.g = nn.ModuleList([nn.Linear(4, 2), nn.Linear(2, 2)])
        self.grown = False

    def phases(self, progress):
        self.grown = progress.fraction >= 0.5
        return super().phases(progress)

    def fake(self, scratch):
        x = self.g[0](scratch.draws.normal("z", 4))
        return self.g[1](x) if self.grown else x


def test_layers_that_get_no_gradient_stay_until_they_do(tmp_path):
    run = made(Growing(), tmp_path / "whole")
    before = weights(run.system)
    for _ in range(3):
        run.train_step()
    assert torch.equal(run.system.g[1].weight, before["g.1.weight"])
    assert len(run.optimizers["g"].state) == 2
    run.save()
    resumed = made(Growing(), tmp_path / "whole")
    resumed.resume()
    for each in (run, resumed):
        each.fit(quiet=True)
        assert len(each.optimizers["g"].state) == 4
    assert not torch.equal(run.system.g[1].weight, before["g.1.weight"])
    for name, value in weights(run.system).items():
        assert torch.equal(value, resumed.system.state_dict()[name]), name


class Unrolled(Small):
    """The generator sees through two steps of its critic (Metz 2017)."""

    def __init__(self, unrolled):
        super().__init__()
        self.unrolled = unrolled

    def g_loss(self, batch, scratch, progress):
        fake = self.fake(scratch)
        ahead = {name: p.detach().requires_grad_() for name, p in self.d.named_parameters()}
        for _ in range(self.unrolled):
            real_scores, fake_scores = (functional_call(self.d, ahead, (x,)) for x in (batch["real"], fake))
            loss = NON_SATURATING.d(Logits((real_scores,)), Logits((fake_scores,)))
            slopes = torch.autograd.grad(loss, list(ahead.values()), create_graph=True)
            ahead = {name: p - 0.5 * slope for (name, p), slope in zip(ahead.items(), slopes, strict=True)}
        return {"adversarial": NON_SATURATING.g(Logits((functional_call(self.d, ahead, (fake,)),)))}


def test_unrolling_reaches_the_generator_and_leaves_the_critic_alone(tmp_path):
    gradients = []
    for unrolled in (0, 2):
        run = made(Unrolled(unrolled), tmp_path)
        batch, scratch = run._draw(0)
        before = weights(run.system.d)
        run._update(Phase("g", "g", run.system.g_loss), batch, scratch, run.progress)
        gradients.append(run.system.g.weight.grad.clone())
        assert all(torch.equal(value, before[name]) for name, value in weights(run.system.d).items())
        assert all(p.grad is None for p in run.system.d.parameters())
    assert not torch.allclose(*gradients)


class Penalised(Small):
    """A gradient penalty beside scores in bf16 (Gulrajani 2017)."""

    def __init__(self):
        super().__init__()
        self.d = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
        self.types = []
        self.d[0].register_forward_hook(lambda layer, inputs, output: self.types.append(output.dtype))

    def d_loss(self, batch, scratch, progress):
        fake = self.fake(scratch).detach()
        scores = WASSERSTEIN.d(self.judge(batch["real"]), self.judge(fake))
        mix = scratch.draws.uniform("mix")
        return {"critic": scores, "penalty": 10 * gradient_penalty(self.judge, batch["real"], fake, mix)}


def test_penalties_are_computed_in_float32_where_all_else_is_bf16(tmp_path):
    system = Penalised()
    run = made(system, tmp_path, precision="bf16")
    batch, scratch = run._draw(0)
    run._update(Phase("d", "d", system.d_loss), batch, scratch, run.progress)
    assert system.types == [torch.bfloat16, torch.bfloat16, torch.float32]
    assert {p.dtype for p in system.parameters()} == {torch.float32}
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in system.d.parameters())


class TwoJobs(Small):
    """One optimizer, two phases that each reach a part of its networks (Makhzani 2015)."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(2, 2), nn.Linear(2, 2)

    def optimizers(self):
        return {
            "auto": OptimizerSpec(("encoder", "decoder"), 1e-2),
            "d": OptimizerSpec(("d",), 1e-2),
        }

    def phases(self, progress):
        return (Phase("rebuild", "auto", self.rebuild), Phase("fool", "auto", self.fool))

    def rebuild(self, batch, scratch, progress):
        return {"error": (self.decoder(self.encoder(batch["real"])) - batch["real"]).square().mean()}

    def fool(self, batch, scratch, progress):
        return {"adversarial": NON_SATURATING.g(self.judge(self.encoder(batch["real"])))}


def test_phases_that_share_an_optimizer_reach_their_own_part(tmp_path):
    run = made(TwoJobs(), tmp_path)
    run.train_step()
    counts = {id(p): int(s["step"]) for p, s in run.optimizers["auto"].state.items()}
    assert [counts[id(p)] for p in run.system.encoder.parameters()] == [2, 2]
    assert [counts[id(p)] for p in run.system.decoder.parameters()] == [1, 1]


def test_run_of_two_ranks_goes_on_with_one_and_back(tmp_path):
    first = trainer(tmp_path, 4)
    first.train_step()
    saved = first.state()
    mine = {name: buffer.clone() for name, buffer in first.system.named_buffers()}
    other = {**mine, "pool.items": mine["pool.items"] + 1}
    second = trainer(tmp_path, 4)
    second.restore({**saved, "ranks": [other, mine]})  # this rank is the first
    assert torch.equal(second.system.pool.items, other["pool.items"])
    third = trainer(tmp_path, 4)
    third.restore(saved)  # of one rank: every rank takes its buffers
    assert torch.equal(third.system.pool.items, mine["pool.items"])


def test_optimizers_of_every_kind_learn(tmp_path):
    for kind in ("adam", "adamw", "rmsprop", "sgd"):

        class Other(Toy):
            def optimizers(self, kind=kind):
                return {
                    "g": OptimizerSpec(("g",), 1e-3, kind=kind),
                    "d": OptimizerSpec(("d",), 1e-3, kind=kind),
                }

        system = Other()
        before = weights(system)
        made(system, tmp_path / kind, steps=1).train_step()
        assert not torch.equal(system.g[0].weight, before["g.0.weight"]), kind
        assert isinstance(system.d, Critic)
