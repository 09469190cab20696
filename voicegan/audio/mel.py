"""The mel contract and the log-mel picture of a sound.

A voice and a vocoder are joined by a log-mel spectrogram. The two fit only if every detail of how it was
computed is the same on both sides, so those details are one frozen value, `MelSpec`, which is saved with the
weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import VoiceganError
from .threads import one_thread


@dataclass(frozen=True)
class MelSpec:
    """Every choice that decides what a log-mel spectrogram looks like.

    center: frame k is centred on sample k·hop, and the signal is padded by n_fft/2 on both sides. Otherwise
    the padding is (n_fft - hop)/2, as HiFi-GAN's and MelGAN's training code does. power: 1 for magnitudes, 2
    for energies. log_base: "e" or "10". clamp: the floor put under the values before the logarithm. norm
    "slaney" gives every triangle the area 1 (in Hz), None the height 1.
    """

    sample_rate_hz: int
    n_fft: int
    win: int
    hop: int
    mels: int
    fmin_hz: float
    fmax_hz: float
    scale: str = "slaney"
    norm: str | None = "slaney"
    power: float = 1.0
    center: bool = True
    pad: str = "reflect"
    log_base: str = "e"
    clamp: float = 1e-5

    def __post_init__(self) -> None:
        checks = {
            "n_fft >= win >= hop > 0": self.n_fft >= self.win >= self.hop > 0,
            "0 <= fmin_hz < fmax_hz <= sample_rate_hz / 2": 0
            <= self.fmin_hz
            < self.fmax_hz
            <= self.sample_rate_hz / 2,
            "n_fft - hop and n_fft are even": self.n_fft % 2 == 0 and self.hop % 2 == 0,
            "mels > 0": self.mels > 0,
            'scale is "slaney" or "htk"': self.scale in ("slaney", "htk"),
            'norm is "slaney" or none': self.norm in ("slaney", None),
            "power is 1 or 2": self.power in (1.0, 2.0),
            'pad is "reflect" or "zeros"': self.pad in ("reflect", "zeros"),
            'log_base is "e" or "10"': self.log_base in ("e", "10"),
            "clamp > 0": self.clamp > 0,
        }
        for rule, holds in checks.items():
            if not holds:
                raise VoiceganError(f"the mel contract breaks the rule {rule}: {self}", "correct that value")

    @property
    def bins(self) -> int:
        """Frequencies of the full spectrum: n_fft/2 + 1."""
        return self.n_fft // 2 + 1

    @property
    def pad_samples(self) -> int:
        """Samples added before the first and after the last one."""
        return self.n_fft // 2 if self.center else (self.n_fft - self.hop) // 2

    def frames(self, samples: int) -> int:
        """How many frames a signal of `samples` >= 1 gives: 1 + T // hop centred, max(1, T // hop) otherwise."""
        return 1 + samples // self.hop if self.center else max(1, samples // self.hop)

    def samples(self, frames: int) -> int:
        """The shortest signal (of at least a hop) with this many frames: (F - 1)·hop centred, F·hop
        otherwise.
        """
        return (frames - 1) * self.hop if self.center else frames * self.hop

    def seconds(self, frames: int) -> float:
        """Duration of `frames` hops."""
        return frames * self.hop / self.sample_rate_hz

    @property
    def floor(self) -> float:
        """The value of silence in the log-mel."""
        return math.log(self.clamp) if self.log_base == "e" else math.log10(self.clamp)

    def compress(self, mel: Tensor) -> Tensor:
        """Linear mel to log-mel, clamped."""
        mel = mel.clamp(min=self.clamp)
        return mel.log() if self.log_base == "e" else mel.log10()

    def expand(self, log_mel: Tensor) -> Tensor:
        """Log-mel back to linear mel; the floor, which stands for silence, becomes 0."""
        mel = log_mel.exp() if self.log_base == "e" else torch.pow(10.0, log_mel)
        return torch.where(mel > self.clamp * 1.01, mel, torch.zeros_like(mel))

    @property
    def silent_below(self) -> float:
        """Log-mels up to this are the floor: a little more than it, for what rounding does."""
        return self.floor + math.log(1.01) / (1.0 if self.log_base == "e" else math.log(10.0))

    def bounded(self, log_mel: Tensor) -> Tensor:
        """Log-mels of what can be sound, float32: what is not a number counts as silence, and so on up to full scale.

        A full scale gives a mel of at most n_fft/2 (a filter's largest weight is 1), so more than n_fft is no sound.
        """
        highest = self.compress(torch.tensor(float(self.n_fft) ** self.power)).item()
        return log_mel.float().nan_to_num(self.floor, highest, self.floor).clamp(self.floor, highest)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MelSpec:
        """The inverse of `to_dict`. Every key must be there and known, or it is a VoiceganError."""
        known = {field.name for field in fields(cls)}
        for what, keys in (("unknown", set(values) - known), ("missing", known - set(values))):
            if keys:
                raise VoiceganError(
                    f"the mel contract has {what} keys: {', '.join(sorted(keys))}",
                    "it was written by another version of voicegan, or by hand",
                )
        return cls(**values)

    def require_same(self, other: MelSpec, mine: str, theirs: str) -> None:
        """Refuse to join two parts (named `mine` and `theirs`) whose contracts differ, naming the differing
        fields.
        """
        differing = [f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)]
        if differing:
            described = "; ".join(
                f"{name} is {getattr(self, name)!r} in {mine} and {getattr(other, name)!r} in {theirs}"
                for name in differing
            )
            raise VoiceganError(
                f"{mine} and {theirs} do not fit together: {described}",
                "take a voice and a vocoder that were trained on the same mel contract",
            )


PRESETS: dict[str, MelSpec] = {
    # The bundled voices.
    "16k": MelSpec(16000, 1024, 1024, 256, 80, 0.0, 8000.0),
    # HiFi-GAN's LJ Speech and universal checkpoints.
    "hifigan-22k": MelSpec(22050, 1024, 1024, 256, 80, 0.0, 8000.0, center=False),
    # MelGAN (NeurIPS 2019): as above, but decimal logarithm and the whole band.
    "melgan-22k": MelSpec(22050, 1024, 1024, 256, 80, 0.0, 11025.0, center=False, log_base="10"),
    # Vocos, mel version: torchaudio's defaults.
    "vocos-24k": MelSpec(24000, 1024, 1024, 256, 100, 0.0, 12000.0, scale="htk", norm=None, clamp=1e-7),
    # Full band: the contract of BigVGAN v2's 44 kHz, 128 band, 512x checkpoint.
    "44k": MelSpec(44100, 2048, 2048, 512, 128, 0.0, 22050.0, center=False),
}


def preset(name: str) -> MelSpec:
    """The mel contract of this name. Raises VoiceganError for an unknown one."""
    if name not in PRESETS:
        raise VoiceganError(f"there is no mel preset {name}", f"Choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def hz_to_mel(hz: np.ndarray, scale: str) -> np.ndarray:
    """Frequencies on the mel scale: "htk" (logarithmic throughout), "slaney" (linear below 1 kHz; Auditory
    Toolbox).
    """
    hz = np.asarray(hz, np.float64)
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    return np.where(
        hz < 1000.0, hz * 3 / 200, 15.0 + np.log(np.maximum(hz, 1000.0) / 1000.0) * 27 / np.log(6.4)
    )


def mel_to_hz(mel: np.ndarray, scale: str) -> np.ndarray:
    """The inverse of `hz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return np.where(
        mel < 15.0, mel * 200 / 3, 1000.0 * np.exp((np.maximum(mel, 15.0) - 15.0) * np.log(6.4) / 27)
    )


def filterbank(spec: MelSpec) -> Tensor:
    """Triangular filters (M, n_fft//2 + 1) whose corners are equally spaced on the mel scale."""
    bins_hz = np.linspace(0.0, spec.sample_rate_hz / 2, spec.bins)
    ends = hz_to_mel(np.array([spec.fmin_hz, spec.fmax_hz]), spec.scale)
    corners_hz = mel_to_hz(np.linspace(ends[0], ends[1], spec.mels + 2), spec.scale)
    low, peak, high = (corners_hz[i : i + spec.mels, None] for i in range(3))
    triangles = np.maximum(0.0, np.minimum((bins_hz - low) / (peak - low), (high - bins_hz) / (high - peak)))
    if spec.norm == "slaney":
        triangles *= 2.0 / (high - low)
    return torch.from_numpy(triangles.astype(np.float32))


def pad_signal(wav: Tensor, before: int, after: int, mode: str) -> Tensor:
    """Pad wav (B, T), T >= 1. "reflect" goes back and forth as often as a short signal needs."""
    if mode == "zeros":
        return nn.functional.pad(wav, (before, after))
    samples = wav.shape[-1]
    if max(before, after) < samples:
        return nn.functional.pad(wav[:, None], (before, after), mode="reflect")[:, 0]
    period = max(1, 2 * (samples - 1))
    place = torch.arange(-before, samples + after, device=wav.device) % period
    return wav[:, torch.where(place < samples, place, period - place).clamp(max=samples - 1)]


class LogMel(nn.Module):
    """Waveforms to log-mel spectrograms under a contract, on whatever device the module and the signal live.

    On the CPU the transform is done in double precision, elsewhere in single: near the clamp, single
    precision is wrong by 4e-4 on real speech (a quiet bin beside a loud one holds the rounding errors of the
    loud one), and double costs a millisecond for five seconds of sound.
    """

    filters: Tensor

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("filters", filterbank(spec), persistent=False)

    def forward(self, wav: Tensor) -> Tensor:
        """wav (B, T), any T >= 1, to log-mel (B, M, F) with F = spec.frames(T). Raises VoiceganError for T =
        0.
        """
        if wav.shape[-1] == 0:
            raise VoiceganError("a sound of zero samples has no spectrogram", "check the input")
        spec = self.spec
        missing = 0 if spec.center else max(0, spec.hop - wav.shape[-1])
        padded = pad_signal(wav.float(), spec.pad_samples, spec.pad_samples + missing, spec.pad)
        return self.of_padded(padded)

    def of_padded(self, wav: Tensor) -> Tensor:
        """Log-mel (B, M, F) of a signal that has its padding already: frame k covers samples k·hop to k·hop +
        n_fft.
        """
        spec = self.spec
        with torch.autocast(wav.device.type, enabled=False):
            precision = torch.float64 if wav.device.type == "cpu" else torch.float32
            window = torch.hann_window(spec.win, dtype=precision, device=wav.device)
            spectrum = torch.stft(
                wav.to(precision), spec.n_fft, spec.hop, spec.win, window, center=False, return_complex=True
            )
            magnitude = spectrum.abs() if spec.power == 1.0 else spectrum.abs().square()
            return spec.compress(self.filters.float() @ magnitude.float())


class StreamMel:
    """The log-mel of a sound that arrives in pieces, equal to `LogMel` of the whole.

    Frames are computed in tiles of `TILE` on the absolute frame grid, whatever the sizes of the pieces: a
    matrix product may round differently for different widths, and later stages would then differ with the
    block size. Frames of a tile that are not known yet are zero and are computed again later.
    """

    TILE = 16

    def __init__(self, mel: LogMel) -> None:
        self.mel = mel
        self.spec = mel.spec
        self.samples = 0
        self.frames = 0
        self._held = torch.zeros(0, device=mel.filters.device)
        self._held_from = -self.spec.pad_samples  # position of the first held sample in the sound
        self._padded = False

    @property
    def lookahead_samples(self) -> int:
        """How many samples after a frame's nominal place k·hop have to be known before the frame is."""
        return self.spec.n_fft - self.spec.pad_samples

    def samples_for(self, frames: int) -> int:
        """How many samples have to be known before the first `frames` >= 1 frames have come out."""
        # Before the first frame, the padding at the start has to be known.
        return max((frames - 1) * self.spec.hop + self.lookahead_samples, self.spec.pad_samples + 1)

    def push(self, samples: Tensor | np.ndarray) -> Tensor:
        """samples (t,) to the frames (M, f) that they complete; f may be 0."""
        new = torch.as_tensor(samples, dtype=torch.float32, device=self._held.device)
        self.samples += new.shape[-1]
        self._held = torch.cat([self._held, new])
        if not self._padded:
            if self.samples <= self.spec.pad_samples:
                return self._held.new_zeros(self.spec.mels, 0)
            self._held = pad_signal(self._held[None], self.spec.pad_samples, 0, self.spec.pad)[0]
            self._padded = True
        return self._emit((self._known_to() + self.spec.pad_samples - self.spec.n_fft) // self.spec.hop + 1)

    def flush(self) -> Tensor:
        """The last frames (M, f): as many as make the total spec.frames(samples); none for a sound of zero
        samples.
        """
        if self.samples == 0:
            return self._held.new_zeros(self.spec.mels, 0)
        pad = self.spec.pad_samples
        if not self._padded:
            missing = 0 if self.spec.center else max(0, self.spec.hop - self.samples)
            self._held = pad_signal(self._held[None], pad, pad + missing, self.spec.pad)[0]
        else:
            self._held = pad_signal(self._held[None], 0, pad, self.spec.pad)[0]
        return self._emit(self.spec.frames(self.samples))

    def _known_to(self) -> int:
        return self._held_from + self._held.shape[-1]

    def _emit(self, until: int) -> Tensor:
        """Frames self.frames ... until - 1, tile by tile; forgets the samples that no later frame needs."""
        hop, n_fft, pad = self.spec.hop, self.spec.n_fft, self.spec.pad_samples
        out = [self._held.new_zeros(self.spec.mels, 0)]
        while self.frames < until:
            start = self.frames // self.TILE * self.TILE
            stop = min(start + self.TILE, until)
            tile = self._held.new_zeros((self.TILE - 1) * hop + n_fft)
            here = self.frames * hop - pad - self._held_from
            known = self._held[here : here + (stop - 1 - self.frames) * hop + n_fft]
            tile[(self.frames - start) * hop :][: known.shape[-1]] = known
            with one_thread():
                out.append(self.mel.of_padded(tile[None])[0, :, self.frames - start : stop - start])
            self.frames = stop
        # The reflection at the end looks back by the padding, so n_fft samples stay even if no frame starts
        # there.
        keep_from = min(self.frames * hop - pad, self._known_to() - n_fft)
        drop = max(0, keep_from - self._held_from)
        self._held = self._held[drop:]
        self._held_from += drop
        return torch.cat(out, dim=1)
