"""``voicegan vocoder train``: folders of recordings become a vocoder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import VoiceganError
from . import training
from .progress import counted

if TYPE_CHECKING:
    from ..vocoder.given import Through
    from ..vocoder.training import TrainingConfig

NAME = "my-vocoder"


@click.command()
@click.argument("folders", nargs=-1, type=training.FOLDER, metavar="DIR...")
@click.option("--name", help=f"What to call the vocoder; by default {NAME}.")
@click.option("--from", "start_from", metavar="VOCODER", help="Begin with the weights of a trained vocoder.")
@click.option(
    "--through",
    metavar="VOICE,...",
    help="Learn from log-mels that have passed through these voices in order, e.g. bdl,slt for recordings of slt.",
)
@training.options("vocoder", systems="magnitudes (default) or waveform", setting="model.dim=384")
def train(
    folders: tuple[Path, ...],
    name: str | None,
    start_from: str | None,
    through: str | None,
    asked: training.Asked,
) -> None:
    """Train a vocoder on all recordings under the folders: of many speakers, men and women alike.

    --through fits it to what a converter makes: the log-mels have passed through voices that lead back to the
    recordings' own speaker, and the sound to make of them is the recordings'. It goes well with --from.

    Ctrl-C saves the run; --resume continues it exactly where it was.
    """
    from ..core import runs
    from ..vocoder import training as t
    from ..vocoder.corpus import load_corpus
    from ..vocoder.given import with_mels
    from ..vocoder.pack import KIND

    called = KIND.check_name(name or NAME)
    places = t.Places.of(called, asked.out)
    plan: dict[str, Any] = {}
    if asked.resume:
        plan = asked.plan_to_resume(places.run, "name", "recordings")
        if name is not None and name != plan["name"]:
            raise VoiceganError(f"the vocoder of this run is called {plan['name']}", "Leave --name out.")
        folders = folders or tuple(Path(folder) for folder in plan["folders"])  # a folder may have moved
        called = plan["name"]
        places = t.Places.of(called, asked.out)
    elif not folders:
        raise click.UsageError("a folder of recordings is needed: voicegan vocoder train DIR")
    voices = None if through is None else [voice.strip() for voice in through.split(",")]
    settings = t.resolve(asked.settings(plan, start_from=start_from, through=voices), str(asked.recipe or ""))
    if plan and settings.start_from != plan["settings"]["start_from"]:
        raise VoiceganError("this run has begun with other weights", "Leave --from out, or start a new run.")
    asked.require_none_there(places.run, called)
    way = None
    if settings.through:
        settings, way = _find_way(settings)
    t.require_same_parts(plan, way)
    if runs.first_rank():
        runs.require_writable(places.run, places.vocoder.parent)
        t.require_free(places)
    with counted("reading") as progress:
        corpus = load_corpus(folders, settings.corpus, progress=progress)
    t.require_same(plan, corpus)
    if way is not None:
        with counted(f"through {', '.join(name for name, _ in way.parts)}") as progress:
            corpus = with_mels(corpus, way, progress)
    run = t.Training(
        corpus,
        settings,
        called,
        places,
        command=plan.get("command") or training.command_line(),
        say=training.say,
        resumes=asked.resume and runs.has_state(places.run),
    )
    if outcome := training.go(run, asked, [f"vocoder: {places.vocoder}"]):
        spelled = called if asked.out is None else shlex.quote(str(places.vocoder))
        training.end(
            outcome,
            [f"vocoder {called}: {places.vocoder}"],
            f"listen: voicegan vocoder resynth RECORDING --out COPY.wav --vocoder {spelled}",
        )


def _find_way(settings: TrainingConfig) -> tuple[TrainingConfig, Through]:
    """The settings with voices that mean the same from any folder, and what recordings pass through."""
    from ..core.device import choose_device
    from ..packs import inherited
    from ..voice import chain

    names = chain.spelled(settings.through)
    way = chain.through(names, settings.corpus.spec(), choose_device(settings.trainer.device))
    licences = inherited(settings.licences, way.licences)
    return settings.model_copy(update={"through": names, "licences": licences}), way
