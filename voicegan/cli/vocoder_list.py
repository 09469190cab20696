"""``voicegan vocoder list``: what turns mels into sound here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..vocoder.pack import VocoderPack


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def list_(as_json: bool) -> None:
    """List the vocoders: those that need no training, and the neural ones that are installed.

    A neural vocoder works with voices of its own mel contract only. The look-ahead is that of a live stream.
    """
    from .. import vocoder
    from ..vocoder import library

    packs, broken = library.installed()
    listed = [_weightless(name, vocoder.VOCODERS.describe(name)) for name in vocoder.VOCODERS]
    listed += [facts(pack) for pack in packs]
    if as_json:
        faults = [{"folder": str(folder), "error": str(error)} for folder, error in broken.items()]
        click.echo(
            json.dumps({"format": 1, "vocoders": listed, "broken": faults}, indent=2, ensure_ascii=False)
        )
        return
    rows: list[tuple[str, ...]] = [("vocoder", "kind", "rate", "mel", "size", "look-ahead", "where")]
    rows += [_row(vocoder) for vocoder in listed]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for error in broken.values():
        click.echo(f"warning: {error}", err=True)


def facts(pack: VocoderPack) -> dict[str, Any]:
    """What is known of a neural vocoder, as plain values."""
    frames = pack.lookahead_frames
    return {
        "name": pack.folder.name,
        "kind": pack.net,
        "sample_rate_hz": pack.rate_hz,
        "mel": dict(pack.mel_contract),
        "weights_bytes": pack.weights_bytes,
        "lookahead_frames": frames,
        "lookahead_ms": 1000 * frames * pack.mel_contract.get("hop", 0) / pack.rate_hz,
        "folder": str(pack.folder),
        "network": dict(pack.network),
        "sha256": pack.sha256,
        "training": dict(pack.training),
        "licences": list(pack.licences),
        "source": pack.source,
    }


def mel_in_words(mel: Mapping[str, Any]) -> str:
    """A mel contract in half a line: "80 mels 0-8000 Hz, 1024/256, slaney, ln, centred"."""
    window = "" if mel["win"] == mel["n_fft"] else f"/{mel['win']}"
    said = [
        f"{mel['mels']} mels {mel['fmin_hz']:g}-{mel['fmax_hz']:g} Hz",
        f"{mel['n_fft']}{window}/{mel['hop']}",
        mel["scale"] if mel["norm"] == mel["scale"] else f"{mel['scale']} with {mel['norm'] or 'no'} norm",
        "ln" if mel["log_base"] == "e" else "log10",
        "centred" if mel["center"] else "not centred",
    ]
    return ", ".join(said + (["energies"] if mel["power"] == 2 else []))


def _weightless(name: str, about: str) -> dict[str, Any]:
    """A vocoder of the table, whose look-ahead is stated for the contract of the bundled voices."""
    from ..vocoder import LOOKAHEAD_FRAMES

    frames = LOOKAHEAD_FRAMES.get(name)
    return {
        "name": name,
        "kind": "no training",
        "about": about,
        "lookahead_frames": frames,
        "lookahead_ms": None if frames is None else 16.0 * frames,  # a hop of 256 at 16 kHz
    }


def _row(listed: Mapping[str, Any]) -> tuple[str, ...]:
    ahead = "-" if listed["lookahead_ms"] is None else f"{listed['lookahead_ms']:.0f} ms"
    if "folder" not in listed:
        return listed["name"], listed["kind"], "any", "any", "-", ahead, f"built in: {listed['about']}"
    try:
        mel = mel_in_words(listed["mel"])
    except (KeyError, TypeError, ValueError):
        mel = "unreadable"
    size = f"{listed['weights_bytes'] / 1e6:.1f} MB"
    rate = f"{listed['sample_rate_hz']} Hz"
    return listed["name"], listed["kind"], rate, mel, size, ahead, listed["folder"]
