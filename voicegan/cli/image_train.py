"""``voicegan image train``: pictures become a model."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import click

from ..errors import VoiceganError
from . import training


@click.command()
@click.argument("system", required=False, metavar="[SYSTEM]")
@click.option(
    "--data", multiple=True, metavar="NAME|DIR",
    help="digits, mnist, fashion-mnist, cifar-10, ring-8, grid-25, digits-styles, digits-pairs, facades, or a folder "
    "of pictures; two domains may be two folders, given one after the other. By default what the system can begin "
    "with, without a download.",
)  # fmt: skip
@click.option("--size", type=click.IntRange(1), help="Make the pictures SIZE x SIZE.")
@click.option("--channels", type=click.IntRange(1, 3), help="1: grey; 3: colour. As the data has it.")
@click.option("--name", help="What to call the model; by default after the system and the data.")
@training.options("model", systems=None, setting="model.lr_g=1e-3")
def train(
    system: str | None,
    data: tuple[str, ...],
    size: int | None,
    channels: int | None,
    name: str | None,
    asked: training.Asked,
) -> None:
    """Train SYSTEM (see: voicegan image list), or one of your own, named by where its class is.

    \b
    voicegan image train dcgan --data digits --minutes 1
    voicegan image train my_gan.py:MyGAN --data digits

    Sample grids, curves of the losses and checkpoints go to the run's folder while it trains. Ctrl-C saves the run;
    --resume continues it exactly where it was. Code of your own is run because you name it; only do so with code that
    you trust.
    """
    from ..core import runs
    from ..image import own
    from ..image import training as t
    from ..image.pack import KIND
    from ..image.sources import gather, spelled

    asked = dataclasses.replace(asked, system=own.spelled(system) if system else None)
    # Settings by name, so that a run without --resume and one that is taken up are told alike.
    told: dict[str, Any] = {
        "data.names": [spelled(each) for each in data] or None,
        "data.size": size,
        "data.channels": channels,
    }
    plan: dict[str, Any] = {}
    if asked.resume:
        run_folder = _run_to_resume(told, name, asked)
        plan = asked.plan_to_resume(run_folder, "name", "pictures")
        if name is not None and name != plan["name"]:
            raise VoiceganError(f"the model of this run is called {plan['name']}", "Leave --name out.")
    elif system is None and asked.recipe is None:
        raise click.UsageError("a system is needed: voicegan image train dcgan. See: voicegan image list")
    else:
        _require_agreement(asked)
    settings = t.resolve(asked.settings(plan, **told), asked.source)
    t.require_same_settings(plan, settings)
    called = KIND.check_name(plan.get("name") or name or t.default_name(settings))
    places = t.Places.of(called, asked.out)
    asked.require_none_there(places.run, called)
    if runs.first_rank():
        runs.require_writable(places.run, places.model.parent)
        t.require_free(places)
    material = gather(own.ALL.get(settings.system).data, settings.data, settings.trainer.seed)
    t.require_same(plan, material, settings)
    command = plan.get("command") or training.command_line()
    with own.blamed(settings.system):
        run = t.Training(material, settings, called, places, command=command, say=training.say)
        outcome = training.go(run, asked, [f"model: {places.model}"])
    if outcome:
        then = f"grids: {places.run / 'samples'}"
        if run.system.can("sample"):
            model = shlex.quote(called if asked.out is None else str(places.model)) + own.option(
                settings.system
            )
            then = f"look: {places.run / 'samples'}, or voicegan image sample {model} --out samples.png"
        made = [f"model {called}: {places.model}"] if KIND.is_in(places.model) else []
        training.end(outcome, made, then, chosen=run.chooses)


def _require_agreement(asked: training.Asked) -> None:
    """Raise VoiceganError where the recipe is one of another system than the one that is named."""
    from .. import config
    from ..image import own

    if asked.recipe is None or asked.system is None:
        return
    meant = config.read_toml(asked.recipe).get("system", asked.system)
    if isinstance(meant, str) and own.spelled(meant) != asked.system:
        raise VoiceganError(
            f"{asked.recipe} is a recipe of {meant}, not of {asked.system}",
            f"Leave {asked.system} out, or give another --config.",
        )


def _run_to_resume(told: dict[str, Any], name: str | None, asked: training.Asked) -> Path:
    from ..image import training as t

    if asked.out is not None:
        return t.Places.of("", asked.out).run
    if name is not None:
        return t.Places.of(name, None).run
    if asked.system is None:
        raise click.UsageError(
            "--resume needs --out DIR, --name NAME, or the system that the run was started with"
        )
    return t.Places.of(t.default_name(t.resolve(asked.settings({}, **told))), None).run
