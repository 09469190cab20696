"""`voicegan train --target`: one folder of recordings, and a pool of others, become a voice for anyone's speech."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import VoiceganError
from . import training
from .progress import counted

if TYPE_CHECKING:
    from ..voice.training import Places


@dataclass(frozen=True)
class Voices:
    """Voices that a new run stands on, by name or path."""

    start: str | None  # to set out from
    teacher: str | None  # to learn from


def is_resumed(asked: training.Asked) -> bool:
    """Whether a run of this kind lies where another is to be resumed."""
    if not asked.resume or asked.out is None:
        return False
    from ..core import runs
    from ..voice.systems import POOL_SYSTEMS
    from ..voice.training import Places

    run = Places.of(("", ""), "", asked.out).run
    return (run / runs.PLAN).is_file() and runs.read_plan(run)["settings"].get("system") in POOL_SYSTEMS


def train(
    target: Path | None, pool: tuple[Path, ...], voices: Voices, name: str | None, asked: training.Asked
) -> None:
    """Train one voice. See `voicegan.cli.train`."""
    from ..core import runs
    from ..voice import release
    from ..voice import target_training as t
    from ..voice.pack import check_name
    from ..voice.systems import POOL_SYSTEMS
    from ..voice.training import Places, require_same

    plan: dict[str, Any] = {}
    if asked.resume:
        plan = asked.plan_to_resume(_run(target, name, asked).run, "names", "recordings")
        if (trained := plan["settings"].get("system")) not in POOL_SYSTEMS:
            raise VoiceganError(f"this run trains two voices ({trained})", "Resume it with --out DIR alone.")
        if voices.start is not None:
            raise VoiceganError("a run that goes on has set out already", "Leave --from out.")
        if voices.teacher is not None:
            raise VoiceganError(
                "a run that goes on has its teacher, or none, already", "Leave --teacher out."
            )
        if name is not None and [name] != plan["names"]:
            raise VoiceganError(f"the voice of this run is called {plan['names'][0]}", "Leave --names out.")
        target = target or Path(plan["folders"][0])  # a folder may have moved
        pool = pool or tuple(Path(folder) for folder in plan["folders"][1:])
        called = plan["names"][0]
    else:
        if target is None:
            raise click.UsageError("the target's folder is needed: --target DIR")
        if name is not None and "," in name:
            raise click.UsageError("--target makes one voice, and --names takes one name here: --names anna")
        called = check_name(name or target.resolve().name)
    settings = t.resolve(
        asked.settings(plan, start=voices.start, teacher=voices.teacher), str(asked.recipe or "")
    )
    places = Places.of((called,), settings.system, asked.out)
    asked.require_none_there(places.run, called)
    if runs.first_rank():
        runs.require_writable(places.run, places.voices)
        release.require_free_folder(places.voices / called, places.run, called)

    with counted("reading") as progress:
        material = t.gather(target, pool, settings, progress=progress)
    command = plan.get("command") or training.command_line()
    run = t.TargetTraining(material, settings, called, places, command=command, say=training.say, begun=plan)
    require_same(plan, [material.target.folder, " and ".join(map(str, pool))], run.fingerprints)
    voice = places.voices / called
    if outcome := training.go(run, asked, [f"voice: {voice}"]):
        spelled = training.spelled(places.voices, called)
        made = [f"voice {called} from anyone: {voice}"]
        listen = f"listen: voicegan convert RECORDING --to {spelled}"
        training.end(outcome, made, listen, chosen=run.monitor.chooses)


def _run(target: Path | None, name: str | None, asked: training.Asked) -> Places:
    from ..voice.training import Places

    if asked.out is not None:
        return Places.of((), "", asked.out)
    if target is None:
        raise click.UsageError("--resume needs --out DIR, or the --target that the run was started with")
    return Places.of((name or target.resolve().name,), asked.system or "any-to-one", None)
