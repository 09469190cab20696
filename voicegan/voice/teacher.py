"""What a voice makes of strangers, brought nearer to the target, for another to learn to make.

A converter that was trained against discriminators takes a stranger part of the way to the target. What it made can be
brought further: by the target's own frames that are like it (see `voicegan.voice.retrieval`), or by a second pass, once
it is sound again, since the source is then near to the target's own speech, which is what the aligned sources taught
the converter to repair. The result belongs frame for frame to the recording that it was made of: an aligned pair, such
as otherwise only readers of the target's sentences give. (Training on what a model itself made of unpaired data is
Sennrich et al. 2016's back-translation, and learning in one step what an earlier model does in several is Salimans & Ho
2022's progressive distillation.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .. import vocoder as vocoders
from ..audio import pitch
from ..audio.loudness import LevelMeter
from ..audio.mel import MelSpec
from ..audio.source_filter import SourceFilter
from ..errors import VoiceganError
from .corpus import Utterance
from .features import log_mel
from .normaliser import denormalise
from .pack import Pack
from .pool_batches import picture_of
from .pool_statistics import Known
from .retrieval import NearestFrames
from .stream import FixedGain


class Teacher:
    """An any-to-one voice that converts utterances, once or several times.

    Parameters
    ----------
    pack : Pack
        The voice.
    spec : MelSpec
        The mel contract of who is taught.
    passes : int
        How often; between two passes the voice's vocoder makes sound of it.

    Raises VoiceganError for a voice that is not for anyone's speech, or has another mel contract.
    """

    def __init__(self, pack: Pack, spec: MelSpec, passes: int = 1) -> None:
        if pack.normaliser != "envelope":
            raise VoiceganError(
                f"the voice {pack.name} cannot teach: it converts {', '.join(pack.sources)}, not anyone",
                "Give a voice that `voicegan train --target` made.",
            )
        spec.require_same(pack.mel, "this training", f"the voice {pack.name}")
        self.pack, self.spec, self.passes = pack, spec, passes
        self.generator, self._kept = pack.build()
        self._known = Known.by_voice(self._kept)
        self._filter = SourceFilter(spec)
        self._vocoder = vocoders.load(pack.vocoder, spec)
        self._own: NearestFrames | None = None
        self._share = 0.0

    def retrieve(self, target: Sequence[Utterance], share: float) -> None:
        """From now on move what is made towards the target's own nearest frames, by a share of the way."""
        self._own, self._share = NearestFrames([u.mel for u in target]) if share > 0 else None, share

    def convert(self, utterance: Utterance) -> np.ndarray:
        """The log-mel (M, F) that becomes of an utterance of F frames."""
        with torch.inference_mode():
            made = self._pass(utterance.mel, utterance.f0)
            for _ in range(self.passes - 1):
                made = self._pass(*self._heard(made))
        mel = made.numpy() if self._own is None else self._own.approached(made.numpy(), self._share)
        missing = utterance.frames - mel.shape[1]  # sound is padded to whole frames, or loses a part of one
        return np.pad(mel, ((0, 0), (0, max(0, missing))), mode="edge")[:, : utterance.frames]

    def _pass(self, mel: np.ndarray, f0_hz: np.ndarray) -> Tensor:
        frames_per_s = self.spec.sample_rate_hz / self.spec.hop
        seen = picture_of(mel, f0_hz, self._known, self._filter, frames_per_s)
        made: Tensor = self.generator(torch.from_numpy(seen)[None])[0]
        return self.spec.bounded(denormalise(made, self._kept))

    def _heard(self, mel: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Log-mel and pitch of what a log-mel sounds like, at the level that the voice expects."""
        wav = self._vocoder.synthesize(mel[None])[0].numpy()
        meter = LevelMeter(self.spec.sample_rate_hz)
        meter.push(wav)
        wav = FixedGain(meter.active_db, self.pack.level_db).push(wav)
        again = log_mel(wav, self.spec)
        f0_hz = pitch.f0(wav, self.spec.sample_rate_hz, self.spec.hop)
        frames = min(again.shape[1], len(f0_hz))
        return again[:, :frames], f0_hz[:frames]
