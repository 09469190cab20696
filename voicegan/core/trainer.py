"""The only training loop of the project. It carries out phases and knows no GAN."""

from __future__ import annotations

import copy
import math
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import pydantic
import torch
from lightning_fabric import Fabric
from torch import nn

from ..config import Config
from ..errors import VoiceganError, is_out_of_memory
from . import ema, pace, state
from .log import MetricsFile, ProgressLine, RunningMeans, TensorBoard
from .optimizers import make_optimizer
from .random import Draws, derive
from .ranks import Ranks, is_of_another_rank, launch
from .signals import noted_signals
from .system import Batch, Phase, Progress, Scratch, System


class TrainerConfig(Config):
    """How long, where and how often."""

    steps: int = pydantic.Field(1000, ge=1)
    batch: int = pydantic.Field(8, ge=1)  # samples a step, over all ranks
    seed: int = pydantic.Field(0, ge=0, lt=2**62)
    device: str = "auto"
    devices: int = pydantic.Field(1, ge=1)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    log_every: int = pydantic.Field(20, ge=1)  # steps between lines in metrics.jsonl
    check_every: int = pydantic.Field(500, ge=1)  # steps between validations, pictures and checkpoints
    keep: int = pydantic.Field(2, ge=1)  # newest checkpoints that stay, besides the best
    tensorboard: bool = False


class Source(Protocol):
    """Where batches come from."""

    def batch(self, draws: Draws) -> Batch:
        """Make one batch on the CPU, one sample per row of ``draws``, from its random numbers alone."""
        ...


Validate = Callable[[System, Progress], Mapping[str, float]]
"""Measure a system; ``score`` among the values, lower being better, chooses the best checkpoint. Without it the newest
counts."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    step : int
        Steps done.
    interrupted : int or None
        The signal that ended it early, if one did.
    best_step, best_score
        The best validation so far.
    """

    step: int
    interrupted: int | None
    best_step: int | None
    best_score: float | None

    def require_whole(self) -> None:
        """Raise VoiceganError where a signal ended the run early: what is there then must not pass for its result."""
        if self.interrupted is not None:
            raise VoiceganError(
                f"the training was ended at step {self.step} by {signal.Signals(self.interrupted).name}",
                "Run it again, and let it come to its end.",
            )


class Abandoned(VoiceganError):
    """Training ends here because it has ended on another device, which says why."""


class Trainer:
    """Train a system by its phases.

    Parameters
    ----------
    system : System
        Networks, optimizers, phases.
    source : Source
        Batches.
    config : TrainerConfig
        Steps, batch size, device, cadence.
    folder : Path
        Where metrics and checkpoints go.
    validate : callable, optional
        ``validate(system, progress)`` every ``check_every`` steps, in eval mode, on rank 0.
    on_best : callable, optional
        ``on_best(system, progress, values)`` whenever a validation had the lowest score so far, or no score.
    facts : mapping, optional
        Plain values stored in every checkpoint (the resolved configuration, names, statistics).
    fabric : Fabric, optional
        Already launched; made from the config where none is given.
    """

    def __init__(
        self,
        system: System,
        source: Source,
        config: TrainerConfig,
        folder: Path,
        *,
        validate: Validate | None = None,
        on_best: Callable[[System, Progress, Mapping[str, float]], None] | None = None,
        facts: Mapping[str, Any] | None = None,
        fabric: Fabric | None = None,
    ) -> None:
        self.config, self.source, self.folder = config, source, folder
        self.validate, self.on_best, self.facts = validate, on_best, dict(facts or {})
        self.fabric = fabric or launch(config.device, config.devices, config.precision, config.batch)
        self.ranks = Ranks(self.fabric)
        self._rows = self.ranks.share_of(config.batch)
        self.system = system.to(self.fabric.device)
        _lay_channels_last(system)
        self.ranks.agree(self.system.state_dict().values())
        self.specs = dict(system.optimizers())
        self._networks = {
            name: [getattr(system, n) for n in spec.networks] for name, spec in self.specs.items()
        }
        self._require_one_owner()
        self._finished = self._owned_by_nobody()
        fused = self.fabric.device.type in ("cpu", "cuda")
        self.optimizers = {
            name: make_optimizer(spec, [p for n in self._networks[name] for p in n.parameters()], fused=fused)
            for name, spec in self.specs.items()
        }
        self.step = self.seen = 0
        self.seconds = 0.0
        self.best: dict[str, float] = {}
        self._means = RunningMeans()

    # ------------------------------------------------------------------ running

    def fit(self, *, quiet: bool = False) -> Outcome:
        """Train until all steps are done or a signal asks to stop; save in both cases.

        Raises
        ------
        VoiceganError
            A loss or a weight is no longer a finite number, or a file cannot be written; the last good
            checkpoint is named.
        Abandoned
            The process of another device has ended; its own error says why.
        """
        line = (
            ProgressLine(self.config.steps, self.step) if self.fabric.is_global_zero and not quiet else None
        )
        with noted_signals() as received:
            try:
                stopped = self._train(self._writers(), line, received)
            except OSError as error:
                raise VoiceganError(
                    f"{error.filename or self.folder} cannot be written ({error.strerror or error}) at step {self.step}"
                    f" ({self._last_saved()})",
                    "Make room or mend its permissions, then --resume.",
                ) from error
            except RuntimeError as error:
                if self.ranks.count > 1 and is_of_another_rank(error):
                    raise Abandoned(
                        "the training on another device has ended", "Its message says why; then --resume."
                    ) from error
                raise
            finally:
                if line:
                    line.close()
        return Outcome(
            self.step,
            (received[0] if received else signal.SIGTERM) if stopped else None,
            int(self.best["step"]) if self.best else None,
            self.best.get("score"),
        )

    def _train(
        self, writers: list[MetricsFile | TensorBoard], line: ProgressLine | None, received: list[int]
    ) -> bool:
        """Train, log, check and save; return whether a signal ended it early."""
        began = time.monotonic() - self.seconds
        while self.step < self.config.steps:
            if self.ranks.anywhere(bool(received)):
                self._require_finite()
                self.save()
                return True
            self.train_step()
            self.seconds = time.monotonic() - began
            last = self.step == self.config.steps
            if last or self.step % self.config.log_every == 0:
                values = self._logged()
                row = {"seen": self.seen, "seconds": self.seconds, **values}
                for writer in writers:
                    writer.write(self.step, row)
                if line:
                    line.show(self.step, values, force=last)
            if last or self.step % self.config.check_every == 0:
                self._check(writers, line)
        return False

    def train_step(self) -> None:
        """Do one step: every phase that is due, then the averages.

        Raises VoiceganError where there is not enough memory for it.
        """
        try:
            self._do_phases()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise VoiceganError(
                f"{self.fabric.device} has not enough memory for {len(self._rows)} samples at once, in step"
                f" {self.step + 1} ({self._last_saved()})",
                f"Choose a smaller batch than --set trainer.batch={self.config.batch}, or another --device.",
            ) from error

    def _do_phases(self) -> None:
        progress = self.progress
        self.system.train()
        for network in self._finished:
            network.eval()
        first = self._draw(0)
        for index, phase in enumerate(self.system.phases(progress)):
            if not phase.due(progress):
                continue
            for repeat in range(phase.repeats):
                # The first pass of every phase shares one batch and one scratch; repeats see new data.
                batch, scratch = first if repeat == 0 else self._draw(1 + 1000 * index + repeat, repeat)
                self._update(phase, batch, scratch, progress)
        self.step += 1
        self.seen += self.config.batch
        for average, network, half_life in self.system.averaged():
            ema.update(average, network, ema.decay_from_half_life(half_life, self.config.batch, self.seen))

    @property
    def progress(self) -> Progress:
        """How far the run is."""
        return Progress(self.step, self.config.steps, self.seen)

    @property
    def precision(self) -> str:
        """Fabric's name of the precision in use."""
        return str(self.fabric._precision.precision)

    def measure(self, steps: int = 3, warm_up: int = 2) -> float:
        """Return the seconds that a step takes here, on average over the run, leaving the state as it was."""
        before = copy.deepcopy(self.state())
        seconds = 0.0
        for stretch in pace.stretches(self.system.phases, self.config.steps, self.config.batch):
            self.step = stretch.middle
            seconds += stretch.share * pace.seconds_a_step(
                self.train_step, stretch, steps, warm_up, self._wait
            )
        self.restore(before)
        self._means.clear()
        return float(self.ranks.mean(torch.tensor(seconds)))

    # ------------------------------------------------------------------ one update

    def _draw(self, draw: int, repeat: int = 0) -> tuple[Batch, Scratch]:
        draws = Draws(self.config.seed, self.step, draw, self._rows)
        batch = self.fabric.to_device(self.source.batch(draws))
        return batch, Scratch(draws.to(self.fabric.device), repeat)

    def _update(self, phase: Phase, batch: Batch, scratch: Scratch, progress: Progress) -> None:
        optimizer, spec = self.optimizers[phase.optimizer], self.specs[phase.optimizer]
        # Dropout and the like use torch's own generator: seeded here, it needs no saving.
        torch.manual_seed(derive(self.config.seed, progress.step, phase.name, scratch.repeat, self.ranks.own))
        for name, networks in self._networks.items():
            for network in networks:
                network.requires_grad_(name == phase.optimizer)
        for group in optimizer.param_groups:
            group["lr"] = spec.lr * spec.schedule(progress)
        optimizer.zero_grad(set_to_none=True)
        with self.fabric.autocast():
            terms = phase.loss(batch, scratch, progress)
        phase.total(terms).backward()
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        self.ranks.average(p.grad for p in parameters if p.grad is not None)
        if spec.clip_norm is not None and parameters:
            nn.utils.clip_grad_norm_(parameters, spec.clip_norm)
        optimizer.step()
        scratch.detach()
        with torch.no_grad():
            for action in phase.after:
                action()
        for name, term in terms.items():
            self._means.note(f"{phase.name}/{name}", term.detach().float())

    # ------------------------------------------------------------------ telling

    def _logged(self) -> dict[str, float]:
        """Mean of every term since the last call. Raises VoiceganError when one is not finite."""
        values = self._means.take()
        broken = next((name for name, value in values.items() if not math.isfinite(value)), None)
        self._stop_if_diverged(broken and f"{broken} is {values[broken]}")
        return values

    def _require_finite(self) -> None:
        """Raise VoiceganError when a loss since the last log line, or a weight, is no longer finite."""
        self._logged()
        weights = self.system.named_parameters()  # a finite loss can have a gradient that is not
        broken = next((name for name, weight in weights if not torch.isfinite(weight).all()), None)
        self._stop_if_diverged(broken and f"the weight {broken} is not finite")

    def _stop_if_diverged(self, what: str | None) -> None:
        # All stop together, or the others would wait for ever.
        if not self.ranks.anywhere(what is not None):
            return
        what = what or "a loss on another device is not finite"
        raise (VoiceganError if self.fabric.is_global_zero else Abandoned)(
            f"training diverged: {what} at step {self.step} ({self._last_saved()})",
            "Lower the learning rates or try --set trainer.precision=fp32, then --resume.",
        )

    def _last_saved(self) -> str:
        saved = state.found(self.folder)
        return f"the checkpoint of step {saved[0][0]} is good" if saved else "nothing was saved yet"

    def _writers(self) -> list[MetricsFile | TensorBoard]:
        if not self.fabric.is_global_zero:
            return []
        writers: list[MetricsFile | TensorBoard] = [MetricsFile(self.folder / "metrics.jsonl", self.step)]
        if self.config.tensorboard:
            writers.append(TensorBoard(self.folder / "tensorboard", self.step))
        return writers

    def _check(self, writers: list[MetricsFile | TensorBoard], line: ProgressLine | None) -> None:
        """Validate on rank 0, note the best, save."""
        self._require_finite()
        if self.validate is not None and self.fabric.is_global_zero:
            self.system.eval()
            with torch.no_grad():
                values = dict(self.validate(self.system, self.progress))
            for writer in writers:
                writer.write(self.step, {f"validation/{name}": value for name, value in values.items()})
            if line:
                figures = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
                line.say(f"step {self.step}: validation  {figures}")
            score = values.get("score")
            better = score is not None and score < self.best.get("score", float("inf"))
            if better:
                self.best = {"step": float(self.step), "score": float(values["score"])}
            if self.on_best and (better or score is None):
                self.on_best(self.system, self.progress, values)
        self.save()

    # ------------------------------------------------------------------ state

    def state(self) -> dict[str, Any]:
        """Return everything that decides how the run goes on."""
        return {
            "step": self.step,
            "seen": self.seen,
            "seconds": self.seconds,
            "system": self.system.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "best": dict(self.best),
            "facts": self.facts,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up a state. Raises VoiceganError where it belongs to another system."""
        try:
            self.system.load_state_dict(saved["system"])
            ranks = saved.get("ranks")
            if ranks:  # buffers such as pools differ between ranks
                self.system.load_state_dict(ranks[self.fabric.global_rank % len(ranks)], strict=False)
            for name, optimizer in self.optimizers.items():
                # What was averaged comes from the checkpoint; betas and the like from this run's config.
                groups = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
                optimizer.load_state_dict(saved["optimizers"][name])
                for group, configured in zip(optimizer.param_groups, groups, strict=True):
                    group.update(configured)
        except (RuntimeError, KeyError, ValueError) as error:
            # torch's first line only says for which class the others are.
            lines = [line.strip() for line in str(error).splitlines() if not line.endswith(":")]
            what = f"{error} is missing" if isinstance(error, KeyError) else (lines or [str(error)])[0]
            raise VoiceganError(
                f"the checkpoint does not belong to this system: {what}",
                "Resume with the settings of its run.",
            ) from error
        self.step, self.seen, self.best = int(saved["step"]), int(saved["seen"]), dict(saved["best"])
        self.seconds = float(saved.get("seconds", 0.0))
        self.facts.update(saved["facts"])

    def save(self) -> None:
        """Write a checkpoint."""
        payload = self.state()
        if self.ranks.count > 1:
            buffers = {name: buffer.cpu() for name, buffer in self.system.named_buffers()}
            payload["ranks"] = self.ranks.gather(buffers)
        if self.fabric.is_global_zero:
            best = int(self.best["step"]) if self.best else None
            state.save(self.folder, self.step, payload, keep=self.config.keep, best=best)
        self.fabric.barrier()

    def resume(self) -> bool:
        """Take up the newest whole checkpoint of the folder; return whether there was one."""
        newest = state.latest(self.folder)
        if newest is None:
            return False
        self.restore(newest[1])
        return True

    # ------------------------------------------------------------------ construction

    def _require_one_owner(self) -> None:
        owners: dict[int, str] = {}
        for name, networks in self._networks.items():
            for parameter in (p for network in networks for p in network.parameters()):
                if owners.setdefault(id(parameter), name) != name:
                    raise ValueError(f"optimizers {owners[id(parameter)]!r} and {name!r} share a parameter")

    def _owned_by_nobody(self) -> list[nn.Module]:
        """Freeze everything, and list the networks that no optimizer owns: averages, a judge from elsewhere.

        They stay frozen and in eval mode. The phases unfreeze what they train.
        """
        self.system.requires_grad_(False)
        owned = {id(p) for networks in self._networks.values() for n in networks for p in n.parameters()}
        children = [(child, [id(p) for p in child.parameters()]) for child in self.system.children()]
        return [child for child, parameters in children if parameters and owned.isdisjoint(parameters)]

    def _wait(self) -> None:
        if self.fabric.device.type == "cuda":
            torch.cuda.synchronize()


def _lay_channels_last(system: nn.Module) -> None:
    """Order 4-D weights as 2-D convolutions on devices with matrix units are fastest."""
    for tensor in (*system.parameters(), *system.buffers()):
        if tensor.ndim == 4:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)
