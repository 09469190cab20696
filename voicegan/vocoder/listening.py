"""A judgement of vocoders to listen to: every copy beside its recording."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..metrics import copy_table
from ..metrics.page import Card, Page, choose, sound_s, write_page
from ..metrics.summary import COPY_FIGURES
from .evaluate import RECORDINGS, kept_path

RANKED_BY = ("pesq_wb", "stoi", "dnsmos_ovrl", "mr_stft")  # the first that was measured
LIMIT = 20


def write_report(result: Mapping[str, Any], kept: Path, path: Path, limit: int = LIMIT) -> tuple[int, int]:
    """Write the result of `voicegan.vocoder.evaluate.evaluate` as one HTML file.

    Parameters
    ----------
    kept
        The folder in which the evaluation kept the copies.
    limit
        Recordings that can be heard, at most; see `voicegan.metrics.page.choose`. All of them are in its tables.

    Returns
    -------
    tuple
        How many recordings can be heard, and the size of the file in bytes.
    """
    rows = {row: entry["utterances"] for row, entry in result["rows"].items()}
    vocoders = [row for row in rows if row != RECORDINGS]
    cards = [
        Card(
            one["name"],
            one["speaker"],
            {RECORDINGS: Path(one["path"])} | {row: kept_path(kept, row, one["name"]) for row in vocoders},
            {row: utterances[index] for row, utterances in rows.items()},
        )
        for index, one in enumerate(result["recordings"])
    ]
    figures = {one.key: one for one in COPY_FIGURES}
    measured = {key for card in cards for row in vocoders for key in card.figures[row]}
    figure = figures[next(key for key in RANKED_BY if key in measured)]
    values = [[card.figures[row].get(figure.key) for row in vocoders] for card in cards]
    known = [[figure.badness(value) for value in of if value is not None] for of in values]
    badness = [sum(of) / len(of) if of else None for of in known]
    lengths = [sound_s(list(card.sounds.values())) for card in cards]
    heard = [cards[index] for index in choose(badness, lengths, limit)]
    page = Page(
        title="Vocoders, by copy-synthesis",
        introduction=[
            f"Judged by voicegan {result['voicegan']} on {len(cards)} recordings, {result['made']}."
        ],
        summary=copy_table.cells(result),
        remarks=copy_table.remarks(result),
        rows={RECORDINGS: "Recording"} | {row: row for row in vocoders},
        figures=[one for one in COPY_FIGURES if one.in_table],
        overview=[(card.name, row, card.figures[row]) for card in cards for row in vocoders],
        sections=[(f"Sounds of {len(heard)} recordings, from the worst {figure.title} to the best", heard)],
        about={
            "Settings": {key: value for key, value in result["settings"].items() if key != "folder"},
            "Versions": {"voicegan": result["voicegan"], **result["machine"], **result["versions"]},
            "Vocoders": {
                row: {key: value for key, value in facts.items() if key != "folder"}
                for row, facts in result["vocoders"].items()
            },
            "Recordings (SHA-256)": "\n".join(
                f"{one['sha256']}  {one['name']}" for one in result["recordings"]
            ),
        },
    )
    return len(heard), write_page(page, path)
