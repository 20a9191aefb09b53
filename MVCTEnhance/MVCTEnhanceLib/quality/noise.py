"""Noise: the SD of HU in homogeneous soft tissue."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .masks import box_around, dilate
from .slices import Slice

PASSES = 2
MIN_EDGE = 0.5  # HU/mm
GENTLE_SD = 3.2  # below it, in SDs of the noise's gradients, nothing is an edge in the first look
TREND_TRUNCATE = 2.5  # SDs after which the Gaussian of the trend ends
STEEPEST_NOISE = 0.18  # SD in HU/mm of the gradients that noise of MVCT of 1 HU gives


@dataclass(frozen=True)
class NoiseParameters:
    """How homogeneous soft tissue is found and the noise measured in it.

    Args:
        range_hu: HU of soft tissue, fat included, after smoothing.
        smoothing_mm: SD of the Gaussian after which edges are looked for.
        edge_hu_per_mm: gradient that is an edge unless the noise alone may give it.
        edge_sd: gradient that is an edge, in SDs of the gradients along one axis that noise alone gives.
        margin_mm: distance to keep from edges, and from what is no soft tissue.
        trend_mm: SD of the Gaussian whose mean is taken off, since tissue is not quite uniform.
        lag_mm: distance of the two pixels of a pair. Noise no longer correlates at it, and a pair across an edge,
            which would have to lie farther apart than twice the margin, does not exist.
        minimum_mm2: homogeneous tissue below which a slice has no value.
        minimum_pairs: pairs below which a slice has no value.
        short_mm: distance of the nearest pairs; pixels larger than that take its place. Structure shows little in
            pairs one to three times so far apart, noise nearly all.
        fine_and_coarse: ratios of the squared differences three times and once so far apart, up to which noise is as
            fine as MVCT's and from which it is as coarse as that of enhanced scans.
        most_growth: how many times as large as those twice so far apart the squared differences at `lag_mm` may be by
            noise alone, for fine noise and for coarse.
        smooth: the same ratio, above which the image is so smooth that its noise may grow by any amount.
    """

    range_hu: tuple[float, float] = (-150.0, 150.0)
    smoothing_mm: float = 1.5
    edge_hu_per_mm: float = 8.0
    edge_sd: float = 4.5
    margin_mm: float = 2.5
    trend_mm: float = 5.5
    lag_mm: float = 5.5
    minimum_mm2: float = 700.0
    minimum_pairs: int = 300
    short_mm: float = 0.763
    fine_and_coarse: tuple[float, float] = (2.3, 2.5)
    most_growth: tuple[float, float] = (1.45, 3.3)
    smooth: float = 4.0


def noise_sd(
    image: np.ndarray | Slice,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: NoiseParameters | None = None,
    any_growth: bool = False,
    tissue: np.ndarray | None = None,
) -> float:
    """Noise SD in HU: root of half the mean squared difference of pixels 5.5 mm apart in homogeneous soft tissue.

    This is the variogram at a lag where the noise of MVCT, of enhanced scans and of kVCT no longer correlates (Cressie,
    Statistics for Spatial Data, 1993, section 2.4). Unlike the SD in a small window it keeps coarse noise, and unlike
    that in a large one it needs no large homogeneous regions, which a neck has not. Where it grows from pixels
    1.5 mm apart to those 5.5 mm apart by more than noise does, the tissue has structure and the slice no value.
    Structure that grows no faster than noise counts as noise: docs/notebook.md says how near the values come to the
    difference of two simulated scans.

    Args:
        image: HU, shape (j, i).
        body: bool, shape (j, i).
        pixel_size: (row j, column i) in mm.
        any_growth: do not look for structure; it is known elsewhere that the tissue has little.
        tissue: its `homogeneous_tissue`, where that is known already.

    Returns:
        the SD; NaN where the slice has too little homogeneous soft tissue, or much structure in it.
    """
    parameters = parameters or NoiseParameters()
    image = Slice.of(image)
    if tissue is None:
        tissue = homogeneous_tissue(image, body, pixel_size=pixel_size, parameters=parameters)
    if not tissue.any() or tissue.sum() * math.prod(pixel_size) < parameters.minimum_mm2:
        return math.nan
    sigmas = [parameters.trend_mm / size for size in pixel_size]
    box = box_around(tissue, tuple(math.ceil(TREND_TRUNCATE * sigma) for sigma in sigmas))
    tissue = tissue[box]
    detrended = _without_trend(image.hu[box], tissue, sigmas)
    squares = _all_squares(detrended, tissue, parameters.lag_mm, pixel_size)
    if len(squares) < parameters.minimum_pairs:
        return math.nan
    variogram = squares.mean() / 2
    if any_growth:
        return math.sqrt(variogram)
    unit = max(parameters.short_mm, *pixel_size)
    once, twice, thrice = (_all_squares(detrended, tissue, n * unit, pixel_size).mean() / 2 for n in (1, 2, 3))
    if thrice <= parameters.smooth * once:
        growth = np.interp(thrice / once, parameters.fine_and_coarse, parameters.most_growth) if once else 1.0
        if variogram > growth * twice:
            return math.nan
    return math.sqrt(variogram)


def noise_of_pair(
    mvct: np.ndarray | Slice,
    enhanced: np.ndarray | Slice,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    tissues: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
) -> tuple[float, float]:
    """`noise_sd` of a slice of the MVCT and of the enhanced scan.

    Whether there is much structure is looked for in the MVCT alone, whose noise is fine: that of an enhanced scan may
    be as coarse as structure is.

    Args:
        mvct, enhanced: HU, shape (j, i).
        body: bool, shape (j, i).
        pixel_size: (row j, column i) in mm.
        tissues: `homogeneous_tissue` of each, where it is known already.

    Returns:
        the two SDs; both NaN where the MVCT has none, the second also where the enhanced scan has too little
        homogeneous soft tissue.
    """
    before = noise_sd(mvct, body, pixel_size=pixel_size, tissue=tissues[0])
    if math.isnan(before):
        return before, math.nan
    return before, noise_sd(enhanced, body, pixel_size=pixel_size, any_growth=True, tissue=tissues[1])


def homogeneous_tissue(
    image: np.ndarray | Slice,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: NoiseParameters | None = None,
) -> np.ndarray:
    """Soft tissue away from every edge, shape (j, i), bool: where `noise_sd` measures.

    Edges are ridges of the smoothed image's gradient (zero crossings of its Laplacian, after Marr and Hildreth 1980)
    that are steeper than noise makes them. What noise makes is taken from the gentlest gradients, which follow a
    Rayleigh distribution; nothing is chosen for having little noise.
    """
    parameters = parameters or NoiseParameters()
    image = Slice.of(image)
    smooth = image.smooth([parameters.smoothing_mm / size for size in pixel_size])
    tissue = np.zeros_like(body)
    if not body.any():
        return tissue
    sides = tuple(2 * round(parameters.margin_mm / size) + 1 for size in pixel_size)
    box = box_around(body, sides)
    hu, smooth = image.hu[box], smooth[box]
    low, high = parameters.range_hu
    other = ~(body[box] & (low <= smooth) & (smooth <= high))
    slope, ridges = _slope(smooth, pixel_size), _sign_changes(ndimage.laplace(smooth))
    of_noise = min(_of_noise(slope[~other], 0.05), STEEPEST_NOISE * _rough_sd(hu, ~other, pixel_size))
    limit = max(parameters.edge_hu_per_mm, GENTLE_SD * of_noise)
    for _ in range(PASSES):
        away = ~dilate(other | (ridges & (slope > limit)), sides)
        limit = min(limit, max(MIN_EDGE, parameters.edge_sd * _of_noise(slope[away], 0.25)))
    tissue[box] = ~dilate(other | (ridges & (slope > limit)), sides)
    return tissue


def _of_noise(slopes: np.ndarray, quantile: float) -> float:
    """SD of the gradients along one axis by a low quantile of their sizes, which noise makes Rayleigh-distributed."""
    return np.quantile(slopes, quantile) / math.sqrt(-2 * math.log(1 - quantile)) if slopes.size else 0.0


def _rough_sd(hu: np.ndarray, tissue: np.ndarray, pixel_size: tuple[float, float]) -> float:
    """SD by the median difference of pixels 2 mm apart, which is anatomy in but a part of the slice."""
    squares = np.concatenate([_squares(hu, tissue, step) for step in _steps(2.0, pixel_size)[:2]])
    return math.sqrt(np.median(squares) / 2) / 0.6745 if squares.size else 0.0


def _slope(smooth: np.ndarray, pixel_size: tuple[float, float]) -> np.ndarray:
    """Steepness in HU/mm."""
    halves = (ndimage.correlate1d(smooth, [-0.5, 0, 0.5], axis) / pixel_size[axis] for axis in (0, 1))
    return np.hypot(*halves)


def _sign_changes(values: np.ndarray) -> np.ndarray:
    """Pixels with a neighbour of the other sign, bool of the same shape (j, i)."""
    positive = values > 0
    changes = np.zeros_like(positive)
    for axis in (0, 1):
        along, sign = np.moveaxis(changes, axis, 0), np.moveaxis(positive, axis, 0)
        change = sign[1:] != sign[:-1]
        along[1:] |= change
        along[:-1] |= change
    return changes


def _without_trend(hu: np.ndarray, tissue: np.ndarray, sigmas: list[float]) -> np.ndarray:
    """HU of the tissue less the mean of each region, then less the Gaussian mean around each pixel; 0 elsewhere."""
    regions, count = ndimage.label(tissue)
    sizes = np.bincount(regions.ravel(), minlength=count + 1)
    means = np.bincount(regions.ravel(), weights=hu.ravel(), minlength=count + 1) / np.maximum(sizes, 1)
    levelled = np.where(tissue, hu - means[regions], 0.0)
    total, share = (
        ndimage.gaussian_filter(values.astype(np.float32), sigmas, truncate=TREND_TRUNCATE)
        for values in (levelled, tissue)
    )
    return levelled - np.divide(total, share, out=np.zeros_like(total), where=tissue)


def _steps(mm: float, pixel_size: tuple[float, float]) -> list[tuple[int, int]]:
    """(rows, columns) that lead so many mm along the columns, the rows and both diagonals."""
    row, column = (round(mm / size) for size in pixel_size)
    diagonal_row, diagonal_column = (round(mm / size / math.sqrt(2)) for size in pixel_size)
    return [(row, 0), (0, column), (diagonal_row, diagonal_column), (diagonal_row, -diagonal_column)]


def _all_squares(hu: np.ndarray, tissue: np.ndarray, mm: float, pixel_size: tuple[float, float]) -> np.ndarray:
    """Squared differences of all pairs so many mm apart in the tissue."""
    return np.concatenate([_squares(hu, tissue, step) for step in _steps(mm, pixel_size)])


def _squares(hu: np.ndarray, tissue: np.ndarray, step: tuple[int, int]) -> np.ndarray:
    """Squared differences of the pairs so far apart whose pixels both lie in the tissue."""
    rows, columns = step
    if columns < 0:
        hu, tissue, columns = hu[:, ::-1], tissue[:, ::-1], -columns
    here, there = (slice(None, -rows or None), slice(None, -columns or None)), (slice(rows, None), slice(columns, None))
    both = tissue[here] & tissue[there]
    return (hu[there][both] - hu[here][both]) ** 2
