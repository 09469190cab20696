"""`voicegan train`: two folders of recordings become two voices."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from ..errors import VoiceganError
from . import training
from .progress import counted


@click.command()
@click.option("--a", "folder_a", type=training.FOLDER, help="Folder of recordings of the first speaker.")
@click.option("--b", "folder_b", type=training.FOLDER, help="Folder of recordings of the second speaker.")
@click.option("--target", type=training.FOLDER, help="Folder of one speaker: a voice for anyone's speech.")
@click.option(
    "--pool",
    type=training.FOLDER,
    multiple=True,
    help="With --target: a folder of other speakers' folders; repeatable.",
)
@click.option(
    "--from",
    "start",
    metavar="VOICE",
    help="With --target: the voice to set out from; by default the teacher, the nearest installed one, or none.",
)
@click.option(
    "--teacher",
    metavar="VOICE",
    help="With --target and --pool: an earlier voice of the target, to learn from what it makes of the pool.",
)
@click.option("--names", metavar="A,B", help="What to call the voices; by default like the folders.")
@training.options("voices", systems="light (default), mask-cyclegan-vc, ...", setting="model.cycle=3")
def train(
    folder_a: Path | None,
    folder_b: Path | None,
    target: Path | None,
    pool: tuple[Path, ...],
    start: str | None,
    teacher: str | None,
    names: str | None,
    asked: training.Asked,
) -> None:
    """Train two voices from two folders (--a, --b), or one voice for anyone's speech (--target, --pool).

    Where two folders hold the same sentences under the same file names, these are aligned and help.
    Ctrl-C saves the run; --resume continues it exactly where it was.
    """
    from . import train_target

    towards = target is not None or pool or start is not None or teacher is not None
    if towards or train_target.is_resumed(asked):
        if folder_a is not None or folder_b is not None:
            raise click.UsageError("--target trains one voice, --a and --b two: give one or the other")
        train_target.train(target, pool, train_target.Voices(start, teacher), names, asked)
    else:
        _between(folder_a, folder_b, names, asked)


def _between(folder_a: Path | None, folder_b: Path | None, names: str | None, asked: training.Asked) -> None:
    """Train two voices, one for each direction."""
    from ..core import runs
    from ..voice import release
    from ..voice import training as t

    plan: dict[str, Any] = {}
    if asked.resume:
        plan = asked.plan_to_resume(_run_to_resume(folder_a, folder_b, names, asked), "names", "recordings")
        if names is not None and [part.strip() for part in names.split(",")] != plan["names"]:
            raise VoiceganError(
                f"the voices of this run are called {','.join(plan['names'])}", "Leave --names out."
            )
        folder_a = folder_a or Path(plan["folders"][0])  # a folder may have moved
        folder_b = folder_b or Path(plan["folders"][1])
        called = (plan["names"][0], plan["names"][1])
    else:
        if folder_a is None or folder_b is None:
            raise click.UsageError(
                "two folders are needed: --a DIR --b DIR (or one: --target DIR --pool DIR)"
            )
        called = _names(names, folder_a, folder_b)
    settings = t.resolve(asked.settings(plan), str(asked.recipe or ""))
    places = t.Places.of(called, settings.system, asked.out)
    asked.require_none_there(places.run, f"{called[0]} and {called[1]}")
    if runs.first_rank():
        runs.require_writable(places.run, places.voices)
        release.require_free(places.voices, called, places.run)

    with counted("reading") as progress:
        material = t.gather(folder_a, folder_b, settings, progress=progress)
    command = plan.get("command") or training.command_line()
    run = t.Training(material, settings, called, places, command=command, say=training.say)
    t.require_same(plan, run.folders, run.fingerprints)
    if outcome := training.go(run, asked, [f"voices: {places.voices}"]):
        made = []
        for target in (1, 0):
            voice = release.folder_of(places.voices, called, target)
            flag = "" if asked.out is None else f" (convert with --to {shlex.quote(str(voice))})"
            made.append(f"voice {called[target]} from {called[1 - target]}: {voice}{flag}")
        spelled = training.spelled(places.voices, called[1])
        training.end(outcome, made, f"listen: voicegan convert RECORDING --to {spelled}")


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


def _run_to_resume(a: Path | None, b: Path | None, names: str | None, asked: training.Asked) -> Path:
    from ..voice.training import Places

    if asked.out is not None:
        return Places.of(("", ""), "", asked.out).run
    if a is None or b is None:
        raise click.UsageError("--resume needs --out DIR, or the --a and --b that the run was started with")
    return Places.of(_names(names, a, b), asked.system or "light", None).run
