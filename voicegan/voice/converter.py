"""One speaker to another: a voice, loaded, and what can be done with it."""

from __future__ import annotations

import math
from copy import copy
from functools import partial

import numpy as np
from torch import Tensor, nn

from .. import vocoder as vocoders
from ..audio.files import RATES_HZ
from ..audio.loudness import LevelMeter, check_level
from ..core.device import choose_device
from ..errors import VoiceganError
from .analysis import analyses_for
from .normaliser import denormalise
from .pack import Pack
from .stream import LIVE, MEASURED, Stream, Timing, as_samples
from .windows import windows_for

_BLOCK_S = 10.0
_MOST_VOCODED_FRAMES = 256  # at once: networks that work at the sample rate need much memory for a frame


class Converter:
    """A voice ready to convert.

    Parameters
    ----------
    pack
        The voice, as `library.find_pack` or `pack.load_pack` gives it.
    device
        "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", ...
    vocoder
        Name or path of another vocoder than the voice's own. Its mel contract has to be the voice's.

    Raises VoiceganError for a device that is not there, damaged weights, and a vocoder that is unknown or does not fit.
    """

    def __init__(self, pack: Pack, *, device: str = "auto", vocoder: str | None = None) -> None:
        self.pack = pack
        self.device = choose_device(device)
        self.spec = pack.mel
        self.vocoder = vocoders.load(vocoder or pack.vocoder, self.spec, self.device)
        self.spec.require_same(
            self.vocoder.spec, f"the voice {pack.name}", f"the vocoder {self.vocoder.name}"
        )
        self.generator, self.statistics = pack.build(self.device)
        self._analysis = analyses_for(pack.normaliser, self.spec, self.statistics)

    def classical(self) -> Converter:
        """The conversion that this voice's network adds to: matched means and a moved pitch, nothing learnt.

        Raises VoiceganError for a voice whose network adds to nothing of the kind.
        """
        if not hasattr(self.generator, "classical"):
            raise VoiceganError(
                f"the voice {self.pack.name} has no classical conversion within it ({self.pack.net})",
                "Ask for it of an any-to-one voice.",
            )
        plain = copy(self)
        plain.generator = _Classical(self.generator)
        return plain

    @property
    def name(self) -> str:
        """The target speaker."""
        return self.pack.name

    @property
    def rate_hz(self) -> int:
        """The voice's own sample rate."""
        return self.spec.sample_rate_hz

    @property
    def latency_s(self) -> float:
        """Look-ahead of a live stream at the voice's own rate; a stream at another rate states its own."""
        return self.stream(self.rate_hz).latency_s

    def convert(
        self,
        wav: np.ndarray | Tensor,
        sample_rate: int,
        rate_out: int | str | None = None,
        level_out: float | None = None,
    ) -> tuple[np.ndarray, int]:
        """Convert a whole recording.

        Parameters
        ----------
        wav
            (T,), one channel: floats within ±1, or whole numbers, which are scaled; numpy or torch.
        sample_rate
            In Hz.
        rate_out
            In Hz; "voice" for the voice's own; the input's by default.
        level_out
            How loud the output is while somebody speaks (`voicegan.audio.loudness`), in dBFS within -60 and -10; as
            loud as the input by default. What is 50 dB under the voice's level is brought up no further, and by a
            running gain what is 30 dB under it.

        Returns
        -------
        Samples (T',) float32 and their rate: T' = T at the input's rate. It is what a stream
        gives that was told the recording's level. Raises VoiceganError for samples that are not finite or not mono.
        """
        samples = as_samples(wav)
        stream_rate = check_rate(sample_rate)
        meter = LevelMeter(stream_rate)
        meter.push(samples)
        stream = self.stream(stream_rate, rate_out, level=meter.active_db, level_out=level_out)
        step = max(1, int(_BLOCK_S * stream_rate))
        blocks = [stream.push(samples[at : at + step]) for at in range(0, len(samples), step)]
        return np.concatenate([np.zeros(0, np.float32), *blocks, stream.flush()]), stream.rate_out

    def stream(
        self,
        rate: int,
        rate_out: int | str | None = None,
        *,
        level: float | str = "running",
        begin_db: float | None = None,
        level_out: float | None = None,
        chunk_frames: int | None = None,
    ) -> Stream:
        """Start a conversion whose samples arrive in pieces.

        Parameters
        ----------
        rate, rate_out
            As in `convert`.
        level
            "running": a causal gain follows the speaker. A number: the recording's active level in dBFS, measured
            beforehand; the stream then takes a look-ahead of seconds, for the output's loudness.
        begin_db
            For a recording whose beginning only was measured: its active level in dBFS, from which "running" sets out.
            The look-ahead is that of a measured level.
        level_out
            As in `convert`.
        chunk_frames
            How many frames the generator, and a neural vocoder, are given at once: fewer are quicker to come out and
            slower to compute. For a generator that normalises over time, the length of its windows decides instead.
        """
        if isinstance(level, str) and level != "running":
            raise VoiceganError(
                f'level is "{level}", neither "running" nor a number', "Give the active level in dBFS."
            )
        chosen = LIVE if isinstance(level, str) and begin_db is None else MEASURED
        if chunk_frames is not None:
            if chunk_frames < 1:
                raise VoiceganError(f"chunk_frames is {chunk_frames}, not at least 1", "Leave it out.")
            chosen = Timing(
                chunk_frames, chosen.level_lookahead_s, chosen.level_memory_s, chosen.level_prior_s
            )
        context = getattr(self.generator, "context_frames", None)
        return Stream(
            spec=self.spec,
            analysis=self._analysis(chosen.chunk_frames),
            windows=windows_for(self.generator, context, chosen.chunk_frames),
            denormalise=partial(denormalise, statistics=self.statistics),
            vocoder=vocoders.in_blocks(self.vocoder, min(chosen.chunk_frames, _MOST_VOCODED_FRAMES)),
            level_db=self.pack.level_db,
            rate=check_rate(rate),
            rate_out=self._output_rate(rate, rate_out),
            level=level,
            begin_db=begin_db,
            level_out=check_level(level_out),
            timing=chosen,
        )

    def _output_rate(self, rate: int, rate_out: int | str | None) -> int:
        if rate_out is None:
            return check_rate(rate)
        if rate_out == "voice":
            return self.rate_hz
        return check_rate(rate_out)


class _Classical(nn.Module):
    context_frames = (0, 0)

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, picture: Tensor) -> Tensor:
        made: Tensor = self.generator.classical(picture)  # type: ignore[operator]
        return made


def check_rate(rate: object) -> int:
    """`rate` as a whole number of Hz within 1,000 and 768,000; VoiceganError otherwise."""
    lowest, highest = RATES_HZ
    number = rate if isinstance(rate, (int, float, np.integer, np.floating)) else math.nan
    if lowest <= number <= highest and number == int(number):
        return int(number)
    message = f"the sample rate {rate!r} is not a whole number of Hz within {lowest} and {highest}"
    raise VoiceganError(message, "Correct it.")
