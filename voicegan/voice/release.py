"""A trained generator becomes a voice on disk, with a card that says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import VoiceganError
from . import pack

if TYPE_CHECKING:
    from .corpus import Speaker
    from .pool import Pool
    from .pool_statistics import Statistics
    from .systems.any_to_one import AnyToOne
    from .systems.base import VoiceSystem
    from .target_training import TargetMaterial, TargetTrainingConfig
    from .training import Material, TrainingConfig, VoiceTrainingConfig


def folder_of(voices: Path, names: tuple[str, str], target: int) -> Path:
    """Where a voice goes: the target's name, or with the source's where another source's voice has that."""
    folder = voices / names[target]
    if (folder / pack.SETTINGS).is_file() and pack.load_pack(folder).sources != (names[1 - target],):
        return voices / f"{names[target]}-from-{names[1 - target]}"
    return folder


def require_free(voices: Path, names: tuple[str, str], run: Path) -> None:
    """Raise VoiceganError where a voice would have to replace something that is none, such as recordings."""
    for target in (0, 1):
        require_free_folder(folder_of(voices, names, target), run, names[target])


def require_free_folder(folder: Path, run: Path, name: str) -> None:
    """Raise VoiceganError where the voice `name` would have to replace something that is none."""
    voice = (folder / pack.SETTINGS).is_file()
    if folder == run or (folder.exists() and not voice and (not folder.is_dir() or any(folder.iterdir()))):
        raise VoiceganError(
            f"the voice {name} would go to {folder}, which holds something else",
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
        `core.runs.Run.facts`: into ``voice.json`` and the card.
    """
    speakers = (material.a, material.b)
    source, wanted = speakers[1 - target], speakers[target]
    training = {
        **facts,
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


def save_target_voice(
    folder: Path,
    *,
    system: AnyToOne,
    material: TargetMaterial,
    statistics: Statistics,
    settings: TargetTrainingConfig,
    name: str,
    set_out_from: Mapping[str, str] | None,
    taught_by: Mapping[str, str] | None,
    facts: Mapping[str, Any],
) -> None:
    """Write the voice of a training of one target, replacing an earlier one. See :func:`save_voice`."""
    pool = material.pool
    training = {
        **facts,
        "parallel_pairs": sum(len(parallel.pairs) for parallel in pool.pairs.values()),
        "data": {name: _data(material.target)},
        "pool": _pool_data(pool),
    }
    if set_out_from is not None:
        training["set_out_from"] = dict(set_out_from)
    if taught_by is not None:
        training["taught_by"] = dict(taught_by) | {
            "passes": settings.passes,
            "retrieval": settings.retrieval,
        }
    pack.save_pack(
        folder,
        name=name,
        system=settings.system,
        net=system.generator_name,
        generator=system.best("g_ab"),
        network=system.generator_arguments,
        sources=[pack.ANY_SOURCE],
        mel=material.target.spec,
        normaliser="envelope",
        statistics=statistics.kept(),
        card=_target_card(name, training, settings),
        vocoder=settings.vocoder,
        level_db=settings.corpus.level_db,
        training=training,
        licences=settings.licences,
        consent=settings.consent,
    )


def how_often(passes: int) -> str:
    """How often a teacher converts, in words."""
    return "one pass" if passes == 1 else f"{passes} passes"


def _data(speaker: Speaker) -> dict[str, Any]:
    return {
        "utterances": len(speaker.utterances),
        "minutes": round(speaker.minutes, 1),
        "held_out": len(speaker.held_out),
        "refused": len(speaker.refused),
    }


def _pool_data(pool: Pool) -> dict[str, Any]:
    return {
        "speakers": len(pool.speakers),
        "minutes": round(pool.minutes, 1),
        "speakers_held_out": len(pool.strangers),
    }


def _target_card(name: str, training: Mapping[str, Any], settings: TargetTrainingConfig) -> str:
    """The README of a voice for anyone's speech."""
    own, pool, teacher = training["data"][name], training["pool"], training.get("taught_by")
    pairs = training["parallel_pairs"]
    read = (
        f"{pairs} readings of the target's sentences by others were used as aligned pairs.\n" if pairs else ""
    )
    start = training.get("set_out_from")
    begun = f"It set out from the voice {start['name']} ({start['sha256'][:12]}).\n" if start else ""
    if teacher:
        begun += (
            f"It learnt what the voice {teacher['name']} ({teacher['sha256'][:12]}) makes of the pool in "
            f"{how_often(teacher['passes'])}"
        )
        if teacher["retrieval"] > 0:
            begun += f", its envelopes moved by {teacher['retrieval']:.0%} of the way to {name}'s own nearest frames"
        begun += ".\n"
    judged = (
        "half of both mcd, strangers' to what the teacher makes of them"
        if teacher
        else "half of mcd plus five dB times the strangers' drift"
    )
    judged = (
        f"`score`, {judged},\nchose the checkpoint."
        if "score" in training["validation"]
        else f"`distance` is\n{judged}. This is the newest state: nothing chose it."
    )
    return f"""# {name}, from anyone

Converts anyone's speech into {name}'s voice: `voicegan convert in.wav --to {name}`.

## Training
- {name}: {own["utterances"]} utterances, {own["minutes"]} minutes to train on, {own["held_out"]} held out
- pool: {pool["speakers"]} speakers, {pool["minutes"]} minutes to train on, {pool["speakers_held_out"]} held out

{read}{begun}{_ended(training, settings)}

## On held-out utterances of the pool, at this checkpoint
`strangers`: speakers of whom nothing trained; `readers`: held-out sentences that the pool and the target both read;
`disguised`: the target's own held-out speech, its formants moved. `mcd` and `frechet` are in dB, lower is better;
`drift` is the share of the source's course that was lost; `change` is how far the mel was moved from what matching
averages and shifting the pitch would give; {judged}

{_figures(training)}

{_rights(settings)}"""


def _ended(training: Mapping[str, Any], settings: VoiceTrainingConfig) -> str:
    """How the training went, and its command."""
    return f"""System `{settings.system}`, {training["steps"]} of {training["planned_steps"]} steps of
{settings.trainer.batch}, {training["minutes"]} minutes, seed {training["seed"]}, {training["date"]},
voicegan {training["voicegan"]}.

Command:

    {training["command"] or "(from Python)"}"""


def _figures(training: Mapping[str, Any]) -> str:
    return "\n".join(f"- {key}: {value:g}" for key, value in training["validation"].items())


def _rights(settings: VoiceTrainingConfig) -> str:
    licences = "\n".join(f"- {line}" for line in settings.licences) or "- not stated"
    return f"""## Licences of the recordings
{licences}

## Consent
{settings.consent or "Not stated. Convert into a person's voice only with that person's consent."}
"""


def _card(names: tuple[str, str], target: int, training: Mapping[str, Any], settings: TrainingConfig) -> str:
    """The voice's README."""
    name, source = names[target], names[1 - target]
    data = "\n".join(
        f"- {who}: {d['utterances']} utterances, {d['minutes']} minutes to train on, {d['held_out']} held out"
        for who, d in training["data"].items()
    )
    pairs = training["parallel_pairs"]
    how = f"{pairs} sentences read by both were used as aligned pairs." if pairs else "No pairs were used."
    direction = "ab" if target == 1 else "ba"
    return f"""# {name}, from {source}

Converts {source}'s speech into {name}'s voice: `voicegan convert in.wav --to {name}`.
It knows one source, {source}; other speakers may come out less like {name} or less clear.

## Training
{data}

{how} {_ended(training, settings)}

## On the held-out utterances, at this checkpoint
This voice is the direction `{direction}`. `mcd` and `frechet` are in dB, lower is better; `drift` is the share
of the source's course that was lost; `change` is how far the mel was moved; `score` chose the checkpoint.

{_figures(training)}

{_rights(settings)}"""
