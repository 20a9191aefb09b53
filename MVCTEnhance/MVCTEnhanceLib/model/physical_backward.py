"""The way from kVCT to MVCT as a scanner goes it: blur, HU, and noise that the kVCT knows nothing of.

A network with the freedom to change every pixel learns to make an MVCT's noise out of the kVCT's own, from which the
way back then restores the kVCT; nothing is learned about noise so. This generator cannot: its blur has no negative
taps, and its noise is independent. Blur and HU are measured, and the noise is learned, from unpaired slices. On the
density scale of the network values a tissue has the same value in both domains but for the scanner's calibration.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..physics.gaussian import gaussian_blur

AIR = -2.0  # -1000 HU on the density scale
BLUR_PX = 9
NOISE_PX = 9
TEXTURES = 4
HIDDEN = 8
CELL_PX = 16  # amount and texture of the noise depend on the means over one cell and over 3 x 3 cells, and on chance


class PhysicalBackward(nn.Module):
    """Slices (n, 1, j, i) of kVCT -> MVCT; noise (n, 1, j, i) of unit variance, or None for a noise-free MVCT."""

    def __init__(self):
        super().__init__()
        # Measured before the training: SD of the Gaussian, and how much further from air a tissue is than in the kVCT.
        self.register_buffer("blur_px", torch.tensor(1.0))
        self.register_buffer("stretch", torch.tensor(1.0))
        self.textures = nn.Parameter(0.03 * torch.randn(TEXTURES, 1, NOISE_PX, NOISE_PX))
        self.amounts = nn.Sequential(nn.Conv2d(3, HIDDEN, 1), nn.ReLU(), nn.Conv2d(HIDDEN, TEXTURES, 1))
        with torch.no_grad():
            for parameter in self.amounts[-1].parameters():
                parameter *= 0.3

    def forward(
        self, slices: torch.Tensor, noise: torch.Tensor | None = None, widths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """kVCT slices (n, 1, j, i) to MVCT slices of that shape.

        Args:
            noise: of unit variance, shape (n, 1, j, i).
            widths: factors on the blur of each slice, shape (n, 1, 1, 1); None for the measured blur.
        """
        with torch.autocast(slices.device.type, enabled=False):  # half precision would add noise to the scan
            return self._made(slices.float(), noise, widths)

    def _made(self, slices: torch.Tensor, noise: torch.Tensor | None, widths: torch.Tensor | None) -> torch.Tensor:
        groups = [(slices, self.blur_px)]
        if widths is not None:
            groups = zip(slices.split(1), (self.blur_px * widths).flatten(), strict=True)
        made = torch.cat([gaussian_blur(*group, BLUR_PX // 2, padding="replicate") for group in groups])
        made = self.stretch * (made - AIR) + AIR
        if noise is None:
            return made
        # Filtered back-projection leaves no noise at zero frequency.
        kernels = self.textures - self.textures.mean(dim=(-2, -1), keepdim=True)
        textures = F.conv2d(noise, kernels, padding=NOISE_PX // 2)
        return made + (self._amounts(slices, noise) * textures).sum(dim=1, keepdim=True)

    def _amounts(self, slices: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Of each texture, shape (n, 4, j, i)."""
        cells = F.avg_pool2d(slices, CELL_PX, ceil_mode=True)
        wider = F.avg_pool2d(cells, 3, stride=1, padding=1, count_include_pad=False)
        chance = F.avg_pool2d(noise, CELL_PX, ceil_mode=True) * CELL_PX
        amounts = self.amounts(torch.cat((cells, wider, chance), dim=1)).exp()
        return F.interpolate(amounts, size=slices.shape[-2:], mode="bilinear", align_corners=False)
