"""``voicegan check DIR [DIR]``: the data doctor on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..voice.check import FileVerdict, FolderReport
    from ..voice.parallel import ParallelVerdict

SHOW_ALL_UP_TO = 30  # files; of larger folders only those with findings are listed
MARKS = {"ok": "ok", "warn": "warning", "refuse": "REFUSED"}
COLOURS = {"ok": "green", "warn": "yellow", "refuse": "bold red"}


@click.command()
@click.argument("folders", metavar="DIR [DIR]", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option(
    "--all", "show_all", is_flag=True, help=f"List every file, also in folders of over {SHOW_ALL_UP_TO}."
)
@click.option(
    "--min-seconds", type=click.FloatRange(min=0.05), default=None, help="Refuse shorter files. [0.25]"
)
def check(folders: tuple[Path, ...], as_json: bool, show_all: bool, min_seconds: float | None) -> None:
    """Look at recordings before training: one verdict per file, with the reason and what to do.

    With two folders, also says whether they are parallel: the same sentences under the same names.

    \b
    Exit code: 0 all usable (maybe with warnings), 1 some files are refused, 2 nothing is usable.
    """
    if len(folders) > 2:
        raise click.UsageError(f"at most two folders can be compared; {len(folders)} were given.")
    from ..voice import check as doctor
    from .progress import counted

    reports = []
    for folder in folders:
        with counted(f"checking {folder.name or folder}") as progress:
            report = doctor.check_folder(
                folder, min_s=doctor.MIN_S if min_seconds is None else min_seconds, progress=progress
            )
        reports.append(report)
    parallel, shared = None, []
    if len(reports) == 2 and all(report.usable for report in reports):
        from ..voice.parallel import check_parallel, shared_recordings

        parallel, shared = check_parallel(reports[0], reports[1]), shared_recordings(reports[0], reports[1])

    if as_json:
        click.echo(json.dumps(_as_data(reports, parallel, shared), indent=2))
    else:
        for report in reports:
            _print_report(report, show_all)
        if parallel is not None:
            verdict = "parallel" if parallel.parallel else "not parallel"
            click.echo(f"\nThe two folders are {verdict}: {parallel.reason}.")
        for one, other in shared[:5]:
            click.echo(
                f"warning: {_printable(one)} and {_printable(other)} are the same recording, in both folders."
            )
        if len(shared) > 5:
            click.echo(
                f"warning: {len(shared)} recordings are in both folders; they must hold one speaker each."
            )
    sys.exit(_exit_code(reports))


def _exit_code(reports: list[FolderReport]) -> int:
    if any(not report.usable for report in reports):
        return 2
    return 1 if any(report.refused for report in reports) else 0


def _print_report(report: FolderReport, show_all: bool) -> None:
    listed = list(report.files)
    if not show_all and len(listed) > SHOW_ALL_UP_TO:
        listed = [file for file in listed if file.verdict != "ok"]
    click.echo(f"\n{_printable(str(report.folder))}")
    if listed:
        (_print_table if sys.stdout.isatty() else _print_plain)(listed)
    if hidden := len(report.files) - len(listed):
        click.echo(f"{hidden} {'more ' if listed else ''}files are fine (--all lists them).")
    for line in summary(report):
        click.echo(line)


def summary(report: FolderReport) -> list[str]:
    """What a folder adds up to, in words."""
    from ..voice.check import ENOUGH_MINUTES

    usable, refused = len(report.usable), len(report.refused)
    warned = sum(file.verdict == "warn" for file in report.files)
    kinds = f"{usable} usable ({warned} with warnings), {refused} refused"
    lines = [f"{len(report.files)} recordings: {kinds}; {report.usable_minutes:.1f} minutes of speech."]
    low, middle, high = report.pitch_hz
    if middle:
        lines.append(f"Pitch: mostly {low:.0f} to {high:.0f} Hz, median {middle:.0f} Hz.")
    if ignored := ", ".join(f"{count} {suffix}" for suffix, count in list(report.ignored.items())[:5]):
        lines.append(f"Passed over, no audio: {ignored}.")
    if usable and report.usable_minutes < ENOUGH_MINUTES:
        lines.append(f"warning: that is little speech; {ENOUGH_MINUTES:g} minutes are a start, 10 are good.")
    if apart := report.voices_apart():
        (deep, low), (bright, high) = apart
        lines.append(
            f"warning: {_printable(deep)} ({low:.0f} Hz) and {_printable(bright)} ({high:.0f} Hz) sound like two "
            "speakers. Give the folder of one."
        )
    if not usable:
        lines.append("Nothing here can be used.")
    return lines


def _print_table(files: list[FileVerdict]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("seconds", justify="right")
    for title in ("verdict", "why", "what to do"):
        table.add_column(title)
    for file in files:
        # Text, not markup: a file may be called "[bold].wav".
        mark = Text(MARKS[file.verdict], style=COLOURS[file.verdict])
        table.add_row(
            Text(_printable(file.name)),
            f"{file.seconds:.1f}",
            mark,
            Text(_printable(file.reason)),
            Text(file.fix),
        )
    Console().print(table)


def _print_plain(files: list[FileVerdict]) -> None:
    width = min(48, max(len(_printable(file.name)) for file in files))
    for file in files:
        why = f"{_printable(file.reason)}. {file.fix}".strip(". ")
        line = f"{_printable(file.name):<{width}}  {file.seconds:7.1f} s  {MARKS[file.verdict]:<8} {why}"
        click.echo(line.rstrip())


def _as_data(
    reports: list[FolderReport], parallel: ParallelVerdict | None, shared: list[tuple[str, str]]
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "format": 1,
        "exit_code": _exit_code(reports),
        "folders": [
            {
                "folder": str(report.folder),
                "recordings": len(report.files),
                "usable": len(report.usable),
                "refused": len(report.refused),
                "usable_minutes": report.usable_minutes,
                "pitch_hz": dict(zip(("low", "median", "high"), report.pitch_hz, strict=True)),
                "counts": report.counts(),
                "ignored": report.ignored,
                "files": [
                    {
                        "file": file.name,
                        "verdict": file.verdict,
                        "reason": file.reason,
                        "fix": file.fix,
                        "findings": [asdict(finding) for finding in file.findings],
                        "facts": asdict(file.facts) if file.facts else None,
                    }
                    for file in report.files
                ],
            }
            for report in reports
        ],
        "parallel": asdict(parallel) if parallel else None,
        "shared": shared,
    }


def _printable(name: str) -> str:
    """File names need not be valid text, nor free of line breaks; what is printed must be."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
