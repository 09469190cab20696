"""A training run on disk: its plan beside its checkpoints, so that it can be taken up again."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import Any, Protocol, TypeVar

import filelock
import pydantic
import torch

from .. import __version__, config, storage
from ..config import Config
from ..errors import VoiceganError
from . import state
from .log import series
from .trainer import Outcome, Trainer, TrainerConfig

log = logging.getLogger(__name__)

C = TypeVar("C", bound=Config)

PLAN = "plan.json"
PLAN_FORMAT = 1
LOCK = "lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)  # ENOSYS is filelock's own affair
CHECKS = 20  # validations over a run, unless trainer.check_every says otherwise


def first_rank() -> bool:
    """Whether this process is the one that talks and writes; known before anything is launched."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0


def said_once(say: Callable[[str], None]) -> Callable[[str], None]:
    """What prints a line in the first process, and nothing in the others."""
    return say if first_rank() else lambda text: None


def save_plan(run: Path, values: Mapping[str, Any]) -> None:
    """Write what a run was started with, from which ``--resume`` continues."""
    storage.write_json(run / PLAN, {"format": PLAN_FORMAT, "version": __version__, **values})


def read_plan(run: Path, *kept: str) -> dict[str, Any]:
    """Read what a run was started with.

    Raises VoiceganError where there is none, or one of another format, or one that does not hold what is ``kept`` in
    the plans of this kind of training.
    """
    if not (run / PLAN).is_file():
        raise VoiceganError(f"{run} holds no training to resume", "Start it without --resume.")
    plan: dict[str, Any] = storage.read_json(run / PLAN)
    if plan.get("format") != PLAN_FORMAT:
        raise VoiceganError(f"{run / PLAN} has format {plan.get('format')}", "Update voicegan.")
    if missing := [name for name in ("folders", "settings", *kept) if name not in plan]:
        raise VoiceganError(
            f"{run} holds a training of another kind: its plan has no {missing[0]}",
            "Resume it with the command that began it.",
        )
    return plan


def require_same(keys: Mapping[str, str], before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise VoiceganError where one of the settings is not what a run was begun with.

    keys: dotted, such as ``trainer.seed``, and the option that sets each; empty where only ``--set`` does. before, now:
    all settings, nested.
    """
    for key, option in keys.items():
        was, wanted = (_at(values, key) for values in (before, now))
        if was != wanted:
            raise VoiceganError(
                f"this run was begun {_told(key, option, was)}, and cannot go on {_told(key, option, wanted)}",
                "Leave that as it was, or choose another --out for a new run.",
            )


def _at(values: Any, key: str) -> Any:
    for name in key.split("."):
        values = values.get(name) if isinstance(values, Mapping) else None
    return list(values) if isinstance(values, tuple) else values


def _told(key: str, option: str, value: Any) -> str:
    """A setting as it is told: ``with --seed 3``, ``without --size``, ``with model.width=8``."""
    if value is None:
        return f"without {option or key}"
    shown = " and ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"with {option} {shown}" if option else f"with {key}={shown}"


def require_writable(*places: Path) -> None:
    """Raise VoiceganError where nothing can be written; makes nothing."""
    for place in places:
        there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            reason = "may not be written to" if there.is_dir() else "is a file, not a folder"
            raise VoiceganError(f"{there} {reason}", "Choose another folder with --out.")


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Keep a run's folder to this process: two that train in one would each remove and resume the other's state.

    The system lets go of it when the process ends, however it ends. Only the first process of several takes it.
    Raises VoiceganError where somebody has it.
    """
    if not first_rank():
        yield
        return
    run.mkdir(parents=True, exist_ok=True)
    lock: AbstractContextManager[object] = nullcontext()
    try:
        lock = filelock.FileLock(run / LOCK).acquire(timeout=0)
    except filelock.Timeout:
        raise VoiceganError(
            f"another process is training in {run}", "Let it end, stop it, or choose another --out."
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        # No reason not to train: some network and cloud folders are so.
        log.warning("warning: %s can hold no locks; do not train twice in it at once", run)
    with lock:
        yield


def has_state(run: Path) -> bool:
    """Whether a run was begun there and got as far as a checkpoint."""
    return bool(state.found(run))


def clear(run: Path) -> None:
    """Remove the state of an earlier run, so that a new one starts from nothing."""
    for _, path in state.found(run):
        path.unlink()
    for name in ("metrics.jsonl", PLAN):
        (run / name).unlink(missing_ok=True)
    for name in ("samples", "tensorboard"):
        shutil.rmtree(run / name, ignore_errors=True)


def cadence(steps: int) -> int:
    """Steps between checks where nobody says otherwise."""
    return max(20, min(1000, steps // CHECKS))


class Systems(Protocol):
    """Systems by name, such as a registry."""

    def __contains__(self, name: object, /) -> bool: ...

    def get(self, name: str) -> Any: ...


def resolve(cls: type[C], systems: Systems, values: Mapping[str, Any], source: str = "") -> C:
    """Fill in what a training was not told: the system's step count and batch, its settings' defaults, the cadence.

    cls has at least ``system``, a name of the table ``systems``, ``model``, that system's own settings, and
    ``trainer``. Raises VoiceganError for an unknown key and a wrong value.
    """
    name = values.get("system", cls().system)  # type: ignore[attr-defined]
    if not isinstance(name, str) or name not in systems:
        config.build(cls, {"system": name}, source)  # raises
    kind = systems.get(name)
    trainer = values.get("trainer", {})
    if isinstance(trainer, dict):
        trainer = {**kind.trainer_defaults, **trainer}
        if isinstance(steps := trainer["steps"], int):
            trainer.setdefault("check_every", cadence(steps))
    # Read as one whole, so that a mistake in any key is named with its section.
    whole: type[C] = pydantic.create_model(cls.__name__, __base__=cls, model=(kind.Config, kind.Config()))
    settings = config.build(whole, {**values, "trainer": trainer}, source)
    return cls.model_validate(settings.model_dump(mode="json"))


def choose_steps(minutes: float, trainer: Trainer, check: Callable[[], object]) -> str:
    """Give a trainer as many steps as fit into so many minutes, by measuring what a step and a check take here.

    check: does what a check does, and leaves no trace. Returns a line that says what was chosen.
    """
    step_s = trainer.measure()
    trainer.system.eval()
    began = time.perf_counter()
    with torch.no_grad():
        check()
    check_s = time.perf_counter() - began
    chosen = _steps_in(minutes, trainer, step_s, check_s)
    trainer.config = config.build(TrainerConfig, {**trainer.config.model_dump(), **chosen})
    return f"{minutes:g} minutes are {trainer.config.steps} steps here ({step_s:.2f} s each, a check {check_s:.1f} s)"


def _steps_in(minutes: float, trainer: Trainer, step_s: float, check_s: float) -> dict[str, int]:
    """Steps, and steps between checks, as settings of the trainer. All ranks get the same numbers."""
    every, seconds = trainer.config.check_every, minutes * 60
    if every == cadence(trainer.config.steps):  # nobody chose it
        steps = max(CHECKS, int((seconds - CHECKS * check_s) / step_s))
        every = max(1, steps // CHECKS)
    else:
        steps = max(1, int(seconds / (step_s + check_s / every)))
    steps, every = trainer.fabric.broadcast((steps, every))
    return {"steps": steps, "check_every": every}


def draw_curves(run: Path, title: str) -> None:
    """Draw the losses and the validation over a run."""
    from ..pictures import curves

    columns = series(run / "metrics.jsonl")
    losses = {k: v for k, v in columns.items() if "/" in k and not k.startswith("validation/")}
    checks = {k.removeprefix("validation/"): v for k, v in columns.items() if k.startswith("validation/")}
    for name, chosen in (("losses", losses), ("validation", checks)):
        if any(len(points) > 1 for points in chosen.values()):
            curves(chosen, run / f"{name}.png", title=f"{title}: {name}")


class Run:
    """What every training does with its trainer, whatever is trained. The domains' own trainings derive from it.

    Attributes
    ----------
    trainer : Trainer
        It runs in the folder of its state.
    settings : Config
        What `resolve` resolved; it has a section ``trainer``.
    title : str
        Of the curves.
    command : str
        The command line, for the card.
    say : callable
        Prints one line to the user.
    """

    trainer: Trainer
    settings: Any
    title: str
    command: str
    say: Callable[[str], None]

    def facts(self, values: Mapping[str, float]) -> dict[str, Any]:
        """What a card says of the run so far. values: of the last check."""
        planned = self.settings.trainer
        return {
            "date": date.today().isoformat(),
            "voicegan": __version__,
            "steps": self.trainer.step,
            "planned_steps": planned.steps,
            "batch": planned.batch,
            "seed": planned.seed,
            "minutes": round(self.trainer.seconds / 60, 1),
            "command": self.command,
            "validation": {name: round(value, 4) for name, value in values.items()},
        }

    def plan(self) -> dict[str, Any]:
        """What the run was started with, besides its settings."""
        raise NotImplementedError

    def rehearse(self) -> object:
        """Do what a check does, and leave no trace."""
        raise NotImplementedError

    def choose_steps(self, minutes: float) -> int:
        """Turn minutes into steps, by measuring what a step and a check take here; saved with the plan."""
        self.say(choose_steps(minutes, self.trainer, self.rehearse))
        self.settings = self.settings.model_copy(update={"trainer": self.trainer.config})
        return self.trainer.config.steps

    def save_plan(self) -> None:
        """Write the plan, from which ``--resume`` continues."""
        if first_rank():
            settings = self.settings.model_dump(mode="json")
            save_plan(self.trainer.folder, {**self.plan(), "settings": settings})

    def resume(self) -> bool:
        """Take up the newest checkpoint; return whether there was one."""
        return self.trainer.resume()

    def run(self, *, quiet: bool = False) -> Outcome:
        """Train to the end, releasing what is made whenever it is better than before."""
        outcome = self.trainer.fit(quiet=quiet)
        if first_rank():
            draw_curves(self.trainer.folder, self.title)
        return outcome
