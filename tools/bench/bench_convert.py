"""How quick conversion is, and how much memory it takes, seen from outside: whole processes, as a user starts them.

    python tools/bench/bench_convert.py                       # cold start, 10 s; real-time factor, 5 min
    python tools/bench/bench_convert.py --minutes 60 --voice slt

Three figures, each with its goal on 2 cores: a 10 s file from a cold start, interpreter included (6 s); a long file end
to end (0.15 x real time); the peak memory of that process (1.2 GB for an hour). Without --voice, a light generator that
was never trained stands in: its speed does not depend on its weights.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

GOALS = {"cold start, 10 s": 6.0, "real-time factor": 0.15, "peak memory": 1.2}


def main() -> int:
    """Measure, print a table, and return 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else "")
    parser.add_argument("--voice", help="name or folder of a voice; an untrained light one by default")
    parser.add_argument("--minutes", type=float, default=5.0, help="length of the long file (default 5)")
    parser.add_argument("--rate", type=int, default=44100, help="sample rate of the files (default 44100)")
    parser.add_argument(
        "--repeats", type=int, default=3, help="cold starts, of which the median counts (default 3)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        voice = options.voice or str(untrained_voice(Path(folder) / "stand-in"))
        short, long = Path(folder) / "short.wav", Path(folder) / "long.wav"
        write_babble(short, 10.0, options.rate)
        write_babble(long, options.minutes * 60, options.rate)
        cold_s = float(np.median([timed(short, voice)[0] for _ in range(options.repeats)]))
        long_s, peak_gb = timed(long, voice)
    figures = {
        "cold start, 10 s": (cold_s, "s"),
        "real-time factor": (
            long_s / (options.minutes * 60),
            f"x real time, {options.minutes:g} min, start included",
        ),
        "peak memory": (peak_gb, f"GB, {options.minutes:g} min"),
    }
    missed = False
    for name, (value, unit) in figures.items():
        within = value <= GOALS[name]
        missed |= not within
        print(f"{name:<18} {value:7.3f} {unit} (goal {GOALS[name]:g}: {'met' if within else 'MISSED'})")
    return int(missed)


def untrained_voice(folder: Path) -> Path:
    """A light generator with the weights that it was born with."""
    import torch

    from voicegan.audio.mel import PRESETS
    from voicegan.voice.nets.light import LightGenerator
    from voicegan.voice.pack import STATISTICS, save_pack

    spec = PRESETS["16k"]
    values = {"mean": -5.0, "std": 2.0}
    statistics = {name: torch.full((spec.mels,), values[name.split(".")[1]]) for name in STATISTICS}
    save_pack(
        folder,
        name="bench",
        system="light",
        generator=LightGenerator(),
        network={},
        sources=["any"],
        mel=spec,
        statistics=statistics,
        card="Never trained.",
    )
    return folder


def write_babble(path: Path, seconds: float, rate: int) -> None:
    """Harmonics with the rhythm of syllables: one minute, again and again."""
    t = np.arange(60 * rate) / rate
    phase = 2 * np.pi * (120 * t - 4 * np.cos(2 * np.pi * 0.7 * t))
    voice = sum(np.sin(order * phase) / order for order in range(1, 24))
    minute = 0.1 * voice * np.clip(np.sin(2 * np.pi * 2.3 * t), 0, 1)
    left = int(seconds * rate)
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        while left > 0:
            file.write(minute[:left])
            left -= len(minute)


def timed(source: Path, voice: str) -> tuple[float, float]:
    """Seconds and peak memory in GB of one `voicegan convert`."""
    command = [sys.executable, "-m", "voicegan", "convert", str(source), "--to", voice, "--force", "--quiet"]
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}")
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return took, kilobytes * 1024 / 1e9


if __name__ == "__main__":
    sys.exit(main())
