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

from ..errors import InputError
from ..physics.calibration import Calibration
from ..physics.density import density_hu_from_kv
from ..quality.alike_slices import MAX_UNLIKE_HU, SmoothSlice, most_alike, some_slices
from ..quality.masks import erode
from ..volume import Volume
from ..volume.grid import axial
from .fit import Measured, fit, require_near
from .profile import FittedCalibration

MIN_PATIENTS = 3
MVCT_SLICES, KVCT_SLICES = 9, 60  # of a scan, evenly placed
EROSION_MM = 2.0
MIN_AREA_MM2 = 500.0  # of a tissue in all slices of a scan together
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
    mvcts, kvcts = map(axial, mvcts), map(axial, kvcts)
    shown = [one for mvct in mvcts for one in some_slices(mvct.array, mvct.spacing[1::-1], MVCT_SLICES)]
    exact = [
        one for kvct in kvcts for one in some_slices(kvct.array, kvct.spacing[1::-1], KVCT_SLICES, density_hu_from_kv)
    ]
    alike = [(one, most_alike(one, exact, MAX_UNLIKE_HU)) for one in shown]
    pairs = [pair for pair in alike if pair[1]]
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


def _medians(slices: Sequence[SmoothSlice], line: Calibration) -> dict[str, float]:
    """Of each tissue of which there is enough."""
    area = math.prod(slices[0].pixel_size)
    values = {name: np.concatenate([_tissue(image, name, line) for image in slices]) for name in TISSUES}
    return {name: float(np.median(hu)) for name, hu in values.items() if hu.size * area >= MIN_AREA_MM2}


def _tissue(image: SmoothSlice, name: str, line: Calibration) -> np.ndarray:
    """The smoothed HU where they are those of a tissue for a scanner with this line."""
    low, high = TISSUES[name][0]
    exact = line.exact_hu(image.hu)
    mask = image.body & (low <= exact) & (exact <= high)
    if name != "bone":  # too thin
        mask = erode(mask, tuple(2 * round(EROSION_MM / size) + 1 for size in image.pixel_size))
    return image.hu[mask]
