"""Curves that tell scanners apart: noise power, sharpness and cupping, measured alike in real and in simulated MVCT."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ..physics.qa_phantoms import PLUG_DIAMETER_MM, RINGS_MM
from ..qa.edges import circle_edge_modulation
from ..qa.phantoms import TOMO_CHEESE
from ..qa.position import Cylinder, distances_mm, mean_image
from ..quality.body import body_mask
from ..quality.edges import skin_edge_profile
from ..quality.noise import homogeneous_tissue
from ..quality.noise_power import noise_power
from ..quality.slices import Slice
from ..volume import Volume

CENTRE_SHARE, MAX_CENTRE_MM = 0.3, 45.0  # of the diameter: radius within which a phantom has no plugs
RING_MM, RIM_MM = 10.0, 12.0  # width of the rings of cupping, and what is left out at the rim
MODULATION_AT = np.arange(0.05, 0.61, 0.05)  # lp/mm


@dataclass(frozen=True)
class Kind:
    """A kind of curve.

    Args:
        label: with its unit.
        along: what it is drawn over, with its unit.
        sd: difference that is no more than chance.
        limit: root mean square of the difference of scan and twin, above which the twin is refused.
        relative: whether differences are parts of the scan's value.
    """

    label: str
    along: str
    sd: float
    limit: float
    relative: bool = False

    def differences(self, scan: np.ndarray, twin: np.ndarray) -> np.ndarray:
        """Those of a twin from its scan, in the unit of `sd`."""
        return np.log(twin / scan) if self.relative else twin - scan


NOISE, MODULATION, SKIN, CUPPING = "noise_power", "modulation", "skin_edge", "cupping"
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        NOISE: Kind("noise power / HU² mm²", "frequency / lp/mm", 0.06, 0.25, relative=True),
        MODULATION: Kind("modulation transfer function", "frequency / lp/mm", 0.02, 0.08),
        SKIN: Kind("edge of the skin, air 0, tissue 1", "distance / mm", 0.02, 0.08),
        CUPPING: Kind("HU less those of the centre", "distance from the axis / mm", 2.0, 10.0),
    }
)


@dataclass(frozen=True, eq=False)
class Curve:
    """Args: x; values, of the same shape."""

    x: np.ndarray
    values: np.ndarray


Curves = Mapping[str, Curve]


def phantom_noise(images: np.ndarray, centre_mm: Iterable[np.ndarray], scan: Volume, diameter_mm: float) -> Curve:
    """Noise power in the middle of a phantom.

    Args:
        images: HU, shape (k, j, i).
        centre_mm: (x, y) of the phantom's axis in each of them, about its middle.
        scan: whose grid they have.
        diameter_mm: of the phantom.
    """
    radius = min(CENTRE_SHARE * diameter_mm, MAX_CENTRE_MM)
    masks = [distances_mm(scan, centre) <= radius for centre in centre_mm]
    return Curve(*noise_power(images, masks, pixel_mm=scan.spacing[0]))


def phantom_sharpness(
    image: np.ndarray, distance_mm: np.ndarray, diameter_mm: float, *, plugs: bool
) -> dict[str, Curve]:
    """Modulation at the rim, and cupping, of a phantom's mean slice.

    Args:
        image: HU, shape (j, i).
        distance_mm: of each pixel from the axis, shape (j, i).
        diameter_mm: of the phantom.
        plugs: whether it has the cheese phantom's, whose rings are left out.
    """
    frequencies, modulation = circle_edge_modulation(image, distance_mm, diameter_mm / 2)
    rings = _rings(diameter_mm / 2 - RIM_MM, plugs)
    means = [image[(distance_mm >= low) & (distance_mm < high)].mean() for low, high in rings]
    return {
        MODULATION: Curve(MODULATION_AT, np.interp(MODULATION_AT, frequencies, modulation)),
        CUPPING: Curve(np.array([sum(ring) / 2 for ring in rings[1:]]), np.array(means[1:]) - means[0]),
    }


def _rings(reach_mm: float, plugs: bool) -> list[tuple[float, float]]:
    """Inner and outer radius of rings without plugs."""
    rings = [(n * RING_MM, (n + 1) * RING_MM) for n in range(int(reach_mm // RING_MM))]
    if not plugs:
        return rings
    away = PLUG_DIAMETER_MM / 2 + 1
    return [(a, b) for a, b in rings if all(b <= ring - away or a >= ring + away for ring in RINGS_MM)]


def phantom_curves(scan: Volume, cylinder: Cylinder, phantom: str) -> dict[str, Curve]:
    """All curves of a phantom's MVCT, HU of an exact scanner, axial."""
    core = cylinder.core
    noise = phantom_noise(
        scan.array[core.start : core.stop], [cylinder.centre_mm(k) for k in core], scan, cylinder.diameter_mm
    )
    image, centre = mean_image(scan, cylinder)
    sharp = phantom_sharpness(image, distances_mm(scan, centre), cylinder.diameter_mm, plugs=phantom == TOMO_CHEESE)
    return {NOISE: noise} | sharp


def tissue_masks(images: Iterable[np.ndarray], pixel_mm: float) -> list[np.ndarray]:
    """Homogeneous soft tissue of each slice (j, i)."""
    size = (pixel_mm, pixel_mm)
    slices = map(Slice, images)
    return [homogeneous_tissue(image, body_mask(image, pixel_size=size), pixel_size=size) for image in slices]


def skin_curve(images: Iterable[np.ndarray], pixel_mm: float) -> Curve:
    """Mean edge-spread function of the skin over the slices (j, i) that have one."""
    size, found = (pixel_mm, pixel_mm), []
    for image in map(Slice, images):
        distances, values = skin_edge_profile(image, body_mask(image, pixel_size=size), pixel_size=size)
        if np.isfinite(values).all():
            found.append(values)
    return Curve(distances, np.mean(found, axis=0) if found else np.full(distances.shape, math.nan))


def patient_curves(images: Sequence[np.ndarray], pixel_mm: float) -> dict[str, Curve]:
    """Noise power in homogeneous soft tissue and the edge of the skin, over patients' MVCT slices, each (j, i)."""
    power = Curve(*noise_power(images, tissue_masks(images, pixel_mm), pixel_mm=pixel_mm))
    return {NOISE: power, SKIN: skin_curve(images, pixel_mm)}
