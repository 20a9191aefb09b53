"""Digital kVCT phantoms for quality assurance: TomoTherapy's cheese phantom, which is noise-free."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ..volume import Volume
from ..volume.values import AIR_HU
from .density import kv_hu_from_density
from .phantom import SHAPE, SPACING_MM, centred, grid_points, render
from .shapes import Ellipse, Shape

CHEESE_DIAMETER_MM = 300.0
PLUG_DIAMETER_MM = 28.0
WATER_DIAMETER_MM = 200.0
_INNER_MM, _OUTER_MM = 65.0, 110.0  # of the rings of plugs
SUPERSAMPLE = 4


@dataclass(frozen=True)
class Plug:
    """A plug of the cheese phantom: its material, the material's electron density relative to water, and its place.

    Args:
        angle: in degrees from the patient's left (x) to the back (y).
        radius_mm: of its centre about the phantom's axis.
        own_kv_hu: HU at kV where they are known; None for those of the density.
    """

    material: str
    density: float
    angle: float
    radius_mm: float
    own_kv_hu: float | None = None

    @property
    def mv_hu(self) -> float:
        """HU of a noise-free MVCT."""
        return 1000 * (self.density - 1)

    @property
    def kv_hu(self) -> float:
        """HU at kV: the material's own, or by the line of `density`."""
        if self.own_kv_hu is not None:
            return self.own_kv_hu
        return float(kv_hu_from_density(np.array([self.mv_hu]))[0])

    @property
    def place_mm(self) -> tuple[float, float]:
        """Centre (x, y) about the phantom's axis."""
        angle = math.radians(self.angle)
        return self.radius_mm * math.cos(angle), self.radius_mm * math.sin(angle)


def _plug(material: str, density: float, angle: float) -> Plug:
    """Those of the inner ring stand every 45 degrees from 22.5, those of the outer in threes about the diagonals."""
    return Plug(material, density, angle, _INNER_MM if angle % 45 == 22.5 else _OUTER_MM)


_SOLID_WATER = ("solid water", 1.0)
#: By the numbers that pylinac gives the holes. The densities are those of the vendor's set of tissue substitutes
#: (Gammex RMI 467), rounded; its solid water, with 0.99, is taken for water.
CHEESE_PLUGS: Mapping[str, Plug] = MappingProxyType(
    {
        "1": _plug(*_SOLID_WATER, -75),
        "2": _plug("brain", 1.05, -67.5),
        "3": _plug("lung LN-450", 0.4, -45),
        "4": _plug("bone CB2-30 %", 1.28, -22.5),
        "5": _plug(*_SOLID_WATER, -15),
        "6": _plug("adipose", 0.9, 15),
        "7": _plug(*_SOLID_WATER, 22.5),
        "8": _plug(*_SOLID_WATER, 45),
        "9": _plug("liver", 1.07, 67.5),
        "10": _plug("cortical bone", 1.69, 75),
        "11": _plug(*_SOLID_WATER, 105),
        "12": _plug("inner bone", 1.09, 112.5),
        "13": _plug("lung LN-300", 0.28, 135),
        "14": _plug(*_SOLID_WATER, 157.5),
        "15": _plug(*_SOLID_WATER, 165),
        "16": _plug("bone CB2-50 %", 1.47, -165),
        "17": _plug("bone mineral", 1.11, -157.5),
        "18": _plug(*_SOLID_WATER, -135),
        "19": _plug("water", 1.0, -112.5),
        "20": _plug("breast", 0.96, -105),
    }
)


def cheese_phantom(
    *,
    slices: int = 12,
    shape: tuple[int, int] = SHAPE,
    spacing_mm: tuple[float, float, float] = SPACING_MM,
    offset_mm: tuple[float, float] = (0.0, 0.0),
    roll: float = 0.0,
    tilt: float = 0.0,
) -> Volume:
    """TomoTherapy's cheese phantom: 30 cm of solid water with 20 plugs of 28 mm (`CHEESE_PLUGS`).

    Args:
        slices, shape, spacing_mm: the grid, as in `head_neck_phantom`.
        offset_mm: (x, y) of the axis in the middle slice.
        roll: degrees from x to y.
        tilt: degrees by which the axis leans to the left towards the head; the slices stay circles.

    Returns:
        int16 HU of shape (k, j, i), head first supine.
    """
    table = [AIR_HU, 0.0, *(plug.kv_hu for plug in CHEESE_PLUGS.values())]

    def painting(x: float, y: float) -> list[tuple[int, Shape]]:
        radius = CHEESE_DIAMETER_MM / 2
        shapes: list[tuple[int, Shape]] = [(1, Ellipse(x, y, radius, radius))]
        for label, plug in enumerate(CHEESE_PLUGS.values(), start=2):
            angle = math.radians(plug.angle + roll)
            at = (x + plug.radius_mm * math.cos(angle), y + plug.radius_mm * math.sin(angle))
            shapes.append((label, Ellipse(*at, PLUG_DIAMETER_MM / 2, PLUG_DIAMETER_MM / 2)))
        return shapes

    x, y = grid_points(shape, spacing_mm, SUPERSAMPLE)
    heights = (np.arange(slices) - (slices - 1) / 2) * spacing_mm[2]
    array = np.empty((slices, *shape), np.int16)
    for k, z in enumerate(heights):
        if k and not tilt:
            array[k] = array[0]
            continue
        shapes = painting(offset_mm[0] + z * math.tan(math.radians(tilt)), offset_mm[1])
        array[k] = np.rint(render(shapes, np.array(table, np.float32), x, y, SUPERSAMPLE))
    return centred(array, spacing_mm, 0.0)
