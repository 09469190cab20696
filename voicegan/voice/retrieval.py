"""The target's own frames, found again by what surrounds them: what a converter blurs, they have.

A generator makes of a stranger's frame a mean of what the target could sound like there. The frames of the target's own
recordings that lie nearest to it, each with its surroundings, are no such means (unit selection: Hunt & Black 1996;
frame by frame among neural features: Baas et al. 2023, "Voice conversion with just nearest neighbors"). They are looked
up by their mel cepstra here, and only the envelope is taken from them: loudness and melody stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..audio.align import cepstra, cosines

CEPSTRA = 23  # that make an envelope; what lies above are harmonics
CONTEXT = 4  # frames on either side by which one is known
NEIGHBOURS = 4
_FADING = 0.8  # how much less each further frame of the context counts
_LOUDNESS = 0.5  # how much loudness counts beside the envelope
_AT_ONCE = 2**26  # distances that are in memory together


class NearestFrames:
    """The frames of a speaker, to be looked up.

    Parameters
    ----------
    mels : sequence of ndarray
        Log-mels (M, F) of the speaker's utterances.
    """

    def __init__(self, mels: Sequence[np.ndarray]) -> None:
        envelopes = [torch.from_numpy(cepstra(mel, CEPSTRA)) for mel in mels]
        self._envelopes = torch.cat(envelopes, dim=1)
        self._places = torch.cat([_places(e, mel) for e, mel in zip(envelopes, mels, strict=True)])
        self._lengths = self._places.square().sum(dim=1)

    def approached(self, mel: np.ndarray, share: float) -> np.ndarray:
        """A log-mel (M, F) whose envelopes are moved towards the means of their neighbours, by a share of the way."""
        envelope = torch.from_numpy(cepstra(mel, CEPSTRA))
        found = []
        for places in _places(envelope, mel).split(max(1, _AT_ONCE // len(self._lengths))):
            distances = self._lengths - 2.0 * (places @ self._places.T)
            nearest = distances.topk(min(NEIGHBOURS, len(self._lengths)), largest=False).indices
            found.append(self._envelopes[:, nearest].mean(dim=2))
        way = share * (torch.cat(found, dim=1) - envelope).numpy()
        moved: np.ndarray = (mel + cosines(len(mel), CEPSTRA).T @ way).astype(np.float32)
        return moved


def _places(envelope: Tensor, mel: np.ndarray) -> Tensor:
    """By what frames are known, (F, N): loudness and cepstra, their own and, fading, those around them."""
    c0 = len(mel) ** 0.5 * mel.mean(axis=0, keepdims=True)
    known = torch.cat([_LOUDNESS * torch.from_numpy(c0), envelope])
    around = F.pad(known[None], (CONTEXT, CONTEXT), mode="replicate")[0]
    fading = [_FADING ** abs(place - CONTEXT) for place in range(2 * CONTEXT + 1)]
    frames = known.shape[1]
    return torch.cat(
        [around[:, at : at + frames] * weight for at, weight in enumerate(fading)]
    ).T.contiguous()
