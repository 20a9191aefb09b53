"""Metal in a patient: fillings of amalgam, or the head of a hip prosthesis.

Densities are those of the materials (amalgam 11 g/cm³, cobalt-chromium 8.3 g/cm³) times their electrons per gram. At
3.5 MV metal mostly starves rays of photons; pair production, which adds to its attenuation, is left out.
"""

from __future__ import annotations

import numpy as np

from ..volume import Volume
from .couch import SKIN_HU
from .density import kv_hu_from_density

# Place in the body's box in the middle slice, from -1 (right, front) to 1 (left, back), and diameter in mm.
RODS = {
    "teeth": ((-0.30, -0.60, 8.0), (0.30, -0.60, 8.0), (0.16, -0.76, 6.0)),
    "hip": ((0.45, 0.10, 40.0),),
}
ELECTRON_DENSITY = {"teeth": 8.3, "hip": 6.9}  # relative to water
LENGTH_MM = {"teeth": 16.0, "hip": 40.0}  # along the patient, about the middle of the scan


def slices_with_metal(metal: str, total: int, step_mm: float) -> range:
    """Numbers of the slices that hold metal: those about the middle one, at least that one; none without metal."""
    if not metal:
        return range(0)
    beside = int(LENGTH_MM[metal] / 2 // step_mm)
    middle = total // 2
    return range(max(middle - beside, 0), min(middle + beside + 1, total))


def with_metal(kvct: Volume, metal: str) -> Volume:
    """A kVCT of axial slices with metal in it, whose HU are those that the density curve would give its density."""
    slices = slices_with_metal(metal, len(kvct.array), kvct.spacing[2])
    if not slices:
        return kvct
    array = kvct.array.copy()
    body = array[len(array) // 2] > SKIN_HU
    rows, columns = (np.flatnonzero(body.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return kvct
    y, x = ((np.arange(n) * mm) for n, mm in zip(body.shape, kvct.spacing[1::-1], strict=True))
    density_hu = 1000 * (ELECTRON_DENSITY[metal] - 1)
    for across, down, diameter_mm in RODS[metal]:
        centre_x, centre_y = (
            (places[0] + places[-1]) / 2 * mm + part * (places[-1] - places[0]) / 2 * mm
            for places, mm, part in ((columns, kvct.spacing[0], across), (rows, kvct.spacing[1], down))
        )
        rod = (x - centre_x) ** 2 + (y[:, None] - centre_y) ** 2 <= diameter_mm**2 / 4
        array[slices.start : slices.stop, rod] = kv_hu_from_density(np.array([density_hu]))
    return kvct.with_array(array)
