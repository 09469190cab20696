"""Pitch and duration of one reading beside another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

# A correlation over fewer voiced frames than this (0.16 s at a hop of 16 ms) says nothing.
FEWEST_VOICED_FRAMES = 10


def compare_pitch(f0_a_hz: Floats, f0_b_hz: Floats) -> dict[str, float | None]:
    """Pitch of two frame-aligned contours (F,) in Hz, 0 where unvoiced, over the frames voiced in both.

    Returns
    -------
    dict
        ``f0_rmse_hz`` and ``f0_rmse_semitones`` (absolute differences), ``f0_shift_semitones`` (mean of a
        minus b), ``f0_correlation`` (Pearson, on log F0), ``voicing_agreement`` (share of frames that are
        voiced in both or in neither). None where fewer than 10 frames are voiced in both, or a contour is
        flat.
    """
    f0_a_hz, f0_b_hz = np.asarray(f0_a_hz, np.float64), np.asarray(f0_b_hz, np.float64)
    if f0_a_hz.shape != f0_b_hz.shape:
        raise ValueError(f"contours of {f0_a_hz.shape} and {f0_b_hz.shape} frames are not aligned")
    voiced = (f0_a_hz > 0) & (f0_b_hz > 0)
    agreement = float(np.mean((f0_a_hz > 0) == (f0_b_hz > 0))) if voiced.size else None
    nothing: dict[str, float | None] = dict.fromkeys(
        ("f0_rmse_hz", "f0_rmse_semitones", "f0_shift_semitones", "f0_correlation")
    )
    if voiced.sum() < FEWEST_VOICED_FRAMES:
        return nothing | {"voicing_agreement": agreement}
    a, b = f0_a_hz[voiced], f0_b_hz[voiced]
    semitones_a, semitones_b = 12.0 * np.log2(a), 12.0 * np.log2(b)
    shift = semitones_a - semitones_b
    return {
        "f0_rmse_hz": float(np.sqrt(np.mean((a - b) ** 2))),
        "f0_rmse_semitones": float(np.sqrt(np.mean(shift**2))),
        "f0_shift_semitones": float(shift.mean()),
        "f0_correlation": correlation(semitones_a, semitones_b),
        "voicing_agreement": agreement,
    }


def correlation(a: Floats, b: Floats) -> float | None:
    """Pearson correlation of two series (N,); None where one does not vary."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    # Rounding leaves about 1e-12 of a constant contour's variance; that is no variation.
    return float((a * b).sum() / scale) if scale > 1e-9 * a.size else None
