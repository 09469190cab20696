"""A network that gives magnitudes, and the phase gradient and Griffin-Lim that find phases, as one vocoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ..audio.mel import MelSpec
from ..core.windows import LocalWindows
from .gradient_vocoder import GradientHeap
from .harmonics import Harmonics
from .neural import WindowedStream, WindowedVocoder
from .pack import LIVE_BLOCK_FRAMES

if TYPE_CHECKING:
    from .nets.magnitudes import Magnitudes

PHASE_BLOCK_FRAMES = 8  # settled at once, and as many ahead
# Of Griffin-Lim. A dozen of them, momentum and no guessed harmonics gave copies a little more PESQ, but conversions
# clearly less DNSMOS: converted mels are smoother than speech, and the guess brings some of it back.
ITERATIONS = 2
FREE = 0.75  # how far the iterations may leave the network's magnitudes; 0.4 and 1 are a little worse
FITS = 4  # steps that bring the network's magnitudes to the bands they were made of


class SpectralVocoder(WindowedVocoder):
    """Keeps the protocol of `voicegan.vocoder.Vocoder` with a network of magnitudes.

    Parameters
    ----------
    name
        By which it can be loaded again.
    spec
        The contract of the mels that the network was trained on.
    net
        In evaluation mode: mel (B, M, F) to magnitudes (B, bins, F).
    iterations
        Of Griffin-Lim, per window.
    block_frames
        How many frames the network makes at once: fewer come sooner and take longer to compute, because the context
        of each block is computed again.

    Where a mel is at its floor the magnitudes are zero, whatever the network says.
    """

    def __init__(
        self,
        name: str,
        spec: MelSpec,
        net: nn.Module,
        *,
        iterations: int = ITERATIONS,
        block_frames: int = LIVE_BLOCK_FRAMES,
    ) -> None:
        super().__init__(name, spec, net, block_frames)
        self.phases = GradientHeap(
            spec,
            iterations,
            PHASE_BLOCK_FRAMES,
            PHASE_BLOCK_FRAMES,
            free=FREE,
            inverse=_Half(0),
            guide=_Half(1),
            silent=0.0,
        )
        self.harmonics = Harmonics(spec)
        self.net_context_frames = past, future = cast("Magnitudes", net).context_frames
        self.context_frames = (past, future + self.phases.lookahead_frames)

    def synthesize(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to wav (B, T), T = spec.samples(F): what a stream gives, but for rounding.

        Row by row, as the phase gradient is (see `GradientHeap`).
        """
        vocoder = self.for_whole()
        rows = []
        for row in mel:
            stream = SpectralStream(vocoder, 1)
            rows.append(torch.cat([stream.push_batch(row[None]), stream.flush_batch(None)], dim=1))
        return torch.cat(rows)

    def stream(self) -> SpectralStream:
        """A new sound."""
        return SpectralStream(self, batch=1)

    def magnitudes(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to magnitudes (B, bins, F) whose bands are nearly the mel's."""
        mel = self.spec.bounded(mel)
        with torch.autocast(mel.device.type, enabled=False):
            magnitudes: Tensor = self.net(mel)
        bands = self.phases.bands
        magnitudes = magnitudes.nan_to_num(0.0, 0.0, 0.0).transpose(1, 2).clamp(min=1e-7)
        magnitudes = bands.fit(magnitudes, self.spec.expand(mel).transpose(1, 2), FITS).transpose(1, 2)
        sounding = (mel > self.spec.silent_below).any(dim=1, keepdim=True)
        return magnitudes * sounding

    def spectra(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to magnitudes and, below them, the factors of `Harmonics` (B, 2 · bins, F)."""
        return torch.cat([self.magnitudes(mel), self.harmonics(mel)], dim=1)


class _Half(nn.Module):
    """One half (B, C, F) of frames (B, 2 · C, F): the first, 0, or the second, 1."""

    def __init__(self, which: int) -> None:
        super().__init__()
        self.which = which

    def forward(self, frames: Tensor) -> Tensor:
        return frames.chunk(2, dim=1)[self.which]


class SpectralStream(WindowedStream):
    """A sound, or a batch of them, whose magnitudes a network makes."""

    def __init__(self, vocoder: SpectralVocoder, batch: int) -> None:
        self.vocoder = vocoder
        self._windows = LocalWindows(vocoder.spectra, *vocoder.net_context_frames, vocoder.block_frames)
        self._phases = vocoder.phases.stream_of(batch)
        self._nothing = vocoder.phases.window.new_zeros(batch, 0)
        self._frames = 0

    @torch.no_grad()
    def push_batch(self, mel: Tensor) -> Tensor:
        """mel (B, M, f) to wav (B, t)."""
        if mel.shape[-1] == 0:
            return self._nothing
        self._frames += mel.shape[-1]
        with self._threads():
            magnitudes = self._windows.push(mel.to(self._nothing))
        return self._phases.push_batch(magnitudes) if magnitudes.shape[-1] else self._nothing

    @torch.no_grad()
    def flush_batch(self, total_samples: int | None) -> Tensor:
        """The rest of the batch (B, t)."""
        out = [self._nothing]
        if self._frames:
            with self._threads():
                magnitudes = self._windows.flush()
            if magnitudes.shape[-1]:
                out.append(self._phases.push_batch(magnitudes))
        out.append(self._phases.flush_batch(total_samples))
        return torch.cat(out, dim=1)
