"""The HU line of one scanner: its MVCT HU against those that a model expects.

A scanner that is exact shows 1000 * (relative electron density - 1) (`density.density_hu_from_kv`). Others show
offset + slope * HU up to the knee at 100 HU, and above it rise by `bone_slope` per kilovoltage HU in the place of 0.48.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InputError
from ..volume import Volume
from ..volume.values import PADDING_HU
from .density import BONE_SLOPE, KNEE_HU, correction

#: Smallest and largest plausible value. TG-148 (Langen et al., Med Phys 37, 2010) tolerates 30 HU of water and 50 HU of
#: lung and bone for dose; beyond these limits the scans are no MVCT in HU, or the scanner needs its service.
LIMITS = {"offset_hu": (-60.0, 60.0), "slope": (0.9, 1.1), "bone_slope": (0.35, 0.65)}
_WORDS = {"offset_hu": "HU of water", "slope": "slope of the HU", "bone_slope": "slope of the HU of bone"}


@dataclass(frozen=True)
class Calibration:
    """The HU line of a scanner; the defaults are those of an exact one.

    Args:
        offset_hu: HU of water.
        slope: HU per HU of an exact scanner, up to 100 HU there.
        bone_slope: HU per kilovoltage HU above.

    Raises:
        InputError: a value beyond `LIMITS`.
    """

    offset_hu: float = 0.0
    slope: float = 1.0
    bone_slope: float = BONE_SLOPE

    def __post_init__(self):
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise InputError(
                    f"The {_WORDS[name]} of {value:.4g} is not plausible (limits {low:g} to {high:g}): check that the "
                    "scans are MVCT in HU, and that the right files were given."
                )

    @classmethod
    def of_site(cls, site: Mapping[str, Any]) -> Calibration:
        """That of what a record says of the site profile; an exact scanner's where it says none."""
        known = site.get("calibration", {})
        return cls(**{name: known[name] for name in LIMITS if name in known})

    def shown_hu(self, exact_hu: np.ndarray) -> np.ndarray:
        """HU that the scanner shows where an exact one shows `exact_hu`, any shape."""
        bone = self.offset_hu + self.slope * KNEE_HU + self.bone_slope / BONE_SLOPE * (exact_hu - KNEE_HU)
        return np.where(exact_hu <= KNEE_HU, self.offset_hu + self.slope * exact_hu, bone)

    def exact_hu(self, shown_hu: np.ndarray) -> np.ndarray:
        """The inverse of `shown_hu`, float32; nothing is clipped, and pixels that were not measured (-1024) stay."""
        shown = np.asarray(shown_hu, np.float32)
        knee = np.float32(self.offset_hu + self.slope * KNEE_HU)
        tissue = (shown - np.float32(self.offset_hu)) / np.float32(self.slope)
        bone = np.float32(KNEE_HU) + (shown - knee) * np.float32(BONE_SLOPE / self.bone_slope)
        return np.where(shown == PADDING_HU, shown, np.where(shown <= knee, tissue, bone))

    def calibrated(self, mvct: Volume) -> Volume:
        """A scan of this scanner with the HU of an exact one; int16 where the scan is, unless the values do not fit."""
        ends = self.exact_hu(np.array([mvct.array.min(), mvct.array.max()]))
        limits = np.iinfo(np.int16)
        whole = mvct.array.dtype == np.int16 and limits.min <= ends[0] and ends[1] <= limits.max
        array = np.empty(mvct.array.shape, np.int16 if whole else np.float32)
        for k, shown in enumerate(mvct.array):
            array[k] = np.rint(self.exact_hu(shown)) if whole else self.exact_hu(shown)
        return replace(mvct, array=array)

    def correction(self, mvct: np.ndarray, enhanced: np.ndarray) -> np.ndarray:
        """What was changed in a scan of this scanner beyond calibration and HU conversion, see `density.correction`."""
        return correction(self.exact_hu(mvct), enhanced)
