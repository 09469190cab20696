#!/usr/bin/env python3
"""Make of clean recordings what laptops, telephones and rooms make of them, to see what a voice does with it.

    python tools/degrade.py librispeech degraded --files recipes/voice/any-to-one/strangers.txt

writes ``degraded/noise``, ``degraded/room`` and so on, each with the folders and names of what is there. The noise and
the rooms are drawn from the names alone, so that a second run makes the same.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, sosfilt

from voicegan.audio.files import find_audio, read
from voicegan.audio.resample import resample
from voicegan.metrics.plan import read_names

Degrade = Callable[[np.ndarray, int, np.random.Generator], tuple[np.ndarray, int]]


def noise(wav: np.ndarray, rate_hz: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Noise that falls by 3 dB an octave, 15 dB under the speech's power."""
    spectrum = np.fft.rfft(rng.standard_normal(len(wav)))
    pink = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)).clip(1)), len(wav))
    return wav + pink * _rms(wav) / _rms(pink) * 10 ** (-15 / 20), rate_hz


def room(wav: np.ndarray, rate_hz: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A reverberation time of 0.4 s; the echoes together are 6 dB under the direct sound."""
    time_s = np.arange(int(0.5 * rate_hz)) / rate_hz
    echoes = rng.standard_normal(len(time_s)) * np.exp(-6.9 * time_s / 0.4) * (time_s > 0.002)
    echoes *= 10 ** (-6 / 20) / np.sqrt((echoes**2).sum())
    return wav + fftconvolve(wav, echoes)[: len(wav)], rate_hz


def telephone(wav: np.ndarray, rate_hz: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """300 to 3,400 Hz at a rate of 8 kHz."""
    band = butter(4, (300, 3400), "bandpass", fs=rate_hz, output="sos")
    return resample(sosfilt(band, wav).astype(np.float32), rate_hz, 8000), 8000


def laptop(wav: np.ndarray, rate_hz: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """No bass, 10 dB more between 2 and 4 kHz."""
    thin = sosfilt(butter(2, 250, "highpass", fs=rate_hz, output="sos"), wav)
    return thin + 2.2 * sosfilt(butter(1, (2000, 4000), "bandpass", fs=rate_hz, output="sos"), thin), rate_hz


def quiet(wav: np.ndarray, rate_hz: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """40 dB less, in 16 bits."""
    return np.round(wav * 0.01 * 32768) / 32768, rate_hz


KINDS: dict[str, Degrade] = {kind.__name__: kind for kind in (noise, room, telephone, laptop, quiet)}


def _rms(wav: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wav, dtype=np.float64)))) + 1e-9


def degrade(folder: Path, out: Path, chosen: set[str] | None) -> int:
    """Write every kind of every recording, or of those with a chosen name; return how many recordings."""
    recordings = [path for path in find_audio(folder) if chosen is None or path.name in chosen]
    for path in recordings:
        wav, rate_hz = read(path)
        for kind, make in KINDS.items():
            rng = np.random.default_rng(zlib.crc32(f"{kind} {path.name}".encode()))
            made, made_hz = make(wav, rate_hz, rng)
            place = out / kind / path.relative_to(folder).with_suffix(".wav")
            place.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(place, (made / max(1.0, float(np.abs(made).max()))).astype(np.float32), made_hz)
    return len(recordings)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--files", type=Path, help="a list of names, one a line; # begins a remark")
    given = parser.parse_args()
    chosen = set(read_names(given.files)) if given.files else None
    print(f"{degrade(given.folder, given.out, chosen)} recordings, {len(KINDS)} of each: {given.out}")


if __name__ == "__main__":
    main()
