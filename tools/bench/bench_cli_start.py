"""How long every command's --help takes, the interpreter's start included: python tools/bench/bench_cli_start.py

The goal is under 0.3 s each. The best of several runs counts, as what a busy machine adds is not the program's.
"""

from __future__ import annotations

import subprocess
import sys
import time

from voicegan.cli import COMMANDS

GOAL_S, RUNS = 0.3, 5


def seconds(*arguments: str) -> float:
    """The best wall time of several runs of ``voicegan ARGUMENTS --help``."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "voicegan", *arguments, "--help"], check=True, capture_output=True
        )
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    slow = 0
    for arguments in [(), *((name,) for name in COMMANDS)]:
        took = seconds(*arguments)
        slow += took > GOAL_S
        print(
            f"{took:.3f} s  voicegan {' '.join((*arguments, '--help'))}{'   over the goal' if took > GOAL_S else ''}"
        )
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
