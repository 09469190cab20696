"""``voicegan voices``: what is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..voice.pack import Pack


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def voices(as_json: bool) -> None:
    """List the installed voices: whose they are, for which speakers, and where they lie."""
    from ..voice.library import installed, voice_folders

    packs, broken = installed()
    if as_json:
        listed = [facts(pack) for pack in packs]
        faults = [{"folder": str(folder), "error": str(error)} for folder, error in broken.items()]
        click.echo(
            json.dumps({"format": 1, "voices": listed, "broken": faults}, indent=2, ensure_ascii=False)
        )
        return
    if packs:
        rows = [("voice", "from", "system", "vocoder", "rate", "size", "where")]
        for pack in packs:
            size = f"{pack.weights_bytes / 1e6:.1f} MB"
            sources = ", ".join(pack.sources)
            spoken = vocoder_in_words(pack.vocoder, pack.mel_contract)
            rows.append(
                (pack.name, sources, pack.system, spoken, f"{pack.rate_hz} Hz", size, str(pack.folder))
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    else:
        places = " and ".join(str(folder) for folder in voice_folders())
        click.echo(f"No voice is installed in {places}. Train one: voicegan train --a DIR --b DIR")
    for error in broken.values():
        click.echo(f"warning: {error}", err=True)


def vocoder_in_words(name: str, contract: Mapping[str, Any]) -> str:
    """A vocoder's name, and for "auto" also what that stands for here."""
    from ..vocoder import AUTO, choose

    return f"{AUTO} ({choose(AUTO, contract)[0]})" if name == AUTO else name


def facts(pack: Pack) -> dict[str, Any]:
    """What is known of a voice, as plain values."""
    return {
        "name": pack.name,
        "sources": list(pack.sources),
        "folder": str(pack.folder),
        "system": pack.system,
        "net": pack.net,
        "network": dict(pack.network),
        "vocoder": pack.vocoder,
        "sample_rate_hz": pack.rate_hz,
        "mel": dict(pack.mel_contract),
        "normaliser": pack.normaliser,
        "level_db": pack.level_db,
        "latency_frames": pack.latency_frames,
        "weights_bytes": pack.weights_bytes,
        "sha256": pack.sha256,
        "training": dict(pack.training),
        "licences": list(pack.licences),
        "consent": pack.consent,
    }
