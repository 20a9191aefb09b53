"""Kilovoltage HU and the density scale that megavoltage HU follow.

At about 3.5 MV nearly all attenuation is Compton scattering, so that MVCT HU are
1000 * (relative electron density - 1). Kilovoltage HU of bone lie higher, because of the photoelectric effect.
"""

from __future__ import annotations

import torch

# Relative electron density is 1 + HU/1000 in soft tissue and 1.052 + 0.00048 HU in bone (Thomas, Br J Radiol 72,
# 1999; Saw et al., Med Dosim 30, 2005). The two lines meet at 100 HU, which keeps the curve continuous.
KNEE_HU = 100.0
BONE_OFFSET_HU = 52.0
BONE_SLOPE = 0.48


def density_hu_from_kv(hu: torch.Tensor) -> torch.Tensor:
    """Kilovoltage HU -> 1000 * (relative electron density - 1), the HU of a noise-free MVCT; any shape."""
    return torch.where(hu <= KNEE_HU, hu, BONE_OFFSET_HU + BONE_SLOPE * hu)


def kv_hu_from_density(density_hu: torch.Tensor) -> torch.Tensor:
    """The inverse of :func:`density_hu_from_kv`; any shape, no value is clipped."""
    return torch.where(density_hu <= KNEE_HU, density_hu, (density_hu - BONE_OFFSET_HU) / BONE_SLOPE)
