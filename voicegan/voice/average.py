"""The mean of the weights of voices of one lineage (model soups, Wortsman et al. 2022).

Voices that set out from one another lie in one valley: between them is a voice about as near to the target as the
nearest one, which keeps the words about as well as the one that keeps most.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import VoiceganError
from ..packs import inherited, licences_in
from .pack import ANY_SOURCE, KIND, Pack, check_name, save_pack

# What has to be the same, or a mean of weights means nothing.
_SAME = ("net", "network", "sources", "mel", "normaliser", "vocoder", "level_db", "consent")
_HINT = "Give voices of one lineage: each set out from another of them, or all from the same."
# What a card says of one voice's weights, and is not so of the mean.
_OF_ONE = re.compile(r"^## (?:On held-out|Measured|Mean\b).*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def average(packs: Sequence[Pack], folder: Path, name: str, weights: Sequence[float] | None = None) -> Pack:
    """Write the voice whose weights are the mean of those of several voices.

    Parameters
    ----------
    packs : sequence of Pack
        The voices, the one that was trained last at the end: card and facts are that one's, and say what it is the mean
        of. Licences are those of all of them.
    folder : Path
        Of the new voice.
    name : str
        What it is called.
    weights : sequence of float, optional
        How much each counts; all alike by default.

    Raises VoiceganError for fewer than two voices, for voices that differ in more than their weights, or were trained
    on different recordings, and for weights that are not one positive number for each.
    """
    check_name(name)
    shares = _shares(len(packs), weights)
    last = packs[-1]
    for other in packs[:-1]:
        for what in _SAME:
            if getattr(other, what) != getattr(last, what):
                raise VoiceganError(f"{other.folder} and {last.folder} differ in {what}", _HINT)
    built = [pack.build() for pack in packs]
    generator, statistics = built[-1]
    for pack, (_, known) in zip(packs, built, strict=True):
        if not _same(known, statistics):
            raise VoiceganError(
                f"{pack.folder} and {last.folder} were trained on different recordings", _HINT
            )
    states = [network.state_dict() for network, _ in built]
    with torch.no_grad():
        mean = {
            key: sum(share * state[key] for share, state in zip(shares, states, strict=True))
            for key in states[0]
        }
    generator.load_state_dict(mean)
    made_of = _parts(packs, shares)
    licences = inherited(last.licences, licences_in(KIND, packs[:-1]))
    return save_pack(
        folder,
        name=name,
        system=last.system,
        net=last.net,
        generator=generator,
        network=last.network,
        sources=[source for source in last.sources if source != ANY_SOURCE],
        mel=last.mel,
        statistics=statistics,
        card=_card(last, name, made_of, licences),
        normaliser=last.normaliser,
        vocoder=last.vocoder,
        level_db=last.level_db,
        training={**{k: v for k, v in last.training.items() if k != "validation"}, "mean_of": made_of},
        licences=licences,
        consent=last.consent,
    )


def _shares(count: int, weights: Sequence[float] | None) -> list[float]:
    if count < 2:
        raise VoiceganError("one voice has no mean", "Give two voices or more.")
    weights = [1.0] * count if weights is None else list(weights)
    if len(weights) != count or not all(0 < weight < math.inf for weight in weights):
        raise VoiceganError(
            f"the weights are {', '.join(f'{w:g}' for w in weights)}",
            f"Give {count} positive numbers, one for each voice.",
        )
    return [weight / sum(weights) for weight in weights]


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], value) for key, value in other.items())


def _parts(packs: Sequence[Pack], shares: Sequence[float]) -> list[dict[str, Any]]:
    """The trainings that the mean is of: a voice that is a mean itself counts as what that one is of."""
    parts: dict[str, dict[str, Any]] = {}
    for pack, share in zip(packs, shares, strict=True):
        own = {"sha256": pack.sha256[:12], "command": str(pack.training.get("command", ""))}
        of = pack.training.get("mean_of") or [own]
        for part in of:
            known = parts.setdefault(part["sha256"], {**part, "share": 0.0})
            known["share"] += share * part.get("share", 1 / len(of))
    return [{**part, "share": round(part["share"], 4)} for part in parts.values()]


def _card(last: Pack, name: str, made_of: Sequence[Mapping[str, Any]], licences: Sequence[str]) -> str:
    """The last voice's card, without what was measured of that one, and with what the mean is of."""
    card = _OF_ONE.sub("", last.card).rstrip()
    if card.startswith(heading := f"# {last.name}"):
        card = f"# {name}{card.removeprefix(heading)}".replace(f"--to {last.name}`", f"--to {name}`")
    lines = [f"- {voice['sha256']}, {voice['share']:.0%}: `{voice['command']}`" for voice in made_of]
    if others := [licence for licence in licences if licence not in last.licences]:
        lines += ["", "Licences besides those above:", "", *(f"- {licence}" for licence in others)]
    return (
        f"{card}\n\n## Mean\nIts weights are the mean of {len(made_of)} voices' (`voicegan average`), of which the last"
        " is described above:\n\n" + "\n".join(lines) + "\n"
    )
