"""The networks of Ozaki, Kaji et al., Med Phys 49(6), 2022, layer by layer."""

from __future__ import annotations

import torch
from torch import nn

LATENT_CHANNELS = 128


class Encoder(nn.Module):
    """Slices (n, 1, j, i) -> latent (n, 128, j / 4, i / 4)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(1, 32, kernel=7),
            *_convolution(32, 64, stride=2),
            *_convolution(64, LATENT_CHANNELS, stride=2),
            *(ResidualBlock(LATENT_CHANNELS) for _ in range(5)),
        )

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Slices (n, 1, j, i) to their latent (n, 128, j / 4, i / 4)."""
        return self.layers(slices)


class Decoder(nn.Module):
    """Latent (n, 128, j / 4, i / 4) -> slices (n, 1, j, i) in [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            *(ResidualBlock(LATENT_CHANNELS) for _ in range(4)),
            *_convolution(LATENT_CHANNELS, 64),
            nn.Upsample(scale_factor=2, mode="nearest"),
            *_convolution(64, 32),
            nn.Upsample(scale_factor=2, mode="nearest"),
            *_convolution(32, 32),
            nn.Conv2d(32, 1, 7, padding=3, padding_mode="reflect"),
            nn.Tanh(),
        )

    def forward(self, latent: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """Latent (n, 128, j / 4, i / 4) to slices (n, 1, j, i); the paper's network takes no noise."""
        if noise is not None:
            raise ValueError("the paper's decoder has no noise input")
        return self.layers(latent)


class Discriminator(nn.Module):
    """Slices (n, 1, j, i) -> a score for each patch; LSGAN: 1 is real, 0 is made."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 64, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            *_patch_convolution(64, 128, stride=2),
            *_patch_convolution(128, 256, stride=2),
            *_patch_convolution(256, 512, stride=1),
            nn.Conv2d(512, 1, 4, padding=1),
        )

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Slices (n, 1, j, i) to the scores of their patches, about an eighth of rows and columns."""
        return self.layers(slices)


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions beside the identity."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(*_convolution(channels, channels), *_convolution(channels, channels)[:-1])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features to features of the same shape (n, channels, j, i)."""
        return features + self.layers(features)


def _convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, padding_mode="reflect")
    return [convolution, nn.InstanceNorm2d(outputs), nn.ReLU(inplace=True)]


def _patch_convolution(inputs: int, outputs: int, *, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 4, stride, padding=1), nn.InstanceNorm2d(outputs), nn.LeakyReLU(0.2)]
