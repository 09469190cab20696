"""Seconds that alignment, pitch and Griffin-Lim take: python tools/bench/bench_analysis.py

Made-up sound and mels, one after the other; medians of several runs, after one that compiles.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from voicegan.audio.align import align
from voicegan.audio.mel import PRESETS, LogMel
from voicegan.audio.pitch import f0
from voicegan.vocoder.griffin_lim import GriffinLim

RUNS = 5
RATE_HZ, SECONDS = 16_000, 10
SPEC = PRESETS["16k"]


def median(work: Callable[[], object]) -> float:
    """Seconds that `work` takes, the first time aside."""
    work()
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((24, 1000)).cumsum(axis=1) for _ in range(2))
    buzz = (0.1 * np.sin(2 * np.pi * 150 * np.arange(SECONDS * RATE_HZ) / RATE_HZ) ** 9).astype(np.float32)
    mel, vocoder = LogMel(SPEC)(torch.from_numpy(buzz)[None]), GriffinLim(SPEC)
    print(f"{torch.get_num_threads()} threads")
    print(f"{median(lambda: align(a, b)):.3f} s  1,000 frames aligned with 1,000")
    print(f"{median(lambda: f0(buzz, RATE_HZ, SPEC.hop)):.3f} s  pitch of {SECONDS} s")
    print(f"{median(lambda: vocoder.synthesize(mel)):.3f} s  {SECONDS} s of sound by griffin-lim")


if __name__ == "__main__":
    main()
