"""An evaluation to listen to: every conversion beside its source, the target's reading and the vocoder's ceiling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..metrics import table
from ..metrics.page import Card, Page, choose, sound_s, write_page
from ..metrics.summary import FIGURES, Figure

ROWS = {
    "source": "Source (no conversion)",
    "converted": "Converted",
    "target": "Target's reading",
    "copy-synthesis": "The same, through the vocoder",
}
RANKED_BY = ("cosine_target", "mcd_db", "dnsmos_ovrl", "cer")  # the first that was measured
LIMIT = 40
FEW = 3  # recordings of the target, where they are other sentences


def write_report(result: Mapping[str, Any], kept: Path, path: Path, limit: int = LIMIT) -> tuple[int, int]:
    """Write the result of `voicegan.voice.evaluate.evaluate` as one HTML file.

    Parameters
    ----------
    kept
        The folder in which the evaluation kept the audio that it made.
    limit
        Utterances that can be heard, at most; see `voicegan.metrics.page.choose`. All of them are in its tables.

    Returns
    -------
    tuple
        How many utterances can be heard, and the size of the file in bytes.
    """
    cards = _cards(result, kept)
    figure = next((one for one in FIGURES if one.key == _ranking(cards)), None)
    badness = [_badness(figure, card.figures["converted"]) for card in cards]
    lengths = [sound_s(list(card.sounds.values())) for card in cards]
    heard = [cards[index] for index in choose(badness, lengths, limit)]
    order = f"from the worst {figure.title} to the best" if figure else "as they came"
    sections: list[tuple[str, Sequence[Card]]] = [(f"Sounds of {len(heard)} utterances, {order}", heard)]
    if not result["settings"]["parallel"]:
        sections.append(("How the target sounds, in other sentences", _targets(result, kept)[:FEW]))
    titles, *lines = table.cells(result)
    headings = [f"{title}\n{below}" for title, below in zip(titles[1:], table.legends(result), strict=True)]
    voice = result.get("voice")
    page = Page(
        title=f"The voice {voice['name']}" if voice else "Finished conversions",
        introduction=[
            f"Judged by voicegan {result['voicegan']} on {len(cards)} utterances, {result['made']}."
            + (f" Weights {voice['weights_sha256'][:12]}." if voice else "")
        ],
        summary=[("", *headings), *lines],
        remarks=table.remarks(result),
        rows=ROWS,
        figures=[one for one in FIGURES if one.in_table],
        overview=[(card.name, "converted", card.figures["converted"]) for card in cards],
        sections=sections,
        about=_about(result),
    )
    return len(heard), write_page(page, path)


def _cards(result: Mapping[str, Any], kept: Path) -> list[Card]:
    rows = {row: result["rows"][row]["utterances"] for row in ROWS}
    recordings = result["recordings"]
    # The target's recordings are judged once each, whichever trials they belong to.
    targets = {one["path"]: index for index, one in enumerate(recordings["targets"])}
    cards = []
    for index, trial in enumerate(recordings["trials"]):
        converted = trial["converted"]
        sounds = {
            "source": Path(trial["source"]["path"]),
            "converted": Path(converted["path"])
            if converted
            else kept / "converted" / f"{trial['name']}.wav",
        }
        figures = {row: rows[row][index] for row in ("source", "converted")}
        if result["settings"]["parallel"] and trial["target"]:
            target = _target(result, kept, targets[trial["target"]["path"]])
            sounds |= target.sounds
            figures |= target.figures
        source = rows["source"][index]
        cards.append(Card(trial["name"], source["speaker"], sounds, figures, source.get("said", "")))
    return cards


def _targets(result: Mapping[str, Any], kept: Path) -> list[Card]:
    return [_target(result, kept, index) for index in range(len(result["recordings"]["targets"]))]


def _target(result: Mapping[str, Any], kept: Path, index: int) -> Card:
    figures = {row: result["rows"][row]["utterances"][index] for row in ("target", "copy-synthesis")}
    one = figures["target"]
    sounds = {
        "target": Path(result["recordings"]["targets"][index]["path"]),
        "copy-synthesis": kept / "copy-synthesis" / f"{one['name']}.wav",
    }
    return Card(one["name"], one["speaker"], sounds, figures, one.get("said", ""))


def _ranking(cards: Sequence[Card]) -> str | None:
    measured = (
        key for key in RANKED_BY if any(card.figures["converted"].get(key) is not None for card in cards)
    )
    return next(measured, None)


def _badness(figure: Figure | None, known: Mapping[str, Any]) -> float | None:
    value = known.get(figure.key) if figure else None
    return figure.badness(value) if figure and value is not None else None


def _about(result: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, versions and hashes, without the folders of the machine that judged: a page is passed on."""
    recordings = result["recordings"]

    def named(one: Mapping[str, str] | None) -> str:
        return f"{one['sha256']}  {Path(one['path']).name}" if one else ""

    hashes = [
        f"{row:<10} {named(trial[row])}"
        for trial in recordings["trials"]
        for row in ("source", "converted", "target")
        if trial[row]
    ]
    pools = [f"{name:<10} {named(one)}" for name, pool in recordings["pools"].items() for one in pool]
    voice = result.get("voice") or {}
    return {
        "Settings": result["settings"],
        "Versions": {"voicegan": result["voicegan"], **result["machine"], **result["versions"]},
        **({"Voice": {key: voice[key] for key in ("name", "weights_sha256")}} if voice else {}),
        "Recordings (SHA-256)": "\n".join(hashes),
        "Recordings that say what each speaker sounds like (SHA-256)": "\n".join(pools),
    }
