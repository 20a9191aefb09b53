"""Kilovoltage HU, the density scale that megavoltage HU follow, and maps of what an enhancement changed.

At about 3.5 MV nearly all attenuation is Compton scattering, so that MVCT HU are
1000 * (relative electron density - 1). Kilovoltage HU of bone lie higher, because of the photoelectric effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array", np.ndarray, "torch.Tensor")

# Relative electron density is 1 + HU/1000 in soft tissue and 1.052 + 0.00048 HU in bone (Thomas, Br J Radiol 72,
# 1999; Saw et al., Med Dosim 30, 2005). The two lines meet at 100 HU, which keeps the curve continuous.
KNEE_HU = 100.0
BONE_OFFSET_HU = 52.0
BONE_SLOPE = 0.48


def density_hu_from_kv(hu: Array) -> Array:
    """Kilovoltage HU -> 1000 * (relative electron density - 1), the HU of a noise-free MVCT; any shape."""
    return _where(hu <= KNEE_HU, hu, BONE_OFFSET_HU + BONE_SLOPE * hu)


def kv_hu_from_density(density_hu: Array) -> Array:
    """The inverse of :func:`density_hu_from_kv`; any shape, no value is clipped."""
    return _where(density_hu <= KNEE_HU, density_hu, (density_hu - BONE_OFFSET_HU) / BONE_SLOPE)


def _where(condition: Array, yes: Array, no: Array) -> Array:
    """For either kind of array; torch is not imported for numpy's."""
    return np.where(condition, yes, no) if isinstance(condition, np.ndarray) else yes.where(condition, no)


def difference(mvct: np.ndarray, enhanced: np.ndarray) -> np.ndarray:
    """enhanced - MVCT, float32, of HU of any shape: bone is far above 0, since it has more HU in kVCT than in MVCT."""
    return np.subtract(enhanced, mvct, dtype=np.float32)


def at_strength(mvct: np.ndarray, enhanced: np.ndarray, share: float) -> np.ndarray:
    """A share, 0 to 1, of what the enhancement changed beyond the HU conversion, on the density scale.

    Args:
        mvct, enhanced: HU of the same shape, any.

    Returns:
        kilovoltage HU, float32: with 0 the MVCT whose HU are converted, with 1 the enhanced scan.
    """
    return kv_hu_from_density(mvct + np.float32(share) * correction(mvct, enhanced))


def correction(mvct: np.ndarray, enhanced: np.ndarray) -> np.ndarray:
    """What was changed beyond the HU conversion, float32, of HU of any shape.

    The HU that a noise-free MVCT would have of what the enhanced scan shows (`density_hu_from_kv`), less the MVCT: 0
    where the enhancement did no more than turn the MVCT's HU into those of kVCT, in bone too.
    """
    return difference(mvct, density_hu_from_kv(np.asarray(enhanced, np.float32)))
