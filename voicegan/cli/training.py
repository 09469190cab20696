"""What the commands that train have in common: options, beginning, resuming and ending a run."""

from __future__ import annotations

import functools
import json
import logging
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from ..errors import VoiceganError
from .numbers import Finite

if TYPE_CHECKING:
    from ..core.trainer import Outcome, Trainer

FOLDER = click.Path(path_type=Path)


@dataclass(frozen=True)
class Asked:
    """The options that every training takes."""

    out: Path | None
    system: str | None
    steps: int | None
    minutes: float | None
    recipe: Path | None
    overrides: tuple[str, ...]
    device: str | None
    devices: int | None
    seed: int | None
    resume: bool
    force: bool
    dry_run: bool
    quiet: bool

    @property
    def source(self) -> str:
        """Where settings are from, for messages about them."""
        return str(self.recipe or "")

    @property
    def begins(self) -> bool:
        """Whether this process begins a new run on disk."""
        from ..core.runs import first_rank

        return first_rank() and not self.resume and not self.dry_run

    def settings(self, plan: Mapping[str, Any], **more: str | list[str] | None) -> dict[str, Any]:
        """The plan's settings or the recipe's, under what the options say; ``more`` are settings by name."""
        from .. import config

        recipe = config.read_toml(self.recipe) if self.recipe and not plan else {}
        told = {
            "system": self.system,
            **more,
            "trainer.steps": self.steps,
            "trainer.device": self.device,
            "trainer.devices": self.devices,
            "trainer.seed": self.seed,
        }
        # JSON's strings are TOML's, whatever is in them.
        given = [
            f"{key}={json.dumps(value, ensure_ascii=False)}"
            for key, value in told.items()
            if value is not None
        ]
        return config.merge(plan.get("settings", recipe), [*given, *self.overrides])

    def plan_to_resume(self, run: Path, *kept: str) -> dict[str, Any]:
        """The plan of the run to go on with.

        Raises VoiceganError where there is none, another process is training in it, or it is to go on as another.
        """
        from ..core import runs

        plan = runs.read_plan(run, *kept)
        with runs.held(run):  # said now rather than after the recordings were read
            pass
        self._require_same_system(plan)
        self._require_same_seed(plan)
        return plan

    def _require_same_system(self, plan: Mapping[str, Any]) -> None:
        trained = plan["settings"]["system"]
        if self.system is not None and self.system != trained:
            raise VoiceganError(
                f"this run trains {trained}, and cannot go on as {self.system}",
                "Choose another --out for a new run.",
            )

    def _require_same_seed(self, plan: Mapping[str, Any]) -> None:
        from ..core import runs

        runs.require_same({"trainer.seed": "--seed"}, plan["settings"], self.settings(plan))

    def require_none_there(self, run: Path, what: str) -> None:
        """Raise VoiceganError where a new run would take the place of one that was begun."""
        from ..core import runs

        if not self.begins or not runs.has_state(run):
            return
        if not self.force:
            raise VoiceganError(
                f"a run of {what} is in {run}", "Continue it with --resume, or start anew with --force."
            )
        with runs.held(run):  # nor of one that another process is training
            pass


def options(
    made: str, systems: str | None, setting: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that every training takes; it gets them as one argument, ``asked``.

    made: what the training makes. systems, setting: what there is to choose from, and an example, for the help;
    no systems: the command says by itself which one it trains.
    """
    shared = [
        click.option(
            "--out", type=FOLDER, help=f"Where run and {made} go; by default the user's data folder."
        ),
        *([click.option("--system", help=f"What to train: {systems}.")] if systems else []),
        click.option("--steps", type=click.IntRange(1), help="How many steps to train."),
        click.option("--minutes", type=Finite(0.1), help="How long to train; measured into steps, once."),
        click.option(
            "--config", "recipe", type=FOLDER, help="A recipe (TOML): what differs from the defaults."
        ),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help=f"Change one setting, e.g. {setting}.",
        ),
        click.option("--device", help="auto, cpu, cuda or mps."),
        click.option("--devices", type=click.IntRange(1), help="How many devices share each batch."),
        click.option(
            "--seed", type=click.IntRange(0), help="Another seed: other weights, other batches. [0]"
        ),
        click.option("--resume", is_flag=True, help="Continue the run from its newest checkpoint."),
        click.option("--force", is_flag=True, help="Start anew where a run already exists."),
        click.option("--dry-run", is_flag=True, help="Say what would be done and how long it would take."),
        click.option("--quiet", is_flag=True, help="Print no progress."),
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def bundled(**values: Any) -> None:
            given = {
                name: values.pop(name) for name in Asked.__dataclass_fields__ if name != "system" or systems
            }
            asked = Asked(**{"system": None, **given})
            if asked.steps is not None and asked.minutes is not None:
                raise click.UsageError("--steps and --minutes exclude each other")
            if asked.resume and asked.force:
                raise click.UsageError("--resume and --force exclude each other")
            from ..core.runs import first_rank

            if not first_rank():
                logging.disable(logging.WARNING)  # the first process says it already
            command(**values, asked=asked)

        for option in reversed(shared):
            bundled = option(bundled)
        return bundled

    return decorate


class Run(Protocol):
    """A training that is ready to run."""

    trainer: Trainer
    settings: Any

    def describe(self) -> list[str]: ...

    def choose_steps(self, minutes: float) -> int: ...

    def save_plan(self) -> None: ...

    def resume(self) -> bool: ...

    def run(self, *, quiet: bool) -> Outcome: ...


def command_line() -> str:
    """What was typed, for cards."""
    return shlex.join(["voicegan", *sys.argv[1:]])


def go(run: Run, asked: Asked, to: Sequence[str]) -> Outcome | None:
    """Foretell a training or carry it out, as it is asked. to: lines that say where things go.

    None where there is nothing more to say.
    """
    from ..core import runs

    if asked.minutes is not None and not asked.resume:
        run.choose_steps(asked.minutes)
    if asked.dry_run:
        foretell(run, [f"run: {run.trainer.folder}", *to], run.settings.model_dump_json(indent=2))
        return None
    with runs.held(run.trainer.folder):
        return carry_out(run, asked)


def foretell(run: Run, lines: Sequence[str], settings: str) -> None:
    """Say what would be done, and how long it would take. lines: where things would go. settings: as JSON."""
    from ..core import runs
    from ..core.log import clock

    estimated = clock(
        run.trainer.measure(steps=2, warm_up=1) * run.trainer.config.steps
    )  # on all ranks together
    if not runs.first_rank():
        return
    for line in (*run.describe(), f"device {run.trainer.fabric.device}", *lines):
        click.echo(line)
    click.echo(f"estimated time: {estimated}")
    click.echo("settings:")
    click.echo(settings)


def carry_out(run: Run, asked: Asked) -> Outcome | None:
    """Begin or resume a run and train to its end. None in a process that is not the first, and has nothing to say."""
    from ..core import runs
    from ..core.trainer import Abandoned

    first, folder = runs.first_rank(), run.trainer.folder
    if asked.begins:
        runs.clear(folder)  # not before everything is known to be in order
    if first and not asked.quiet:
        for line in run.describe():
            say(line)
        say(f"device {run.trainer.fabric.device}, precision {run.trainer.precision}")
        say(f"run: {folder}")
    found = asked.resume and run.resume()
    if not (found and run.trainer.step >= run.trainer.config.steps):  # what is done stays as it was planned
        run.save_plan()
    if first and asked.resume:
        _say_resumed(run.trainer, found, asked)
    try:
        outcome = run.run(quiet=asked.quiet)
    except Abandoned:
        if first:
            raise
        return None  # the first process says what happened
    return outcome if first else None


def end(outcome: Outcome, made: Sequence[str], then: str, *, chosen: bool = True) -> None:
    """Say how a run ended. made: a line for each thing that it made. then: what to do with it.

    chosen: things are made whenever a validation is the best so far; otherwise at every check, by its newest state.
    """
    for line in made if outcome.best_step is not None or not chosen else ():
        say(line)
    if outcome.best_step is not None:
        say(f"best at step {outcome.best_step}, validation score {outcome.best_score:.3f}")
    if outcome.interrupted is not None:
        say(f"stopped at step {outcome.step} and saved; continue with --resume")
        sys.exit(128 + outcome.interrupted)
    say(then)


def _say_resumed(trainer: Trainer, found: bool, asked: Asked) -> None:
    done, planned = trainer.step, trainer.config.steps
    if not found:
        say("no checkpoint was saved yet: starting from the beginning")
    elif done < planned:
        say(f"continuing after step {done} of {planned}")
    else:
        say(f"all {planned} steps are done (the run is at step {done}); --steps N trains on")
    if asked.minutes is not None:
        say(f"--minutes is not measured again: the run keeps its {planned} steps; --steps changes that")
    if asked.recipe is not None:
        say("--config is not read again: the run keeps its plan; --set changes single settings")


def spelled(voices: Path, name: str) -> str:
    """How a voice in a folder of voices is named to `voicegan convert`: by its path, where it is not looked for."""
    from .. import storage

    return name if voices == storage.home() / "voices" else shlex.quote(str(voices / name))


def say(text: str) -> None:
    click.echo(text, err=True)
