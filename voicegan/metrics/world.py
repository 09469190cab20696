"""Mel-cepstral distortion on WORLD's envelopes, to be set beside the figures of s3prl and the VCC challenges.

Those of `voicegan.metrics.spectral` come from log-mels and leave the level out; these are mel-generalised cepstra of
order 39 with c0, every 5 ms. The two have different scales, hence two names.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, lfilter

from ..audio.align import align
from ..audio.resample import resample
from .recording import F0_MAX_HZ, F0_MIN_HZ, Recording
from .spectral import DB_PER_NEPER

Floats = NDArray[np.floating]
PACKAGES = ("pyworld", "pyworld-prebuilt")  # the second is the first, built
SHORTEST_S = 0.1


@dataclass(frozen=True)
class WorldSettings:
    """What a figure depends on.

    rate_hz
        Sounds are brought to this rate. One that holds nothing in the upper part of the band is far from one that
        does: recordings of 16 kHz belong to 16 kHz.
    alpha
        All-pass constant of the mel scale at that rate.
    low_cut_hz, low_cut_taps
        A high-pass filter goes before the analysis.
    quiet_db
        Frames further than this below the mean power of a recording are left out.
    """

    rate_hz: int = 16_000
    alpha: float = 0.42
    order: int = 39
    n_fft: int = 1024
    shift_ms: float = 5.0
    f0_min_hz: float = F0_MIN_HZ
    f0_max_hz: float = F0_MAX_HZ
    low_cut_hz: float = 70.0
    low_cut_taps: int = 255
    quiet_db: float = 20.0

    def to_dict(self) -> dict[str, object]:
        """The settings in words that another implementation could follow."""
        return asdict(self) | {
            "like": "s3prl's a2o-vc-vcc2020: there 24 kHz, alpha 0.466, and F0 limits of each target speaker",
            "envelope": "WORLD: Harvest, CheapTrick; samples times 32767",
            "cepstrum": "c0 to c39, all of them counted, so the level counts too",
            "alignment": "exact DTW, steps (1,1) (1,0) (0,1), Euclidean; there fastdtw, radius 1 (within 0.03 dB)",
            "constant": "10/ln(10) * sqrt(2 * sum of squared differences), mean over the path",
        }


WORLD = {"s3prl": WorldSettings(), "s3prl-24k": WorldSettings(rate_hz=24_000, alpha=0.466)}


class WorldJudge:
    """Measures the distortion. Raises ImportError at construction where pyworld is missing."""

    def __init__(self, settings: WorldSettings = WORLD["s3prl"]) -> None:
        import pyworld

        self._world = pyworld
        self._settings = settings
        self.settings = settings.to_dict() | {"pyworld": _version()}
        # A reference is compared with several sounds, and its analysis takes most of the time.
        self._known: WeakKeyDictionary[Recording, Floats] = WeakKeyDictionary()

    def rate(self, heard: Recording, reference: Recording) -> float | None:
        """Distortion in dB between two readings of a sentence; None where one is silent or under 0.1 s."""
        a, b = self.cepstra(heard), self.cepstra(reference)
        if 0 in (a.shape[1], b.shape[1]):
            return None
        path = align(a, b)
        difference = a[:, path.path_a] - b[:, path.path_b]
        return float(DB_PER_NEPER * np.sqrt(2.0 * (difference**2).sum(axis=0)).mean())

    def cepstra(self, recording: Recording) -> Floats:
        """Coefficients c0 to c39 (40, F) of the frames that are not quiet."""
        if recording not in self._known:
            self._known[recording] = self._analyse(*recording.original)
        return self._known[recording]

    def _analyse(self, wav: Floats, rate_hz: int) -> Floats:
        s = self._settings
        wav = resample(np.asarray(wav, np.float32), rate_hz, s.rate_hz).astype(np.float64) * 32767.0
        if len(wav) < SHORTEST_S * s.rate_hz or not np.any(wav):
            return np.zeros((s.order + 1, 0))
        cut = firwin(s.low_cut_taps, s.low_cut_hz / (s.rate_hz // 2), pass_zero=False)
        wav = lfilter(cut, 1.0, wav)
        f0_hz, times_s = self._world.harvest(wav, s.rate_hz, s.f0_min_hz, s.f0_max_hz, s.shift_ms)
        power = self._world.cheaptrick(wav, f0_hz, times_s, s.rate_hz, fft_size=s.n_fft)
        total = power[:, 0] + power[:, -1] + 2.0 * power[:, 1:-1].sum(axis=1)
        loud = total > total.mean() * 10.0 ** (-s.quiet_db / 10.0)
        return mel_cepstra_of(power[loud].T, s.order, s.alpha)


def mel_cepstra_of(power: Floats, order: int, alpha: float) -> Floats:
    """Coefficients c0 to c`order` (order + 1, F) of power spectra (n_fft/2 + 1, F).

    They say that log |H(w)| = sum of c_k cos(k v), where v = w + 2 atan(alpha sin w / (1 - alpha cos w)) is the
    frequency on a scale like mel's: a cepstrum whose axis an all-pass filter has warped (Oppenheim and Johnson 1972).
    """
    cepstrum = np.fft.irfft(np.log(power), axis=0)[: power.shape[0]]
    cepstrum[0] /= 2.0
    return _warping(power.shape[0], order, alpha) @ cepstrum


@lru_cache(maxsize=4)
def _warping(bins: int, order: int, alpha: float) -> Floats:
    """The matrix (order + 1, bins) that takes a cepstrum to the warped axis.

    A delay z^-m becomes the m-th power of the all-pass filter: column m is the last one through one filter more.
    """
    step = np.zeros((order + 1, order + 1))
    for k in range(order + 1):
        unit = np.eye(order + 1)[k]
        step[0, k] = alpha * unit[0]
        for j in range(1, order + 1):
            before = (1.0 - alpha**2) * unit[0] if j == 1 else unit[j - 1] - alpha * step[j - 1, k]
            step[j, k] = before + alpha * unit[j]
    columns = [np.eye(order + 1)[0]]
    for _ in range(bins - 1):
        columns.append(step @ columns[-1])
    return np.stack(columns, axis=1)


def _version() -> str:
    for package in PACKAGES:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            continue
    return "unknown"
