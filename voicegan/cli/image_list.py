"""``voicegan image list``: the systems there are, and the models that were trained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..image.pack import ModelPack


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def list_(as_json: bool) -> None:
    """List the systems: the paper, what one learns from, and in a line what it is; then your models.

    \b
    images       any pictures or points; labels are used where there are any
    few-labels   pictures, of which a few have labels
    two-domains  two collections that have nothing to do with each other
    pairs        a picture and what is to become of it
    """
    from ..image.pack import installed
    from ..image.systems import SYSTEMS

    systems = [_facts(name, SYSTEMS.describe(name), SYSTEMS.get(name)) for name in SYSTEMS]
    models, broken = installed()
    if as_json:
        faults = [{"folder": str(folder), "error": str(error)} for folder, error in broken.items()]
        listed = {
            "format": 1,
            "systems": systems,
            "models": [_model(pack) for pack in models],
            "broken": faults,
        }
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    _table([("system", "data", "paper", "what it is"),
            *((s["name"], s["data"], s["paper"], s["about"]) for s in systems)])  # fmt: skip
    if models:
        click.echo()
        _table([("model", "system", "pictures", "data", "where"), *(_row(pack) for pack in models)])
    for error in broken.values():
        click.echo(f"warning: {error}", err=True)


def _facts(name: str, line: str, kind: Any) -> dict[str, Any]:
    """A system as plain values; its line in the table is "Paper: what it is"."""
    paper, _, about = line.partition(": ")
    from ..image.complete import searchable

    able = {
        name: kind.can(name)
        for name in ("sample", "translate", "inpaint", "encode", "reconstruct", "classify")
    }
    able |= dict.fromkeys(("decode", "interpolate", "arithmetic"), kind.can("decode"))
    able["complete"] = searchable(kind)
    return {
        "name": name,
        "paper": paper,
        "about": about,
        "data": kind.data,
        "conditional": kind.conditional,
        "abilities": [ability for ability, there in able.items() if there],
        "steps": kind.trainer_defaults["steps"],
        "batch": kind.trainer_defaults["batch"],
    }


def _model(pack: ModelPack) -> dict[str, Any]:
    return {
        "name": pack.folder.name,
        "system": pack.system,
        "model": dict(pack.model),
        "shape": list(pack.shape),
        "classes": list(pack.classes),
        "data": dict(pack.data),
        "weights_bytes": pack.weights_bytes,
        "sha256": pack.sha256,
        "training": dict(pack.training),
        "folder": str(pack.folder),
    }


def _row(pack: ModelPack) -> tuple[str, ...]:
    channels, height, width = pack.shape
    names = ", ".join(str(name) for name in pack.data.get("names", ()))
    return pack.folder.name, pack.system, f"{width}x{height}, {channels}", names, str(pack.folder)


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
