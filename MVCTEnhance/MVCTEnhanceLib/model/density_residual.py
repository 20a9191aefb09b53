"""The default networks: a bounded correction of the scan, worked out at half resolution without normalisation.

Nothing in them sees further than 32 pixels, so a pixel's HU do not depend on the field of view, which the instance
normalisation of the paper's networks makes them do. At full resolution they would cost four times as much to train;
the mean over the four phases of the half resolution grid, which :class:`Translator` takes, is as independent of where
a crop begins.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS = 24
BLOCKS = 3


class Encoder(nn.Module):
    """Slices (n, 1, j, i) -> latent (n, 24, j / 2, i / 2)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(4, CHANNELS, 3, padding=1), *(ResidualBlock() for _ in range(BLOCKS))
        )

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        return self.layers(slices)


class Decoder(nn.Module):
    """Latent (n, 24, j / 2, i / 2) -> correction (n, 1, j, i).

    Noise (n, 1, j, i), where given, enters beside the latent: without it, the way back from a quiet kVCT to a noisy
    MVCT could only be learned by hiding the noise in the kVCT.
    """

    def __init__(self):
        super().__init__()
        self.noise = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, CHANNELS, 3, padding=1, bias=False))
        self.blocks = nn.Sequential(*(ResidualBlock() for _ in range(BLOCKS)))
        self.correction = nn.Sequential(nn.Conv2d(CHANNELS, 4, 3, padding=1), nn.PixelShuffle(2))
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
    """Two 3x3 convolutions beside the identity."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features + self.layers(features)
