"""Tiny image models on disk, for the commands that use one: trained for nothing, on bars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from image.shapes import CLASSES, SHAPE, made

from voicegan.image.pack import ModelPack, load_model_pack, save_model

NAMES = tuple(f"bar {label}" for label in range(CLASSES))


def make_model(
    folder: Path, system: str = "dcgan", called: str | None = None, data: str = "digits", **config: Any
) -> ModelPack:
    """A model of a small system in `folder`, whose data are called so."""
    built = made(system, **config)
    save_model(
        folder,
        name=folder.name,
        system=built,
        called=called or system,
        settings=built.config.model_dump(mode="json"),
        classes=NAMES,
        data={"names": [data], "size": None, "channels": None},
        card=f"# {folder.name}\n",
        training={"steps": 0},
    )
    assert built.image_shape == SHAPE
    return load_model_pack(folder)
