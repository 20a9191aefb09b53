"""Tissues of patients in their MVCT and in their planning CT, which need no registration.

Each of some slices of the MVCT is compared with the slice of the planning CT that is most like it, so that both show
about the same part of the body.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..physics.calibration import Calibration
from ..physics.density import density_hu_from_kv
from ..quality.body import body_mask
from ..quality.masks import erode
from ..volume import Volume
from ..volume.grid import axial
from .fit import Measured, fit, require_near
from .profile import FittedCalibration

MIN_PATIENTS = 3
MVCT_SLICES, KVCT_SLICES = 9, 60  # of a scan, evenly placed
SMOOTHING_MM = 2.0  # SD, more than either scan's own blur, so that bone is as thick in both
EROSION_MM = 2.0
MIN_AREA_MM2 = 500.0  # of a tissue in all slices of a scan together
THUMB_MM, THUMB_REACH_MM = 5.0, 200.0
THUMB_HU = (-1000.0, 300.0)
MAX_UNLIKE_HU = 40.0  # mean difference of slices; neighbouring ones of a patient differ by 5 to 10
ROUNDS = 12
CLOSE_HU = 0.05

#: HU of an exact MVCT, and the SD about the line in HU of one patient's median: anatomy, breathing, contrast agent.
#: Bone differs most from slice to slice, so that its slope comes of the prior above all.
TISSUES = MappingProxyType(
    {
        "lung": ((-900.0, -500.0), 20.0),
        "fat": ((-150.0, -50.0), 4.0),
        "soft tissue": ((0.0, 100.0), 4.0),
        "bone": ((200.0, 1000.0), 40.0),
    }
)


@dataclass(frozen=True, eq=False)
class SmoothSlice:
    """Args: hu, smoothed, shape (j, i); body, bool, the same shape; pixel_size (row, column) in mm."""

    hu: np.ndarray
    body: np.ndarray
    pixel_size: tuple[float, float]

    @property
    def thumb(self) -> np.ndarray:
        """The body alone, coarse and about its centre, to tell how much alike slices are."""
        low, high = THUMB_HU
        coarse = ndimage.gaussian_filter(
            np.where(self.body, self.hu, low).clip(low, high), [THUMB_MM / 2 / size for size in self.pixel_size]
        )
        steps = np.arange(-THUMB_REACH_MM, THUMB_REACH_MM + 1, THUMB_MM)
        centre = [places.mean() for places in np.nonzero(self.body)]
        places = [middle + steps / size for middle, size in zip(centre, self.pixel_size, strict=True)]
        return ndimage.map_coordinates(coarse, np.meshgrid(*places, indexing="ij"), order=1, cval=low)

    def tissue(self, name: str, line: Calibration) -> np.ndarray:
        """The smoothed HU where they are those of a tissue for a scanner with this line."""
        low, high = TISSUES[name][0]
        exact = line.exact_hu(self.hu)
        mask = self.body & (low <= exact) & (exact <= high)
        if name != "bone":  # too thin
            mask = erode(mask, tuple(2 * round(EROSION_MM / size) + 1 for size in self.pixel_size))
        return self.hu[mask]


@dataclass(frozen=True, eq=False)
class Patient:
    """Args: mvct, slices in HU as the scanner shows them; kvct, for each the slice of the planning CT that is most like
    it, in HU of an exact MVCT.
    """

    mvct: tuple[SmoothSlice, ...]
    kvct: tuple[SmoothSlice, ...]


def patient_of(mvcts: Sequence[Volume], kvcts: Sequence[Volume]) -> Patient:
    """The slices of a patient's scans that can be compared.

    Raises:
        InputError: no slice of the MVCT is like one of the planning CT.
    """
    shown = [image for volume in mvcts for image in _slices(volume, MVCT_SLICES, kilovoltage=False)]
    exact = [image for volume in kvcts for image in _slices(volume, KVCT_SLICES, kilovoltage=True)]
    thumbs = [image.thumb for image in exact]
    pairs = []
    for image in shown:
        unlike = [float(np.abs(image.thumb - thumb).mean()) for thumb in thumbs]
        if unlike and min(unlike) <= MAX_UNLIKE_HU:
            pairs.append((image, exact[int(np.argmin(unlike))]))
    if not pairs:
        raise InputError(
            "No slice of the MVCT is like one of the planning CT: check that both are of this patient and of the same "
            "part of the body."
        )
    return Patient(*(tuple(side) for side in zip(*pairs, strict=True)))


def calibration_of(patients: Sequence[Patient], *, numbers: Sequence[int] = ()) -> FittedCalibration:
    """The line that brings the medians of lung, fat, soft tissue and bone in MVCT to those in the planning CTs.

    Which pixel of the MVCT is which tissue depends on the line, which is therefore fitted several times.

    Args:
        patients: of whom there are both scans.
        numbers: that texts give them [1, 2, ...].

    Raises:
        InputError: fewer than three patients, no line that is plausible, or a tissue far from the line.
    """
    if len(patients) < MIN_PATIENTS:
        raise InputError(
            f"There are {len(patients)} patients with an MVCT and a planning CT: at least {MIN_PATIENTS} are needed, "
            "or a phantom."
        )
    wanted = [_medians(patient.kvct, Calibration()) for patient in patients]
    line = Calibration()
    for _ in range(ROUNDS):
        points = [
            Measured(f"{name} of patient {number}", exact[name], shown[name], TISSUES[name][1])
            for number, patient, exact in zip(numbers or range(1, len(patients) + 1), patients, wanted, strict=True)
            for shown in [_medians(patient.mvct, line)]
            for name in TISSUES
            if name in exact and name in shown
        ]
        fitted = fit(points, source="patients", count=len(patients))
        before, line = line, fitted.line
        if abs(line.offset_hu - before.offset_hu) < CLOSE_HU and math.isclose(line.slope, before.slope, abs_tol=1e-4):
            break
    require_near(points, fitted)
    return fitted


def _slices(volume: Volume, most: int, *, kilovoltage: bool) -> list[SmoothSlice]:
    volume = axial(volume)
    pixel_size = volume.spacing[1::-1]
    found = []
    for k in np.unique(np.linspace(0, len(volume.array) - 1, most).round().astype(int)):
        hu = volume.array[k].astype(np.float32)
        if image := smooth_slice(density_hu_from_kv(hu) if kilovoltage else hu, pixel_size):
            found.append(image)
    return found


def smooth_slice(hu: np.ndarray, pixel_size: tuple[float, float]) -> SmoothSlice | None:
    """An axial slice of an exact MVCT's HU, shape (j, i), smoothed; None where it shows no body."""
    body = body_mask(hu, pixel_size=pixel_size)
    if not body.any():
        return None
    return SmoothSlice(ndimage.gaussian_filter(hu, [SMOOTHING_MM / size for size in pixel_size]), body, pixel_size)


def _medians(slices: Sequence[SmoothSlice], line: Calibration) -> dict[str, float]:
    """Of each tissue of which there is enough."""
    area = math.prod(slices[0].pixel_size)
    values = {name: np.concatenate([image.tissue(name, line) for image in slices]) for name in TISSUES}
    return {name: float(np.median(hu)) for name, hu in values.items() if hu.size * area >= MIN_AREA_MM2}
