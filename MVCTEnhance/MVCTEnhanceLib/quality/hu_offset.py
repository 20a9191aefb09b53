"""HU offset: by how much tissues of a scan are shifted against those of the planning CT, which is not registered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .alike_slices import MAX_UNLIKE_HU, SmoothSlice, most_alike, smooth_slice, some_slices
from .body import body_mask
from .masks import erode
from .record import OFFSETS
from .slices import places_of


@dataclass(frozen=True)
class OffsetParameters:
    """Which slices are compared and how.

    Args:
        slices, planning_ct_slices: of a scan that are looked at, evenly placed.
        max_unlike_hu: mean difference above which slices show other parts of a body.
        erosion_mm: width of the rim of the body that is left out.
        fat_hu, soft_tissue_hu: HU of the planning CT that are found again in the scan; the latter end below those of
            organs that take up much contrast agent.
        min_fat_share: of fat in the planning CT's fat and soft tissue, organs included: less has no peak of its own.
        min_mm2: of a tissue in all slices of the planning CT together.
        smoothing_hu: SD of the Gaussian over the histograms.
        reach_hu: beyond which no offset is looked for; fat and muscle lie farther apart.
        ambiguous: by how much smaller overlaps may be than the largest; of these, the smallest offset counts.
    """

    slices: int = 9
    planning_ct_slices: int = 60
    max_unlike_hu: float = MAX_UNLIKE_HU
    erosion_mm: float = 3.0
    fat_hu: tuple[int, int] = (-180, -40)
    soft_tissue_hu: tuple[int, int] = (-20, 90)
    min_fat_share: float = 0.15
    min_mm2: float = 500.0
    smoothing_hu: float = 6.0
    reach_hu: int = 100
    ambiguous: float = 0.003


def hu_offsets(
    scans: Sequence[np.ndarray],
    kvct: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    kvct_pixel_size: tuple[float, float],
    parameters: OffsetParameters | None = None,
) -> list[dict[str, float]]:
    """HU of fat and of soft tissue less those of the planning CT, in the slices that show the same part of the body.

    Each of some slices of the first scan is compared with the slice of the planning CT that is most like it. Of a
    tissue's histogram in the planning CT, the offset is by how many HU it is to be shifted to overlap the scan's the
    most (Bhattacharyya coefficient: the sum of the roots of both densities' products). It changes little with the
    amount of each tissue, which a mean or a median does, nor does it jump from muscle to an organ, as a peak does.

    Args:
        scans: HU of the same body, each of shape (k, j, i), on one grid: the enhanced scan, the MVCT, ...
        kvct: HU of the planning CT, of any shape (k, j, i).
        pixel_size, kvct_pixel_size: (row j, column i) in mm.

    Returns:
        for each scan fat_offset and soft_tissue_offset in whole HU; NaN for a tissue of which the slices do not show
        enough, where no slices show the same part of the body, and where no offset is better than those around it.
    """
    p = parameters or OffsetParameters()
    planned = some_slices(kvct, kvct_pixel_size, p.planning_ct_slices)
    shown, wanted = np.zeros((len(scans), _bins(p))), np.zeros(_bins(p))
    for k in places_of(len(scans[0]), p.slices):
        body = body_mask(scans[0][k], pixel_size=pixel_size)
        images = [smooth_slice(scan[k].astype(np.float32), pixel_size, body=body) for scan in scans]
        if images[0] and (same := most_alike(images[0], planned, p.max_unlike_hu)):
            shown += [_histogram(image, p) for image in images]
            wanted += _histogram(same, p)
    return [_offsets(of_scan, wanted, p) for of_scan in shown]


def _bins(p: OffsetParameters) -> int:
    return p.soft_tissue_hu[1] - p.fat_hu[0] + 2 * p.reach_hu


def _histogram(image: SmoothSlice, p: OffsetParameters) -> np.ndarray:
    """Area in mm² of the body by whole HU, from the lowest of fat less the reach."""
    inside = erode(image.body, tuple(2 * round(p.erosion_mm / size) + 1 for size in image.pixel_size))
    low = p.fat_hu[0] - p.reach_hu
    counts, _ = np.histogram(image.hu[inside], _bins(p), (low, low + _bins(p)))
    return counts * math.prod(image.pixel_size)


def _offsets(shown: np.ndarray, wanted: np.ndarray, p: OffsetParameters) -> dict[str, float]:
    fat, soft = (slice(*(end - p.fat_hu[0] + p.reach_hu for end in ends)) for ends in (p.fat_hu, p.soft_tissue_hu))
    share = wanted[fat].sum() / max(wanted[fat.start :].sum(), 1.0)
    offset = _offset(shown, wanted, fat, p) if share >= p.min_fat_share else math.nan
    return dict(zip(OFFSETS, (offset, _offset(shown, wanted, soft, p)), strict=True))


def _offset(shown: np.ndarray, wanted: np.ndarray, tissue: slice, p: OffsetParameters) -> float:
    from scipy.signal import find_peaks  # here, since it takes most of a second, and most scans have no planning CT

    if wanted[tissue].sum() < p.min_mm2:
        return math.nan
    shown, wanted = (ndimage.gaussian_filter1d(areas, p.smoothing_hu) for areas in (shown, wanted))
    shifts = range(-p.reach_hu, p.reach_hu + 1)
    parts = [shown[tissue.start + shift : tissue.stop + shift] for shift in shifts]
    overlaps = [np.sqrt(part * wanted[tissue]).sum() / math.sqrt(max(part.sum(), 1.0)) for part in parts]
    overlaps = np.array(overlaps) / math.sqrt(wanted[tissue].sum())
    peaks, _ = find_peaks(overlaps)
    near = peaks[overlaps[peaks] >= overlaps[peaks].max(initial=0.0) - p.ambiguous]
    return float(min((shifts[peak] for peak in near), key=abs, default=math.nan))
