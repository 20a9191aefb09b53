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
from .shapes import Ellipse, Shape, Stroke

CHEESE_DIAMETER_MM = 300.0
PLUG_DIAMETER_MM = 28.0
WATER_DIAMETER_MM = 200.0
RINGS_MM = _INNER_MM, _OUTER_MM = 65.0, 110.0  # radii of the rings of plugs
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
        return kv_hu(self.density) if self.own_kv_hu is None else self.own_kv_hu

    def place_mm(self, roll: float = 0.0) -> np.ndarray:
        """Centre (x, y) about the axis of a phantom that is turned by so many degrees."""
        angle = math.radians(self.angle + roll)
        return self.radius_mm * np.array([math.cos(angle), math.sin(angle)])


def kv_hu(density: float) -> float:
    """HU at kV of tissue of an electron density relative to water, by the line of `density`."""
    return float(kv_hu_from_density(np.array([1000 * (density - 1)]))[0])


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
            at = plug.place_mm(roll) + np.array([x, y])
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


#: Plugs of the Catphan 504's linearity module: material, electron density relative to water (Catphan manual), angle.
_LINEARITY = (
    ("Air", 0.001, -90),
    ("PMP", 0.853, -120),
    ("LDPE", 0.944, 180),
    ("Poly", 1.017, 120),
    ("Air", 0.001, 90),
    ("Acrylic", 1.147, 60),
    ("Delrin", 1.363, 0),
    ("Teflon", 1.868, -60),
)
_PAIRS = (2, 3, 4, 4, 4, 5, 5, 5)  # bars of 1 to 8 line pairs per cm
_PAIRS_END = (0.107, 0.173, 0.236, 0.286, 0.335, 0.387, 0.434, 0.479)  # of each gauge, as a part of the circle
_TARGETS = ((15, -87.4), (9, -69.1), (8, -52.7), (7, -38.5), (6, -25.1), (5, -12.9))  # low contrast: mm, angle
CATPHAN_DIAMETER_MM = 202.0
CATPHAN_SPACING_MM = (0.763, 0.763, 3.0)
_ALUMINIUM, _WIRE = 2.34, 2.0  # densities; the wire's is that of tungsten spread over its drawn width and the slice
_RAMP = math.tan(math.radians(23))
_MODULE_MM = 12.5  # half the thickness of a module


def catphan_phantom(*, slices: int = 41, spacing_mm: tuple[float, float, float] = CATPHAN_SPACING_MM) -> Volume:
    """A Catphan 504 as pylinac knows it.

    Its linearity module with the ramps lies at z = 0, line pairs at 30, low contrast at -30, and the uniform module at
    -65 mm. All else is water. The middle of the slices lies at -15 mm.

    Args:
        slices: number of slices; 120 mm show all modules.
        spacing_mm: voxel size along (i, j, k).

    Returns:
        int16 HU of shape (k, j, i), head first supine.
    """
    table = np.array([AIR_HU, 0, kv_hu(_ALUMINIUM), kv_hu(_WIRE), 10, *(kv_hu(plug[1]) for plug in _LINEARITY)])
    x, y = grid_points(SHAPE, spacing_mm, SUPERSAMPLE)
    known: dict[str, np.ndarray] = {}
    array = np.empty((slices, *SHAPE), np.int16)
    heights = -15.0 + (np.arange(slices) - (slices - 1) / 2) * spacing_mm[2]
    for k, z in enumerate(heights):
        module = _catphan_module(z, spacing_mm[2])
        if str(module) not in known:
            known[str(module)] = np.rint(render(module, table.astype(np.float32), x, y, SUPERSAMPLE))
        array[k] = known[str(module)]
    return centred(array, spacing_mm, -15.0)


def _catphan_module(z: float, slice_mm: float) -> list[tuple[int, Shape]]:
    radius = CATPHAN_DIAMETER_MM / 2
    shapes: list[tuple[int, Shape]] = [(1, Ellipse(0, 0, radius, radius))]
    if abs(z) < _MODULE_MM:
        shapes += [(5 + n, _circle(58.7, angle, 6.1)) for n, (_, _, angle) in enumerate(_LINEARITY)]
        air, teflon = 5, 5 + len(_LINEARITY) - 1
        shapes += [(teflon if x > 0 and y > 0 else air, Ellipse(x, y, 1.5, 1.5)) for x in (-25, 25) for y in (-25, 25)]
        low, high = ((z + half * slice_mm) / _RAMP for half in (-0.5, 0.5))
        if max(-low, high) < 20:
            shapes += [(3, Stroke(((side * 38, side * low), (side * 38, side * high)), 0.5)) for side in (-1, 1)]
            shapes += [(3, Stroke(((side * low, side * 38), (side * high, side * 38)), 0.5)) for side in (-1, 1)]
    elif abs(z - 30) < _MODULE_MM:
        start = 0.0
        for number, (bars, end) in enumerate(zip(_PAIRS, _PAIRS_END, strict=True), start=1):
            width = 5.0 / number
            middle = 180 - 180 * (start + end)
            for bar in range(bars):
                angle = math.radians(middle) + 2 * width * (bar - (bars - 1) / 2) / 47
                places = tuple((r * math.cos(angle), r * math.sin(angle)) for r in (43, 51))
                shapes.append((2, Stroke(places, width / 2)))
            start = end
    elif abs(z + 30) < _MODULE_MM:
        shapes += [(4, _circle(50, angle, size / 2)) for size, angle in _TARGETS]
    return shapes


def _circle(distance: float, angle: float, radius: float) -> Ellipse:
    place = distance * math.cos(math.radians(angle)), distance * math.sin(math.radians(angle))
    return Ellipse(*place, radius, radius)
