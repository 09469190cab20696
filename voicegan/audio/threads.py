"""How many threads work on small pieces of sound: one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside.

    A stream works on a few frames at a time, in operations of microseconds. A second thread gains nothing
    there, and where another program wants the same cores the two wait for each other at every operation:
    measured, 0.35 s become 20 s.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
