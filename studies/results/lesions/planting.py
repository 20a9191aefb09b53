"""Lesions planted into true kVCT before its MVCT is simulated: where they lie, what they add, what the MVCT becomes."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.resample import resample_slices
from scipy import ndimage

SEED = 0
SLICES = 7  # neighbouring ones of each patient
DIAMETERS_MM = (4.0, 6.0, 10.0, 15.0, 20.0)
CONTRASTS_HU = (-60, -40, -20, 20, 40, 60)
DISCS_OF_A_KIND = 2  # in each patient, as far as there is room
SPHERES_OF_A_KIND = 1
# A sphere thinner than this many slices is mostly partial volume.
MIN_SLICES_OF_A_SPHERE = 2

SOFT_TISSUE_HU = (0.0, 100.0)  # above it the simulation's density curve takes tissue for bone
SMOOTHING_MM = 3.0
STEEPEST_HU_PER_MM = 4.0

CORE_MARGIN_MM = 1.0
RING_MM = (1.5, 4.5)
PARTS_OF_A_PIXEL = 5
PARTS_OF_A_SLICE = 9


@dataclass(frozen=True)
class Lesion:
    """A planted lesion of uniform contrast.

    Args:
        shape: "disc", one slice thick, or "sphere", cut by the slices that it reaches.
        diameter_mm: of either.
        contrast_hu: added to the kVCT inside.
        k: the slice that its contrast is measured in.
        x_mm: along i from the centre of the slices.
        y_mm: along j from the centre of the slices.
        z_mm: along k from the middle of slice k; 0 for a disc.
    """

    shape: str
    diameter_mm: float
    contrast_hu: int
    k: int
    x_mm: float
    y_mm: float
    z_mm: float = 0.0

    @property
    def radius_mm(self) -> float:
        return self.diameter_mm / 2


def best_run(kvct: Volume, count: int = SLICES) -> slice:
    """The run of up to `count` neighbouring slices with the most room for the largest lesions, then for small ones."""
    room = np.array([_room_mm2(image, kvct) for image in kvct.array])
    count = min(count, len(room))
    runs = [tuple(room[start : start + count].sum(axis=0)) for start in range(len(room) - count + 1)]
    start = runs.index(max(runs))
    return slice(start, start + count)


def flat_soft_tissue(image: np.ndarray, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Where soft tissue is homogeneous: 0 to 100 HU and less than 4 HU/mm of slope after smoothing by 3 mm (SD).

    Args:
        image: HU, shape (j, i).
        pixel_mm: pixel size (row j, column i).

    Returns:
        bool, shape (j, i).
    """
    smooth = ndimage.gaussian_filter(image.astype(np.float32), [SMOOTHING_MM / size for size in pixel_mm])
    slope = np.hypot(*np.gradient(smooth, *pixel_mm))
    low, high = SOFT_TISSUE_HU
    return body_mask(image, pixel_size=pixel_mm) & (low <= smooth) & (smooth <= high) & (slope < STEEPEST_HU_PER_MM)


def depth_mm(mask: np.ndarray, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Distance in mm from each pixel of a mask (j, i) to the nearest one outside; all beyond the border is outside."""
    return ndimage.distance_transform_edt(np.pad(mask, 1), sampling=pixel_mm)[1:-1, 1:-1]


def place(kvct: Volume, name: str) -> list[Lesion]:
    """Lesions at random places of homogeneous soft tissue, none in the ring around another.

    The largest are placed first; one that finds no room is left out.

    Args:
        kvct: HU, shape (k, j, i).
        name: of the patient; with `SEED` it decides on the places.
    """
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    pixel_mm = kvct.spacing[1::-1]
    free = np.stack([flat_soft_tissue(image, pixel_mm) for image in kvct.array])
    depth = np.stack([depth_mm(mask, pixel_mm) for mask in free])
    lesions = []
    for shape, diameter, contrast in _wanted(kvct.spacing[2], rng):
        lesion = _at_random_place(Lesion(shape, diameter, contrast, 0, 0.0, 0.0), depth, kvct, rng)
        if lesion is None:
            continue
        lesions.append(lesion)
        for k in _slices_reached(lesion, kvct):
            free[k] &= distance_mm(lesion, kvct) > lesion.radius_mm + RING_MM[0]
            depth[k] = depth_mm(free[k], pixel_mm)
    return lesions


def distance_mm(lesion: Lesion, grid: Volume) -> np.ndarray:
    """In-plane distance of the pixels from the lesion's centre in mm, shape (j, i); grids have the same centre."""
    rows, columns = grid.array.shape[1:]
    y = (np.arange(rows) - (rows - 1) / 2) * grid.spacing[1] - lesion.y_mm
    x = (np.arange(columns) - (columns - 1) / 2) * grid.spacing[0] - lesion.x_mm
    return np.hypot(y[:, None], x[None, :])


def contrast_hu(image: np.ndarray, lesion: Lesion, grid: Volume) -> float:
    """Mean in the core of a lesion less the mean in a ring around it, in HU.

    The core ends 1 mm inside of the rim; the ring lies 1.5 to 4.5 mm outside.

    Args:
        image: one slice, shape (j, i), with or without the lesion.
        grid: what the slice was taken from.
    """
    from_rim = distance_mm(lesion, grid) - lesion.radius_mm
    ring = (RING_MM[0] <= from_rim) & (from_rim <= RING_MM[1])
    return float(image[from_rim <= -CORE_MARGIN_MM].mean() - image[ring].mean())


def added_hu(lesions: Sequence[Lesion], grid: Volume) -> np.ndarray:
    """What the lesions add to a kVCT on this grid: HU, float32, shape (k, j, i).

    A voxel gets the part of it that a lesion fills, over its area and, for spheres, over the slice's thickness, which
    is taken to be the distance of the slices.
    """
    added = np.zeros(grid.array.shape, np.float32)
    for lesion in lesions:
        rows = _window(lesion.y_mm, lesion.radius_mm, grid.array.shape[1], grid.spacing[1])
        columns = _window(lesion.x_mm, lesion.radius_mm, grid.array.shape[2], grid.spacing[0])
        for k in _slices_reached(lesion, grid):
            added[k, rows, columns] += lesion.contrast_hu * _filled(lesion, k, rows, columns, grid)
    return added


def on_mvct_grid(added: np.ndarray, kvct: Volume, mvct: Volume) -> np.ndarray:
    """What the lesions add to the true kVCT on the grid of its simulated MVCT: HU, shape (k, j, i), bicubic."""
    slices = torch.from_numpy(np.pad(added, ((0, 0), (1, 1), (1, 1))))
    return resample_slices(slices, kvct.spacing[1::-1], mvct.spacing[1::-1], mvct.array.shape[1:]).numpy()


def mvct_with(added: np.ndarray, kvct: Volume, mvct: Volume, settings: MVCTSettings | None = None) -> np.ndarray:
    """The simulated MVCT as it would be with lesions in the patient: int16 HU, shape (k, j, i).

    The noise-free simulation of the kVCT with the lesions less that without them is added to the MVCT, so that both
    have the same noise. (The same seed would not give it: one Poisson draw that needs another random number shifts all
    that follow.) What the lesions change of the noise itself, less than 1 % of its SD, is left out.

    Args:
        added: HU on the kVCT's grid, see :func:`added_hu`.
        kvct: without the lesions, int16 HU.
        mvct: simulated from it, with noise.
        settings: that it was simulated with.
    """
    noise_free = replace(settings or MVCTSettings(), photons=0)
    planted = kvct.with_array(np.round(kvct.array + added).astype(np.int16))
    change = simulate_mvct(planted, noise_free).array.astype(np.int32) - simulate_mvct(kvct, noise_free).array
    limits = np.iinfo(np.int16)
    return np.clip(mvct.array + change, limits.min, limits.max).astype(np.int16)


def _room_mm2(image: np.ndarray, kvct: Volume) -> tuple[float, float]:
    """Area in which the centre of the largest and of the smallest lesion may lie."""
    pixel_mm = kvct.spacing[1::-1]
    depth = depth_mm(flat_soft_tissue(image, pixel_mm), pixel_mm)
    needed = (diameter / 2 + RING_MM[1] for diameter in (max(DIAMETERS_MM), min(DIAMETERS_MM)))
    return tuple(float((depth >= limit).sum() * math.prod(pixel_mm)) for limit in needed)


def _wanted(thickness_mm: float, rng: np.random.Generator) -> Iterator[tuple[str, float, int]]:
    for shape, copies, thinnest_mm in (
        ("sphere", SPHERES_OF_A_KIND, MIN_SLICES_OF_A_SPHERE * thickness_mm),
        ("disc", DISCS_OF_A_KIND, 0.0),
    ):
        for diameter in sorted(DIAMETERS_MM, reverse=True):
            if diameter < thinnest_mm:
                continue
            for _ in range(copies):
                for contrast in rng.permutation(CONTRASTS_HU):
                    yield shape, diameter, int(contrast)


def _at_random_place(lesion: Lesion, depth: np.ndarray, kvct: Volume, rng: np.random.Generator) -> Lesion | None:
    """The lesion somewhere where it and its ring lie in free tissue in all slices that it may reach."""
    thickness = kvct.spacing[2]
    if lesion.shape == "sphere":
        reach = math.ceil(lesion.radius_mm / thickness)
        depth = ndimage.minimum_filter1d(depth, 2 * reach + 1, axis=0, mode="constant", cval=0.0)
    places = np.flatnonzero(depth >= lesion.radius_mm + RING_MM[1])
    if not len(places):
        return None
    k, j, i = np.unravel_index(rng.choice(places), depth.shape)
    rows, columns = depth.shape[1:]
    shift = rng.uniform(-0.5, 0.5, size=3)
    return replace(
        lesion,
        k=int(k),
        x_mm=float(i + shift[0] - (columns - 1) / 2) * kvct.spacing[0],
        y_mm=float(j + shift[1] - (rows - 1) / 2) * kvct.spacing[1],
        z_mm=float(shift[2]) * thickness if lesion.shape == "sphere" else 0.0,
    )


def _slices_reached(lesion: Lesion, grid: Volume) -> list[int]:
    if lesion.shape == "disc":
        return [lesion.k]
    thickness = grid.spacing[2]
    gaps = (abs((k - lesion.k) * thickness - lesion.z_mm) - thickness / 2 for k in range(len(grid.array)))
    return [k for k, gap in enumerate(gaps) if gap < lesion.radius_mm]


def _filled(lesion: Lesion, k: int, rows: slice, columns: slice, grid: Volume) -> np.ndarray:
    """The part of each pixel of a window of slice k that the lesion fills, shape (j, i)."""
    y = _points(rows, grid.array.shape[1], grid.spacing[1]) - lesion.y_mm
    x = _points(columns, grid.array.shape[2], grid.spacing[0]) - lesion.x_mm
    z = np.zeros(1)
    if lesion.shape == "sphere":
        within = (np.arange(PARTS_OF_A_SLICE) + 0.5) / PARTS_OF_A_SLICE - 0.5
        z = (k - lesion.k + within) * grid.spacing[2] - lesion.z_mm
    squared = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2
    inside = (squared <= lesion.radius_mm**2).mean(axis=0)
    n = PARTS_OF_A_PIXEL
    return inside.reshape(len(y) // n, n, len(x) // n, n).mean(axis=(1, 3))


def _window(centre_mm: float, radius_mm: float, pixels: int, pixel_mm: float) -> slice:
    """The pixels along one axis that a lesion may touch."""
    first = math.floor((centre_mm - radius_mm) / pixel_mm + pixels / 2)
    last = math.ceil((centre_mm + radius_mm) / pixel_mm + pixels / 2)
    return slice(max(first, 0), min(last, pixels))


def _points(window: slice, pixels: int, pixel_mm: float) -> np.ndarray:
    """Positions in mm from the centre of the slice of the points that a window's pixels are divided into."""
    n = PARTS_OF_A_PIXEL
    return ((np.arange(window.start * n, window.stop * n) + 0.5) / n - pixels / 2) * pixel_mm
