"""The source's mean and deviation, by which a mel is normalised before the generator sees it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

_PRIOR_S = 3.0  # how much speech the trained statistics weigh against what is heard
MEMORY_S = 30.0
_PAUSE = -1.5  # frames that lie this many deviations under the mean, on average over the bands, are pauses


def normaliser_for(
    kind: str, statistics: Mapping[str, Tensor], frames_per_s: float
) -> FixedNormaliser | RunningNormaliser:
    """A voice's way into its generator's domain, for one sound. kind: "fixed" or "running", as its pack says."""
    mean, std = statistics["source.mean"], statistics["source.std"]
    return RunningNormaliser(mean, std, frames_per_s) if kind == "running" else FixedNormaliser(mean, std)


def denormalise(mel: Tensor, statistics: Mapping[str, Tensor]) -> Tensor:
    """What a generator made (M, f) to the target's log-mel."""
    return mel * statistics["target.std"][:, None] + statistics["target.mean"][:, None]


class FixedNormaliser:
    """(mel - mean) / std with the statistics that training found, for speakers that the voice was trained on."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        self.mean, self.std = mean[:, None], std[:, None]

    def __call__(self, mel: Tensor) -> Tensor:
        """mel (M, f) to the same shape."""
        return (mel - self.mean) / self.std


class RunningNormaliser:
    """Statistics that start as the trained ones and follow whoever is heard, frame by frame, without looking ahead.

    A weighted mean and variance with exponential forgetting (30 s of speech), over frames that are no pauses.
    """

    def __init__(self, mean: Tensor, std: Tensor, frames_per_s: float) -> None:
        self.device = mean.device
        self.mean, self.std = mean.double().cpu().numpy(), std.double().cpu().numpy()
        self._weight = _PRIOR_S * frames_per_s
        self._keep = 1.0 - 1.0 / (MEMORY_S * frames_per_s)
        self._sum = self.mean * self._weight
        self._squares = (self.std**2 + self.mean**2) * self._weight
        self._trained = self.mean.copy(), self.std.copy()

    def __call__(self, mel: Tensor) -> Tensor:
        """mel (M, f) to the same shape; frame by frame, so the blocks' sizes do not matter."""
        frames = mel.double().cpu().numpy().T
        mean, std = self._trained
        normalised = np.empty(frames.shape, np.float32)
        for index, frame in enumerate(frames):
            if ((frame - mean) / std).mean() > _PAUSE:
                self._update(frame)
            normalised[index] = (frame - self.mean) / self.std
        return torch.from_numpy(np.ascontiguousarray(normalised.T)).to(self.device)

    def _update(self, frame: np.ndarray) -> None:
        self._weight = self._weight * self._keep + 1.0
        self._sum = self._sum * self._keep + frame
        self._squares = self._squares * self._keep + frame**2
        self.mean = self._sum / self._weight
        # Never under a tenth of the trained deviation: a held tone must not blow up its own tiny changes.
        variance = self._squares / self._weight - self.mean**2
        self.std = np.maximum(np.sqrt(np.maximum(variance, 0.0)), 0.1 * self._trained[1])
