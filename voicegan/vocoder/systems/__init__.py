"""Ways to train a vocoder. Importing this imports no torch."""

from __future__ import annotations

from ...core.registry import Registry

SYSTEMS = Registry(
    "vocoder system",
    {
        "magnitudes": (
            "voicegan.vocoder.systems.magnitudes:MagnitudeGAN",
            "learns the full spectrum, Griffin-Lim finds the phases; the best for hours of a CPU",
        ),
        "waveform": (
            "voicegan.vocoder.systems.waveform:WaveformGAN",
            "learns the samples (Vocos, HiFi-GAN, ...) against multi-period and -resolution judges; for a GPU",
        ),
    },
)
