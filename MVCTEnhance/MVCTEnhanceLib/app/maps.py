"""Maps of what the enhancement changed, in HU."""

from __future__ import annotations

import numpy as np

from ..physics.density import density_hu_from_kv


def difference(mvct: np.ndarray, enhanced: np.ndarray) -> np.ndarray:
    """enhanced - MVCT, float32, of HU of any shape: bone is far above 0, since it has more HU in kVCT than in MVCT."""
    return np.subtract(enhanced, mvct, dtype=np.float32)


def correction(mvct: np.ndarray, enhanced: np.ndarray) -> np.ndarray:
    """What was changed beyond the HU conversion, float32, of HU of any shape.

    The HU that a noise-free MVCT would have of what the enhanced scan shows (`density_hu_from_kv`), less the MVCT: 0
    where the enhancement did no more than turn the MVCT's HU into those of kVCT, in bone too.
    """
    return difference(mvct, density_hu_from_kv(np.asarray(enhanced, np.float32)))
