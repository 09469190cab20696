"""For tests of measures: a voice that glides, log-mels like speech, and a recogniser that hears loudness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000


def speech_mel(seed: int, frames: int = 60, mels: int = 80) -> np.ndarray:
    """A smooth random log-mel, loud enough throughout that nothing of it is taken for silence."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(-3.0, 0.7, (mels // 8 + 1, frames // 5 + 1))
    rows = np.linspace(0, coarse.shape[0] - 1, mels)
    columns = np.linspace(0, coarse.shape[1] - 1, frames)
    along = np.array([np.interp(columns, np.arange(coarse.shape[1]), row) for row in coarse])
    return np.array([np.interp(rows, np.arange(coarse.shape[0]), column) for column in along.T]).T


def syllables(seed: int, pitch_hz: float = 120.0, stretch: float = 1.0, count: int = 8) -> np.ndarray:
    """A voice-like sound: harmonics of a gliding pitch under formants that change with every syllable."""
    rng = np.random.default_rng(seed)
    formants = rng.uniform((300, 900, 2200), (800, 2000, 3200), (count, 3))
    samples = int(RATE * 0.16 * stretch) * count
    place = np.linspace(0, count - 1, samples)
    f0 = pitch_hz * 2 ** (0.25 * np.sin(np.linspace(0, 9, samples)))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    wav = np.zeros(samples)
    for harmonic in range(1, int(5000 / pitch_hz)):
        gain = np.zeros(samples)
        for formant in range(3):
            centre = np.interp(place, np.arange(count), formants[:, formant])
            gain += np.exp(-0.5 * ((harmonic * f0 - centre) / 120.0) ** 2) / (1 + formant)
        wav += gain * np.sin(harmonic * phase)
    wav *= 0.3 / np.abs(wav).max()
    room = rng.normal(0, 1e-3, samples + 2 * (RATE // 5))
    return (np.pad(wav, RATE // 5) + room).astype(np.float32)


def folder(path: Path, names: list[str], **voice: float) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        seed = sum(map(ord, name))
        wav = syllables(seed, **voice) if voice else np.full(1600, 0.1, np.float32)
        soundfile.write(path / f"{name}.wav", wav, RATE)
    return path


class Parrot:
    """A recogniser that hears how loud it was said."""

    settings = {"recogniser": "parrot"}

    def transcribe(self, wav: np.ndarray) -> str:
        return "loud words" if np.abs(wav).max() > 0.2 else "soft words"
