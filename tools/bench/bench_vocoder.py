"""How fast and how faithful each vocoder is, from its own mels.

    python tools/bench/bench_vocoder.py [RECORDING ...]

Takes recordings, or without any ten seconds of something like speech. For each vocoder it prints the processor seconds
per second of sound (whole, and in pieces of 4 frames as a live stream would come), how far the magnitudes of the sound
are from those asked for (spectral convergence, dB: less is better), and STOI where pystoi is installed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voicegan.audio.files import read
from voicegan.audio.mel import PRESETS, LogMel, MelSpec, StreamMel
from voicegan.audio.resample import resample
from voicegan.vocoder import VOCODERS, Vocoder, load
from voicegan.vocoder.inverse_mel import InverseMel


def something_like_speech(seconds: float, rate: int) -> np.ndarray:
    """A buzz of gliding pitch under moving formants, with pauses."""
    time_s = np.arange(round(seconds * rate)) / rate
    pitch_hz = 130 + 40 * np.sin(2 * np.pi * 0.6 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate
    formant_hz = 700 + 300 * np.sin(2 * np.pi * 1.1 * time_s)
    buzz = sum(np.sin(k * phase) / (1 + ((k * pitch_hz - formant_hz) / 300) ** 2) for k in range(1, 30))
    return (0.1 * buzz * np.clip(3 * np.sin(2 * np.pi * 1.3 * time_s), 0, 1)).astype(np.float32)


def seconds_of(work: Callable[[], object], repeats: int) -> float:
    """The least time of several runs: what the machine does beside it only adds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def stream_in_pieces(vocoder: Vocoder, mel: Tensor, samples: int) -> Tensor:
    """A live stream: 4 frames at a time."""
    stream = vocoder.stream()
    pieces = [stream.push(mel[:, start : start + 4]) for start in range(0, mel.shape[1], 4)]
    return torch.cat([*pieces, stream.flush(samples)])


def synthesize_all(vocoder: Vocoder, mels: list[Tensor]) -> None:
    """Every mel at once."""
    for mel in mels:
        vocoder.synthesize(mel[None])


def stream_all(vocoder: Vocoder, mels: list[Tensor], wavs: list[Tensor]) -> None:
    """Every mel as a live stream."""
    for mel, wav in zip(mels, wavs, strict=True):
        stream_in_pieces(vocoder, mel, len(wav))


def convergence_db(spec: MelSpec, mel: Tensor, wav: Tensor) -> float:
    """Distance between the magnitudes of the sound and those that its mel asked for."""
    wanted = InverseMel(spec)(mel[None])[0]
    window = torch.hann_window(spec.win)
    got = torch.stft(wav[None], spec.n_fft, spec.hop, spec.win, window, return_complex=True)[0].abs()
    frames = min(wanted.shape[1], got.shape[1])
    return 20 * float(torch.log10((wanted - got)[:, :frames].norm() / wanted.norm()))


def stoi(wav: Tensor, again: Tensor, rate: int) -> str:
    try:
        from pystoi import stoi as measure
    except ImportError:
        return "    -"
    return f"{measure(wav.numpy(), again.numpy(), rate):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    spec = PRESETS["16k"]
    rate = spec.sample_rate_hz
    sounds = [resample(*read(path), rate) for path in arguments.recordings] or [
        something_like_speech(10, rate)
    ]
    wavs = [torch.from_numpy(sound) for sound in sounds]
    total_s = sum(len(wav) for wav in wavs) / rate
    log_mel = LogMel(spec)
    mels = [log_mel(wav[None])[0] for wav in wavs]

    def stream_mels() -> None:
        for wav in wavs:
            stream = StreamMel(log_mel)
            stream.push(wav)
            stream.flush()

    print(f"{total_s:.1f} s of sound, {torch.get_num_threads()} threads; seconds per second of sound")
    print(f"{'log-mel, streamed':28s} {seconds_of(stream_mels, arguments.repeats) / total_s:7.4f}")
    inverse = InverseMel(spec)
    taken = seconds_of(lambda: [inverse(mel[None]) for mel in mels], arguments.repeats)
    print(f"{'inverse mel':28s} {taken / total_s:7.4f}")
    print(f"{'':28s} {'whole':>7s} {'pieces':>7s} {'dB':>7s} {'STOI':>6s}")
    for name in VOCODERS.names():
        vocoder = load(name, spec)
        whole = seconds_of(partial(synthesize_all, vocoder, mels), arguments.repeats)
        pieces = seconds_of(partial(stream_all, vocoder, mels, wavs), arguments.repeats)
        again = [stream_in_pieces(vocoder, mel, len(wav)) for mel, wav in zip(mels, wavs, strict=True)]
        distance = np.mean([convergence_db(spec, mel, wav) for mel, wav in zip(mels, again, strict=True)])
        understood = [stoi(wav, copy, rate) for wav, copy in zip(wavs, again, strict=True)]
        understood_mean = "-" if "-" in understood[0] else f"{np.mean([float(x) for x in understood]):.3f}"
        print(
            f"{name:28s} {whole / total_s:7.4f} {pieces / total_s:7.4f} {distance:7.2f} {understood_mean:>6s}"
        )


if __name__ == "__main__":
    main()
