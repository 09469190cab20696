"""A judgement as one HTML file to listen to: players, mel pictures and figures, and nothing from the network.

Sounds are FLAC and pictures are PNG, both inside the file as ``data:`` addresses: every browser of these days plays
them, and the file can be sent to someone else as it is.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import pictures, storage
from ..audio import files
from ..audio.mel import PRESETS
from ..audio.resample import resample
from ..errors import VoiceganError
from .copying import log_mel
from .summary import Figure

Floats = NDArray[np.floating]

MEL = "16k"
# Beyond this a FLAC grows, and what is added is hardest to hear; lower rates stay as they are.
HIGHEST_RATE_HZ = 24_000
LONGEST_S = 30.0  # of one sound; the rest of a longer one is left out
MOST_SOUND_S = 720.0  # of all sounds of a page: less than 30 MB, at the highest rate too
_RANGE = 80.0 / 20.0 * np.log(10.0)  # the colours span 80 dB

# Nothing may be fetched, whatever a name or a text smuggles in.
_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


@dataclass(frozen=True)
class Card:
    """One recording and what was made of it: for each row its file, its figures and what was understood."""

    name: str
    speaker: str
    sounds: Mapping[str, Path]
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    said: str = ""


@dataclass(frozen=True)
class Page:
    """What a page shows.

    summary
        Rows of cells, the first being the heading.
    rows
        Title of every row (source, converted, ...), in the order in which a card shows them.
    overview
        (name, row, figures) of all that was judged, heard or not: a table that readers can sort.
    sections
        Headings and their cards.
    about
        Plain values that the figures depend on, by heading.
    """

    title: str
    introduction: Sequence[str]
    summary: Sequence[Sequence[str]]
    remarks: Sequence[str]
    rows: Mapping[str, str]
    figures: Sequence[Figure]
    overview: Sequence[tuple[str, str, Mapping[str, Any]]]
    sections: Sequence[tuple[str, Sequence[Card]]]
    about: Mapping[str, Any]


def write_page(page: Page, path: Path) -> int:
    """Write the page, atomically; its size in bytes.

    Raises
    ------
    VoiceganError
        A sound cannot be read, or the file cannot be written.
    """
    text = render_page(page)
    try:
        storage.write_atomic(path, text)
    except OSError as error:
        raise VoiceganError(f"{path} cannot be written ({error.strerror})", "Choose another place.") from None
    return len(text.encode("utf-8"))


def render_page(page: Page) -> str:
    """The page as HTML."""
    style, script = (
        resources.files(__package__).joinpath(name).read_text("utf-8") for name in ("page.css", "page.js")
    )
    anchors = {
        card.name: f"u{number}"
        for number, card in enumerate(card for _, cards in page.sections for card in cards)
    }
    body = [
        f"<header><h1>{escape(page.title)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in page.introduction),
        "</header><main>",
        _table(page.summary, "summary"),
        *(f'<p class="remark">{escape(line)}</p>' for line in page.remarks),
        "<h2>Every utterance</h2>",
        '<p class="remark">Touch a heading to sort; the sounds below take the same order.</p>',
        _overview(page, anchors),
    ]
    for heading, cards in page.sections:
        body.append(f'<h2>{escape(heading)}</h2><div class="cards">')
        body += [_card(card, page, anchors[card.name]) for card in cards]
        body.append("</div>")
    body.append("<h2>What these figures depend on</h2>")
    body += [
        f"<details><summary>{escape(heading)}</summary><pre>{escape(_plain(value))}</pre></details>"
        for heading, value in page.about.items()
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(page.title)}</title>\n<style>\n{style}</style></head>\n<body>\n"
        + "\n".join(body)
        + f"\n</main>\n<script>\n{script}</script>\n</body></html>\n"
    )


def choose(badness: Sequence[float | None], seconds: Sequence[float], limit: int) -> list[int]:
    """Which recordings can be heard: indices, from the worst to the best.

    The most that are at most `limit` and sound for at most `MOST_SOUND_S` together, evenly spread over the ranks: the
    worst and the best are among them, and the one in the middle of three. What has no figure counts as best.
    """
    ranked = sorted(range(len(badness)), key=lambda i: np.inf if (bad := badness[i]) is None else -bad)
    for count in range(min(limit, len(ranked)), 1, -1):
        places = [round(place) for place in np.linspace(0, len(ranked) - 1, count)]
        chosen = [ranked[place] for place in places]
        if sum(seconds[index] for index in chosen) <= MOST_SOUND_S:
            return chosen
    return ranked[:1]


def sound_s(paths: Sequence[Path]) -> float:
    """Seconds of these files that a page would hold."""
    lengths = (files.info(path).seconds for path in paths)
    return sum(LONGEST_S if one is None else min(LONGEST_S, one) for one in lengths)


def _overview(page: Page, anchors: Mapping[str, str]) -> str:
    shown = [
        one for one in page.figures if any(known.get(one.key) is not None for _, _, known in page.overview)
    ]
    several = len({row for _, row, _ in page.overview}) > 1
    titles = ["name", *(["of"] if several else []), *(figure.title for figure in shown)]
    head = "".join(f'<th scope="col"><button type="button">{escape(title)}</button></th>' for title in titles)
    lines = []
    for name, row, known in page.overview:
        label = escape(name)
        if name in anchors:
            label = f'<a href="#{anchors[name]}">{label}</a>'
        cells = [f'<th scope="row" data-value="{escape(name)}">{label}</th>']
        if several:
            title = escape(page.rows[row])
            cells.append(f'<td data-value="{title}">{title}</td>')
        for figure in shown:
            value = known.get(figure.key)
            # The worst first, whichever end of a figure is the bad one.
            worse = "" if value is None else f"{-figure.badness(value):.6g}"
            cells.append(f'<td data-value="{worse}">{_figure(figure, value)}</td>')
        card = f' data-card="{anchors[name]}"' if name in anchors else ""
        lines.append(f"<tr{card}>{''.join(cells)}</tr>")
    return (
        f'<div class="wide tall"><table class="overview"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _card(card: Card, page: Page, anchor: str) -> str:
    heard = {row: _read(path) for row, path in card.sounds.items()}
    mels = {row: log_mel(resample(wav, hz, 16_000), PRESETS[MEL]).numpy() for row, (wav, hz) in heard.items()}
    top = max(float(mel.max()) for mel in mels.values())
    known = [
        figure
        for figure in page.figures
        if any(one.get(figure.key) is not None for one in card.figures.values())
    ]
    said = f'<p class="said">{escape(card.said)}</p>' if card.said else ""
    parts = [
        f'<article id="{anchor}"><h3>{escape(card.name)} <small>{escape(card.speaker)}</small></h3>{said}',
        '<div class="sounds">',
    ]
    for row, title in page.rows.items():
        if row not in heard:
            continue
        label = f"{title}: {card.name}"
        picture = pictures.mel_png(mels[row], top - _RANGE, top)
        values = card.figures.get(row, {})
        lines = "".join(
            f"<dt>{escape(figure.title)}</dt><dd>{_figure(figure, values.get(figure.key))}</dd>"
            for figure in known
        )
        understood = values.get("understood")
        parts.append(
            f"<figure><figcaption>{escape(title)}</figcaption>"
            f'<div class="mel"><img alt="{escape(f"Mel picture of {label}")}" '
            f'src="data:image/png;base64,{_base64(picture)}"><i></i></div>'
            f'<audio controls preload="metadata" aria-label="{escape(label)}" '
            f'src="data:audio/flac;base64,{_base64(_flac(*heard[row]))}"></audio>'
            + (
                f'<p class="understood">{escape(understood or "(nothing)")}</p>'
                if "understood" in values
                else ""
            )
            + (f"<dl>{lines}</dl>" if values else "")
            + "</figure>"
        )
    return "".join([*parts, "</div></article>"])


def _read(path: Path) -> tuple[Floats, int]:
    wav, rate_hz = files.read(path)
    wav = wav[: int(LONGEST_S * rate_hz)]
    chosen_hz = min(rate_hz, HIGHEST_RATE_HZ)
    return resample(wav, rate_hz, chosen_hz), chosen_hz


def _flac(wav: Floats, rate_hz: int) -> bytes:
    buffer = io.BytesIO()
    with files.Writer(buffer, rate_hz, format="flac") as writer:
        writer.write(np.asarray(wav, np.float32))
    return buffer.getvalue()


def _table(lines: Sequence[Sequence[str]], kind: str) -> str:
    head, *rows = lines
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table class="{kind}"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figure(figure: Figure, value: float | None) -> str:
    return "-" if value is None else f"{value:.{figure.digits}f}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
