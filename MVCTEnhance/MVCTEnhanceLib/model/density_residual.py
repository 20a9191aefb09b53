"""The default networks: a bounded correction of the scan, worked out at full resolution without normalisation.

Nothing in them sees further than `reach_px`, so a pixel's HU do not depend on the field of view, which the instance
normalisation of the paper's networks makes them do; and since no layer is at a lower resolution, they do not depend on
where a crop begins either.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


def reach_px(dilations: Sequence[int]) -> int:
    """How many pixels away a pixel of encoder and decoder depends on, both with blocks of these dilations."""
    return 2 * (1 + sum(dilation + 1 for dilation in dilations))


class Encoder(nn.Module):
    """Slices (n, 1, j, i) -> latent (n, c, j, i).

    Args:
        channels: c.
        dilations: of the blocks; the decoder's are the reverse.
    """

    def __init__(self, channels: int, dilations: Sequence[int]):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1), *(ResidualBlock(channels, dilation) for dilation in dilations)
        )

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Slices (n, 1, j, i) to their latent (n, c, j, i)."""
        return self.layers(slices)


class Decoder(nn.Module):
    """Latent (n, c, j, i) -> correction (n, 1, j, i); the arguments are those of the encoder.

    Noise (n, 1, j, i), where given, enters beside the latent: without it, the way back from a quiet kVCT to a noisy
    MVCT could only be learned by hiding the noise in the kVCT.
    """

    def __init__(self, channels: int, dilations: Sequence[int]):
        super().__init__()
        self.noise = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(*(ResidualBlock(channels, dilation) for dilation in reversed(dilations)))
        self.correction = nn.Conv2d(channels, 1, 3, padding=1)
        with torch.no_grad():
            for parameter in self.correction.parameters():
                parameter *= 0.1  # training starts near the identity

    def forward(self, latent: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """Latent (n, c, j, i), and noise (n, 1, j, i) or None, to the correction (n, 1, j, i)."""
        if noise is not None:
            latent = latent + self.noise(noise)
        return self.correction(self.blocks(latent))


def correction_of_rows(
    encoder: Encoder, decoder: Decoder, slices: torch.Tensor, top: int, bottom: int, *, fused: bool = False
) -> torch.Tensor:
    """Decoder(Encoder(slices)) of some rows only, for inference.

    Each layer works out no more rows than the following ones look at.

    Args:
        slices: (n, 1, j, i).
        top, bottom: of all rows j those from `top` to before `bottom`.
        fused: have oneDNN do ReLU and addition in the pass of the convolution before them; see `can_fuse`.

    Returns:
        (n, 1, bottom - top, i).
    """
    blocks = (*encoder.layers[1:], *decoder.blocks)
    total, reach = slices.shape[-2], 2 + sum(block.reach_px for block in blocks)
    convolve, add = (_fused_convolution, _fused_addition) if fused else (_plain_convolution, _plain_addition)
    first, last = max(top - reach, 0), min(bottom + reach, total)
    features = convolve(encoder.layers[0], slices[..., first:last, :])
    reach -= 1
    for block in blocks:
        inner, _, outer = block.layers
        features = add(outer, convolve(inner, features, relu=True), features)
        reach -= block.reach_px
        above, below = max(top - reach, 0) - first, last - min(bottom + reach, total)
        features = features[..., above : features.shape[-2] - below, :]
        first, last = first + above, last - below
    correction = convolve(decoder.correction, features)
    return correction[..., top - first : bottom - first, :]


def can_fuse(device: torch.device) -> bool:
    """Whether this build of PyTorch has oneDNN's fused convolutions, and these give what plain ones do."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    block, features = ResidualBlock(16, 2).requires_grad_(False), torch.linspace(-1, 1, 16 * 64).view(1, -1, 8, 8)
    try:
        fused = _fused_addition(block.layers[2], _fused_convolution(block.layers[0], features, relu=True), features + 0)
    except (AttributeError, RuntimeError, TypeError):  # what PyTorch calls them is not documented
        return False
    return torch.allclose(fused, block(features), atol=1e-5)


def _plain_convolution(layer: nn.Conv2d, features: torch.Tensor, *, relu: bool = False) -> torch.Tensor:
    return F.relu_(layer(features)) if relu else layer(features)


def _plain_addition(layer: nn.Conv2d, features: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
    return layer(features).add_(to)


def _fused_convolution(layer: nn.Conv2d, features: torch.Tensor, *, relu: bool = False) -> torch.Tensor:
    after = "relu" if relu else "none"
    return torch.ops.mkldnn._convolution_pointwise(features, *_arguments(layer), after, [], "")


def _fused_addition(layer: nn.Conv2d, features: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
    """Written into `to`."""
    return torch.ops.mkldnn._convolution_pointwise_(to, features, *_arguments(layer), "add", None, None, [], None)


def _arguments(layer: nn.Conv2d) -> tuple:
    return layer.weight, layer.bias, layer.padding, layer.stride, layer.dilation, layer.groups


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
        """Slices (n, 1, j, i) to the scores of their patches, shape (n, 1, j / 4, i / 4)."""
        smooth = F.avg_pool2d(slices, 5, stride=1, padding=2, count_include_pad=False)
        return self.layers(torch.cat((slices, self.HIGH_PASS_GAIN * (slices - smooth)), dim=1))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity, the first of them dilated."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.reach_px = dilation + 1
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features to features of the same shape (n, c, j, i)."""
        return features + self.layers(features)
