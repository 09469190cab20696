"""What is looked at while a vocoder trains: distances on held-out recordings, and pictures of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..audio.mel import LogMel
from ..audio.resample import resample
from ..core.system import Progress, System
from ..metrics.copying import mel_distance, stft_distance
from ..metrics.intrusive import RATE_HZ
from .corpus import Corpus
from .pack import as_vocoder

RECORDINGS = 12  # held-out recordings that are made again at each check
LONGEST_S = 6.0  # of each


class Monitor:
    """Make held-out recordings again at each check of a run.

    ``score``, which chooses the best checkpoint, is the multi-resolution STFT distance to the recordings; ``mel_l1``
    the mean difference of log-mels. Both are means over recordings, at 16 kHz, as `voicegan vocoder eval` has them.
    """

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self.corpus, self.folder = corpus, folder
        side = corpus.held_out if len(corpus.held_out) else corpus.training
        longest = int(LONGEST_S * corpus.spec.sample_rate_hz)
        # Spread over the list, so that several folders or speakers are heard.
        chosen = np.unique(np.linspace(0, len(side) - 1, min(RECORDINGS, len(side))).round().astype(int))
        self.wavs = [side.wav(int(index), 0, longest) for index in chosen]
        self.given: list[Tensor | None] = [None] * len(self.wavs)
        if side.mels is not None:
            frames = [corpus.spec.frames(len(wav)) for wav in self.wavs]
            begun = (side.mels.mel(int(index), 0, most) for index, most in zip(chosen, frames, strict=True))
            self.given = [torch.from_numpy(mel)[None] for mel in begun]

    def validate(self, system: System, progress: Progress, *, rehearsal: bool = False) -> dict[str, float]:
        """Measure the generator and draw a picture. ``rehearsal`` leaves no trace."""
        spec = self.corpus.spec
        device = next(system.parameters()).device
        vocoder = as_vocoder("this", spec, system.best("generator").eval()).to(device)
        log_mel = LogMel(spec).to(device)
        figures = []
        for number, (wav, given) in enumerate(zip(self.wavs, self.given, strict=True)):
            mel: Tensor = (
                log_mel(torch.from_numpy(wav)[None].to(device)) if given is None else given.to(device)
            )
            copy = vocoder.synthesize(mel)[0].float().cpu().numpy()
            copy = np.pad(copy, (0, max(0, len(wav) - len(copy))))[: len(wav)]
            if number == 0 and not rehearsal:
                self._picture(wav, given, copy, progress.step)
            wav, copy = (resample(sound, spec.sample_rate_hz, RATE_HZ) for sound in (wav, copy))
            figures.append((stft_distance(wav, copy), mel_distance(wav, copy)))
        stft, mel_l1 = (float(value) for value in np.mean(figures, axis=0))
        return {"mr_stft": stft, "mel_l1": mel_l1, "score": stft}

    def _picture(self, wav: np.ndarray, given: Tensor | None, copy: np.ndarray, step: int) -> None:
        from ..pictures import mel_picture

        spectra = LogMel(self.corpus.spec)
        rows = [
            (name, spectra(torch.from_numpy(sound)[None])[0].numpy())
            for name, sound in (("recording", wav), ("copy", copy))
        ]
        if given is not None:
            rows.insert(1, ("given", given[0].numpy()))
        mel_picture(rows, self.folder / "samples" / f"{step:07d}.png")
