"""Ways to train a voice. Importing this imports no torch."""

from __future__ import annotations

from ...core.registry import Registry

SYSTEMS = Registry(
    "voice system",
    {
        "light": (
            "voicegan.voice.systems.light:Light",
            "small, streams, trains on two CPU cores; the default",
        ),
        "cyclegan-vc": (
            "voicegan.voice.systems.cyclegan_vc:CycleGANVC",
            "Kaneko & Kameoka 2017: gated 1-D CycleGAN",
        ),
        "cyclegan-vc2": (
            "voicegan.voice.systems.cyclegan_vc2:CycleGANVC2",
            "Kaneko et al. 2019: 2-1-2D generators, patches, two-step adversarial losses",
        ),
        "mask-cyclegan-vc": (
            "voicegan.voice.systems.mask_cyclegan_vc:MaskCycleGANVC",
            "Kaneko et al. 2021: CycleGAN-VC2 that learns by filling in frames",
        ),
    },
)

POOL_SYSTEMS = Registry(
    "any-to-one system",
    {
        "any-to-one": (
            "voicegan.voice.systems.any_to_one:AnyToOne",
            "from anyone's speech to one target, with a pool of strangers; streams, trains on CPU cores",
        ),
    },
)
