"""A static table from names to classes, so that lists and ``--help`` import no torch.

A registry is written out by hand where its family lives; the module of an entry is imported when the entry is
asked for, not before.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from ..errors import VoiceganError


class Registry:
    """Names of one family (systems, networks, vocoders, ...) and where their classes are.

    Parameters
    ----------
    kind
        What the entries are, for messages: ``"system"``.
    table
        ``name -> ("package.module:Class", "one line about it")``, in the order in which lists show it.
    """

    def __init__(self, kind: str, table: Mapping[str, tuple[str, str]]) -> None:
        for name, (address, line) in table.items():
            module, colon, attribute = address.partition(":")
            if not (module and colon and attribute and line):
                raise ValueError(
                    f"{kind} {name!r} needs ('module:Class', 'one line'), not {(address, line)!r}"
                )
        self.kind = kind
        self._table = dict(table)

    def names(self) -> tuple[str, ...]:
        """Every name, in the table's order."""
        return tuple(self._table)

    def describe(self, name: str) -> str:
        """The one line about an entry. Raises VoiceganError for an unknown name."""
        return self._entry(name)[1]

    def get(self, name: str) -> Any:
        """Import the entry's module and return its class. Raises VoiceganError for an unknown name."""
        module, _, attribute = self._entry(name)[0].partition(":")
        return getattr(import_module(module), attribute)

    def __contains__(self, name: object) -> bool:
        return name in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def _entry(self, name: str) -> tuple[str, str]:
        if name in self._table:
            return self._table[name]
        by_lower_case = {known.lower(): known for known in self._table}
        near = [
            by_lower_case[match]
            for match in difflib.get_close_matches(name.lower(), by_lower_case, n=3, cutoff=0.5)
        ]
        existing = ", ".join(self._table) or "none"
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise VoiceganError(f"there is no {self.kind} named {name!r}", f"{hint}There are: {existing}.")
