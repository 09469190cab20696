"""Mel-cepstral distortion on log-mels, with every setting that its value depends on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ..audio.align import align, cepstra
from ..errors import VoiceganError

Floats = NDArray[np.floating]
DB_PER_NEPER = 10.0 / np.log(10.0)


@dataclass(frozen=True)
class McdSettings:
    """What a mel-cepstral distortion depends on; public tools differ in all of these, so results carry them.

    mel
        Preset of the mel contract that the log-mels follow (natural logarithm of magnitudes).
    level_db
        Active level to which recordings are brought first. c0 is left out, but the clamp of the log-mel would
        otherwise cut a quiet recording's valleys earlier than a loud one's.
    order
        Cepstral coefficients c1 to c`order`; c0, the level, is left out.
    trim_db
        Leading and trailing frames further than this below the loudest frame are cut off.
    """

    mel: str = "16k"
    level_db: float = -26.0
    order: int = 24
    trim_db: float = 30.0

    def to_dict(self) -> dict[str, object]:
        """The settings in words that another implementation could follow."""
        return asdict(self) | {
            "cepstrum": "DCT-II of the natural-log mel, c_k = 2/M * sum(log m * cos)",
            "alignment": "DTW, steps (1,1) (1,0) (0,1), Euclidean, same coefficients, mean over the path",
            "constant": "10/ln(10) * sqrt(2 * sum of squared differences)",
        }


LOG_MEL = McdSettings()


def frame_levels_db(log_mel: Floats) -> Floats:
    """Level of every frame of a natural-log magnitude mel (M, F), in dB relative to 1: (F,)."""
    return 10.0 * np.log10(np.exp(2.0 * log_mel.astype(np.float64)).sum(axis=0) + 1e-20)


def speech_span(log_mel: Floats, trim_db: float = LOG_MEL.trim_db) -> slice:
    """The frames of a log-mel (M, F) from the first to the last within `trim_db` of the loudest one."""
    if log_mel.ndim != 2 or log_mel.shape[1] == 0:
        raise VoiceganError(
            f"a log-mel of shape {log_mel.shape} has no frames to judge", "Give (mels, frames)."
        )
    levels = frame_levels_db(log_mel)
    loud = np.flatnonzero(levels >= levels.max() - trim_db)
    return slice(int(loud[0]), int(loud[-1]) + 1)


def mel_cepstra(log_mel: Floats, order: int = LOG_MEL.order) -> Floats:
    """Coefficients c1 to c`order` (order, F), such that log m(w) = mean + sum of c_k cos(k w).

    That is the orthonormal DCT-II times sqrt(2 / M): the scale of the mel-generalised cepstra for which the
    constant of the MCD was made, and independent of the number of mels.
    """
    return np.sqrt(2.0 / log_mel.shape[0]) * cepstra(log_mel, order)


def align_speech(
    mel_a: Floats, mel_b: Floats, settings: McdSettings = LOG_MEL
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Frames of `mel_a` (M, Fa) beside those of `mel_b` (M, Fb): two index arrays (P,), silent ends cut."""
    span_a, span_b = speech_span(mel_a, settings.trim_db), speech_span(mel_b, settings.trim_db)
    path = align(
        np.ascontiguousarray(mel_cepstra(mel_a[:, span_a], settings.order), dtype=np.float32),
        np.ascontiguousarray(mel_cepstra(mel_b[:, span_b], settings.order), dtype=np.float32),
    )
    return path.path_a.astype(np.intp) + span_a.start, path.path_b.astype(np.intp) + span_b.start


def mcd_on_path(
    mel_a: Floats,
    mel_b: Floats,
    path_a: NDArray[np.intp],
    path_b: NDArray[np.intp],
    settings: McdSettings = LOG_MEL,
) -> float:
    """Mel-cepstral distortion in dB along a given path: 10/ln10 * mean over the path of sqrt(2 * sum d^2)."""
    difference = mel_cepstra(mel_a, settings.order)[:, path_a] - mel_cepstra(mel_b, settings.order)[:, path_b]
    return float(DB_PER_NEPER * np.sqrt(2.0 * (difference.astype(np.float64) ** 2).sum(axis=0)).mean())


def mcd(mel_a: Floats, mel_b: Floats, settings: McdSettings = LOG_MEL) -> float:
    """Mel-cepstral distortion in dB between two readings of one sentence, given as natural-log mels (M, F).

    Trimmed, DTW-aligned, c1 to c24 by default. For orientation: a man and a woman of ARCTIC differ by 7.8 dB.
    """
    path_a, path_b = align_speech(mel_a, mel_b, settings)
    return mcd_on_path(mel_a, mel_b, path_a, path_b, settings)
