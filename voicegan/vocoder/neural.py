"""A network as a vocoder: whole sounds and streams, bounded memory, silence where the mel is silent.

A hop of samples depends on a known number of mel frames before and after it, so the network is run over windows of
the absolute frame grid, each with its exact context: there are no seams, and the sizes of the pieces that come in
cannot matter.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import Tensor, nn

from ..audio.mel import MelSpec
from ..audio.threads import one_thread
from ..core.windows import LocalWindows
from ..errors import VoiceganError
from .pack import LIVE_BLOCK_FRAMES

if TYPE_CHECKING:
    from .nets import VocoderNet

WHOLE_BLOCK_FRAMES = 256  # where the whole mel is there: the context of a window is then small beside it
SMALL_BLOCK_FRAMES = 64  # up to this, a second thread is no help


Vocoder = TypeVar("Vocoder", bound="WindowedVocoder")


class WindowedVocoder(nn.Module):
    """A network that is run over windows of frames, and what every vocoder with one has.

    Attributes
    ----------
    context_frames : tuple of int
        How many frames before and after it a hop of samples depends on.
    block_frames : int
        How many frames the network makes at once in a stream: fewer come sooner and take longer to compute, because
        the context of each block is computed again.
    """

    context_frames: tuple[int, int]

    def __init__(self, name: str, spec: MelSpec, net: nn.Module, block_frames: int) -> None:
        super().__init__()
        self.name = name
        self.spec = spec
        self.net = net
        self.block_frames = block_frames

    @property
    def lookahead_frames(self) -> int:
        """How many frames a stream waits for before it gives the samples of one."""
        return self.block_frames - 1 + self.context_frames[1]

    def in_blocks(self: Vocoder, frames: int) -> Vocoder:
        """The same, parts and all, in streams that make this many frames at once."""
        other = copy.copy(self)
        other.block_frames = frames
        return other

    def for_whole(self: Vocoder) -> Vocoder:
        """The same in the blocks that are quickest where the whole mel is there."""
        return self.in_blocks(max(self.block_frames, WHOLE_BLOCK_FRAMES))


class WindowedStream(ABC):
    """The state of one sound (or of a batch of equally long ones) between pieces."""

    vocoder: WindowedVocoder

    def push(self, mel: Tensor) -> Tensor:
        """mel (M, f) to the samples (t,) whose context is known by now; t may be 0."""
        return self.push_batch(mel[None])[0]

    def flush(self, total_samples: int | None = None) -> Tensor:
        """The rest (t,). In total there are total_samples, or where that is None spec.samples(F). What a total has
        beyond F hops is filled with zeros.
        """
        return self.flush_batch(total_samples)[0]

    @abstractmethod
    def push_batch(self, mel: Tensor) -> Tensor:
        """mel (B, M, f) to wav (B, t)."""

    @abstractmethod
    def flush_batch(self, total_samples: int | None) -> Tensor:
        """The rest of the batch (B, t)."""

    def _threads(self) -> AbstractContextManager[None]:
        return one_thread() if self.vocoder.block_frames <= SMALL_BLOCK_FRAMES else nullcontext()


class NeuralVocoder(WindowedVocoder):
    """Keeps the protocol of `voicegan.vocoder.Vocoder` with a network of `voicegan.vocoder.nets`.

    Parameters
    ----------
    name
        By which it can be loaded again.
    spec
        The contract of the mels that the network was trained on.
    net
        A network of the table, in evaluation mode. It is used as it is: nothing of its mode or place is changed.
    block_frames
        How many frames a stream makes at once: fewer come sooner and take longer to compute, because the context of
        each block is computed again.

    Networks answer a silent mel with a faint hum of their own. The samples that no frame above the floor can have
    held - a frame sees half an analysis window to both sides - are therefore silent, with a fade of one hop between.

    Raises VoiceganError for a network with another hop than the contract's.
    """

    ramp: Tensor

    def __init__(
        self, name: str, spec: MelSpec, net: nn.Module, *, block_frames: int = LIVE_BLOCK_FRAMES
    ) -> None:
        super().__init__(name, spec, net, block_frames)
        hop, context = cast("VocoderNet", net).hop, cast("VocoderNet", net).context_frames
        if hop != spec.hop:
            raise VoiceganError(
                f"the vocoder {name} makes {hop} samples of a frame, and its mel contract has a hop of {spec.hop}",
                "Correct one of them.",
            )
        self.heard_frames = math.ceil(spec.win / (2 * spec.hop))  # how far from it a frame can be heard
        past, future = (max(reach, self.heard_frames + 1) for reach in context)
        self.context_frames = (past, future)
        ramp = (torch.arange(spec.hop) + 0.5) / spec.hop
        self.register_buffer("ramp", ramp[:, None], persistent=False)

    def synthesize(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to wav (B, T), T = spec.samples(F): what a stream gives, but for rounding."""
        stream = NeuralStream(self.for_whole(), len(mel))
        return torch.cat([stream.push_batch(mel), stream.flush_batch(None)], dim=1)

    def stream(self) -> NeuralStream:
        """A new sound."""
        return NeuralStream(self, batch=1)

    def hops(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to the samples of each frame (B, hop, F)."""
        mel = self.spec.bounded(mel)
        with torch.autocast(mel.device.type, enabled=False):
            wav: Tensor = self.net(mel)
        hops = wav.nan_to_num(0.0, 0.0, 0.0).unflatten(1, (mel.shape[-1], self.spec.hop)).transpose(1, 2)
        return hops * self._gain(mel)

    def _gain(self, mel: Tensor) -> Tensor:
        """mel (B, M, F) to (B, hop, F): 0 where nothing can be heard, 1 elsewhere, ramps in the hops between."""
        reach = self.heard_frames
        sounding = (mel > self.spec.silent_below).any(dim=1, keepdim=True).float()
        heard = nn.functional.max_pool1d(sounding, 2 * reach + 1, stride=1, padding=reach)
        before = torch.cat([heard[..., :1], heard[..., :-1]], dim=-1)
        after = torch.cat([heard[..., 1:], heard[..., -1:]], dim=-1)
        rising = before + (1 - before) * self.ramp
        falling = after + (1 - after) * (1 - self.ramp)
        return heard * rising * falling


class NeuralStream(WindowedStream):
    """A sound, or a batch of them, that a network makes."""

    def __init__(self, vocoder: NeuralVocoder, batch: int) -> None:
        self.vocoder = vocoder
        self._windows = LocalWindows(vocoder.hops, *vocoder.context_frames, vocoder.block_frames)
        self._nothing = vocoder.ramp.new_zeros(batch, 0)
        self._frames = self._given = 0

    @torch.no_grad()
    def push_batch(self, mel: Tensor) -> Tensor:
        """mel (B, M, f) to wav (B, t)."""
        if mel.shape[-1] == 0:
            return self._nothing
        self._frames += mel.shape[-1]
        with self._threads():
            wav = _in_a_row(self._windows.push(mel.to(self._nothing)))
        self._given += wav.shape[1]
        return wav

    @torch.no_grad()
    def flush_batch(self, total_samples: int | None) -> Tensor:
        """The rest of the batch (B, t)."""
        total = total_samples
        if total is None:
            total = self.vocoder.spec.samples(self._frames) if self._frames else 0
        wav = self._nothing
        if self._frames:
            with self._threads():
                wav = _in_a_row(self._windows.flush())
        wanted = max(0, total - self._given)
        self._given += wanted
        return nn.functional.pad(wav[:, :wanted], (0, max(0, wanted - wav.shape[1])))


def _in_a_row(hops: Tensor) -> Tensor:
    """(B, hop, f) to samples (B, f·hop)."""
    return hops.transpose(1, 2).reshape(len(hops), hops.shape[1] * hops.shape[2])


def gives_magnitudes(net: nn.Module) -> bool:
    """Whether a network leaves the phases to an algorithm."""
    return getattr(net, "makes", "sound") == "magnitudes"


def require_fit(net: nn.Module, spec: MelSpec, what: str) -> None:
    """Raise VoiceganError unless the network takes mels of this contract and makes of each frame a hop of samples, or
    the magnitudes of its spectrum.
    """
    where = next(iter(net.parameters()), torch.zeros(0)).device
    frames = 3
    try:
        with torch.no_grad():
            made = net(torch.full((1, spec.mels, frames), spec.floor, device=where))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise VoiceganError(
            f"{what} does not take mels of its contract, {spec.mels} bands: {reason}", "Correct the contract."
        ) from None
    expected = (1, spec.bins, frames) if gives_magnitudes(net) else (1, frames * spec.hop)
    if tuple(made.shape) != expected:
        raise VoiceganError(
            f"{what} makes {tuple(made.shape)} of {frames} frames, where {expected} is expected by its contract, hop "
            f"{spec.hop}, n_fft {spec.n_fft}",
            "Correct the contract.",
        )
