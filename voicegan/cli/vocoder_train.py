"""``voicegan vocoder train``: folders of recordings become a vocoder."""

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
    from ..vocoder.training import Training

FOLDER = click.Path(path_type=Path)
NAME = "my-vocoder"


@click.command()
@click.argument("folders", nargs=-1, type=FOLDER, metavar="DIR...")
@click.option("--name", help=f"What to call the vocoder; by default {NAME}.")
@click.option("--out", type=FOLDER, help="Where run and vocoder go; by default the user's data folder.")
@click.option("--system", help="What to train: magnitudes (default) or waveform.")
@click.option("--from", "start_from", metavar="VOCODER", help="Begin with the weights of a trained vocoder.")
@click.option("--steps", type=click.IntRange(1), help="How many steps to train.")
@click.option("--minutes", type=click.FloatRange(0.1), help="How long to train; measured into steps, once.")
@click.option("--config", "recipe", type=FOLDER, help="A recipe (TOML): what differs from the defaults.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting, e.g. model.dim=384."
)
@click.option("--device", help="auto, cpu, cuda or mps.")
@click.option("--devices", type=click.IntRange(1), help="How many devices share each batch.")
@click.option("--resume", is_flag=True, help="Continue the run from its newest checkpoint.")
@click.option("--force", is_flag=True, help="Start anew where a run already exists.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and how long it would take.")
@click.option("--quiet", is_flag=True, help="Print no progress.")
def train(
    folders: tuple[Path, ...],
    name: str | None,
    out: Path | None,
    system: str | None,
    start_from: str | None,
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
    """Train a vocoder on all recordings under the folders: of many speakers, men and women alike.

    Ctrl-C saves the run; --resume continues it exactly where it was.
    """
    if steps is not None and minutes is not None:
        raise click.UsageError("--steps and --minutes exclude each other")
    from .. import config
    from ..core import runs
    from ..core.trainer import Abandoned
    from ..vocoder import training as t
    from ..vocoder.corpus import load_corpus
    from ..vocoder.pack import KIND

    first = runs.first_rank()
    if not first:
        logging.disable(logging.WARNING)  # the first process says it already
    called = KIND.check_name(name or NAME)
    places = t.Places.of(called, out)
    plan: dict[str, Any] = {}
    if resume:
        plan = runs.read_plan(places.run)
        folders = folders or tuple(Path(folder) for folder in plan["folders"])  # a folder may have moved
        base = plan["settings"]
        _require_same_run(plan, name, system, start_from)
        called = plan["name"]
        places = t.Places.of(called, out)
    else:
        if not folders:
            raise click.UsageError("a folder of recordings is needed: voicegan vocoder train DIR")
        base = config.read_toml(recipe) if recipe else {}
    given = {
        "system": system,
        "start_from": start_from and f'"{start_from}"',
        "trainer.steps": steps,
        "trainer.device": device and f'"{device}"',
        "trainer.devices": devices,
    }
    shortcuts = [f"{key}={value}" for key, value in given.items() if value is not None]
    settings = t.resolve(config.merge(base, [*shortcuts, *overrides]), str(recipe or ""))
    begins = first and not resume and not dry_run
    if begins and runs.has_state(places.run) and not force:
        raise VoiceganError(
            f"a run of {called} is in {places.run}", "Continue it with --resume, or start anew with --force."
        )
    if first:
        runs.require_writable(places.run, places.vocoder.parent)
        t.require_free(places)
    with counted("reading") as progress:
        corpus = load_corpus(folders, settings.corpus, progress=progress)
    t.require_same(plan, corpus)
    command = plan.get("command") or shlex.join(["voicegan", *sys.argv[1:]])
    run = t.Training(corpus, settings, called, places, command=command, say=_say)
    if minutes is not None and not resume:
        run.choose_steps(minutes)
    if dry_run:
        _dry_run(run, first)
        return
    if begins:
        runs.clear(places.run)  # not before everything is known to be in order
    if first and not quiet:
        for line in run.describe():
            _say(line)
        _say(f"device {run.trainer.fabric.device}, precision {run.trainer.precision}")
        _say(f"run: {places.run}")
    found = resume and run.resume()
    run.save_plan()
    if first and resume:
        done, planned = run.trainer.step, run.settings.trainer.steps
        _say(
            f"continuing after step {done} of {planned}" if found else "no checkpoint yet: from the beginning"
        )
    try:
        outcome = run.run(quiet=quiet)
    except Abandoned:
        if first:
            raise
        return  # the first process says what happened
    if not first:
        return
    if outcome.best_step is not None:
        _say(f"vocoder {called}: {places.vocoder}")
        _say(f"best at step {outcome.best_step}, validation score {outcome.best_score:.3f}")
    if outcome.interrupted is not None:
        _say(f"stopped at step {outcome.step} and saved; continue with --resume")
        sys.exit(128 + outcome.interrupted)
    spelled = called if out is None else shlex.quote(str(places.vocoder))
    _say(f"listen: voicegan vocoder resynth RECORDING --out COPY.wav --vocoder {spelled}")


def _require_same_run(
    plan: dict[str, Any], name: str | None, system: str | None, start_from: str | None
) -> None:
    trained = plan["settings"]["system"]
    if system is not None and system != trained:
        raise VoiceganError(
            f"this run trains {trained}, and cannot go on as {system}", "Choose another --out for a new run."
        )
    if name is not None and name != plan["name"]:
        raise VoiceganError(f"the vocoder of this run is called {plan['name']}", "Leave --name out.")
    if start_from is not None and start_from != plan["settings"]["start_from"]:
        raise VoiceganError("this run has begun with other weights", "Leave --from out, or start a new run.")


def _dry_run(run: Training, first: bool) -> None:
    estimated = run.estimate()  # all processes measure together
    if not first:
        return
    for line in run.describe():
        click.echo(line)
    click.echo(f"device {run.trainer.fabric.device}")
    click.echo(f"run: {run.places.run}")
    click.echo(f"vocoder: {run.places.vocoder}")
    click.echo(f"estimated time: {estimated}")
    click.echo("settings:")
    click.echo(run.settings.model_dump_json(indent=2))


def _say(text: str) -> None:
    click.echo(text, err=True)
