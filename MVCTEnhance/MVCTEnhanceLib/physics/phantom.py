"""Digital kVCT phantoms: a head and neck, a water cylinder, a cylinder with density inserts. All are noise-free."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from ..errors import InputError
from ..volume import Volume
from ..volume.values import AIR_HU
from .head_neck import anatomy, label_hu
from .shapes import Ellipse, Shape, paint

#: Reconstruction grid of TomoTherapy MVCT: 512 x 512 pixels over 390.6 mm, coarse slices.
SHAPE = (512, 512)
SPACING_MM = (0.763, 0.763, 6.0)

#: Sharpness of the head and neck's kVCT: the point spread of a standard soft-tissue kernel (MTF 50 % at 3.7 lp/cm)
#: and the thickness over which a slice is averaged.
PSF_FWHM_MM = 1.2
SLICE_MM = 3.0
_PLANES = 3  # of a slice; odd, so that the middle one is that of the labels


def head_neck_phantom(
    *,
    slices: int = 24,
    shape: tuple[int, int] = SHAPE,
    spacing_mm: tuple[float, float, float] = SPACING_MM,
    centre_z_mm: float = -40.0,
    supersample: int = 2,
) -> Volume:
    """Head and neck at kV: skin, fat, muscles, skull with diploë, brain, eyes, airway, jaws, spine, vessels, larynx.

    Its edges are a scanner's: each slice is the mean over `SLICE_MM` about its centre, and within it the point spread
    is a Gaussian of `PSF_FWHM_MM`. Low-contrast rods of 4 to 20 mm and ±20 to ±60 HU lie in the brain, the tongue and
    the neck (`head_neck.INSERTS`).

    Args:
        slices: number of slices, from the neck (k = 0) to the head.
        shape: rows and columns (j, i).
        spacing_mm: voxel size along (i, j, k) in mm.
        centre_z_mm: height of the middle of the stack above the eyes in mm; the anatomy reaches from 100 (top of the
            skull) to below -160 (trachea). By default 24 slices of 6 mm show the lateral ventricles to the larynx.
        supersample: points per pixel along i and along j.

    Returns:
        Volume with int16 HU of shape (k, j, i), head first supine (identity direction in LPS).
    """
    array = np.empty((slices, *shape), dtype=np.int16)
    table = label_hu().astype(np.float32)
    x, y = grid_points(shape, spacing_mm, supersample)
    planes_mm = (np.arange(_PLANES) - (_PLANES - 1) / 2) * SLICE_MM / _PLANES
    sigma_px = PSF_FWHM_MM / math.sqrt(8 * math.log(2)) / np.array(spacing_mm[1::-1])
    for k, z in enumerate(_heights(slices, spacing_mm, centre_z_mm)):
        plane = np.mean([render(anatomy(z + part), table, x, y, supersample) for part in planes_mm], axis=0)
        array[k] = np.rint(gaussian_filter(plane, sigma_px, mode="nearest"))
    return centred(array, spacing_mm, centre_z_mm)


def density_inserts(
    *,
    inserts_hu: Sequence[float] = (-700, -500, -100, 50, 200, 400, 800, 1200),
    diameter_mm: float = 200.0,
    insert_mm: float = 28.0,
    slices: int = 1,
    shape: tuple[int, int] = SHAPE,
    spacing_mm: tuple[float, float, float] = SPACING_MM,
) -> tuple[Volume, np.ndarray]:
    """Water cylinder with a ring of rods of other densities, like a CT calibration phantom.

    Args:
        inserts_hu: HU at kV of the rods, which stand at equal steps on 0.65 of the radius, the first in front (y < 0).
        diameter_mm: diameter of the water cylinder.
        insert_mm: diameter of each rod.
        slices, shape, spacing_mm: the grid, as in `head_neck_phantom`.

    Returns:
        The volume (int16 HU, shape (k, j, i)) and the labels of the same shape (uint8: 0 air, 1 water, 2 the first rod,
        3 the second ...).

    Raises:
        InputError: rods of this number and size overlap or do not fit into the cylinder.
    """
    ring = 0.65 * diameter_mm / 2
    apart = 2 * ring * np.sin(np.pi / max(len(inserts_hu), 2))
    if inserts_hu and (apart <= insert_mm or ring + insert_mm / 2 >= diameter_mm / 2):
        raise InputError(
            f"{len(inserts_hu)} inserts of {insert_mm:g} mm do not fit side by side into a cylinder of "
            f"{diameter_mm:g} mm: choose fewer or smaller inserts."
        )
    painting: list[tuple[int, Shape]] = [(1, Ellipse(0, 0, diameter_mm / 2, diameter_mm / 2))]
    for n in range(len(inserts_hu)):
        angle = 2 * np.pi * n / len(inserts_hu)
        rod = Ellipse(ring * np.sin(angle), -ring * np.cos(angle), insert_mm / 2, insert_mm / 2)
        painting.append((2 + n, rod))
    table = np.array([AIR_HU, 0, *inserts_hu], dtype=np.float32)
    plane = np.rint(render(painting, table, *grid_points(shape, spacing_mm, 4), 4)).astype(np.int16)
    labels = np.zeros(shape, dtype=np.uint8)
    paint(labels, *grid_points(shape, spacing_mm, 1), painting)
    volume = centred(np.repeat(plane[None], slices, axis=0), spacing_mm, 0.0)
    return volume, np.repeat(labels[None], slices, axis=0)


def grid_points(
    shape: tuple[int, int], spacing_mm: tuple[float, float, float], supersample: int
) -> tuple[np.ndarray, np.ndarray]:
    """mm positions of the sampling points along i and along j, with the middle of the field at 0."""
    axes = []
    for size, step in ((shape[1], spacing_mm[0]), (shape[0], spacing_mm[1])):
        count = size * supersample
        axes.append((np.arange(count, dtype=np.float32) - (count - 1) / 2) * np.float32(step / supersample))
    return axes[0], axes[1]


def _heights(slices: int, spacing_mm: tuple[float, float, float], centre_z_mm: float) -> np.ndarray:
    return centre_z_mm + (np.arange(slices) - (slices - 1) / 2) * spacing_mm[2]


def render(
    painting: Iterable[tuple[int, Shape]], table: np.ndarray, x: np.ndarray, y: np.ndarray, supersample: int
) -> np.ndarray:
    """Paint on the fine grid, look the HU up and average to pixels: float32 of shape (j, i)."""
    labels = np.zeros((y.size, x.size), dtype=np.uint8)
    paint(labels, x, y, painting)
    fine = table[labels].reshape(y.size // supersample, supersample, x.size // supersample, supersample)
    return fine.mean(axis=(1, 3))


def centred(array: np.ndarray, spacing_mm: tuple[float, float, float], centre_z_mm: float) -> Volume:
    """HU of shape (k, j, i) as a volume about the patient's axis, the middle of its slices at a height in mm."""
    slices, rows, columns = array.shape
    origin = (
        -(columns - 1) / 2 * spacing_mm[0],
        -(rows - 1) / 2 * spacing_mm[1],
        centre_z_mm - (slices - 1) / 2 * spacing_mm[2],
    )
    return Volume(array, spacing=tuple(spacing_mm), origin=origin)
