"""Networks of the image family. Importing this imports no torch.

Those of the table ``GENERATORS`` are built from ``inputs``, ``shape``, ``width`` and ``bounded`` and turn latent
vectors ``(B, inputs)`` into samples ``(B, *shape)``, in [-1, 1] where they are ``bounded``, any numbers otherwise.

Those of the table ``DISCRIMINATORS`` are built from ``shape``, ``width``, ``norm``, ``conditions``, ``heads``,
``dropout`` and ``score``. They turn samples, and conditions ``(B, conditions)`` where they know any, into ``Logits``:
one score ``(B, 1)`` unless it is not wanted, the features before it, and a linear output on those features for each
of ``heads`` (name to size). Every generator finds one of its own name here.

Those of the table ``ENCODERS`` are built from ``shape``, ``outputs`` and ``width`` and turn samples into vectors
``(B, outputs)``.
"""

from __future__ import annotations

from ...core.registry import Registry

GENERATORS = Registry(
    "image generator",
    {
        "mlp": ("voicegan.image.nets.mlp:MLPGenerator", "two hidden layers; any shape, also points"),
        "mlp-norm": ("voicegan.image.nets.mlp:NormalisedMLPGenerator", "the same with batch norm"),
        "mlp-deep": ("voicegan.image.nets.mlp:NormalisedMLPGenerator", "the same as mlp-norm"),
        "dcgan": ("voicegan.image.nets.dcgan:ConvGenerator", "transposed convolutions, batch norm"),
    },
)

DISCRIMINATORS = Registry(
    "image discriminator",
    {
        "mlp": ("voicegan.image.nets.mlp:MLPDiscriminator", "two hidden layers; any shape, also points"),
        "mlp-norm": ("voicegan.image.nets.mlp:MLPDiscriminator", "the same; its norm is asked for apart"),
        "mlp-deep": ("voicegan.image.nets.mlp:DeepMLPDiscriminator", "five hidden layers"),
        "dcgan": ("voicegan.image.nets.dcgan:ConvDiscriminator", "strided convolutions"),
        "sngan": (
            "voicegan.image.nets.sngan:DeepConvDiscriminator",
            "strided convolutions with plain ones between",
        ),
    },
)

ENCODERS = Registry(
    "image encoder",
    {
        "mlp": ("voicegan.image.nets.encoder:MLPEncoder", "two hidden layers; any shape, also points"),
        "mlp-norm": ("voicegan.image.nets.encoder:NormalisedMLPEncoder", "the same with batch norm"),
        "dcgan": ("voicegan.image.nets.encoder:ConvEncoder", "strided convolutions, batch norm"),
    },
)
