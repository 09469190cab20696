"""``voicegan doctor``: is this machine ready, and what mends it?"""

from __future__ import annotations

import json
import sys

import click

COLOURS = {"ok": "green", "warn": "yellow", "fault": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def doctor(as_json: bool) -> None:
    """Check what voicegan stands on: Python, torch, devices, sound formats, folders and voices.

    \b
    ok     in order
    warn   works, but slower or with something missing
    fault  prevents use

    Exit code: 0, or 2 when there is a fault.
    """
    from .. import doctor as checks

    findings = checks.examine()
    usable = all(finding.status != "fault" for finding in findings)
    if as_json:
        rows = [{"name": f.name, "status": f.status, "detail": f.detail, "mend": f.mend} for f in findings]
        click.echo(json.dumps({"format": 1, "usable": usable, "checks": rows}, indent=2))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            mark = click.style(
                f"{finding.status:<5}", fg=COLOURS[finding.status], bold=finding.status != "ok"
            )
            click.echo(f"{mark}  {finding.name:<{width}}  {finding.detail}")
            if finding.mend:
                click.echo(f"{'':{width + 7}}  -> {finding.mend}")
    sys.exit(0 if usable else 2)
