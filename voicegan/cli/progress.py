"""Progress on standard error, only where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click


@contextmanager
def counted(label: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """A bar over things; yields ``progress(done, total, name)``, or None when nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc=label, unit="file", leave=False, file=sys.stderr) as bar:

        def progress(done: int, total: int, name: str) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


@contextmanager
def transferred() -> Iterator[Callable[[str, int, int | None], None]]:
    """Bars over bytes; yields ``progress(what, done, total)``. Unwatched: one line for each thing begun."""
    watched = sys.stderr.isatty()
    bar: Any = None
    current = ""

    def progress(what: str, done: int, total: int | None) -> None:
        nonlocal bar, current
        if what != current:
            current = what
            if bar is not None:
                bar.close()
                bar = None
            if not watched:
                size = f" ({total / 1e6:.0f} MB)" if total else ""
                click.echo(f"{what}{size}", err=True)
                return
            from tqdm import tqdm

            bar = tqdm(desc=what, unit="B", unit_scale=True, unit_divisor=1000, leave=False, file=sys.stderr)
        if bar is not None:
            bar.total = total
            bar.update(done - bar.n)

    try:
        yield progress
    finally:
        if bar is not None:
            bar.close()
