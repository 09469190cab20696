"""Mel pictures, grids of images and curves as PNG: Pillow and numpy, no plotting library.

Training draws these every few minutes and a person looks at them; they are to be legible, small and quick.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from . import storage
from .errors import VoiceganError

Colour = tuple[int, int, int]

INK, FAINT, GRID, PAPER = (34, 34, 34), (110, 110, 110), (226, 226, 226), (255, 255, 255)
# Okabe and Ito's palette: told apart by colour-blind readers too.
LINES: tuple[Colour, ...] = (
    (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (90, 90, 90),
)  # fmt: skip
# A dark-to-light path of evenly rising lightness; colours between these are interpolated.
_HEAT = np.array(
    [(0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85), (227, 89, 51), (249, 140, 10),
     (249, 201, 50), (252, 255, 164)], dtype=np.float64,
)  # fmt: skip
_MARGIN = 8


def mel_picture(
    rows: Sequence[tuple[str, NDArray[np.floating]]],
    path: Path,
    *,
    lo: float | None = None,
    hi: float | None = None,
    columns: int = 1,
) -> None:
    """Write labelled log-mels (M, F) under each other, low frequencies at the bottom, on one colour scale.

    Spectrograms (bins, F) are drawn as well.

    Parameters
    ----------
    rows
        (label, mel) pairs, top first; lengths may differ.
    lo, hi
        Values of the darkest and the lightest colour; otherwise the 1st percentile and the maximum of all rows.
        Values that are not finite are drawn in green, which the scale does not contain.
    columns
        How many are drawn side by side, from left to right and then from top to bottom.
    """
    if not rows:
        raise ValueError("a mel picture needs at least one row")
    mels = [np.asarray(mel, dtype=np.float64) for _, mel in rows]
    for (label, _), mel in zip(rows, mels, strict=True):
        if mel.ndim != 2 or mel.size == 0:
            raise ValueError(f"the mel {label!r} should have shape (M, F), not {mel.shape}")
    finite = np.concatenate([mel[np.isfinite(mel)] for mel in mels])
    low = lo if lo is not None else float(np.percentile(finite, 1)) if finite.size else 0.0
    high = hi if hi is not None else float(finite.max()) if finite.size else 1.0

    longest = max(mel.shape[1] for mel in mels)
    # Two pixels a frame and a band while that fits a screen; what is longer than 4000 frames is thinned.
    scale, step = (2, 1) if longest <= 900 else (1, max(1, math.ceil(longest / 4000)))
    pictures = []
    for mel in mels:
        tall = 2 if mel.shape[0] <= 128 else 1
        size = (math.ceil(mel.shape[1] / step) * scale, mel.shape[0] * tall)
        pictures.append(_heat(mel[:, ::step], low, high).resize(size, Image.Resampling.NEAREST))
    font, label_height = _font(13), 20
    key_width = 74
    column_width = max(max(picture.width for picture in pictures), 160) + _MARGIN
    lines = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    heights = [max(picture.height for picture in line) + label_height + _MARGIN for line in lines]
    width = column_width * min(columns, len(pictures)) + _MARGIN + key_width
    canvas = Image.new("RGB", (width, sum(heights) + _MARGIN), PAPER)
    draw = ImageDraw.Draw(canvas)
    for index, ((label, _), picture) in enumerate(zip(rows, pictures, strict=True)):
        x = _MARGIN + index % columns * column_width
        y = _MARGIN + sum(heights[: index // columns])
        draw.text((x, y), label, INK, font)
        canvas.paste(picture, (x, y + label_height))
    _draw_key(canvas, width - key_width, _MARGIN + label_height, pictures[0].height, low, high)
    write_png(canvas, path)


def mel_png(mel: NDArray[np.floating], lo: float, hi: float) -> bytes:
    """A log-mel (M, F) as a small PNG, a pixel for each value, low frequencies at the bottom; for pages that label it.

    `lo` and `hi` are the values of the darkest and the lightest colour.
    """
    picture = _heat(np.asarray(mel, dtype=np.float64), lo, hi)
    buffer = io.BytesIO()
    # 64 colours are as many as an eye tells apart on this scale, and take a third of the room.
    picture.quantize(64, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def image_grid(images: NDArray[np.generic], path: Path, columns: int | None = None) -> None:
    """Write images (N, H, W) or (N, H, W, C), uint8 or floats in [0, 1], as a grid, first row first.

    C is 1 or 3. Small images are enlarged by a whole factor, so that a pixel stays a pixel.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise ValueError(f"images should have shape (N, H, W) or (N, H, W, 1 or 3), not {images.shape}")
    if images.dtype != np.uint8:
        clean = np.nan_to_num(images.astype(np.float64), nan=0.0, posinf=1.0, neginf=0.0)
        images = np.round(np.clip(clean, 0.0, 1.0) * 255).astype(np.uint8)
    count, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    factor = max(1, 64 // max(height, width))
    images = np.repeat(images, 3 if images.shape[-1] == 1 else 1, axis=-1).repeat(factor, 1).repeat(factor, 2)
    cell_h, cell_w, gap = height * factor, width * factor, 2
    rows = math.ceil(count / columns)
    canvas = np.full((rows * (cell_h + gap) + gap, columns * (cell_w + gap) + gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top = gap + (index // columns) * (cell_h + gap)
        left = gap + (index % columns) * (cell_w + gap)
        canvas[top : top + cell_h, left : left + cell_w] = image
    write_png(Image.fromarray(canvas), path)


def curves(
    series: Mapping[str, Sequence[tuple[float, float]]],
    path: Path,
    title: str = "",
    *,
    numbered: bool = False,
) -> None:
    """Write named series of (x, y) points as lines with axes and a legend. Points that are not finite leave a gap.

    numbered: each series has its number in the legend and beside its last point, for where there are more than colours.
    """
    points = {name: np.asarray(values, dtype=np.float64).reshape(-1, 2) for name, values in series.items()}
    every = np.concatenate(
        [values[np.isfinite(values).all(axis=1)] for values in points.values()] or [np.zeros((0, 2))]
    )
    x_ticks = _ticks(*_span(every[:, 0]), most=8)
    y_ticks = _ticks(*_span(every[:, 1]), most=7)
    font, big = _font(13), _font(16)
    labels = [_tick_text(value, y_ticks) for value in y_ticks]
    left = 16 + math.ceil(max(font.getlength(text) for text in labels))
    legend = max((math.ceil(font.getlength(name)) for name in points), default=0) + (60 if numbered else 40)
    top, plot_w, plot_h = (36 if title else 14), 640, 320
    width, height = left + plot_w + 12 + legend, max(top + plot_h + 34, top + 20 * len(points) + 14)
    # Drawn at twice the size and brought down: Pillow's lines have no smooth edges of their own.
    zoom = 2
    canvas = Image.new("RGB", (width * zoom, height * zoom), PAPER)
    draw = ImageDraw.Draw(canvas)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return (left + across * plot_w) * zoom, (top + (1 - up) * plot_h) * zoom

    for x in x_ticks:
        draw.line([place(x, y_ticks[0]), place(x, y_ticks[-1])], GRID, zoom)
    for y in y_ticks:
        draw.line([place(x_ticks[0], y), place(x_ticks[-1], y)], GRID, zoom)
    draw.line(
        [place(x_ticks[0], y_ticks[-1]), place(x_ticks[0], y_ticks[0]), place(x_ticks[-1], y_ticks[0])],
        FAINT,
        zoom,
    )
    for index, values in enumerate(points.values()):
        for run in _unbroken(values):
            placed = [place(x, y) for x, y in run]
            colour = LINES[index % len(LINES)]
            if len(placed) > 1:
                draw.line(placed, colour, 2 * zoom, joint="curve")
            else:
                (x, y), r = placed[0], 2.5 * zoom
                draw.ellipse((x - r, y - r, x + r, y + r), colour)
    canvas = canvas.resize((width, height), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(canvas)
    draw.text((left, 8), title, INK, big)
    for y, text in zip(y_ticks, labels, strict=True):
        draw.text((left - 6, place(x_ticks[0], y)[1] / zoom), text, FAINT, font, anchor="rm")
    for x in x_ticks:
        draw.text(
            (place(x, y_ticks[0])[0] / zoom, top + plot_h + 6),
            _tick_text(x, x_ticks),
            FAINT,
            font,
            anchor="mt",
        )
    for index, (name, values) in enumerate(points.items()):
        if numbered:
            name = f"{index + 1}  {name}"
            for x, y in values[np.isfinite(values).all(axis=1)][-1:]:
                across, down = place(x, y)
                draw.text((across / zoom + 5, down / zoom - 7), str(index + 1), INK, font, anchor="lm")
        y = top + 10 + 20 * index
        draw.line((left + plot_w + 14, y, left + plot_w + 34, y), LINES[index % len(LINES)], 3)
        draw.text((left + plot_w + 40, y), name, INK, font, anchor="lm")
    write_png(canvas, path)


def _heat(values: NDArray[np.float64], lo: float, hi: float) -> Image.Image:
    """Values (M, F) as colours, the first row at the bottom."""
    level = np.clip((values - lo) / max(hi - lo, 1e-12), 0.0, 1.0) * (len(_HEAT) - 1)
    level = np.nan_to_num(level, nan=0.0)
    below = np.minimum(level.astype(np.int64), len(_HEAT) - 2)
    part = (level - below)[..., None]
    colours = _HEAT[below] * (1 - part) + _HEAT[below + 1] * part
    colours[~np.isfinite(values)] = (0, 200, 80)
    return Image.fromarray(np.round(colours[::-1]).astype(np.uint8))


def _draw_key(canvas: Image.Image, x: int, y: int, height: int, lo: float, hi: float) -> None:
    """The colour scale with its two ends named."""
    bar = _heat(np.repeat(np.linspace(lo, hi, height)[:, None], 12, axis=1), lo, hi)
    canvas.paste(bar, (x, y))
    draw = ImageDraw.Draw(canvas)
    draw.text((x + 17, y), f"{hi:.3g}", FAINT, _font(12), anchor="lt")
    draw.text((x + 17, y + height), f"{lo:.3g}", FAINT, _font(12), anchor="lb")


def _unbroken(values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The stretches of points (P, 2) between points that are not finite."""
    good = np.isfinite(values).all(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], good.astype(np.int8), [0]))))
    return [values[start:stop] for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _span(values: NDArray[np.float64]) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 1.0
    lo, hi = float(values.min()), float(values.max())
    if hi - lo <= 1e-9 * max(abs(lo), abs(hi)):  # one point, or a constant
        room = abs(lo) * 0.1 or 1.0
        return lo - room, hi + room
    return lo, hi


def _ticks(lo: float, hi: float, most: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that enclose lo to hi, at most `most` intervals."""
    raw = (hi - lo) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if (hi - lo) / (power * factor) <= most - 1)
    first, last = math.floor(lo / step + 1e-9), math.ceil(hi / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def _tick_text(value: float, ticks: Sequence[float]) -> str:
    step, largest = ticks[1] - ticks[0], max(abs(ticks[0]), abs(ticks[-1]))
    if largest >= 10_000 and step >= 100:
        return f"{value / 1000:g}k" if value else "0"
    if largest < 1e-3:
        return f"{value:.2g}"
    return f"{value:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu where the system has it, for labels in other scripts; Pillow's own font knows only Latin letters."""
    try:
        return ImageFont.truetype("DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default(size)


def write_png(canvas: Image.Image, path: Path) -> None:
    """Write a PNG atomically: a viewer that follows the file never meets half a picture."""
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    try:
        storage.write_atomic(path, buffer.getvalue())
    except OSError as error:
        raise VoiceganError(
            f"{path} cannot be written ({error.strerror})", "Choose another folder."
        ) from None
