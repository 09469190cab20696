"""Judges: small classifiers of real pictures, in whose features and opinions generated ones are measured.

A judge is trained once per dataset, on its training part, with a fixed seed (``tools/train_judge.py``), and ships with
the package: numbers of different runs and machines are then numbers of the same judge.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .. import storage
from ..core.schedules import linear_decay
from ..core.system import Batch, OptimizerSpec, Phase, Progress, Scratch, System
from ..core.trainer import Trainer, TrainerConfig
from ..packs import Kind, stored
from .data import ImageSource, Pictures

KIND = Kind(
    "judge", "judge.json", 1, "Install voicegan again, or make it again: python tools/train_judge.py."
)
_BUNDLED = Path(__file__).resolve().parent / "judges"


class Classifier(nn.Module):
    """Three convolutions, two of which halve the picture, and a hidden layer whose values are the features.

    Parameters
    ----------
    channels, size
        Of the pictures, which are size × size; the size is a multiple of 4.
    classes
        How many there are.
    width
        Channels of the first convolution; the others have twice as many.
    features
        Length of the feature vector.
    """

    def __init__(self, channels: int, size: int, classes: int, width: int = 32, features: int = 64) -> None:
        super().__init__()
        if size < 4 or size % 4:
            raise ValueError(f"a judge's size is a multiple of 4, not {size}")

        def block(before: int, after: int, stride: int) -> list[nn.Module]:
            return [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]

        self.channels, self.size = channels, size
        self.body = nn.Sequential(
            *block(channels, width, 1),
            *block(width, 2 * width, 2),
            *block(2 * width, 2 * width, 2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(2 * width * (size // 4) ** 2, features),
            nn.ReLU(),
        )
        self.head = nn.Linear(features, classes)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """image (B, C, size, size) in [-1, 1] to features (B, D) and logits (B, classes)."""
        features = self.body(image)
        return features, self.head(features)


@dataclass(frozen=True)
class Judge:
    """A trained classifier and what is known about it.

    Attributes
    ----------
    name : str
        Of the data that it knows.
    classes : tuple of str
        What its logits stand for.
    accuracy : float
        On the test part of its data, which it has not seen in training.
    net : Classifier
        In evaluation mode.
    """

    name: str
    classes: tuple[str, ...]
    accuracy: float
    net: Classifier

    @torch.inference_mode()
    def __call__(self, images: Tensor, batch: int = 1024) -> tuple[Tensor, Tensor]:
        """Judge pictures.

        Parameters
        ----------
        images
            Floats in [-1, 1], ``(N, C, H, W)``. Other sizes than the judge's own are averaged down or interpolated,
            colour and grey become what it knows.
        batch
            How many go through the network at a time.

        Returns
        -------
        features, logits
            ``(N, D)`` and ``(N, classes)``, float32, on the CPU.
        """
        device = self.net.head.weight.device
        judged = [self.net(self._fitted(part.to(device))) for part in images.split(batch)]
        features, logits = (torch.cat([each[at] for each in judged]).cpu() for at in (0, 1))
        return features, logits

    def _fitted(self, images: Tensor) -> Tensor:
        images = images.float()
        if images.shape[1] != self.net.channels:
            grey = images.mean(1, keepdim=True)
            images = grey.expand(-1, self.net.channels, -1, -1)
        height, width = images.shape[-2:]
        size = self.net.size
        if (height, width) == (size, size):
            return images
        if height % size == 0 and width % size == 0:  # the inverse of repeating pixels, exactly
            return functional.avg_pool2d(images, (height // size, width // size))
        return functional.interpolate(images, (size, size), mode="bicubic", antialias=True).clamp(-1, 1)


# Training -----------------------------------------------------------------------------------------------------


class _Lessons(System):
    """A classifier and its cross-entropy, for the trainer."""

    def __init__(self, net: Classifier) -> None:
        super().__init__()
        self.net = net

    def optimizers(self) -> Mapping[str, OptimizerSpec]:
        schedule = linear_decay(0.3)
        return {"net": OptimizerSpec(("net",), 2e-3, (0.9, 0.999), "adamw", 0.05, schedule=schedule)}

    def phases(self, progress: Progress) -> tuple[Phase, ...]:
        return (Phase("net", "net", self.loss),)

    def loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        _, logits = self.net(batch["image"])
        return {"cross_entropy": functional.cross_entropy(logits, batch["label"])}


def train_judge(
    pictures: Pictures,
    *,
    steps: int = 600,
    batch: int = 64,
    seed: int = 0,
    quiet: bool = True,
    **network: int,
) -> Judge:
    """Train a judge on the training part of labelled pictures and measure it on the test part.

    `network` are further arguments of `Classifier`. Raises ValueError where pictures have no labels or no test part,
    and VoiceganError where a signal ended the training early.
    """
    if pictures.labels is None or not len(pictures.test):
        raise ValueError(f"{pictures.name}: a judge needs labels, and a test part")
    channels, height, width = pictures.shape
    if height != width:
        raise ValueError(f"{pictures.name}: a judge's pictures are square")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Classifier(channels, height, len(pictures.classes), **network)
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainerConfig(
            steps=steps, batch=batch, seed=seed, device="cpu", precision="fp32", check_every=steps
        )
        with torch.random.fork_rng(devices=[]):
            trainer = Trainer(_Lessons(net), ImageSource(pictures.train), settings, Path(folder))
            trainer.fit(quiet=quiet).require_whole()
    judge = Judge(pictures.name, pictures.classes, 0.0, net.eval().requires_grad_(False))
    return Judge(judge.name, judge.classes, accuracy_of(judge, pictures.test), judge.net)


def accuracy_of(judge: Judge, pictures: Pictures) -> float:
    """The share of labelled pictures that the judge names rightly."""
    assert pictures.labels is not None
    _, logits = judge(pictures.floats())
    return float((logits.argmax(1) == pictures.labels).double().mean())


# On disk ------------------------------------------------------------------------------------------------------


def save_judge(folder: Path, judge: Judge, card: str, training: Mapping[str, Any] | None = None) -> None:
    """Write a judge: ``judge.json``, ``weights.safetensors`` (float16) and a card, whole or not at all."""
    body = judge.net.body[-2]
    assert isinstance(body, nn.Linear)
    first = judge.net.body[0]
    assert isinstance(first, nn.Conv2d)
    network = {
        "channels": judge.net.channels,
        "size": judge.net.size,
        "classes": len(judge.classes),
        "width": first.out_channels,
        "features": body.out_features,
    }
    settings = {
        "classes": list(judge.classes),
        "accuracy": judge.accuracy,
        "network": network,
        "training": dict(training or {}),
    }
    tensors = {name: stored(value, half=True) for name, value in judge.net.state_dict().items()}
    KIND.save(folder, judge.name, settings, tensors, card)


def where_judges_are() -> tuple[Path, Path]:
    """Where judges are looked for, first come first served: the user's data folder, then the package."""
    return storage.home() / "judges", _BUNDLED


def load_judge(name: str | Path) -> Judge:
    """The judge of a dataset, by its name, or from a folder.

    The user's own (in ``judges`` of the data folder) hide bundled ones. Raises VoiceganError for an unknown name and
    for a damaged judge.
    """
    folder = KIND.folder_at(name)
    if folder is None:
        found = KIND.find(where_judges_are())
        if name not in found:
            raise KIND.unknown(str(name), found, KIND.again)
        folder = found[str(name)]
    fields = KIND.read(folder)
    weights = KIND.read_weights(folder, fields.inside("weights").take("sha256", str))
    net = KIND.build(folder, "Classifier", Classifier, fields.take("network", dict), weights)
    assert isinstance(net, Classifier)
    return Judge(
        fields.take("name", str), fields.strings("classes"), float(fields.take("accuracy", float)), net
    )
