"""Speech-like sounds for tests: syllables of a buzz through moving formants, in an order that a number
decides.

The same sentence by two speakers differs in pitch, tempo and formants, as two readers of one text do; another
sentence differs in its syllables.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 16_000


def utter(
    sentence: int,
    *,
    pitch_hz: float = 120.0,
    tempo: float = 1.0,
    formants: float = 1.0,
    syllables: int = 10,
    rate_hz: int = RATE_HZ,
    level_db: float = -22.0,
    noise_db: float = -70.0,
) -> np.ndarray:
    """A sentence (T,) float32: about 0.2 s a syllable, and a tenth of a second of quiet at each end."""
    words = np.random.default_rng(sentence)
    reader = np.random.default_rng([sentence, int(pitch_hz * 10), int(tempo * 100)])
    parts = [np.zeros(rate_hz // 10)]
    for _ in range(syllables):
        hiss_hz, hiss_s = words.uniform(2000, 6000), words.uniform(0.03, 0.08)
        first, second = words.uniform(280, 800), words.uniform(850, 2400)
        seconds = words.uniform(0.1, 0.2)
        parts.append(_hiss(hiss_hz, hiss_s / tempo, rate_hz, reader))
        glide = pitch_hz * (1 + 0.1 * reader.uniform(-1, 1)), pitch_hz * (1 + 0.1 * reader.uniform(-1, 1))
        parts.append(_buzz(glide, np.array([first, second, 2700.0]) * formants, seconds / tempo, rate_hz))
    parts.append(np.zeros(rate_hz // 10))
    wav = np.concatenate(parts)
    wav *= 10 ** (level_db / 20) / np.sqrt(np.mean(wav**2))
    wav += 10 ** (noise_db / 20) * reader.standard_normal(len(wav))
    return wav.astype(np.float32)


def pause(seconds: float, *, rate_hz: int = RATE_HZ, noise_db: float = -70.0) -> np.ndarray:
    """Quiet (T,) float32, as a room is quiet."""
    noise = np.random.default_rng(0).standard_normal(round(seconds * rate_hz))
    return (10 ** (noise_db / 20) * noise).astype(np.float32)


def write(path: Path, wav: np.ndarray, rate_hz: int = RATE_HZ, **how: str) -> Path:
    """Write samples to a file, whose folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wav, rate_hz, **how)
    return path


def read_aloud(
    folder: Path,
    sentences: Iterable[int],
    *,
    pitch_hz: float = 120.0,
    tempo: float = 1.0,
    formants: float = 1.0,
) -> Path:
    """A speaker's folder: ``s000.wav`` is sentence 0, and so on."""
    for sentence in sentences:
        wav = utter(sentence, pitch_hz=pitch_hz, tempo=tempo, formants=formants)
        write(folder / f"s{sentence:03d}.wav", wav)
    return folder


def _buzz(glide: tuple[float, float], formants_hz: np.ndarray, seconds: float, rate_hz: int) -> np.ndarray:
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    f0 = np.linspace(*glide, len(time))
    phase = 2 * np.pi * np.cumsum(f0) / rate_hz
    wav = np.zeros(len(time))
    for harmonic in range(1, int(4000 / glide[0])):
        hertz = harmonic * np.mean(glide)
        gain = np.sum(1 / (1 + ((hertz - formants_hz) / 120) ** 2)) / np.sqrt(harmonic)
        wav += gain * np.sin(harmonic * phase)
    return wav * _edges(len(time), rate_hz)


def _hiss(hertz: float, seconds: float, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    samples = round(seconds * rate_hz)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    bins = np.fft.rfftfreq(samples, 1 / rate_hz)
    return 0.5 * np.fft.irfft(spectrum * (np.abs(bins - hertz) < 800), samples) * _edges(samples, rate_hz)


def _edges(samples: int, rate_hz: int) -> np.ndarray:
    fade = min(samples // 2, rate_hz // 100)
    return np.clip(np.minimum(np.arange(samples), np.arange(samples)[::-1]) / max(fade, 1), 0, 1)
