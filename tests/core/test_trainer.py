"""The one loop: order, freezing, sharing, and a resume that is exact to the bit."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from core.toy import Points, Toy, trainer, weights
from torch import nn

from voicegan.core import state
from voicegan.core.system import OptimizerSpec, Phase, Scratch, System
from voicegan.core.trainer import Trainer, TrainerConfig
from voicegan.errors import VoiceganError

TOY = Path(__file__).with_name("toy.py")


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def assert_same_run(one, other):
    assert (one.step, one.seen) == (other.step, other.seen)
    assert_same(weights(one.system), weights(other.system))
    for name, optimizer in one.optimizers.items():
        theirs = other.optimizers[name].state_dict()["state"]
        for index, entry in optimizer.state_dict()["state"].items():
            assert_same(entry, theirs[index])


def spawn(*arguments, **options):
    here = str(TOY.parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, *sys.path]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(TOY), *map(str, arguments)], env=environment, stdout=subprocess.PIPE, **options
    )


def test_resumed_run_equals_uninterrupted_run(tmp_path):
    whole = trainer(tmp_path / "whole", 20)
    whole.fit(quiet=True)
    first = trainer(tmp_path / "parts", 20)
    for _ in range(10):
        first.train_step()
    first.save()
    second = trainer(tmp_path / "parts", 20)
    assert second.resume()
    assert second.step == 10
    second.fit(quiet=True)
    assert_same_run(whole, second)


def test_run_killed_without_warning_resumes_to_the_same_weights(tmp_path):
    whole = trainer(tmp_path / "whole", 20)
    whole.fit(quiet=True)
    killed = spawn(tmp_path / "killed", 20, 13)
    assert killed.wait() == -signal.SIGKILL
    assert state.found(tmp_path / "killed")[0][0] == 10
    resumed = trainer(tmp_path / "killed", 20)
    resumed.resume()
    resumed.fit(quiet=True)
    assert_same_run(whole, resumed)
    rows = [json.loads(line) for line in (tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 21))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_saves_and_stops_so_that_resume_goes_on(tmp_path, number):
    process = spawn(tmp_path, 1_000_000)
    deadline = time.monotonic() + 60
    while not state.found(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    step, interrupted = out.split()
    assert int(interrupted) == number
    assert state.latest(tmp_path)[1]["step"] == int(step)
    resumed = trainer(tmp_path, int(step) + 1)
    assert resumed.resume()
    resumed.fit(quiet=True)
    assert resumed.step == int(step) + 1


def test_what_a_signal_cut_short_is_no_result(tmp_path):
    made = trainer(tmp_path, 6)
    made.fit(quiet=True).require_whole()
    cut = trainer(tmp_path / "cut", 6)
    step_as_before = cut.train_step

    def signalled():
        step_as_before()
        if cut.step == 4:
            signal.raise_signal(signal.SIGTERM)

    cut.train_step = signalled
    outcome = cut.fit(quiet=True)
    assert outcome.step == 4
    with pytest.raises(VoiceganError, match="ended at step 4 by SIGTERM"):
        outcome.require_whole()


def test_measuring_leaves_no_trace(tmp_path):
    made = trainer(tmp_path / "a", 6)
    made.measure(steps=2, warm_up=1)
    made.fit(quiet=True)
    other = trainer(tmp_path / "b", 6)
    other.fit(quiet=True)
    assert_same_run(made, other)


def test_what_a_step_takes_is_measured_over_the_whole_run(tmp_path, monkeypatch):
    """A phase that joins for the last fifth, in every third step, counts as often as it runs."""
    ran, clock = [], [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    class Late(Toy):
        def phases(self, progress):
            always, _, lazy = super().phases(progress)
            return (always, lazy) if progress.fraction >= 0.8 else (always,)

        def g_loss(self, batch, scratch, progress):
            ran.append(progress.fraction)
            return super().g_loss(batch, scratch, progress)

        def lazy_loss(self, batch, scratch, progress):
            clock[0] += 3.0
            return super().lazy_loss(batch, scratch, progress)

    config = TrainerConfig(steps=1000, batch=4, device="cpu", precision="fp32")
    made = Trainer(Late(), Points(), config, tmp_path)
    before = weights(made.system)
    assert made.measure(steps=2, warm_up=1) == pytest.approx(3.0 / 3 * 0.2)
    assert [round(fraction, 2) for fraction in ran] == pytest.approx([0.41] * 3 + [0.91] * 4, abs=0.01)
    assert made.step == made.seen == 0
    assert all(torch.equal(before[name], value) for name, value in made.system.state_dict().items())


def test_only_the_networks_of_a_phase_change_and_collect_gradients(tmp_path):
    made = trainer(tmp_path, 4, pool=False)
    before = weights(made.system)
    batch, scratch = made._draw(0)
    made._update(Phase("g", "g", made.system.g_loss), batch, scratch, made.progress)
    after = weights(made.system)
    parameters = {name for name, _ in made.system.named_parameters()}
    changed = {name for name in parameters if not torch.equal(before[name], after[name])}
    assert changed == {name for name in parameters if name.startswith("g.")}
    assert all(p.grad is None for p in made.system.d.parameters())


def test_scratch_is_shared_detached_and_fresh_for_repeats(tmp_path):
    seen = []

    class Looking(Toy):
        def d_loss(self, batch, scratch, progress):
            seen.append((id(scratch), "fake" in scratch, batch["real"].clone()))
            if "fake" in scratch:
                assert not scratch["fake"].requires_grad
            return super().d_loss(batch, scratch, progress)

    config = TrainerConfig(steps=1, batch=4, device="cpu", precision="fp32")
    Trainer(Looking(), Points(), config, tmp_path).train_step()
    (first, had_fake, real), (second, had_fake_too, other_real) = seen
    assert had_fake and not had_fake_too and first != second
    assert not torch.equal(real, other_real)


def test_learning_rates_follow_their_own_schedules(tmp_path):
    made = trainer(tmp_path, 8)
    for _ in range(6):
        made.train_step()
    # The sixth step ran at progress 5/8: one schedule falls from 1/2, the other from 1/4.
    assert made.optimizers["g"].param_groups[0]["lr"] == pytest.approx(1e-3 * (1 - (5 / 8 - 1 / 2) / 0.5))
    assert made.optimizers["d"].param_groups[0]["lr"] == pytest.approx(2e-3 * (1 - (5 / 8 - 1 / 4) / 0.75))


def test_averages_follow_and_stay_in_eval_mode(tmp_path):
    made = trainer(tmp_path, 5)
    made.fit(quiet=True)
    average, network = made.system.averages["g"], made.system.g
    assert not average.training
    assert not torch.equal(average[0].weight, network[0].weight)
    assert made.system.best("g") is average and made.system.best("d") is made.system.d


class Judged(Toy):
    """With a finished network that no optimizer owns, and weights of five dimensions."""

    def __init__(self):
        super().__init__()
        self.judge = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5), nn.Linear(4, 1))
        self.volume = nn.Conv3d(1, 1, 1)

    def optimizers(self):
        specs = dict(super().optimizers())
        specs["d"] = OptimizerSpec(("d", "volume"), 2e-3)
        return specs

    def g_loss(self, batch, scratch, progress):
        assert not self.judge[1].training and self.d.training
        return {**super().g_loss(batch, scratch, progress), "judged": self.judge(self.fake(scratch)).mean()}


def test_network_that_no_optimizer_owns_stays_frozen_and_in_eval_mode(tmp_path):
    config = TrainerConfig(steps=2, batch=4, device="cpu", precision="fp32", check_every=1)
    made = Trainer(Judged(), Points(), config, tmp_path, validate=lambda system, progress: {"score": 1.0})
    made.fit(quiet=True)
    assert all(p.grad is None and not p.requires_grad for p in made.system.judge.parameters())
    assert not made.system.averages["g"].training


def test_best_checkpoint_stays_beside_the_newest(tmp_path):
    scores = iter([5.0, 1.0, 3.0, 4.0, 6.0])
    released = []
    made = trainer(tmp_path, 10, check_every=2)
    made.validate = lambda system, progress: {"score": next(scores)}
    made.on_best = lambda system, progress, values: released.append(progress.step)
    outcome = made.fit(quiet=True)
    assert (outcome.best_step, outcome.best_score) == (4, 1.0)
    assert released == [2, 4]
    assert [step for step, _ in state.found(tmp_path)] == [10, 8, 4]


def test_without_a_score_the_newest_counts(tmp_path):
    released = []
    made = trainer(tmp_path, 6, check_every=2)
    made.validate = lambda system, progress: {"distance": float(progress.step)}
    made.on_best = lambda system, progress, values: released.append((progress.step, values["distance"]))
    outcome = made.fit(quiet=True)
    assert (outcome.best_step, outcome.best_score) == (None, None)
    assert released == [(2, 2.0), (4, 4.0), (6, 6.0)]


class Exploding(Toy):
    def g_loss(self, batch, scratch, progress):
        terms = super().g_loss(batch, scratch, progress)
        return {name: term * (float("nan") if progress.step >= 7 else 1.0) for name, term in terms.items()}


def test_divergence_names_the_term_and_the_last_good_checkpoint(tmp_path):
    config = TrainerConfig(steps=20, batch=4, device="cpu", precision="fp32", log_every=1, check_every=5)
    made = Trainer(Exploding(), Points(), config, tmp_path)
    with pytest.raises(VoiceganError, match=r"g/adversarial is nan at step 8 .*step 5 is good"):
        made.fit(quiet=True)
    assert [step for step, _ in state.found(tmp_path)] == [5]


class Greedy(Toy):
    """Asks for more memory than there is."""

    def g_loss(self, batch, scratch, progress):
        if progress.step == 7:
            torch.empty(2**52)
        return super().g_loss(batch, scratch, progress)


def test_too_little_memory_is_said_with_what_to_do(tmp_path):
    config = TrainerConfig(steps=20, batch=4, device="cpu", precision="fp32", check_every=5)
    made = Trainer(Greedy(), Points(), config, tmp_path)
    with pytest.raises(
        VoiceganError, match=r"cpu has not enough memory for 4 samples .*step 8 .*step 5 is good"
    ) as caught:
        made.fit(quiet=True)
    assert "trainer.batch=4" in caught.value.hint


class Steep(Toy):
    """Its loss is finite while its gradient is not: the square root at zero."""

    def lazy_loss(self, batch, scratch, progress):
        terms = super().lazy_loss(batch, scratch, progress)
        if progress.step == 9:
            terms["root"] = (self.d.layers[3].weight * 0).sum().sqrt()
        return terms


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    config = TrainerConfig(steps=20, batch=4, device="cpu", precision="fp32", log_every=1, check_every=5)
    made = Trainer(Steep(), Points(), config, tmp_path)
    with pytest.raises(
        VoiceganError, match=r"weight d\.layers\.3\.weight is not finite at step 10 .*step 5 is good"
    ):
        made.fit(quiet=True)
    assert [step for step, _ in state.found(tmp_path)] == [5]


def test_time_spent_counts_on_after_a_resume(tmp_path):
    first = trainer(tmp_path, 10)
    first.seconds = 100.0
    for _ in range(5):
        first.train_step()
    first.save()
    second = trainer(tmp_path, 10)
    second.resume()
    second.fit(quiet=True)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert 100.0 < rows[0]["seconds"] < rows[-1]["seconds"] < 200.0
    assert second.seconds == pytest.approx(rows[-1]["seconds"], abs=1e-5)


def test_full_disk_is_one_clear_line_and_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    made = trainer(tmp_path, 20)
    write = state.write_atomic

    def fill(path, data):
        if path.name.startswith("step-00000010"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    monkeypatch.setattr(state, "write_atomic", fill)
    with pytest.raises(VoiceganError, match=r"No space left on device.* at step 10 .*step 5 is good"):
        made.fit(quiet=True)
    assert state.latest(tmp_path)[1]["step"] == 5


def test_checkpoint_of_another_system_is_refused_by_name(tmp_path):
    made = trainer(tmp_path, 2, pool=False)
    made.fit(quiet=True)
    other = trainer(tmp_path, 2)
    other.system.extra = nn.Linear(2, 2)
    with pytest.raises(VoiceganError, match="does not belong to this system"):
        other.resume()


def test_checkpoints_take_at_most_twenty_bytes_a_parameter(tmp_path):
    class Wide(Toy):
        def __init__(self):
            super().__init__(pool=False)
            self.g = nn.Sequential(nn.Linear(4, 600), nn.ReLU(), nn.Linear(600, 600), nn.Linear(600, 2))
            self.average("g", half_life=100)

    config = TrainerConfig(steps=1, batch=4, device="cpu", precision="fp32")
    made = Trainer(Wide(), Points(), config, tmp_path)
    made.fit(quiet=True)
    parameters = sum(p.numel() for name in ("g", "d") for p in getattr(made.system, name).parameters())
    assert state.found(tmp_path)[0][1].stat().st_size <= 20 * parameters


def test_parameter_with_two_owners_is_an_error(tmp_path):
    class Shared(Toy):
        def optimizers(self):
            return {"g": OptimizerSpec(("g",), 1e-3), "d": OptimizerSpec(("d", "g"), 1e-3)}

    with pytest.raises(ValueError, match="share a parameter"):
        Trainer(Shared(), Points(), TrainerConfig(steps=1, batch=4, device="cpu"), tmp_path)


def test_phase_that_trains_nothing_is_an_error(tmp_path):
    class Idle(Toy):
        def d_loss(self, batch, scratch, progress):
            return {"adversarial": torch.zeros(())}

    made = Trainer(Idle(), Points(), TrainerConfig(steps=1, batch=4, device="cpu"), tmp_path)
    with pytest.raises(VoiceganError, match="gives the term 'adversarial' that does not depend on what 'd'"):
        made.train_step()


def test_batch_that_cannot_be_shared_is_refused(tmp_path):
    class TwoRanks:
        world_size, global_rank = 2, 0

    config = TrainerConfig(steps=1, batch=5, device="cpu")
    with pytest.raises(VoiceganError, match="batch of 5 cannot be shared by 2"):
        Trainer(Toy(), Points(), config, tmp_path, fabric=TwoRanks())


@pytest.mark.parametrize("launcher", ["fabric", "torchrun"])
def test_two_processes_learn_what_one_with_the_doubled_batch_learns(tmp_path, launcher):
    one = trainer(tmp_path / "one", 6, batch=8, pool=False, dropout=False)
    one.fit(quiet=True)
    script = tmp_path / "two.py"
    script.write_text(
        "import sys\n"
        "from core.toy import Toy, Points, Trainer, TrainerConfig, Path\n"
        "config = TrainerConfig(steps=6, batch=8, device='cpu', devices=int(sys.argv[2]), precision='fp32',\n"
        "                       log_every=1, check_every=5)\n"
        "made = Trainer(Toy(pool=False, dropout=False), Points(), config, Path(sys.argv[1]))\n"
        "assert made.fabric.world_size == 2\n"
        "made.fit(quiet=True)\n"
    )
    here = str(TOY.parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, *sys.path]), "OMP_NUM_THREADS": "1"}
    start = [sys.executable]
    if launcher == "torchrun":
        start += ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29517"]
    devices = "2" if launcher == "fabric" else "1"
    done = subprocess.run(
        [*start, str(script), str(tmp_path / "two"), devices],
        env=environment,
        capture_output=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    learnt = state.latest(tmp_path / "two")[1]
    assert learnt["step"] == 6 and len(learnt["ranks"]) == 2
    for name, value in weights(one.system).items():
        torch.testing.assert_close(learnt["system"][name], value, rtol=1e-4, atol=1e-6)


def test_system_says_what_a_subclass_must_provide():
    with pytest.raises(NotImplementedError):
        System().optimizers()
    with pytest.raises(NotImplementedError):
        System().phases(None)


def test_scratch_detaches_nested_values():
    x = torch.ones(2, requires_grad=True)
    scratch = Scratch(draws=None)
    scratch.update(plain=x * 2, nested=[(x * 3,), {"deep": x * 4}], number=5)
    scratch.detach()
    assert not scratch["plain"].requires_grad
    assert not scratch["nested"][0][0].requires_grad and not scratch["nested"][1]["deep"].requires_grad
    assert scratch["number"] == 5
