"""Copy-synthesis: a recording analysed and put together again by a vocoder, as a stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import torch

from ..audio.mel import LogMel, MelSpec, StreamMel, preset
from ..audio.resample import StreamResampler, resampled_length
from ..audio.through import Done, Progress, send_through
from . import AUTO, VOCODERS, Vocoder, in_blocks, library, load

if TYPE_CHECKING:
    from ..audio.files import Reader

MEL = "16k"
# How many frames are made at once where nobody waits for the first: more would take memory and no less time.
BLOCK_FRAMES = 256


def open_vocoder(name: str, mel: str = MEL, device: torch.device | str = "cpu") -> Vocoder:
    """A vocoder by itself, without a voice: a trained one under its own mel contract, the others under the preset.

    Raises VoiceganError for an unknown name or preset, and for a damaged vocoder.
    """
    return load(name, contract(name, preset(mel)), device)


def contract(name: str, spec: MelSpec) -> MelSpec:
    """The mel contract of a trained vocoder; `spec` for those that take any."""
    return spec if name == AUTO or name in VOCODERS else library.find_vocoder(name, VOCODERS).mel


class CopyStream:
    """One sound on its way through log-mels and back; as many samples come out as went in (rounded, at another rate).

    The sizes of the blocks that are pushed do not matter (but for how the resampler rounds), and memory is bounded.

    rate, rate_out: of the samples pushed, and of those given (the same, where it is None; the vocoder's own is
    `vocoder.spec.sample_rate_hz`).
    """

    def __init__(self, vocoder: Vocoder, rate: int, rate_out: int | None = None) -> None:
        spec = vocoder.spec
        self.rate = rate
        self.rate_out = rate_out or rate
        self._mel = StreamMel(LogMel(spec))
        self._voice = in_blocks(vocoder, BLOCK_FRAMES).stream()
        self._to_model = StreamResampler(rate, spec.sample_rate_hz)
        self._to_output = StreamResampler(spec.sample_rate_hz, self.rate_out)
        self._pushed = self._model_samples = self._given = 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Samples (t,) float32 to those (t',) that are ready."""
        self._pushed += len(samples)
        return self._give(self._to_output.push(self._copy(self._to_model.push(samples))))

    def flush(self) -> np.ndarray:
        """The rest (t',). The stream is over after this."""
        last = self._copy(self._to_model.flush())
        with torch.inference_mode():
            rest = np.zeros(0, np.float32)
            if self._model_samples:  # a lone sample at a high rate may be nothing at the vocoder's
                ready = self._voice.push(self._mel.flush())
                rest = torch.cat([ready, self._voice.flush(self._model_samples)]).cpu().numpy()
        ready_out = self._to_output.push(np.concatenate([last, rest]))
        wav = np.concatenate([ready_out, self._to_output.flush()])
        # Rounding twice may leave a sample too many or too few.
        missing = resampled_length(self._pushed, self.rate, self.rate_out) - self._given
        return self._give(np.pad(wav, (0, max(0, missing - len(wav))))[: max(0, missing)])

    def _copy(self, samples: np.ndarray) -> np.ndarray:
        """Samples (t,) at the vocoder's rate to those (t',) that they complete."""
        self._model_samples += len(samples)
        with torch.inference_mode():
            mel = self._mel.push(samples)
            return self._voice.push(mel).cpu().numpy() if mel.shape[1] else samples[:0]

    def _give(self, wav: np.ndarray) -> np.ndarray:
        self._given += len(wav)
        return wav


def copy_samples(vocoder: Vocoder, wav: np.ndarray, rate: int, rate_out: int | None = None) -> np.ndarray:
    """The copy-synthesis of samples (T,): (T,), or as many as those are at `rate_out`."""
    stream = CopyStream(vocoder, rate, rate_out)
    return np.concatenate([stream.push(np.asarray(wav, np.float32)), stream.flush()])


def copy_file(
    vocoder: Vocoder,
    source: Path | BinaryIO,
    target: Path | BinaryIO,
    *,
    format: str = "wav",
    rate_out: int | None = None,
    comment: str | None = None,
    progress: Progress | None = None,
) -> Done:
    """Copy-synthesis of a recording of any length and rate in bounded memory; silence stays silence.

    rate_out: of the output; the recording's own by default. comment: written into the file. The target appears when it
    is complete, or not at all. Raises VoiceganError when something cannot be read or written.
    """

    def begin(reader: Reader, first: np.ndarray) -> CopyStream:
        return CopyStream(vocoder, reader.info.sample_rate_hz, rate_out)

    return send_through(
        source, target, begin, format=format, comment=comment, silence_too=True, progress=progress
    )
