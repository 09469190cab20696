"""`lsgan`: least squares instead of cross-entropy (Mao et al. 2017, arXiv:1611.04076).

A sample on the right side of the boundary but far from the data still pulls the generator.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ...core.objectives import least_squares
from ...core.system import Batch, Progress, Scratch
from ...core.tricks import judge
from .base import AdversarialConfig, AdversarialSystem


class LSGANConfig(AdversarialConfig):
    """Hyper-parameters of the system `lsgan`: a, b, c are the labels for fake, real and wanted (eq. 2)."""

    a: float = 0.0
    b: float = 1.0
    c: float = 1.0  # with a = -1, b = 1, c = 0 the two losses minimise Pearson's χ² (section 3.2)


class LSGAN(AdversarialSystem):
    """Convolutional networks that play with squared distances to labels.

    Parameters
    ----------
    image_shape : sequence of int
        Shape of a sample.
    classes : int
        Not used.
    config : LSGANConfig
        Hyper-parameters.
    """

    Config = LSGANConfig

    def __init__(self, image_shape: Sequence[int], classes: int, config: LSGANConfig) -> None:
        super().__init__(image_shape, classes, config)
        self.objective = least_squares(fake=config.a, real=config.b, generated=config.c)

    def generator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``E[(D(G(z)) - c)²]``."""
        return {"adversarial": self.objective.g(self.d(self.fake(scratch)))}

    def discriminator_loss(self, batch: Batch, scratch: Scratch, progress: Progress) -> dict[str, Tensor]:
        """``E[(D(x) - b)²] + E[(D(G(z)) - a)²]``."""
        real, fake = judge(self.d, batch["image"], self.fake(scratch).detach())
        return {"adversarial": self.objective.d(real, fake)}
