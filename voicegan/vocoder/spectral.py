"""A network that gives magnitudes, and Griffin-Lim that finds their phases, as one vocoder."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ..audio.mel import MelSpec
from ..audio.threads import one_thread
from ..core.windows import LocalWindows
from .griffin_lim import GriffinLim
from .neural import SMALL_BLOCK_FRAMES, WHOLE_BLOCK_FRAMES
from .pack import LIVE_BLOCK_FRAMES

if TYPE_CHECKING:
    from .nets.magnitudes import Magnitudes

PHASE_BLOCK_FRAMES = 16  # settled at once, and as many ahead
ITERATIONS = 12  # twice for each frame; 32 are a little better (PESQ 3.53 where 12 give 3.46) and too slow
FREE = 0.75  # how far Griffin-Lim may leave the network's magnitudes: 0.5 and 1 are a little worse
FITS = 4  # steps that bring the network's magnitudes to the bands they were made of


class SpectralVocoder(nn.Module):
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
        Of Griffin-Lim, per window; a frame is in two windows.
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
        super().__init__()
        self.name = name
        self.spec = spec
        self.net = net
        self.iterations = iterations
        self.block_frames = block_frames
        self.griffin_lim = GriffinLim(
            spec,
            iterations,
            block_frames=PHASE_BLOCK_FRAMES,
            ahead_frames=PHASE_BLOCK_FRAMES,
            free=FREE,
            inverse=nn.Identity(),
            silent=0.0,
        )
        self.net_context_frames = past, future = cast("Magnitudes", net).context_frames
        self.context_frames = (past, future + self.griffin_lim.lookahead_frames)
        self.lookahead_frames = block_frames - 1 + self.context_frames[1]

    def in_blocks(self, frames: int) -> SpectralVocoder:
        """The same in streams whose network makes this many frames at once."""
        other = SpectralVocoder(
            self.name, self.spec, self.net, iterations=self.iterations, block_frames=frames
        )
        return other.to(self.griffin_lim.window.device)

    def synthesize(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to wav (B, T), T = spec.samples(F): what a stream gives, but for rounding."""
        stream = SpectralStream(self.in_blocks(max(self.block_frames, WHOLE_BLOCK_FRAMES)), len(mel))
        return torch.cat([stream.push_batch(mel), stream.flush_batch(None)], dim=1)

    def stream(self) -> SpectralStream:
        """A new sound."""
        return SpectralStream(self, batch=1)

    def magnitudes(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to magnitudes (B, bins, F) whose bands are nearly the mel's."""
        mel = self.spec.bounded(mel)
        with torch.autocast(mel.device.type, enabled=False):
            magnitudes: Tensor = self.net(mel)
        bands = self.griffin_lim.bands
        magnitudes = magnitudes.nan_to_num(0.0, 0.0, 0.0).transpose(1, 2).clamp(min=1e-7)
        magnitudes = bands.fit(magnitudes, self.spec.expand(mel).transpose(1, 2), FITS).transpose(1, 2)
        sounding = (mel > self.spec.silent_below).any(dim=1, keepdim=True)
        return magnitudes * sounding


class SpectralStream:
    """The state of one sound (or of a batch of equally long ones) between pieces."""

    def __init__(self, vocoder: SpectralVocoder, batch: int) -> None:
        self.vocoder = vocoder
        self._windows = LocalWindows(vocoder.magnitudes, *vocoder.net_context_frames, vocoder.block_frames)
        self._phases = vocoder.griffin_lim.stream_of(batch)
        self._nothing = vocoder.griffin_lim.window.new_zeros(batch, 0)
        self._frames = 0

    def push(self, mel: Tensor) -> Tensor:
        """mel (M, f) to the samples (t,) that are settled by it; t may be 0."""
        return self.push_batch(mel[None])[0]

    def flush(self, total_samples: int | None = None) -> Tensor:
        """The rest (t,): in total total_samples, or where that is None spec.samples(F)."""
        return self.flush_batch(total_samples)[0]

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

    def _threads(self) -> AbstractContextManager[None]:
        return one_thread() if self.vocoder.block_frames <= SMALL_BLOCK_FRAMES else nullcontext()
