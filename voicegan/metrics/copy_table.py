"""A judgement of vocoders as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .summary import COPY_FIGURES, Figure
from .table import in_columns

# What is asked of each speaker; the rest is in the JSON.
OF_SPEAKERS = ("pesq_wb", "stoi", "dnsmos_ovrl", "dnsmos_p808")
SHOWN = [figure for figure in COPY_FIGURES if figure.in_table]


def render(result: Mapping[str, Any], by_speaker: bool = False) -> str:
    """The result of `voicegan.vocoder.evaluate.evaluate` as text.

    A line for each vocoder: means, and in brackets the mean of the worst speaker (of the worst recording, where there
    is one speaker only). With `by_speaker`, tables of the chief figures with a line for each speaker besides.
    """
    rows = _summaries(result)
    text = in_columns(cells(result))
    first, *rest = remarks(result)
    text.append(first)
    speakers = _speakers(rows)
    if speakers:
        text += _worst_speakers(rows, _shown(rows))
    if by_speaker and speakers:
        for figure in (one for one in _shown(rows) if one.key in OF_SPEAKERS):
            text += ["", f"{figure.title} by speaker", *_by_speaker(figure, rows)]
    return "\n".join(text + rest)


def cells(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table's rows of cells, the first being the heading."""
    rows = _summaries(result)
    lines = [("", *(figure.title for figure in _shown(rows)), "CPU s / s", "size")]
    for row, summary in rows.items():
        values = (_cell(figure, summary) for figure in _shown(rows))
        lines.append((row, *values, *_costs(result["vocoders"].get(row))))
    return lines


def remarks(result: Mapping[str, Any]) -> list[str]:
    """What is to be said below the table: of what it is the mean, what was not measured, and notes."""
    speakers = _speakers(_summaries(result))
    count, seconds = len(result["recordings"]), sum(one["seconds"] for one in result["recordings"])
    worst = "speaker" if speakers else "recording"
    return [
        f"Mean (worst {worst}) of {count} recordings, {seconds:.0f} s" + _of(speakers) + ", on one thread.",
        *(f"{measure}: {why}" for measure, why in result["missing"].items()),
        *(f"Note: {note}" for note in result["notes"]),
    ]


def _summaries(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {row: entry["summary"] for row, entry in result["rows"].items()}


def _shown(rows: Mapping[str, Mapping[str, Any]]) -> list[Figure]:
    return [figure for figure in SHOWN if any(figure.key in summary for summary in rows.values())]


def _speakers(rows: Mapping[str, Mapping[str, Any]]) -> int:
    return max(len(summary.get("speakers", ())) for summary in rows.values())


def _of(speakers: int) -> str:
    return f", {speakers} speakers" if speakers else ""


def _cell(figure: Figure, summary: Mapping[str, Any]) -> str:
    if figure.key not in summary:
        return "-"
    worst = summary[figure.key]["worst"]
    if "worst_speakers" in summary:
        worst = summary["speakers"][summary["worst_speakers"][figure.key]][figure.key]
    return f"{summary[figure.key]['mean']:.{figure.digits}f} ({worst:.{figure.digits}f})"


def _costs(vocoder: Mapping[str, Any] | None) -> tuple[str, str]:
    if vocoder is None:
        return "-", "-"
    size = f"{vocoder['weights_bytes'] / 1e6:.1f} MB" if "weights_bytes" in vocoder else "-"
    return f"{vocoder['cpu_s_per_s']:.4f}", size


def _worst_speakers(rows: Mapping[str, Mapping[str, Any]], shown: list[Figure]) -> list[str]:
    said = []
    for row, summary in rows.items():
        names: dict[str, list[str]] = {}
        for figure in shown:
            if speaker := summary.get("worst_speakers", {}).get(figure.key):
                names.setdefault(speaker, []).append(figure.title)
        said.append(
            f"Worst for {row}: "
            + "; ".join(f"{who} ({', '.join(dict.fromkeys(of))})" for who, of in names.items())
        )
    return said


def _by_speaker(figure: Figure, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    means = {row: summary.get("speakers", {}) for row, summary in rows.items()}
    means = {row: known for row, known in means.items() if any(figure.key in one for one in known.values())}
    speakers = list(dict.fromkeys(speaker for known in means.values() for speaker in known))
    lines = [("", *means)]
    for speaker in speakers:
        values = (known.get(speaker, {}).get(figure.key) for known in means.values())
        lines.append((speaker, *("-" if value is None else f"{value:.{figure.digits}f}" for value in values)))
    return in_columns(lines)
