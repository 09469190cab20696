"""What is looked at while an image system trains: distances by a judge, pictures of what it makes, curves."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..core import runs
from ..core.system import Progress, System
from ..errors import VoiceganError
from . import metrics
from .data import Pictures, Points, to_float
from .domains import Domains
from .judge import KIND as JUDGES
from .judge import Judge, load_judge, where_judges_are
from .show import labels_at_random, picture_of, translate
from .sources import Material
from .systems.base import ImageSystem

SAMPLES = 1000  # pictures that are judged at each check
REAL = 10_000  # pictures of the training part that they are compared with
AUTO, NONE = "auto", "none"


def judge_for(wanted: str, data: Pictures | Points | Domains) -> Judge | None:
    """The judge that is wanted: by name or path, none, or (``auto``) the one of the data where there is one.

    Raises VoiceganError for a judge that is not there, or knows other classes than the data.
    """
    if wanted == NONE or not isinstance(data, Pictures):
        return None
    if wanted == AUTO:
        # A folder of one's own may be called as some data are that have a judge.
        found = load_judge(data.name) if data.name in JUDGES.find(where_judges_are()) else None
        return found if found is None or data.classes in ((), found.classes) else None
    judge = load_judge(wanted)
    if data.classes and judge.classes != data.classes:
        raise VoiceganError(
            f"the judge {wanted} knows other classes than {data.name}", "Choose the data's own judge."
        )
    return judge


class Monitor:
    """Judge and draw a system at each check of a run.

    ``score``, which chooses the best checkpoint, is there where something other than the system's own losses can
    tell: the Fréchet distance of samples to the training part, in the features of the data's judge; for toy densities
    the share of samples or modes that is missed. A system that learns from few labels, or of two domains, has none:
    what could tell is what it is to be judged by in the end. Its newest state counts.
    """

    def __init__(self, material: Material, judge: Judge | None, folder: Path, title: str) -> None:
        self.material, self.judge, self.folder, self.title = material, judge, folder, title
        self._real: Tensor | None = None

    def validate(self, system: System, progress: Progress, *, rehearsal: bool = False) -> dict[str, float]:
        """Measure and draw. ``rehearsal`` leaves no trace."""
        assert isinstance(system, ImageSystem)
        values = self._measured(system)
        if not rehearsal:
            picture_of(system, self.material, self.folder / "samples" / f"{progress.step:07d}.png")
            runs.draw_curves(self.folder, self.title)
        return values

    def _features_of_real(self, judge: Judge, pictures: Pictures, system: ImageSystem) -> Tensor:
        if self._real is None:
            self._real = judge(system.as_learnt(to_float(pictures.train.images[:REAL])))[0]
        return self._real

    def _measured(self, system: ImageSystem) -> dict[str, float]:
        data, values = self.material.data, {}
        if isinstance(data, Points):
            modes = metrics.count_modes(system.sample(SAMPLES, seed=1), data.centres, data.deviation)
            found = modes.found / len(data.centres)
            return {"modes": float(modes.found), "high_quality": modes.high_quality,
                    "score": 1.0 - min(found, modes.high_quality)}  # fmt: skip
        if isinstance(data, Domains):
            return _translated(system, data) if system.can("translate") and data.paired else {}
        if self.judge is not None and system.can("sample"):
            labels = labels_at_random(system, SAMPLES, seed=1)
            features, logits = self.judge(system.sample(SAMPLES, seed=1, labels=labels))
            real = self._features_of_real(self.judge, data, system)
            values["frechet"] = metrics.frechet_distance(real, features)
            values["classes"] = float(metrics.class_coverage(logits, at_least=SAMPLES // 100)[0])
            if labels is not None:
                values["label_accuracy"] = metrics.label_accuracy(logits, labels)
            if system.data == "images":
                values["score"] = values["frechet"]
        side = data.test if len(data.test) else data
        if (
            self.material.few is not None
            and side.labels is not None
            and system.can("classify")
            and system.names_classes
        ):
            values["accuracy"] = metrics.label_accuracy(classify(system, to_float(side.images)), side.labels)
        return values


def classify(system: ImageSystem, images: Tensor, at_once: int = 256) -> Tensor:
    """Logits (N, K) of pictures, on the CPU."""
    device = next(system.parameters()).device
    told: Tensor = torch.cat([system.classify(part.to(device)).cpu() for part in images.split(at_once)])  # type: ignore[operator]
    return told


def _translated(system: ImageSystem, data: Domains) -> dict[str, float]:
    """How far translations of held-out pictures are from what is wanted."""
    side = data.test if len(data.test) else data
    device = next(system.parameters()).device
    a, b = (to_float(part.images[:SAMPLES]) for part in (side.a, side.b))
    made = translate(system, a.to(device), "b").cpu()
    return {"l1": float((made - b).abs().mean()), "psnr": float(metrics.psnr(made, b).mean())}
