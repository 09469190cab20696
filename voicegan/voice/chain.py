"""Voices one after another, from a recording to the log-mel that the last of them makes of it.

slt's recordings through the voices bdl and slt are slt's again, as far as two conversions let them be: frame by frame
beside the recording, and as blurred as whatever a converter gives to its vocoder. From such pairs a vocoder learns
to make good what converters leave out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from .. import storage
from ..audio.loudness import LevelMeter
from ..audio.mel import MelSpec
from ..errors import VoiceganError
from ..packs import licences_in
from ..vocoder.given import Given, Through
from .analysis import HEARING, Analysis, analyses_for
from .features import log_mel
from .library import find_pack, installed
from .measure import constant_offset
from .normaliser import FixedNormaliser, RunningNormaliser, denormalise, normaliser_for
from .pack import KIND, Pack
from .stream import MEASURED, FixedGain
from .windows import windows_for


def spelled(names: Sequence[str]) -> tuple[str, ...]:
    """Voices by name or path such that they mean the same from any folder."""
    folders = [KIND.folder_at(name) for name in names]
    return tuple(
        str(folder.absolute()) if folder else name for name, folder in zip(names, folders, strict=True)
    )


def through(names: Sequence[str], spec: MelSpec, device: torch.device) -> Through:
    """What a vocoder's corpus is told, of voices by name or path. Raises VoiceganError as the two below do."""
    chain = Chain(find_chain(names), spec, device)
    parts = tuple((pack.name, _hash(pack)) for pack in chain.packs)
    return Through(parts, chain, licences_in(KIND, chain.packs))


def find_chain(names: Sequence[str]) -> list[Pack]:
    """The voices of these names or paths, each of which converts the speaker before it, and the first the last one's.

    Raises VoiceganError for an unknown voice, and for one that was not trained to convert whoever comes before it.
    """
    speakers = [_speaker(name) for name in names]
    try:
        # Link by link, and last whether the first voice closes the circle.
        links = {index: find_pack(names[index], speakers[index - 1]) for index in [*range(1, len(names)), 0]}
        return [links[index] for index in range(len(names))]
    except VoiceganError as fault:
        raise VoiceganError(
            f"recordings cannot pass through {', '.join(speakers)} and be themselves again: {fault.message}",
            "Each voice has to convert the one before it, and the first one the last.",
        ) from None


def _speaker(name: str) -> str:
    try:
        return find_pack(name).name
    except VoiceganError:
        if any(pack.name == name for pack in installed()[0]):  # from several sources
            return name
        raise


def _hash(pack: Pack) -> str:
    """Of everything in a voice that changes what it makes of a mel."""
    network = [pack.net, dict(pack.network), pack.normaliser, pack.level_db, HEARING]
    return storage.sha256(json.dumps([pack.sha256, *network], sort_keys=True).encode())


class Chain:
    """What comes out when a recording passes through voices: frame by frame, pauses and all.

    The mels that go from one voice to the next, and those that come out, are what a vocoder would be given.

    Parameters
    ----------
    packs : sequence of Pack
        The voices, in order.
    spec : MelSpec
        The contract that all of them are to have.
    device : torch.device
        Where they work.

    Raises VoiceganError for a voice of another contract, and for one after the first that has to hear sound.
    """

    def __init__(self, packs: Sequence[Pack], spec: MelSpec, device: torch.device) -> None:
        for pack in packs:
            pack.mel.require_same(spec, f"the voice {pack.name}", "this training")
        for pack in packs[1:]:
            if pack.normaliser == "envelope":
                raise VoiceganError(
                    f"the voice {pack.name} hears pitch, which the mel of the voice before it does not tell",
                    "Only the first of several voices can be such a one.",
                )
        self.packs, self.spec, self.device = list(packs), spec, device

    @cached_property
    def _built(self) -> list[tuple[nn.Module, dict[str, Tensor]]]:
        """Not before the first recording: what is in the cache needs no voices."""
        return [pack.build(self.device) for pack in self.packs]

    def __call__(self, wav: np.ndarray) -> Given:
        """A recording (T,) float32 at the contract's rate to what the last voice makes of it.

        It is brought to the level that the first voice expects, as in a conversion; the mel has that of the last.
        """
        offset = constant_offset(wav)
        meter = LevelMeter(self.spec.sample_rate_hz)
        meter.push(wav)
        level_db = self.packs[0].level_db
        gain = float(FixedGain(meter.active_db, level_db).gain)
        with torch.inference_mode():
            levelled = (wav - np.float32(offset)) * np.float32(gain)
            mel = self._made_of(self._heard(levelled), *self._built[0])
            for pack, (generator, statistics) in zip(self.packs[1:], self._built[1:], strict=True):
                between = 10 ** ((pack.level_db - level_db) / 20)
                if between != 1:
                    mel = self.spec.compress(self.spec.expand(mel) * between**self.spec.power)
                gain, level_db = gain * between, pack.level_db
                normalised = self._normaliser(pack, statistics)(mel)
                mel = self._made_of(normalised, generator, statistics)
        return Given(mel.cpu().numpy(), gain, offset)

    def _heard(self, wav: np.ndarray) -> Tensor:
        """What the first voice's generator is given for samples (T,)."""
        pack, (_, statistics) = self.packs[0], self._built[0]
        if pack.normaliser != "envelope":
            mel = torch.from_numpy(log_mel(wav, self.spec))
            return self._normaliser(pack, statistics)(mel.to(self.device))
        analysis = self._analysis(MEASURED.chunk_frames)
        return torch.cat([analysis.push(wav), analysis.flush()], dim=1)

    @cached_property
    def _analysis(self) -> Callable[[int], Analysis]:
        return analyses_for(self.packs[0].normaliser, self.spec, self._built[0][1])

    def _normaliser(self, pack: Pack, statistics: dict[str, Tensor]) -> FixedNormaliser | RunningNormaliser:
        return normaliser_for(pack.normaliser, statistics, self.spec.sample_rate_hz / self.spec.hop)

    def _made_of(self, frames: Tensor, generator: nn.Module, statistics: dict[str, Tensor]) -> Tensor:
        """What a voice's generator makes of the frames (C, F) that it is given: a log-mel (M, F)."""
        context = getattr(generator, "context_frames", None)
        windows = windows_for(generator, context, MEASURED.chunk_frames)
        made = [windows.push(frames), windows.flush()]
        mel = torch.cat([part for part in made if part.shape[1]], dim=1)
        return self.spec.bounded(denormalise(mel, statistics))
