"""A trained generator becomes a voice on disk, with a card that says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .. import __version__
from ..errors import VoiceganError
from . import pack

if TYPE_CHECKING:
    from .corpus import Speaker
    from .systems.base import VoiceSystem
    from .training import Material, TrainingConfig


def folder_of(voices: Path, names: tuple[str, str], target: int) -> Path:
    """Where a voice goes: the target's name, or with the source's where another source's voice has that."""
    folder = voices / names[target]
    if (folder / pack.SETTINGS).is_file() and pack.load_pack(folder).sources != (names[1 - target],):
        return voices / f"{names[target]}-from-{names[1 - target]}"
    return folder


def require_free(voices: Path, names: tuple[str, str], run: Path) -> None:
    """Raise VoiceganError where a voice would have to replace something that is none, such as recordings."""
    for target in (0, 1):
        folder = folder_of(voices, names, target)
        voice = (folder / pack.SETTINGS).is_file()
        if folder == run or (
            folder.exists() and not voice and (not folder.is_dir() or any(folder.iterdir()))
        ):
            raise VoiceganError(
                f"the voice {names[target]} would go to {folder}, which holds something else",
                "Choose another --out, or other names with --names.",
            )


def save_voice(
    folder: Path,
    *,
    system: VoiceSystem,
    material: Material,
    settings: TrainingConfig,
    names: tuple[str, str],
    target: int,
    facts: Mapping[str, Any],
) -> None:
    """Write one direction of a training as a voice, replacing an earlier one.

    Parameters
    ----------
    folder : Path
        The voice's folder.
    target : int
        Which of the two speakers it speaks as: 0 or 1.
    facts : mapping
        Steps, minutes, command, validation: into ``voice.json`` and the card.
    """
    speakers = (material.a, material.b)
    source, wanted = speakers[1 - target], speakers[target]
    training = {
        "date": date.today().isoformat(),
        "voicegan": __version__,
        **facts,
        "seed": settings.trainer.seed,
        "parallel_pairs": len(material.parallel.pairs) if material.parallel else 0,
        "data": {names[1 - target]: _data(source), names[target]: _data(wanted)},
    }
    pack.save_pack(
        folder,
        name=names[target],
        system=settings.system,
        net=system.generator_name,
        generator=system.best("g_ab" if target == 1 else "g_ba"),
        network=system.generator_arguments,
        sources=[names[1 - target]],
        mel=wanted.spec,
        statistics={
            "source.mean": torch.from_numpy(source.mean),
            "source.std": torch.from_numpy(source.std),
            "target.mean": torch.from_numpy(wanted.mean),
            "target.std": torch.from_numpy(wanted.std),
        },
        card=_card(names, target, training, settings),
        vocoder=settings.vocoder,
        level_db=settings.corpus.level_db,
        training=training,
        licences=settings.licences,
        consent=settings.consent,
    )


def _data(speaker: Speaker) -> dict[str, Any]:
    return {
        "utterances": len(speaker.utterances),
        "minutes": round(speaker.minutes, 1),
        "held_out": len(speaker.held_out),
        "refused": len(speaker.refused),
    }


def _card(names: tuple[str, str], target: int, training: Mapping[str, Any], settings: TrainingConfig) -> str:
    """The voice's README."""
    name, source = names[target], names[1 - target]
    data = "\n".join(
        f"- {who}: {d['utterances']} utterances, {d['minutes']} minutes to train on, {d['held_out']} held out"
        for who, d in training["data"].items()
    )
    pairs = training["parallel_pairs"]
    how = f"{pairs} sentences read by both were used as aligned pairs." if pairs else "No pairs were used."
    figures = "\n".join(f"- {key}: {value:g}" for key, value in training["validation"].items())
    licences = "\n".join(f"- {line}" for line in settings.licences) or "- not stated"
    direction = "ab" if target == 1 else "ba"
    return f"""# {name}, from {source}

Converts {source}'s speech into {name}'s voice: `voicegan convert in.wav --to {name}`.
It knows one source, {source}; other speakers may come out less like {name} or less clear.

## Training
{data}

{how} System `{settings.system}`, {training["steps"]} of {training["planned_steps"]} steps of
{settings.trainer.batch}, {training["minutes"]} minutes, seed {training["seed"]}, {training["date"]},
voicegan {training["voicegan"]}.

Command:

    {training["command"] or "(from Python)"}

## On the held-out utterances, at this checkpoint
This voice is the direction `{direction}`. `mcd` and `frechet` are in dB, lower is better; `drift` is the share
of the source's course that was lost; `change` is how far the mel was moved; `score` chose the checkpoint.

{figures}

## Licences of the recordings
{licences}

## Consent
{settings.consent or "Not stated. Convert into a person's voice only with that person's consent."}
"""
