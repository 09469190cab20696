"""What voicegan stands on, checked piece by piece, each with the way to mend it.

Every check is a function of no arguments that returns one `Finding`; the heavy packages are imported inside, so
that a broken one is a finding and not the end of the doctor.
"""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from . import storage
from .errors import VoiceganError
from .packs import WEIGHTS

Status = Literal["ok", "warn", "fault"]

OLDEST_PYTHON = (3, 10)
TORCH_RANGE = ((2, 4), (2, 14))  # as pyproject.toml has it: from, up to and without
ENOUGH_DISK_GB = 2.0  # a training keeps several states of a few hundred megabytes
FORMATS = {"wav": ("WAV", "PCM_16"), "flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "VORBIS"),
           "opus": ("OGG", "OPUS"), "mp3": ("MP3", "MPEG_LAYER_III")}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: ``ok``, ``warn`` (works, with something missing) or ``fault`` (prevents use)."""

    name: str
    status: Status
    detail: str
    mend: str = ""


def examine() -> list[Finding]:
    """Run every check, in the order in which the things build on each other."""
    findings = []
    for check in CHECKS:
        try:
            findings.append(check())
        except Exception as error:  # noqa: BLE001 - a broken package raises anything; it is a finding here
            name = check.__name__.removeprefix("check_").replace("_", " ")
            findings.append(
                Finding(name, "fault", f"{type(error).__name__}: {error}", "Install voicegan again.")
            )
    return findings


def check_python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return Finding("python", "fault", version, "Install Python 3.10 or newer, and voicegan into it.")
    return Finding("python", "ok", f"{version}, {sys.executable}")


def check_torch() -> Finding:
    try:
        import torch
    except ImportError as error:
        return Finding("torch", "fault", f"cannot be imported: {error}", "pip install 'torch>=2.4,<2.14'")
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    oldest, too_new = TORCH_RANGE
    if not oldest <= version < too_new:
        return Finding("torch", "warn", f"{torch.__version__} is outside what voicegan is tested with",
                       "pip install 'torch>=2.4,<2.14'")  # fmt: skip
    return Finding("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads")


def check_gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        device = torch.cuda.get_device_properties(0)
        count = torch.cuda.device_count()
        return Finding(
            "gpu",
            "ok",
            f"{count} x {device.name}, {device.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}",
        )
    if torch.backends.mps.is_available():
        return Finding("gpu", "ok", "Apple GPU (mps)")
    if shutil.which("nvidia-smi") and torch.version.cuda is None:
        return Finding("gpu", "warn", "this machine has an NVIDIA driver, but torch is a CPU build",
                       "Install a CUDA build of torch: PyTorch's installation page has the command.")  # fmt: skip
    return Finding("gpu", "ok", "none: the CPU is used")


def check_bf16() -> Finding:
    import torch

    from .core.device import cpu_has_bf16

    if torch.cuda.is_available() and torch.cuda.is_bf16_supported():
        return Finding("bf16", "ok", "on the GPU: training uses it")
    if cpu_has_bf16():
        return Finding("bf16", "ok", "on the CPU (AMX or AVX-512): training uses it")
    return Finding("bf16", "ok", "not in this hardware: training uses fp32")


def check_cores() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2:
        return Finding(
            "cores", "warn", "1 processor core", "Conversion works; train on a machine with 2 or more."
        )
    return Finding("cores", "ok", f"{cores} processor cores")


def check_torchaudio() -> Finding:
    """torchaudio is never required; its binary part cannot load beside a CPU build of torch."""
    if importlib.util.find_spec("torchaudio") is None:
        return Finding("torchaudio", "ok", "not installed: everything works, augmentation is done without it")
    try:
        import torchaudio
    except (ImportError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        return Finding("torchaudio", "warn", f"installed, but cannot be imported: {reason}",
                       "python tools/mend_torchaudio.py (in the source tree), or pip uninstall torchaudio")  # fmt: skip
    return Finding("torchaudio", "ok", str(torchaudio.__version__))


def check_sound_formats() -> Finding:
    """Encode and decode a tenth of a second in each format: lists of formats promise what codecs do not keep."""
    import numpy as np
    import soundfile

    wav, failed = np.zeros(4800, np.float32), []
    for name, (kind, subtype) in FORMATS.items():
        buffer = io.BytesIO()
        try:
            soundfile.write(buffer, wav, 48_000, format=kind, subtype=subtype)
            buffer.seek(0)
            soundfile.read(buffer)
        except (RuntimeError, ValueError, TypeError):
            failed.append(name)
    version = soundfile.__libsndfile_version__
    if {"wav", "flac"} & set(failed):
        return Finding("sound formats", "fault", f"libsndfile {version} cannot do {', '.join(failed)}",
                       "pip install --force-reinstall soundfile")  # fmt: skip
    if failed:
        return Finding("sound formats", "warn", f"libsndfile {version} cannot do {', '.join(failed)}",
                       "Install libsndfile 1.1 or newer: pip install --upgrade soundfile")  # fmt: skip
    return Finding("sound formats", "ok", f"{', '.join(FORMATS)} (libsndfile {version})")


def check_data_folder() -> Finding:
    return _check_writable("data folder", storage.home())


def check_cache_folder() -> Finding:
    """Where what was computed lies, and how much of it: nothing there is ever removed by itself."""
    folder = storage.cache_home()
    finding = _check_writable("cache folder", folder)
    if finding.status == "ok" and (held_gb := _size_gb(folder)) >= 0.1:
        return replace(
            finding, detail=f"{folder}, {held_gb:.1f} GB that can be deleted: it is made again when needed"
        )
    return finding


def check_disk() -> Finding:
    folder = _nearest_existing(storage.home())
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < ENOUGH_DISK_GB:
        return Finding("disk", "warn", f"{free_gb:.1f} GB free at {folder}",
                       f"Training wants {ENOUGH_DISK_GB:g} GB. Make room, or set VOICEGAN_HOME.")  # fmt: skip
    return Finding("disk", "ok", f"{free_gb:.0f} GB free at {folder}")


def check_voices() -> Finding:
    """The voices that are installed, and whether the weights of each are those that its voice.json describes."""
    from .voice.library import installed

    packs, broken = installed()
    damaged = _damaged([(pack.folder, pack.sha256) for pack in packs], broken)
    if damaged:
        return Finding(
            "voices", "fault", "; ".join(damaged), "Install voicegan again, or train or remove the voice."
        )
    if not packs:
        return Finding("voices", "warn", "none", "Train one: voicegan train --a DIR --b DIR")
    return Finding("voices", "ok", f"{', '.join(sorted({pack.name for pack in packs}))}; checksums hold")


def check_vocoders() -> Finding:
    """The neural vocoders that are installed; without any, Griffin-Lim does it."""
    from .vocoder.library import installed

    packs, broken = installed()
    damaged = _damaged([(pack.folder, pack.sha256) for pack in packs], broken)
    if damaged:
        mend = "Install voicegan again, or import, train or remove the vocoder."
        return Finding("vocoders", "fault", "; ".join(damaged), mend)
    names = ", ".join(pack.folder.name for pack in packs)
    return Finding(
        "vocoders",
        "ok",
        f"{names}; checksums hold" if packs else "none that was trained: Griffin-Lim is used",
    )


def _damaged(packs: Sequence[tuple[Path, str]], broken: Mapping[Path, VoiceganError]) -> list[str]:
    """What is wrong with packs, given as folder and SHA-256 of the weights, and with those that cannot be read."""
    damaged = [f"{folder.name}: {error.message}" for folder, error in broken.items()]
    for folder, sha256 in packs:
        path = folder / WEIGHTS
        try:
            if storage.sha256(path) != sha256:
                damaged.append(f"{path} is damaged")
        except OSError as error:
            damaged.append(f"{path}: {error.strerror}")
    return damaged


CHECKS: Sequence[Callable[[], Finding]] = (
    check_python, check_torch, check_gpu, check_bf16, check_cores, check_torchaudio, check_sound_formats,
    check_data_folder, check_cache_folder, check_disk, check_voices, check_vocoders,
)  # fmt: skip


def _check_writable(name: str, folder: Path) -> Finding:
    """Try, rather than ask: permission bits know nothing of read-only file systems. Leaves no trace."""
    try:
        with tempfile.NamedTemporaryFile(dir=_nearest_existing(folder), prefix=".voicegan-"):
            return Finding(name, "ok", str(folder))
    except OSError as error:
        return Finding(name, "fault", f"{folder} cannot be written ({error.strerror})",
                       "Set VOICEGAN_HOME to a folder that you may write.")  # fmt: skip


def _size_gb(folder: Path) -> float:
    """What the files below a folder take; those that vanish meanwhile, or may not be looked at, are left out."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += (Path(place) / name).stat().st_size
    return size / 1e9


def _nearest_existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
