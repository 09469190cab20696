"""Phases without training: how near, how good and how fast, side by side.

    python tools/bench/bench_vocoders.py RECORDING ... [--hop 256] [--seconds 4] [--repeats 5]

Every way gets the same magnitudes: (a) the true ones of the recording, (b) those that fit its 80 mel bands. For each
it prints the spectral convergence (dB: how far the magnitudes of the sound are from those asked for, less is better),
PESQ-WB against the recording where `pesq` is installed, processor seconds per second of sound on one thread, and how
many times faster than librosa's 32 iterations that is. The ways take turns, utterance by utterance and repeat by
repeat, so that whatever else the machine does falls on all of them; times are medians. In (b) `pghi`, `pghi-live` and
`griffin-lim` are the vocoders as they are used, in streams and from mels: their times include the inverse mel and, for
the others, it is added.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voicegan.audio.files import read
from voicegan.audio.mel import PRESETS, LogMel, MelSpec
from voicegan.audio.resample import resample
from voicegan.vocoder import load
from voicegan.vocoder.gradient_heap import pghi, rtpghi
from voicegan.vocoder.griffin_lim import GriffinLim

SPEC = PRESETS["16k"]
N_FFT, RATE_HZ = SPEC.n_fft, SPEC.sample_rate_hz
WINDOW = torch.hann_window(N_FFT)
REFERENCE = "librosa, 32"

Way = Callable[[np.ndarray, int], Tensor]  # magnitudes (F, bins) and a number of samples to wav (T,)


def transform(wav: Tensor, hop: int) -> Tensor:
    """wav (T,) to spectra (bins, F)."""
    return torch.stft(wav[None], N_FFT, hop, window=WINDOW, return_complex=True)[0]


def sound(spectra: Tensor, hop: int, samples: int) -> Tensor:
    """spectra (bins, F) to wav (T,)."""
    return torch.istft(spectra[None], N_FFT, hop, window=WINDOW, length=samples)[0]


def mended(magnitudes: np.ndarray, phases: np.ndarray, hop: int, samples: int, iterations: int) -> Tensor:
    """The sound of magnitudes and phases (F, bins) after that many plain iterations of Griffin-Lim."""
    wanted = torch.from_numpy(magnitudes).T
    spectra = torch.polar(wanted, torch.from_numpy(phases).T)
    for _ in range(iterations):
        agreed = transform(sound(spectra, hop, samples), hop)
        spectra = agreed * (wanted / (agreed.abs() + 1e-9))
    return sound(spectra, hop, samples)


def frame_by_frame(magnitudes: np.ndarray, hop: int, ahead: int) -> np.ndarray:
    """Phases by real-time PGHI; the last frame has none after it."""
    phases, carried = rtpghi(magnitudes, hop, N_FFT, N_FFT, ahead=ahead)
    last, _ = rtpghi(magnitudes[:0], hop, N_FFT, N_FFT, ahead=0, carried=carried)
    return np.concatenate([phases, last])


def ways(hop: int) -> dict[str, Way]:
    """Everything that makes sound of magnitudes."""

    def whole(iterations: int) -> Way:
        return lambda m, n: mended(m, pghi(m, hop, N_FFT, N_FFT), hop, n, iterations)

    def live(ahead: int, iterations: int = 0) -> Way:
        return lambda m, n: mended(m, frame_by_frame(m, hop, ahead), hop, n, iterations)

    def of_librosa(iterations: int) -> Way:
        import librosa

        def make(magnitudes: np.ndarray, samples: int) -> Tensor:
            wav = librosa.griffinlim(
                magnitudes.T, n_iter=iterations, hop_length=hop, n_fft=N_FFT, length=samples, random_state=0
            )
            return torch.from_numpy(wav)

        return make

    table = {
        "PGHI": whole(0),
        "PGHI + 1 iteration": whole(1),
        "PGHI + 2 iterations": whole(2),
        "RTPGHI, 1 frame ahead": live(1),
        "RTPGHI, 1 ahead + 2 iterations": live(1, 2),
        "RTPGHI, 0 frames ahead": live(0),
        "librosa, 32": of_librosa(32),
        "librosa, 60": of_librosa(60),
    }
    try:
        from torchaudio.transforms import GriffinLim as OfTorchaudio
    except (ImportError, OSError):
        print("torchaudio cannot be imported here, so its Griffin-Lim is left out")
        return table
    for iterations in (32, 60):
        transformer = OfTorchaudio(N_FFT, iterations, hop_length=hop, power=1.0)
        table[f"torchaudio, {iterations}"] = lambda m, n, make=transformer: make(torch.from_numpy(m).T)  # type: ignore
    return table


def of_vocoder(name: str, spec: MelSpec) -> Callable[[Tensor, int], Tensor]:
    """A vocoder as it is used: mel (M, F) and a number of samples to wav (T,)."""
    vocoder = load(name, spec)

    def make(mel: Tensor, samples: int) -> Tensor:
        stream = vocoder.stream()
        return torch.cat([stream.push(mel), stream.flush(samples)])

    return make


def convergence_db(magnitudes: np.ndarray, wav: Tensor, hop: int) -> float:
    """Distance between the magnitudes (F, bins) of the sound and those asked for."""
    got = transform(wav, hop).abs().T.numpy()
    frames = min(len(got), len(magnitudes))
    return 20 * float(
        np.log10(np.linalg.norm(got[:frames] - magnitudes[:frames]) / np.linalg.norm(magnitudes[:frames]))
    )


def pesq_of(wav: Tensor, copy: Tensor) -> float:
    """PESQ-WB, or NaN where it is not installed or finds no speech."""
    try:
        from pesq import PesqError, pesq
    except ImportError:
        return float("nan")
    same = min(len(wav), len(copy))
    try:
        return float(pesq(RATE_HZ, wav[:same].numpy(), copy[:same].numpy(), "wb"))
    except PesqError:
        return float("nan")


def timed(work: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """What it gives, and its seconds of the processor."""
    start = time.process_time()
    made = work()
    return made, time.process_time() - start


class Table:
    """Measurements of every way, one row each."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: dict[str, dict[str, list[float]]] = {}

    def add(self, way: str, what: str, value: float) -> None:
        self.rows.setdefault(way, {}).setdefault(what, []).append(value)

    def show(self) -> None:
        reference = statistics.median(self.rows[REFERENCE]["s/s"])
        print(f"\n{self.title}")
        print(f"{'':32s} {'SC dB':>7s} {'PESQ':>6s} {'worst':>6s} {'s/s':>8s} {'faster':>7s}")
        for way, row in self.rows.items():
            speed = statistics.median(row["s/s"])
            heard = [value for value in row["PESQ"] if value == value]
            mean, worst = (np.mean(heard), min(heard)) if heard else (float("nan"),) * 2
            print(
                f"{way:32s} {np.mean(row['SC']):7.1f} {mean:6.2f} {worst:6.2f} {speed:8.5f} {reference / speed:6.1f}×"
            )


def measure(wavs: list[Tensor], hop: int, repeats: int, mels: bool) -> Table:
    """Every way on every sound, in turns; from mels or from the true magnitudes."""
    table = Table(
        f"(b) from 80 mels, hop {hop}; times include the inverse mel"
        if mels
        else f"(a) from the true magnitudes, hop {hop}"
    )
    direct = ways(hop)
    vocoders = {name: of_vocoder(name, SPEC) for name in ("pghi", "pghi-live", "griffin-lim")} if mels else {}
    log_mel, inverse = LogMel(SPEC), GriffinLim(SPEC).inverse
    for turn in range(repeats + 1):  # the first turn compiles and measures quality, the others measure time
        for wav in wavs:
            samples, seconds = len(wav), len(wav) / RATE_HZ
            mel, inverting = log_mel(wav[None])[0], 0.0
            if mels:
                made, inverting = timed(lambda mel=mel: inverse(mel[None])[0])  # type: ignore
                magnitudes = made.T.contiguous().numpy()
            else:
                magnitudes = transform(wav, hop).abs().T.contiguous().numpy()
            todo: dict[str, tuple[Callable[[], Tensor], float]] = {}
            for name, way in direct.items():
                todo[name] = (lambda way=way, m=magnitudes, n=samples: way(m, n), inverting)  # type: ignore
            for name, make in vocoders.items():
                todo[name] = (lambda make=make, m=mel, n=samples: make(m, n), 0.0)  # type: ignore
            for name, (work, before) in todo.items():
                copy, taken = timed(work)
                if turn:
                    table.add(name, "s/s", (taken + before) / seconds)
                else:
                    table.add(name, "SC", convergence_db(magnitudes, copy, hop))
                    table.add(name, "PESQ", pesq_of(wav, copy))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--hop", type=int, default=256, help="of the true magnitudes (default 256)")
    parser.add_argument("--seconds", type=float, default=4.0, help="the most of each recording (default 4)")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    wavs = [
        torch.from_numpy(resample(*read(path), RATE_HZ)[: round(arguments.seconds * RATE_HZ)])
        for path in arguments.recordings
    ]
    print(f"{len(wavs)} recordings, {sum(map(len, wavs)) / RATE_HZ:.1f} s at {RATE_HZ} Hz, window {N_FFT}")
    with torch.no_grad():
        measure(wavs, arguments.hop, arguments.repeats, mels=False).show()
        measure(wavs, SPEC.hop, arguments.repeats, mels=True).show()


if __name__ == "__main__":
    main()
