"""What is said, frame by frame, as far as it can be told from who says it."""

from __future__ import annotations

from torch import Tensor, nn

from .light import TapGLU


class ContentEncoder(nn.Module):
    """From envelopes to a direction for every frame, in which little is left of the speaker and the microphone.

    What is the same over a whole crop, and how loud a frame is, are taken off before anything is looked at.

    Parameters
    ----------
    mels : int
        Mel bins.
    channels : int
        Width.
    features : int
        Size of what comes out.
    """

    def __init__(self, mels: int = 80, channels: int = 128, features: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            TapGLU(mels, channels, 1, 1),
            nn.LayerNorm(channels),
            TapGLU(channels, channels, 1, 1),
            nn.LayerNorm(channels),
            TapGLU(channels, channels, 2, 2),
            nn.LayerNorm(channels),
            nn.Linear(channels, features),
        )

    def forward(self, envelope: Tensor) -> Tensor:
        """Envelopes (B, M, F) to directions (B, F, features) of length 1, float32."""
        x = envelope.float()
        x = x - x.mean(dim=1, keepdim=True)
        x = x - x.mean(dim=2, keepdim=True)
        x = x / x.std(dim=(1, 2), keepdim=True).clamp(min=1e-2)
        directions: Tensor = self.layers(x.transpose(1, 2)).float()
        return nn.functional.normalize(directions, dim=2)
