"""What training judges a converter by between checkpoints: cheap, and in need of no optional package.

All functions take natural-log magnitude mels (M, F) of one mel contract. Where the held-out sentences are
parallel, `parallel_mcd` says how far the conversion is from the target's own reading. Where they are not,
`frechet_cepstra` says how far its frames are, as a cloud, from the target's, and `content_drift` how much of
the source's shape over time was lost on the way: a generator that only repeats the target's favourite sounds
wins the first and loses the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import VoiceganError
from ..metrics.prosody import correlation
from ..metrics.spectral import (
    DB_PER_NEPER,
    LOG_MEL,
    McdSettings,
    frame_levels_db,
    mcd,
    mel_cepstra,
    speech_span,
)

Floats = NDArray[np.floating]

# Contours that content_drift follows: the level and the broad shape of the spectrum (formant regions). Higher
# coefficients of a narrow-band mel carry harmonics, that is pitch, which conversion is meant to change.
CONTENT_ORDER = 12


def parallel_mcd(pairs: Iterable[tuple[Floats, Floats]], settings: McdSettings = LOG_MEL) -> float:
    """Mean mel-cepstral distortion in dB over pairs (converted mel, target's mel of the same sentence).

    Raises
    ------
    VoiceganError
        There are no pairs.
    """
    distances = [mcd(converted, target, settings) for converted, target in pairs]
    if not distances:
        raise VoiceganError("no pairs of utterances to compare", "Keep at least one parallel sentence aside.")
    return float(np.mean(distances))


def frechet_cepstra(a_mels: Sequence[Floats], b_mels: Sequence[Floats], order: int = LOG_MEL.order) -> float:
    """Fréchet distance in dB between two sets of utterances' speech frames, taken as Gaussian clouds.

    A frame is c0 to c`order` and their slopes over two frames to either side. The distance is scaled as the
    MCD is, 10/ln10 * sqrt(2 d^2), so that a mere shift of one coefficient has the same size in both.

    Raises
    ------
    VoiceganError
        A side has fewer than two frames of speech.
    """
    mean_a, covariance_a = _cloud(a_mels, order)
    mean_b, covariance_b = _cloud(b_mels, order)
    return float(DB_PER_NEPER * np.sqrt(2.0 * frechet_squared(mean_a, covariance_a, mean_b, covariance_b)))


def frechet_squared(mean_a: Floats, covariance_a: Floats, mean_b: Floats, covariance_b: Floats) -> float:
    """Squared Fréchet (2-Wasserstein) distance of two Gaussians, means (D,) and covariances (D, D).

    |mean_a - mean_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2)  (Dowson and Landau 1982).
    """
    root = _matrix_root(covariance_a)
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ covariance_b @ root), 0.0, None)).sum()
    apart = ((mean_a - mean_b) ** 2).sum() + np.trace(covariance_a) + np.trace(covariance_b) - 2.0 * cross
    return max(float(apart), 0.0)


def content_drift(source_mel: Floats, converted_mel: Floats) -> float:
    """How much of the source's course over time a conversion has lost: 0 kept, 1 unrelated, 2 reversed.

    One minus the mean correlation over time between the source's and the conversion's contours of level and
    c1 to c12. The two mels (M, F) must have the same number of frames: conversion keeps the timing, so no
    alignment is needed. A correlation ignores each contour's offset and scale, which belong to the speaker.
    Contours weigh as much as they vary in the source; a conversion that does not vary where the source does
    has lost it.

    Raises
    ------
    VoiceganError
        The frames differ in number, or the source does not vary at all.
    """
    if source_mel.shape != converted_mel.shape:
        raise VoiceganError(
            f"source and converted mels differ in shape ({source_mel.shape} and {converted_mel.shape})",
            "Compare a conversion with its own source.",
        )
    span = speech_span(source_mel)
    source, converted = _contours(source_mel[:, span]), _contours(converted_mel[:, span])
    weights = source.std(axis=1)
    if not weights.sum() > 1e-9:
        raise VoiceganError("the source does not vary over time", "Validate on recordings of speech.")
    kept = [correlation(before, after) or 0.0 for before, after in zip(source, converted, strict=True)]
    return 1.0 - float(np.average(kept, weights=weights))


def _contours(log_mel: Floats) -> Floats:
    """Level in nepers and c1 to c12 over time, (13, F)."""
    level = frame_levels_db(log_mel)[None] / (2.0 * DB_PER_NEPER)
    return np.concatenate([level, mel_cepstra(log_mel.astype(np.float64), CONTENT_ORDER)])


def _cloud(mels: Sequence[Floats], order: int) -> tuple[Floats, Floats]:
    """Mean (2 order + 2,) and covariance of the speech frames' cepstra and slopes."""
    parts = [_with_slopes(mel[:, speech_span(mel)], order) for mel in mels]
    frames = np.concatenate(parts, axis=1) if parts else np.empty((2 * order + 2, 0))
    if frames.shape[1] < 2:
        raise VoiceganError(
            f"{frames.shape[1]} frames of speech are no distribution", "Validate on more speech."
        )
    return frames.mean(axis=1), np.cov(frames)


def _with_slopes(log_mel: Floats, order: int) -> Floats:
    """c0 to c`order` and their regression slopes per frame (2 order + 2, F); the edges are repeated."""
    log_mel = log_mel.astype(np.float64)
    # c0 in the same scale: the constant term of log m(w) = c0 + sum of c_k cos(k w).
    cepstrum = np.concatenate([log_mel.mean(axis=0, keepdims=True), mel_cepstra(log_mel, order)])
    edge = np.pad(cepstrum, ((0, 0), (2, 2)), mode="edge")
    slopes = (2.0 * (edge[:, 4:] - edge[:, :-4]) + edge[:, 3:-1] - edge[:, 1:-3]) / 10.0
    return np.concatenate([cepstrum, slopes])


def _matrix_root(matrix: Floats) -> Floats:
    """Symmetric square root of a positive semi-definite matrix (D, D)."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
