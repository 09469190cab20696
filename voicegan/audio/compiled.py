"""Loops compiled by numba, on first use."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Have a function of numbers and arrays compiled when it is first called.

    numba takes half a second to import, so importing a module that uses this stays cheap. The machine code is
    kept beside the source or, where that is read-only, in the user's cache; where nothing can be written at
    all, it is compiled again in each process.
    """

    @functools.cache
    def machine_code() -> Callable[..., Any]:
        import numba

        # Sums may be taken in any order, so that they can be taken several at a time; infinities keep their meaning.
        options: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "nsz"}}
        try:
            return numba.njit(function, cache=True, **options)
        except RuntimeError:  # no place to keep it
            return numba.njit(function, **options)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return machine_code()(*arguments)

    return cast("F", call)
