"""An evaluation as a table for people: every figure beside its floor and its ceiling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .summary import FIGURES

COLUMNS = {
    "source": ("no conversion", "(floor)"),
    "classical": ("means and pitch", "(classical)"),
    "converted": ("converted", ""),
    "copy-synthesis": ("target, vocoder", "(ceiling)"),
    "target": ("target itself", "(recordings)"),
}


# What is asked of each speaker; the rest is in the JSON.
OF_SPEAKERS = ("cosine_target", "cosine_source", "cer", "dnsmos_ovrl", "f0_source_correlation")


def render(result: Mapping[str, Any], by_speaker: bool = False) -> str:
    """The result of `voicegan.voice.evaluate.evaluate` as text: means, the worst utterance in brackets.

    With `by_speaker`, a table of the conversions' chief figures with a line for each speaker besides.
    """
    titles, *lines = cells(result)
    text = [*in_columns([titles, ("", *legends(result)), *lines]), *remarks(result)]
    return "\n".join(text + (_speakers(result) if by_speaker else []))


def columns(result: Mapping[str, Any]) -> list[str]:
    """The rows of a result that have a column in the table, in its order."""
    return [row for row in COLUMNS if row in result["rows"]]


def legends(result: Mapping[str, Any]) -> list[str]:
    """What stands below the titles."""
    return [COLUMNS[row][1] for row in columns(result)]


def cells(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table's rows of cells, the first being the heading."""
    summaries = {row: result["rows"][row]["summary"] for row in columns(result)}
    lines = [("", *(COLUMNS[row][0] for row in summaries))]
    for figure in FIGURES:
        if figure.in_table and any(figure.key in summary for summary in summaries.values()):
            cells = (_cell(summary.get(figure.key), figure.digits) for summary in summaries.values())
            lines.append((figure.title, *cells))
        if figure.key == "cosine_source":
            lines += _shares(summaries)
    counts = (str(summary["utterances"]) for summary in summaries.values())
    return [*lines, ("utterances", *counts)]


def remarks(result: Mapping[str, Any]) -> list[str]:
    """What is to be said below the table: how long it took, what was not measured, and notes."""
    text = ["Mean (worst utterance)."]
    if conversion := result.get("conversion"):
        ratio = conversion["seconds"] / max(conversion["audio_s"], 1e-9)
        text.append(
            f"Converted {conversion['audio_s']:.1f} s in {conversion['seconds']:.1f} s, {ratio:.3f} of its "
            f"duration, on {conversion['threads']} threads."
        )
    text += [f"{measure}: {why}" for measure, why in result["missing"].items()]
    return text + [f"Note: {note}" for note in result["notes"]]


def in_columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of text, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _speakers(result: Mapping[str, Any]) -> list[str]:
    """The conversions speaker by speaker, the least like the target first; nothing where there is one only."""
    summary = result["rows"]["converted"]["summary"]
    speakers = summary.get("speakers", {})
    shown = [figure for figure in FIGURES if figure.key in OF_SPEAKERS and figure.key in summary]
    if not speakers or not shown:
        return []
    worst_first = sorted(speakers, key=lambda name: -shown[0].badness(speakers[name].get(shown[0].key, 0.0)))
    before = result["rows"]["source"]["summary"].get("speakers", {})
    lines = [("", *(figure.title for figure in shown))]
    for name in worst_first:
        cells = []
        for figure in shown:
            value, old = speakers[name].get(figure.key), before.get(name, {}).get(figure.key)
            own = f" ({old:.{figure.digits}f})" if old is not None else ""
            cells.append("-" if value is None else f"{value:.{figure.digits}f}{own}")
        lines.append((name, *cells))
    return ["", "By speaker: converted (no conversion).", *in_columns(lines)]


def _cell(entry: Mapping[str, Any] | None, digits: int) -> str:
    return f"{entry['mean']:.{digits}f} ({entry['worst']:.{digits}f})" if entry else "-"


def _shares(summaries: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    lines = []
    if any("share_above_source" in summary for summary in summaries.values()):
        cells = (_percent(summary.get("share_above_source")) for summary in summaries.values())
        lines.append(("nearer to target than source", *cells))
    for threshold in next((list(s["accept_rate"]) for s in summaries.values() if "accept_rate" in s), []):
        cells = (_percent(summary.get("accept_rate", {}).get(threshold)) for summary in summaries.values())
        lines.append((f"accepted at {threshold}", *cells))
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
