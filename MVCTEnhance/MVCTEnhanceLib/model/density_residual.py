"""The default networks: a bounded correction of the scan, worked out at full resolution without normalisation.

Nothing in them sees further than REACH_PX, so a pixel's HU do not depend on the field of view, which the instance
normalisation of the paper's networks makes them do; and since no layer is at a lower resolution, they do not depend on
where a crop begins either.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS = 16
DILATIONS = (1, 2, 4)  # of the encoder's blocks; the decoder's are the reverse
REACH_PX = 2 * (1 + sum(dilation + 1 for dilation in DILATIONS))


class Encoder(nn.Module):
    """Slices (n, 1, j, i) -> latent (n, 16, j, i)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, CHANNELS, 3, padding=1), *(ResidualBlock(dilation) for dilation in DILATIONS)
        )

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        return self.layers(slices)


class Decoder(nn.Module):
    """Latent (n, 16, j, i) -> correction (n, 1, j, i).

    Noise (n, 1, j, i), where given, enters beside the latent: without it, the way back from a quiet kVCT to a noisy
    MVCT could only be learned by hiding the noise in the kVCT.
    """

    def __init__(self):
        super().__init__()
        self.noise = nn.Conv2d(1, CHANNELS, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(*(ResidualBlock(dilation) for dilation in reversed(DILATIONS)))
        self.correction = nn.Conv2d(CHANNELS, 1, 3, padding=1)
        with torch.no_grad():
            for parameter in self.correction.parameters():
                parameter *= 0.1  # training starts near the identity

    def forward(self, latent: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        if noise is not None:
            latent = latent + self.noise(noise)
        return self.correction(self.blocks(latent))


class Discriminator(nn.Module):
    """Slices (n, 1, j, i) -> a score for each patch of 22 pixels; LSGAN: 1 is real, 0 is made.

    A high-pass channel shows it the noise, which is what tells the two domains apart.
    """

    HIGH_PASS_GAIN = 12.0  # brings 40 HU of noise to about 1

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2, 32, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 1, 1),
        )

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        smooth = F.avg_pool2d(slices, 5, stride=1, padding=2, count_include_pad=False)
        return self.layers(torch.cat((slices, self.HIGH_PASS_GAIN * (slices - smooth)), dim=1))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity, the first of them dilated."""

    def __init__(self, dilation: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=dilation, dilation=dilation),
            nn.ReLU(inplace=True),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features + self.layers(features)
