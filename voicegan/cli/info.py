"""``voicegan info VOICE|FILE``: what a voice is made of, or what a recording is like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ..errors import VoiceganError


@click.command()
@click.argument("thing", metavar="VOICE|FILE")
@click.option(
    "--from", "source", metavar="NAME", default=None, help="Which voice, where several have this name."
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def info(thing: str, source: str | None, as_json: bool) -> None:
    """Tell what a voice was trained on and needs, or the format, length and level of a recording."""
    path = Path(thing)
    if path.is_file() and path.name != "voice.json":
        facts = _of_recording(path)
        lines = _recording_lines(facts)
    else:
        facts = _of_voice(str(path.parent) if path.name == "voice.json" else thing, source)
        lines = _voice_lines(facts)
    if as_json:
        click.echo(json.dumps({"format": 1, **facts}, indent=2, ensure_ascii=False))
        return
    width = max(len(title) for title, _ in lines)
    for title, value in lines:
        click.echo(f"{title.ljust(width)}  {value}".rstrip())


def _of_voice(name: str, source: str | None) -> dict[str, Any]:
    from ..storage import sha256
    from ..voice.library import find_pack
    from ..voice.pack import WEIGHTS
    from .voices import facts

    try:
        pack = find_pack(name, source)
    except VoiceganError:
        if not Path(name).exists() and _is_audio_name(name):
            raise VoiceganError(f"{name} does not exist", "Check the name and the folder.") from None
        raise
    weights = pack.folder / WEIGHTS
    state = "missing"
    if weights.is_file():
        state = "intact" if sha256(weights) == pack.sha256 else "damaged"
    return {"kind": "voice", **facts(pack), "weights": state}


def _voice_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    from .voices import vocoder_in_words

    mel = facts["mel"]
    ahead_ms = 1000 * facts["latency_frames"] * mel.get("hop", 0) / facts["sample_rate_hz"]
    lines = [
        ("voice", facts["name"]),
        ("converts", ", ".join(facts["sources"])),
        ("folder", facts["folder"]),
        ("system", facts["system"]),
        ("network", f"{facts['net']} {_pairs(facts['network'])}".strip()),
        ("weights", f"{facts['weights_bytes'] / 1e6:.1f} MB, {facts['weights']}"),
        ("vocoder", vocoder_in_words(facts["vocoder"], mel)),
        ("mel", _pairs(mel)),
        ("normaliser", facts["normaliser"]),
        ("input level", f"{facts['level_db']:g} dBFS"),
        (
            "looks ahead",
            f"{facts['latency_frames']} frames ({ahead_ms:.0f} ms)" if facts["latency_frames"] else "-",
        ),
        ("licences", "; ".join(facts["licences"]) or "not stated"),
        ("consent", facts["consent"] or "not stated"),
    ]
    return lines + [(f"training: {key}", _value(value)) for key, value in facts["training"].items()]


def _of_recording(path: Path) -> dict[str, Any]:
    from ..audio.files import Reader
    from ..audio.loudness import LevelMeter
    from ..voice.marks import MADE_BY

    with Reader(path) as reader:
        header = reader.info
        meter, frames = LevelMeter(header.sample_rate_hz), 0
        for block in reader:
            meter.push(block)
            frames += len(block)
        warnings = list(reader.warnings)
    comment = header.comment or ""
    return {
        "kind": "recording",
        "path": str(path),
        "container": header.format,
        "subtype": header.subtype,
        "sample_rate_hz": header.sample_rate_hz,
        "channels": header.channels,
        "frames": frames,
        "seconds": frames / header.sample_rate_hz,
        "active_db": _finite(meter.active_db),
        "peak_db": _finite(meter.peak_db),
        "made_by": comment if MADE_BY in comment else None,
        "comment": header.comment,
        "warnings": warnings,
    }


def _recording_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    levels = facts["active_db"], facts["peak_db"]
    level, peak = ("silent" if value is None else f"{value:.1f} dBFS" for value in levels)
    maker = facts["made_by"] or "no voice of voicegan's, as far as it says"
    lines = [
        ("recording", facts["path"]),
        ("format", f"{facts['container']}, {facts['subtype']}"),
        ("rate", f"{facts['sample_rate_hz']} Hz"),
        ("channels", str(facts["channels"])),
        ("length", f"{facts['seconds']:.2f} s ({facts['frames']} samples)"),
        ("speech level", level),
        ("peak", peak),
        ("made by", maker.removeprefix("made by ")),
    ]
    if facts["comment"] and not facts["made_by"]:
        lines.append(("comment", facts["comment"]))
    return lines + [("warning", warning) for warning in facts["warnings"]]


def _is_audio_name(name: str) -> bool:
    from ..audio.files import AUDIO_SUFFIXES

    return Path(name).suffix.lower() in AUDIO_SUFFIXES


def _finite(value: float) -> float | None:
    import math

    return float(value) if math.isfinite(value) else None


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_value(value)}" for key, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
