"""A recording as the judges hear it, and how one reading compares with another."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from ..audio.loudness import active_level_db
from ..audio.mel import PRESETS, LogMel
from ..audio.pitch import f0
from ..audio.resample import resample
from ..errors import VoiceganError
from .prosody import compare_pitch
from .spectral import LOG_MEL, McdSettings, align_speech, mcd_on_path, speech_span

Floats = NDArray[np.floating]

RATE_HZ = 16_000
F0_MIN_HZ, F0_MAX_HZ = 60.0, 500.0


class Recording:
    """An utterance at 16 kHz: ``wav`` (T,), and its log-mel and pitch, made when first asked for.

    ``original`` is the sound as it came, with its rate.

    Raises
    ------
    VoiceganError
        The settings name a mel preset that is not of 16 kHz.
    """

    def __init__(self, wav: Floats, rate_hz: int, settings: McdSettings = LOG_MEL) -> None:
        self.original = wav, rate_hz
        self.wav = np.asarray(resample(np.asarray(wav, np.float32), rate_hz, RATE_HZ), np.float32)
        self.spec = PRESETS[settings.mel]
        self._settings = settings
        if self.spec.sample_rate_hz != RATE_HZ:
            raise VoiceganError(
                f"the mel preset {settings.mel} is not of 16 kHz", "Measure the MCD on 16k mels."
            )

    @cached_property
    def mel(self) -> Floats:
        """Log-mel (M, F) at the level that the settings name."""
        level_db = active_level_db(self.wav, RATE_HZ)
        gain = 10.0 ** ((self._settings.level_db - level_db) / 20.0) if math.isfinite(level_db) else 1.0
        with torch.inference_mode():
            mel: Floats = LogMel(self.spec)(torch.from_numpy(np.float32(gain) * self.wav)[None])[0].numpy()
        return mel

    @cached_property
    def f0_hz(self) -> Floats:
        """Pitch in Hz on the frames of the log-mel (F,), 0 where unvoiced."""
        contour = f0(self.wav, RATE_HZ, self.spec.hop, F0_MIN_HZ, F0_MAX_HZ)
        frames = self.mel.shape[1]
        return np.pad(contour, (0, max(0, frames - len(contour))))[:frames]

    @property
    def speech_s(self) -> float:
        """Seconds from the first to the last frame of speech."""
        span = speech_span(self.mel, self._settings.trim_db)
        return (span.stop - span.start) * self.spec.hop / RATE_HZ


def compare(
    heard: Recording, reference: Recording, settings: McdSettings = LOG_MEL
) -> dict[str, float | None]:
    """MCD, pitch and duration of one reading beside another of the sentence, frame by frame after DTW."""
    path_a, path_b = align_speech(heard.mel, reference.mel, settings)
    return {
        "mcd_db": mcd_on_path(heard.mel, reference.mel, path_a, path_b, settings),
        **compare_pitch(heard.f0_hz[path_a], reference.f0_hz[path_b]),
        "duration_ratio": heard.speech_s / reference.speech_s,
    }


def pitch_kept(heard: Recording, origin: Recording, settings: McdSettings = LOG_MEL) -> float | None:
    """Correlation of a conversion's log F0 with its source's: is the melody of the sentence still there?

    Frame beside frame where both are equally long, as conversion leaves them; after DTW otherwise.
    """
    if heard.mel.shape == origin.mel.shape:
        return compare_pitch(heard.f0_hz, origin.f0_hz)["f0_correlation"]
    path_a, path_b = align_speech(heard.mel, origin.mel, settings)
    return compare_pitch(heard.f0_hz[path_a], origin.f0_hz[path_b])["f0_correlation"]
