"""Which device and precision a run uses when nobody said."""

from __future__ import annotations

import torch

from ..errors import VoiceganError

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}
"""voicegan's names of precisions and Lightning Fabric's."""


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 itself (AMX or AVX-512 BF16); emulation is slower than fp32."""
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)


def choose_device(name: str) -> torch.device:
    """ "auto" is the GPU where there is one, otherwise the CPU. Raises VoiceganError for what is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise VoiceganError(f'there is no device "{name}"', "Take auto, cpu or cuda.") from None
    if device.type == "cuda" and (
        not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()
    ):
        raise VoiceganError(
            f'the device "{name}" is not available', "Take --device cpu, or see: voicegan doctor."
        )
    return device


def choose_accelerator(device: str) -> str:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``mps`` into an accelerator that is there.

    Raises
    ------
    VoiceganError
        The device is unknown or not on this machine.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device not in available:
        raise VoiceganError(f"no device is called {device!r}", "Choose auto, cpu, cuda or mps.")
    if not available[device]:
        raise VoiceganError(f"this machine has no {device} device that torch can use", "See: voicegan doctor")
    return device


def choose_precision(precision: str, accelerator: str) -> str:
    """Turn ``auto``, ``bf16`` or ``fp32`` into Fabric's name of a precision.

    ``auto`` takes bf16 where the hardware has it. Weights, optimizers and penalties stay in fp32 throughout.
    """
    if precision == "auto":
        if accelerator == "cuda":
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            has_bf16 = accelerator == "cpu" and cpu_has_bf16()
        precision = "bf16" if has_bf16 else "fp32"
    if precision not in PRECISIONS:
        raise VoiceganError(f"no precision is called {precision!r}", "Choose auto, bf16 or fp32.")
    return PRECISIONS[precision]
