"""Fast Griffin-Lim (Perraudin, Balazs, Søndergaard 2013) from log-mels, as a stream.

The mel is first turned back into magnitudes (`InverseMel`). Then phases are sought under which overlapping
frames agree, and, among the magnitudes that have the same mel, those that they agree on. That is done in
blocks of frames on the absolute frame grid: a window holds the frames before, which are settled; one block
to be settled; and blocks ahead, which are worked on already but stay open. So sound comes out while mels go
in, a seam is nothing but an overlap-add of settled frames, and the sizes of the pieces cannot matter. (Zhu,
Beauregard, Wyse 2007 call this real-time iterative inversion with look-ahead.)
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from ..audio.mel import MelSpec
from ..audio.threads import one_thread
from ..errors import VoiceganError
from .gradient_heap import Carried, rtpghi
from .inverse_mel import Bands, InverseMel


class GriffinLim(nn.Module):
    """Log-mels to sound without training. Needs an n_fft that is a multiple of the hop.

    Parameters
    ----------
    iterations
        Per window; a frame is in 1 + ahead_frames / block_frames windows.
    momentum
        0 is the plain algorithm of Griffin and Lim (1984).
    block_frames, ahead_frames
        Frames settled at once, and how many blocks of them beyond are worked on; more sounds better and comes later.
    free
        How far the magnitudes that come in are left to the iterations too, as long as their mel bands stay as they
        are: 0 holds the magnitudes, 1 the bands alone (as Masuyama, Ueno, Ono 2023 do), which sounds far better; see
        recipes/vocoder/magnitudes-16k for figures.
    start
        The phases to begin from: "peaks" that turn at their own frequency, or "pghi", the phase gradient (see
        `gradient_heap`).
    inverse, silent
        What turns frames that come in (B, C, F) into magnitudes (B, bins, F), and what such a frame is full of in
        silence; `InverseMel` and the floor of its log-mels where nothing else is given.
    """

    name = "griffin-lim"
    window: Tensor
    synthesis_window: Tensor

    def __init__(
        self,
        spec: MelSpec,
        iterations: int = 16,
        momentum: float = 0.99,
        block_frames: int = 8,
        ahead_frames: int = 16,
        free: float = 1.0,
        start: str = "pghi",
        inverse: nn.Module | None = None,
        silent: float | None = None,
    ) -> None:
        super().__init__()
        if start not in ("peaks", "pghi"):
            raise VoiceganError(f'Griffin-Lim cannot start from "{start}"', 'Choose "peaks" or "pghi".')
        if spec.n_fft % spec.hop or ahead_frames % block_frames:
            raise VoiceganError(
                f"Griffin-Lim cannot work with n_fft {spec.n_fft}, hop {spec.hop}, {block_frames} frames a block and "
                f"{ahead_frames} ahead",
                "Choose an n_fft that is a multiple of the hop, and whole blocks ahead.",
            )
        self.spec = spec
        self.iterations = iterations
        self.momentum = momentum
        self.free = free
        self.start = start
        self.block_frames = block_frames
        self.ahead_frames = ahead_frames
        self.overlap = spec.n_fft // spec.hop
        self.lookahead_frames = block_frames - 1 + ahead_frames + math.ceil(spec.pad_samples / spec.hop)
        self.bands = Bands(spec)
        self.inverse = InverseMel(spec) if inverse is None else inverse
        self.silent = spec.floor if silent is None else silent
        margin = (spec.n_fft - spec.win) // 2
        window = nn.functional.pad(torch.hann_window(spec.win), (margin, spec.n_fft - spec.win - margin))
        weight = window.square().view(self.overlap, spec.hop).sum(0).repeat(self.overlap)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("synthesis_window", window / weight.clamp(min=1e-8), persistent=False)

    @torch.no_grad()
    def synthesize(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to wav (B, T), T = spec.samples(F): the same samples as the stream gives."""
        stream = self.stream_of(mel.shape[0])
        return torch.cat([stream.push_batch(mel), stream.flush_batch(None)], dim=1)

    def stream(self) -> GriffinLimStream:
        """A new sound."""
        return self.stream_of(1)

    def stream_of(self, batch: int) -> GriffinLimStream:
        """Several new sounds, equally long."""
        return GriffinLimStream(self, batch)

    # One window ---------------------------------------------------------------------------------------------

    def overlap_add(self, spectra: Tensor) -> Tensor:
        """spectra (B, F, bins) to the sum of their frames (B, (F + overlap - 1)·hop)."""
        hop = self.spec.hop
        frames = torch.fft.irfft(spectra, n=self.spec.n_fft) * self.synthesis_window
        batch, count, _ = frames.shape
        parts = frames.view(batch, count, self.overlap, hop)
        summed = frames.new_zeros(batch, count + self.overlap - 1, hop)
        for i in range(self.overlap):
            summed[:, i : i + count] += parts[:, :, i]
        return summed.view(batch, -1)

    def analyse(self, wav: Tensor) -> Tensor:
        """wav (B, (F + overlap - 1)·hop) to spectra (B, F, bins)."""
        return torch.fft.rfft(wav.unfold(1, self.spec.n_fft, self.spec.hop) * self.window)

    def settle(self, spectra: Tensor, magnitudes: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        """Improve the phases, and the magnitudes as far as they are free, of all frames of spectra (B, F, bins) but
        the first overlap - 1, which are settled.

        magnitudes (B, F - overlap + 1, bins). previous: the last projection, which momentum compares with.
        Returns the new spectra and projection.
        """
        keep = self.overlap - 1
        past = self.momentum / (1 + self.momentum)
        bands, held = self.bands.of(magnitudes), magnitudes * (1 - self.free)
        for _ in range(self.iterations):
            projection = self.analyse(self.overlap_add(spectra))
            if self.free:
                # What frames that overlap agree on is a finer spectrum than any that the bands alone can give.
                agreed = torch.add(held, projection[:, keep:].abs(), alpha=self.free)
                magnitudes = self.bands.fit(agreed, bands)
            wanted = (projection - past * previous)[:, keep:]
            previous = projection
            spectra = torch.cat([spectra[:, :keep], wanted * (magnitudes / (wanted.abs() + 1e-9))], dim=1)
        return spectra, previous

    def first_phases(self, magnitudes: Tensor, before: Tensor) -> Tensor:
        """Phases (B, F, bins) for new frames.

        magnitudes (B, F, bins); before (B, n, bins), the spectra of the frames before, zero where there are none.
        """
        if self.start == "peaks":
            return self.peak_phases(magnitudes, before[:, -1].angle())
        before = before[:, -2 if before.count_nonzero() else before.shape[1] :]
        window = torch.cat([before.abs(), magnitudes], dim=1)
        return self.gradient_phases(window, before.angle())

    def gradient_phases(self, magnitudes: Tensor, settled: Tensor) -> Tensor:
        """Phases (B, F, bins) by the gradient of the magnitudes (B, n + F, bins), frame by frame.

        settled (B, n, bins): the phases of the first n frames.

        From mels this is better than to integrate over all frames at once: where the bands are wide the magnitudes
        are blurred, and so nothing that is wrong there comes back from later frames.
        """
        layout, known = (self.spec.hop, self.spec.n_fft, self.spec.win), settled.shape[1]
        rows = []
        for frames, phases in zip(magnitudes.cpu().numpy(), settled.cpu().numpy(), strict=True):
            carried = Carried(frames[:known], phases)
            most, carried = rtpghi(frames[known:], *layout, carried=carried)
            last, _ = rtpghi(frames[:0], *layout, ahead=0, carried=carried)
            rows.append(torch.from_numpy(np.concatenate([most, last])))
        return torch.stack(rows).to(magnitudes.device)

    def peak_phases(self, magnitudes: Tensor, last: Tensor) -> Tensor:
        """Phases (B, F, bins) for new frames: each spectral peak turns on at its own frequency (Beauregard
        2015).

        magnitudes (B, F, bins); last (B, bins), the phases of the frame before.
        """
        bins = magnitudes.shape[-1]
        index = torch.arange(bins, device=magnitudes.device).expand_as(magnitudes)
        left, middle, right = magnitudes[..., :-2], magnitudes[..., 1:-1], magnitudes[..., 2:]
        is_peak = nn.functional.pad((middle > left) & (middle >= right), (1, 1))
        # A parabola through the three highest bins gives the frequency between them.
        shift = 0.5 * (left - right) / (left - 2 * middle + right).clamp(max=-1e-12)
        frequency = index + nn.functional.pad(shift, (1, 1)).clamp(-0.5, 0.5)
        # Every bin belongs to the nearest peak.
        below = torch.where(is_peak, index, -bins).cummax(-1).values
        above = torch.where(is_peak, index, 2 * bins).flip(-1).cummin(-1).values.flip(-1)
        peak = torch.where(index - below < above - index, below, above).clamp(0, bins - 1)
        turn = frequency.gather(-1, peak) * (2 * math.pi * self.spec.hop / self.spec.n_fft)
        # Under a window that starts at the frame's first sample, neighbours within a lobe have opposite
        # signs.
        turn = turn + math.pi * ((index - peak) % 2)
        phases = []
        for k in range(magnitudes.shape[1]):
            last = (last.gather(-1, peak[:, k]) + turn[:, k]) % (2 * math.pi)
            phases.append(last)
        return torch.stack(phases, dim=1)


class LiveGriffinLim(GriffinLim):
    """Less look-ahead at a little less quality: 4 frames settled at once with 8 ahead."""

    name = "griffin-lim-live"

    def __init__(
        self, spec: MelSpec, iterations: int = 16, momentum: float = 0.99, free: float = 1.0
    ) -> None:
        super().__init__(spec, iterations, momentum, block_frames=4, ahead_frames=8, free=free)


class GriffinLimStream:
    """The state of one sound (or of a batch of equally long ones) between pieces.

    The frames are numbered on from `before` copies of the first one, and end with copies of the last one, so
    that the first and last samples get as many frames as all the others.
    """

    def __init__(self, vocoder: GriffinLim, batch: int) -> None:
        self.vocoder = vocoder
        self.spec = spec = vocoder.spec
        self._before = math.ceil((spec.n_fft - spec.pad_samples) / spec.hop) - 1
        longest = spec.samples(1) + spec.hop  # more than a sound of one frame has
        self._after = math.ceil((longest + spec.pad_samples) / spec.hop) - 1
        device, bins, keep = vocoder.window.device, spec.bins, vocoder.overlap - 1
        self._frames = 0
        self._mel = torch.zeros(batch, spec.mels, 0, device=device)  # a part of a block, waiting
        self._last_mel = torch.zeros(batch, spec.mels, 1, device=device)
        self._magnitudes = torch.zeros(batch, 0, bins, device=device)  # of the blocks in the window
        self._spectra = torch.zeros(batch, keep, bins, dtype=torch.complex64, device=device)
        self._previous = self._spectra
        self._tail = torch.zeros(batch, keep * spec.hop, device=device)
        self._skip = self._before * spec.hop + spec.pad_samples  # samples before the sound's first
        self._given = 0

    def push(self, mel: Tensor) -> Tensor:
        """mel (M, f) to the samples (t,) that are settled by it; t may be 0."""
        return self.push_batch(mel[None])[0]

    def flush(self, total_samples: int | None = None) -> Tensor:
        """The rest (t,). In total there are total_samples, or where that is None spec.samples(F) (a frame's
        worth less than the longest sound with F frames). A total beyond what F frames can say is filled with
        zeros.
        """
        return self.flush_batch(total_samples)[0]

    @torch.no_grad()
    def push_batch(self, mel: Tensor) -> Tensor:
        """mel (B, M, f) to wav (B, t)."""
        mel = mel.to(self._tail.device, torch.float32)
        if mel.shape[-1] == 0:
            return self._tail.new_zeros(len(self._tail), 0)
        if self._frames == 0:
            self._mel = mel[..., :1].expand(-1, -1, self._before)
        self._frames += mel.shape[-1]
        self._last_mel = mel[..., -1:]
        return self._take(mel)

    @torch.no_grad()
    def flush_batch(self, total_samples: int | None) -> Tensor:
        """The rest of the batch (B, t)."""
        total = total_samples
        if total is None:
            total = self.spec.samples(self._frames) if self._frames else 0
        out = [self._tail.new_zeros(len(self._tail), 0)]
        if self._frames:
            # Silence fills the last block and pushes the open blocks through.
            block, ahead = self.vocoder.block_frames, self.vocoder.ahead_frames
            waiting = self._mel.shape[-1] + self._after
            silence = -waiting % block + ahead
            ending = nn.functional.pad(
                self._last_mel.expand(-1, -1, self._after), (0, silence), value=self.vocoder.silent
            )
            out.append(self._take(ending, until=total))
        missing = total - self._given
        out.append(self._tail.new_zeros(len(self._tail), max(0, missing)))
        self._given = total
        return torch.cat(out, dim=1)

    def _take(self, mel: Tensor, until: int | None = None) -> Tensor:
        """Work off whole blocks of what waits and `mel`; give their samples, at most up to the sample
        `until`.
        """
        block = self.vocoder.block_frames
        waiting = torch.cat([self._mel, mel], dim=-1)
        whole = waiting.shape[-1] // block * block
        self._mel = waiting[..., whole:]
        out = [self._tail.new_zeros(len(self._tail), 0)]
        with one_thread():
            out += [self._advance(waiting[..., i : i + block]) for i in range(0, whole, block)]
        wav = torch.cat(out, dim=1)
        skipped = min(self._skip, wav.shape[1])
        self._skip -= skipped
        wav = wav[:, skipped:]
        if until is not None:
            wav = wav[:, : max(0, until - self._given)]
        self._given += wav.shape[1]
        return wav

    def _advance(self, mel: Tensor) -> Tensor:
        """Take in one block (B, M, block); once the window is full, settle its first block (B, block·hop)."""
        vocoder = self.vocoder
        block, keep = vocoder.block_frames, vocoder.overlap - 1
        fresh = vocoder.inverse(mel).transpose(1, 2)
        phases = vocoder.first_phases(fresh, self._spectra)
        self._magnitudes = torch.cat([self._magnitudes, fresh], dim=1)
        self._spectra = torch.cat([self._spectra, torch.polar(fresh, phases)], dim=1)
        self._previous = torch.cat([self._previous, torch.zeros_like(self._spectra[:, -block:])], dim=1)
        if self._magnitudes.shape[1] < block + vocoder.ahead_frames:
            return self._tail.new_zeros(len(mel), 0)
        spectra, previous = vocoder.settle(self._spectra, self._magnitudes, self._previous)
        self._spectra, self._previous = spectra[:, block:], previous[:, block:]
        self._magnitudes = self._magnitudes[:, block:]
        return self._sound_of(spectra[:, keep : keep + block])

    def _sound_of(self, settled: Tensor) -> Tensor:
        """Add the sound of settled frames (B, f, bins) to what is there: the samples (B, f·hop) that are now whole."""
        sound = self.vocoder.overlap_add(settled)
        sound[:, : self._tail.shape[1]] += self._tail
        whole = settled.shape[1] * self.spec.hop
        self._tail = sound[:, whole:]
        return sound[:, :whole]
