"""Properties of a training's MVCT scans, which `assessment.input_warnings` compares other scans with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..quality.body import body_mask
from ..quality.noise import noise_sd
from ..quality.slices import places_of
from ..quality.spread import widened
from ..volume import Volume

PERCENTILES = (0.01, 99.99)  # of the voxels
AXIAL_COSINE = 0.7  # of the angle between the slices' normal and the patient's long axis
NOISE_SLICES = 9  # of each scan, as many as are looked at before a run
_HU = np.iinfo(np.int16)


class TrainedOn:
    """Ranges of pixel size, field of view, HU and noise over scans that are shown to it one after the other."""

    def __init__(self):
        self._histogram = np.zeros(_HU.max - _HU.min + 1, np.int64)
        self._pixels_mm: list[float] = []
        self._sides_mm: list[float] = []
        self._noise_hu: list[float] = []
        self._axial = True

    def add(self, scan: Volume) -> None:
        """Take a scan's values in; the scan itself is not kept."""
        hu = np.clip(np.rint(scan.array), _HU.min, _HU.max).astype(np.int64) - _HU.min
        self._histogram += np.bincount(hu.ravel(), minlength=self._histogram.size)
        pixel_size = scan.spacing[1::-1]
        self._pixels_mm += pixel_size
        self._sides_mm += [pixels * mm for pixels, mm in zip(scan.array.shape[1:], pixel_size, strict=True)]
        self._axial &= bool(abs(scan.direction[2, 2]) >= AXIAL_COSINE)
        for k in places_of(len(scan.array), NOISE_SLICES):
            image = scan.array[k]
            noise = noise_sd(image, body_mask(image, pixel_size=pixel_size), pixel_size=pixel_size)
            if math.isfinite(noise):
                self._noise_hu.append(noise)

    def to_card(self, scans: str) -> dict[str, Any]:
        """The card's entry: lengths in mm, HU and noise as [lowest, highest]; noise only where it could be measured.

        Args:
            scans: what they are, in words.
        """
        entry = {
            "scans": scans,
            "modality": "CT",
            "orientation": "axial" if self._axial else "not all axial",
            "spacing_mm": [round(min(self._pixels_mm), 4), round(max(self._pixels_mm), 4)],
            "field_of_view_mm": [round(float(min(self._sides_mm)), 1), round(float(max(self._sides_mm)), 1)],
            "hu": widened(*(self._percentile(q) for q in PERCENTILES)),
        }
        if self._noise_hu:
            entry["noise_hu"] = [math.floor(min(self._noise_hu)), math.ceil(max(self._noise_hu))]
        return entry

    def _percentile(self, q: float) -> float:
        """As numpy's, of all voxels, without holding them."""
        counts = self._histogram.cumsum()
        rank = q / 100 * (counts[-1] - 1)
        low, high = (int(np.searchsorted(counts, n, side="right")) for n in (math.floor(rank), math.ceil(rank)))
        return _HU.min + low + (high - low) * (rank - math.floor(rank))
