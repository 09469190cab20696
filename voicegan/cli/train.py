"""`voicegan train`: two folders of recordings become two voices."""

from __future__ import annotations

import logging
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import VoiceganError
from .progress import counted

if TYPE_CHECKING:
    from ..voice.training import Places, Training

FOLDER = click.Path(path_type=Path)


@click.command()
@click.option("--a", "folder_a", type=FOLDER, help="Folder of recordings of the first speaker.")
@click.option("--b", "folder_b", type=FOLDER, help="Folder of recordings of the second speaker.")
@click.option("--names", metavar="A,B", help="What to call the voices; by default like the folders.")
@click.option("--out", type=FOLDER, help="Where run and voices go; by default the user's data folder.")
@click.option("--system", help="Which system to train: light (default), mask-cyclegan-vc, ...")
@click.option("--steps", type=click.IntRange(1), help="How many steps to train.")
@click.option("--minutes", type=click.FloatRange(0.1), help="How long to train; measured into steps, once.")
@click.option("--config", "recipe", type=FOLDER, help="A recipe (TOML): what differs from the defaults.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting, e.g. model.cycle=3."
)
@click.option("--device", help="auto, cpu, cuda or mps.")
@click.option("--devices", type=click.IntRange(1), help="How many devices share each batch.")
@click.option("--resume", is_flag=True, help="Continue the run from its newest checkpoint.")
@click.option("--force", is_flag=True, help="Start anew where a run already exists.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and how long it would take.")
@click.option("--quiet", is_flag=True, help="Print no progress.")
def train(
    folder_a: Path | None,
    folder_b: Path | None,
    names: str | None,
    out: Path | None,
    system: str | None,
    steps: int | None,
    minutes: float | None,
    recipe: Path | None,
    overrides: tuple[str, ...],
    device: str | None,
    devices: int | None,
    resume: bool,
    force: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Train two voices, one for each direction, from two folders of recordings.

    Where both folders hold the same sentences under the same file names, these are aligned and help.
    Ctrl-C saves the run; --resume continues it exactly where it was.
    """
    if steps is not None and minutes is not None:
        raise click.UsageError("--steps and --minutes exclude each other")
    from .. import config, storage
    from ..core import runs
    from ..core.trainer import Abandoned
    from ..voice import release
    from ..voice import training as t

    given = [f"{key}={value}" for key, value in _shortcuts(system, steps, device, devices)] + list(overrides)
    first = runs.first_rank()
    if not first:
        logging.disable(logging.WARNING)  # the first process says it already
    plan: dict[str, Any] = {}
    if resume:
        plan = runs.read_plan(_run_to_resume(folder_a, folder_b, names, out, system))
        folder_a = folder_a or Path(plan["folders"][0])  # a folder may have moved
        folder_b = folder_b or Path(plan["folders"][1])
        called = (plan["names"][0], plan["names"][1])
        base = plan["settings"]
        _require_same_run(plan, names, system)
    else:
        if folder_a is None or folder_b is None:
            raise click.UsageError("two folders are needed: --a DIR --b DIR")
        called = _names(names, folder_a, folder_b)
        base = config.read_toml(recipe) if recipe else {}
    settings = t.resolve(config.merge(base, given), str(recipe or ""))
    places = t.Places.of(called, settings.system, out)
    begins = first and not resume and not dry_run
    if begins and runs.has_state(places.run) and not force:
        raise VoiceganError(
            f"a run of {called[0]} and {called[1]} is in {places.run}",
            "Continue it with --resume, or start anew with --force.",
        )
    if first:
        runs.require_writable(places.run, places.voices)
        release.require_free(places.voices, called, places.run)

    with counted("reading") as progress:
        material = t.gather(folder_a, folder_b, settings, progress=progress)
    t.require_same(plan, material)
    command = plan.get("command") or shlex.join(["voicegan", *sys.argv[1:]])
    run = t.Training(material, settings, called, places, command=command, say=_say)
    if minutes is not None and not resume:
        run.choose_steps(minutes)
    if dry_run:
        _dry_run(run, first)
        return
    if begins:
        runs.clear(places.run)  # not before everything is known to be in order
    if first and not quiet:
        for line in t.describe(material, run.settings, called):
            _say(line)
        _say(f"device {run.trainer.fabric.device}, precision {run.trainer.precision}")
        _say(f"run: {places.run}")
    found = resume and run.resume()
    run.save_plan()
    if first and resume:
        _say_resumed(run, found, recipe, minutes)
    try:
        outcome = run.run(quiet=quiet)
    except Abandoned:
        if first:
            raise
        return  # the first process says what happened
    if not first:
        return
    for target in (1, 0):
        voice = release.folder_of(places.voices, called, target)
        if outcome.best_step is not None:
            flag = "" if out is None else f" (convert with --to {shlex.quote(str(voice))})"
            _say(f"voice {called[target]} from {called[1 - target]}: {voice}{flag}")
    if outcome.best_step is not None:
        _say(f"best at step {outcome.best_step}, validation score {outcome.best_score:.3f}")
    if outcome.interrupted is not None:
        _say(f"stopped at step {outcome.step} and saved; continue with --resume")
        sys.exit(128 + outcome.interrupted)
    _say(f"listen: voicegan convert RECORDING --to {storage_name(places, called, out, storage.home())}")


def storage_name(places: Places, names: tuple[str, str], out: Path | None, home: Path) -> str:
    """How the second speaker's voice is named to `voicegan convert`."""
    return names[1] if out is None or out == home / "voices" else shlex.quote(str(places.voices / names[1]))


def _shortcuts(
    system: str | None, steps: int | None, device: str | None, devices: int | None
) -> list[tuple[str, object]]:
    wanted = {
        "system": system,
        "trainer.steps": steps,
        "trainer.device": device and f'"{device}"',
        "trainer.devices": devices,
    }
    return [(key, value) for key, value in wanted.items() if value is not None]


def _names(names: str | None, a: Path, b: Path) -> tuple[str, str]:
    if names is None:
        called = (a.resolve().name, b.resolve().name)
    else:
        parts = [part.strip() for part in names.split(",")]
        if len(parts) != 2 or not all(parts):
            raise click.UsageError("--names takes two names with a comma between them: --names anna,ben")
        called = (parts[0], parts[1])
    from ..voice.pack import check_name

    for name in called:
        check_name(name)
    if called[0] == called[1]:
        raise VoiceganError(f"both speakers are called {called[0]}", "Give two names: --names anna,ben")
    return called


def _run_to_resume(
    a: Path | None, b: Path | None, names: str | None, out: Path | None, system: str | None
) -> Path:
    from ..voice.training import Places

    if out is not None:
        return Places.of(("", ""), "", out).run
    if a is None or b is None:
        raise click.UsageError("--resume needs --out DIR, or the --a and --b that the run was started with")
    return Places.of(_names(names, a, b), system or "light", None).run


def _require_same_run(plan: dict[str, Any], names: str | None, system: str | None) -> None:
    trained = plan["settings"]["system"]
    if system is not None and system != trained:
        raise VoiceganError(
            f"this run trains {trained}, and cannot go on as {system}", "Choose another --out for a new run."
        )
    called = ",".join(plan["names"])
    if names is not None and [part.strip() for part in names.split(",")] != plan["names"]:
        raise VoiceganError(f"the voices of this run are called {called}", "Leave --names out.")


def _say_resumed(run: Training, found: bool, recipe: Path | None, minutes: float | None) -> None:
    done, planned = run.trainer.step, run.settings.trainer.steps
    if not found:
        _say("no checkpoint was saved yet: starting from the beginning")
    elif done < planned:
        _say(f"continuing after step {done} of {planned}")
    else:
        _say(f"all {planned} steps are done (the run is at step {done}); --steps N trains on")
    if minutes is not None:
        _say(f"--minutes is not measured again: the run keeps its {planned} steps; --steps changes that")
    if recipe is not None:
        _say("--config is not read again: the run keeps its plan; --set changes single settings")


def _dry_run(run: Training, first: bool) -> None:
    from ..voice import training as t

    estimated = t.estimate(run)  # all processes measure together
    if not first:
        return
    for line in t.describe(run.material, run.settings, run.names):
        click.echo(line)
    click.echo(f"device {run.trainer.fabric.device}")
    click.echo(f"run: {run.places.run}")
    click.echo(f"voices: {run.places.voices}")
    click.echo(f"estimated time: {estimated}")
    click.echo("settings:")
    click.echo(run.settings.model_dump_json(indent=2))


def _say(text: str) -> None:
    click.echo(text, err=True)
