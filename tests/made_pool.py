"""Speakers for tests of any-to-one training: as features without any sound, and as folders of recordings."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import made_speech
import numpy as np
import torch

from voicegan.audio.mel import PRESETS, MelSpec
from voicegan.audio.source_filter import SourceFilter
from voicegan.voice import target_training
from voicegan.voice.corpus import CorpusConfig, Speaker, Utterance
from voicegan.voice.pack import Pack, save_pack
from voicegan.voice.parallel import Pair, Parallel, ParallelVerdict
from voicegan.voice.pool import Pool

SPEC = PRESETS["16k"]
FILTER = SourceFilter(SPEC)
YES = ParallelVerdict(True, "made so", 8)
TINY_MODEL = {
    "channels": 8,
    "dilations": [1],
    "back_channels": 8,
    "d_channels": 4,
    "crop_frames": 32,
}


def a_reading(sentence: int, pitch_hz: float, level: float = -4.0, frames: int = 60) -> Utterance:
    """Smooth ridges that the sentence decides, with the ripple of a gliding pitch; quiet and unvoiced at the ends."""
    rng = np.random.default_rng(sentence)
    coarse = torch.from_numpy(rng.standard_normal((1, 1, 10, 8)))
    ridges = torch.nn.functional.interpolate(coarse, (SPEC.mels, frames), mode="bicubic")[0, 0].float()
    f0_hz = pitch_hz * torch.linspace(1.1, 0.9, frames)
    f0_hz[:4] = f0_hz[-4:] = 0.0
    mel = level + ridges + FILTER.harmonics(f0_hz[None])[0]
    mel[:, :4] = mel[:, -4:] = level - 6.5
    seconds = frames * SPEC.hop / SPEC.sample_rate_hz
    name = f"s{sentence:03d}"
    return Utterance(name, Path(name), mel.numpy(), f0_hz.numpy(), seconds, f"{sentence}-{pitch_hz}")


def a_speaker(
    name: str,
    sentences: Iterable[int],
    *,
    pitch_hz: float = 120.0,
    level: float = -4.0,
    frames: int = 60,
    spec: MelSpec = SPEC,
    held_out: int = 0,
) -> Speaker:
    """The last `held_out` of the sentences are kept aside."""
    made = [a_reading(sentence, pitch_hz, level, frames) for sentence in sentences]
    train, aside = made[: len(made) - held_out], made[len(made) - held_out :]
    mels = np.concatenate([u.mel for u in train], axis=1)
    return Speaker(
        name, Path(name), spec, CorpusConfig().recipe(), train, aside, mels.mean(axis=1), mels.std(axis=1),
        math.log(pitch_hz), 0.1,
    )  # fmt: skip


def a_target(level: float = -4.0) -> Speaker:
    return a_speaker("slt", range(8), pitch_hz=190.0, level=level, held_out=2)


def a_pool(level: float = -4.0, reads: bool = True, others: Sequence[float] = (110.0, 210.0)) -> Pool:
    """Two strangers, and bdl, who reads what the target reads; the frames of both go together."""
    speakers = [
        a_speaker(f"p{number}", range(100 * number, 100 * number + 3), pitch_hz=hz, level=level)
        for number, hz in enumerate(others, start=1)
    ]
    pairs = {}
    if reads:
        same = np.arange(60, dtype=np.int32)
        pairs[len(speakers)] = Parallel(YES, [Pair(k, k, same, same, 0.0) for k in range(4)])
        speakers.append(a_speaker("bdl", range(5), pitch_hz=115.0, level=level, held_out=1))
    return Pool(speakers, [a_speaker("stranger", [900], pitch_hz=150.0, level=level)], pairs)


def a_voice(
    folder: Path,
    name: str = "slt",
    pitch_hz: float = 190.0,
    tilt: float = 0.0,
    mel: MelSpec = SPEC,
    **network: Any,
) -> Pack:
    """A voice for anyone's speech with weights of its own."""
    plan = target_training.resolve({"model": TINY_MODEL | network})
    system = target_training.make_system(plan, target_training.TargetMaterial(a_target(), a_pool(), ()))
    torch.manual_seed(zlib.crc32(name.encode()))
    torch.nn.init.normal_(system.best("g_ab").leave.weight, std=0.1)
    statistics = {
        "source.mean": torch.full((80,), -5.0), "source.std": torch.ones(80), "source.pitch": torch.tensor([5.0]),
        "target.mean": torch.from_numpy(a_target().mean) + tilt, "target.std": torch.ones(80),
        "target.pitch": torch.tensor([pitch_hz]).log(),
    }  # fmt: skip
    return save_pack(
        folder, name=name, system="any-to-one", generator=system.best("g_ab"), mel=mel, card="",
        network=system.generator_arguments, sources=["any"], statistics=statistics, normaliser="envelope",
        vocoder="griffin-lim",
    )  # fmt: skip


def people(root: Path) -> tuple[Path, Path]:
    """Folders of a target and of a pool: two strangers, and ben, who reads the target's sentences."""
    target = made_speech.read_aloud(root / "anna", range(10), pitch_hz=190.0, formants=1.15)
    made_speech.read_aloud(root / "pool" / "ben", range(10), pitch_hz=110.0)
    for number, pitch_hz in enumerate((130.0, 220.0), start=1):
        sentences = range(20 * number, 20 * number + 3)
        made_speech.read_aloud(root / "pool" / f"p{number}", sentences, pitch_hz=pitch_hz)
    return target, root / "pool"
