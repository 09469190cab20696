"""How near is a copy to its recording, sample beside sample? The measures of copy-synthesis.

All are taken at 16 kHz, whatever the rate of the vocoder: two vocoders are then judged on the same band, and
what one of them makes above 8 kHz counts for nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..audio.mel import PRESETS, LogMel, MelSpec, StreamMel
from .intrusive import LONGEST_S, RATE_HZ, parts
from .judges import CopyJudges

Floats = NDArray[np.floating]

MEL = "16k"
RESOLUTIONS = (512, 1024, 2048)  # window lengths; each hops by a quarter
FLOOR = 3.2e-4  # magnitudes under this (of a Hann-windowed frame, full scale 1) count as this


def compare_copy(wav: Floats, copy: Floats, judges: CopyJudges) -> dict[str, float | None]:
    """All figures of a copy (T,) of a recording (T,), both at 16 kHz and equally long.

    ``pesq_wb``, ``stoi``, DNSMOS and how far it lies under the recording's (``dnsmos_ovrl_loss``,
    ``dnsmos_p808_loss``), where their packages are installed; ``mr_stft`` and ``mel_l1`` always.

    Raises
    ------
    ValueError
        The lengths differ: nothing here seeks the copy's place.
    """
    if wav.shape != copy.shape or wav.ndim != 1:
        raise ValueError(f"a copy has the length of its recording: {copy.shape} is not {wav.shape}")
    wav, copy = (np.ascontiguousarray(one, np.float32) for one in (wav, copy))
    figures: dict[str, float | None] = {}
    if judges.pesq:
        figures["pesq_wb"] = judges.pesq.rate(wav, copy)
    if judges.stoi:
        figures["stoi"] = judges.stoi.rate(wav, copy)
    if judges.naturalness:
        own, heard = judges.naturalness.rate(wav), judges.naturalness.rate(copy)
        figures |= heard
        figures |= {f"{kind}_loss": own[kind] - heard[kind] for kind in ("dnsmos_ovrl", "dnsmos_p808")}
    return figures | {"mr_stft": stft_distance(wav, copy), "mel_l1": mel_distance(wav, copy)}


def stft_distance(wav: Floats, copy: Floats) -> float:
    """Multi-resolution STFT distance (Yamamoto 2020) of a copy (T,) from `wav` (T,): 0 where they are equal.

    For each window length: the norm of the magnitudes' difference over that of the recording's magnitudes, plus
    the mean absolute difference of their logarithms; the mean over the window lengths.
    """
    return float(np.mean([_at_resolution(wav, copy, n_fft) for n_fft in RESOLUTIONS]))


def _at_resolution(wav: Floats, copy: Floats, n_fft: int) -> float:
    window = torch.hann_window(n_fft)
    apart = power = log_apart = count = 0.0
    for part, copied in parts(wav, copy):  # a long recording's spectra need not be held at once
        a, b = (_magnitudes(one, n_fft, window) for one in (part, copied))
        apart += float((a - b).square().sum(dtype=torch.float64))
        power += float(a.square().sum(dtype=torch.float64))
        log_apart += float((a.log() - b.log()).abs().sum(dtype=torch.float64))
        count += a.numel()
    return math.sqrt(apart / power) + log_apart / count


def _magnitudes(wav: Floats, n_fft: int, window: Tensor) -> Tensor:
    """Magnitudes (n_fft//2 + 1, F) of wav (T,), T >= 1."""
    signal = torch.from_numpy(np.asarray(wav, np.float32))
    spectrum = torch.stft(signal, n_fft, n_fft // 4, n_fft, window, pad_mode="constant", return_complex=True)
    return spectrum.abs().clamp(min=FLOOR)


def mel_distance(wav: Floats, copy: Floats, spec: MelSpec = PRESETS[MEL]) -> float:
    """Mean absolute difference of the log-mels (in the contract's logarithm) of a copy (T,) and of `wav` (T,)."""
    return float((log_mel(wav, spec) - log_mel(copy, spec)).abs().mean())


@torch.inference_mode()
def log_mel(wav: Floats, spec: MelSpec) -> Tensor:
    """Log-mel (M, F) of wav (T,) at the contract's rate, without holding the spectra of a long sound at once."""
    stream = StreamMel(LogMel(spec))
    return torch.cat([stream.push(np.asarray(wav, np.float32)), stream.flush()], dim=1)


def settings() -> dict[str, Any]:
    """What the figures that need no judge depend on."""
    return {
        "judged_at_hz": RATE_HZ,
        "mr_stft": {
            "windows": list(RESOLUTIONS),
            "hop": "a quarter of the window",
            "window": "Hann",
            "magnitude_floor": FLOOR,
            "distance": "spectral convergence + mean |difference of natural logs|, mean over the windows",
        },
        "mel_l1": {"mel": MEL, "distance": "mean |difference|, natural log"},
        "parts_s": LONGEST_S,
    }
