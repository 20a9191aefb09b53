"""Edge width: how sharp the skin and the bones are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize, special

from .checks import require_slice

# 10-90 % width of a step blurred by a Gaussian, in units of its SD.
WIDTH_PER_SD = 2.5631031310892007


@dataclass(frozen=True)
class EdgeParameters:
    """Which edges of a region are measured and how; distances in mm are counted from the edge.

    Args:
        low_hu: range of the mean of the side outside of the region, for an edge that is used.
        high_hu: range of the mean of the side inside.
        low_mm: distances outward between which the outside is averaged.
        high_mm: distances inward between which the inside is averaged.
        plateau_change: the two halves of either side may differ by this part of the step.
        smoothing_px: SD of the Gaussian for finding edges and their directions; widths are measured without it.
        fit_mm: the edge-spread function is fitted within this distance.
        step_mm: sampling along a profile.
        maximum_profiles: edge points used in a slice, evenly spread over those found.
        minimum_profiles: with fewer usable profiles a slice has no value.
    """

    low_hu: tuple[float, float]
    high_hu: tuple[float, float]
    low_mm: tuple[float, float]
    high_mm: tuple[float, float]
    plateau_change: float = 0.15
    smoothing_px: float = 1.0
    fit_mm: float = 3.0
    step_mm: float = 0.25
    maximum_profiles: int = 1000
    minimum_profiles: int = 30


# Air down to where a network that clips at -600 HU puts it.
SKIN = EdgeParameters(low_hu=(-1100, -500), high_hu=(-200, 200), low_mm=(3.0, 7.0), high_mm=(3.0, 7.0))
BONE = EdgeParameters(low_hu=(-150, 150), high_hu=(250, 2500), low_mm=(2.5, 5.5), high_mm=(1.5, 3.5))
BONE_FROM_HU = 200.0


def skin_edge_width(
    image: np.ndarray,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: EdgeParameters = SKIN,
    region: np.ndarray | None = None,
) -> float:
    """10-90 % width of the edge between body and air, in mm.

    Profiles across the outline of the body (cubic spline, along the gradient) are aligned at their half-way point in a
    lightly smoothed image and normalised by their own two sides; their median is the edge-spread function, to which an
    error function is fitted: width = 2.563 SD. Aligning on the smoothed image and the median over hundreds of profiles
    keep noise from changing the width.

    Args:
        image: HU, shape (j, i).
        body: bool, shape (j, i).
        pixel_size: (row j, column i) in mm.
        region: bool, shape (j, i); only profiles across the outline inside it count. None for the whole outline.

    Returns:
        the width in mm; NaN where fewer than 30 profiles have two flat sides.

    Source: patient-based edge-spread functions after J. Sanders et al., Med. Phys. 43(10), 2016.
    """
    image = require_slice(image)
    smooth = ndimage.gaussian_filter(image, parameters.smoothing_px)
    lines = _profile_lines(smooth, _outline(body, region), pixel_size, parameters)
    return _edge_width(image, smooth, lines, parameters)


def bone_edge_width(
    image: np.ndarray,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: EdgeParameters = BONE,
    region: np.ndarray | None = None,
) -> float:
    """10-90 % width of the edge between bone and soft tissue, in mm; measured as that of the skin.

    Only bone at least about 3.5 mm thick has a flat inside, so the skull gives most values; NaN is common elsewhere.
    """
    image = require_slice(image)
    smooth = ndimage.gaussian_filter(image, parameters.smoothing_px)
    lines = _profile_lines(smooth, _outline(body & (smooth > BONE_FROM_HU), region), pixel_size, parameters)
    return _edge_width(image, smooth, lines, parameters)


def _edge_width(
    image: np.ndarray, smooth: np.ndarray, lines: tuple[np.ndarray, np.ndarray], p: EdgeParameters
) -> float:
    profiles = _aligned_profiles(image, smooth, lines, p)
    if len(profiles) < p.minimum_profiles:
        return float("nan")
    return _fitted_width(_distances(p), np.median(profiles, axis=0), p.fit_mm)


def _distances(p: EdgeParameters) -> np.ndarray:
    """Sampled distances from the edge in mm, negative outside of the region."""
    reach = max(*p.low_mm, *p.high_mm)
    return np.arange(-reach, reach + p.step_mm / 2, p.step_mm)


def _outline(mask: np.ndarray, region: np.ndarray | None) -> np.ndarray:
    """The outermost pixels of a mask that lie in the region."""
    outline = mask & ~ndimage.binary_erosion(mask, border_value=1)
    return outline if region is None else outline & region


def _profile_lines(
    smooth: np.ndarray, outline: np.ndarray, pixel_size: tuple[float, float], p: EdgeParameters
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of the outline and, in pixels per mm, the direction across it; both of shape (profile, 2)."""
    points = np.argwhere(outline)
    points = points[:: max(1, -(-len(points) // p.maximum_profiles))]
    slopes = np.stack([slope[tuple(points.T)] for slope in np.gradient(smooth, *pixel_size)], axis=1)
    steepness = np.linalg.norm(slopes, axis=1, keepdims=True)
    steps = slopes / np.maximum(steepness, 1e-6) / pixel_size
    reach = 2 + max(*p.low_mm, *p.high_mm)
    ends = np.stack([points - reach * steps, points + reach * steps])
    whole = ((ends >= 0) & (ends <= np.array(smooth.shape) - 1)).all(axis=(0, 2)) & (steepness[:, 0] > 0)
    return points[whole].astype(float), steps[whole]


def _aligned_profiles(
    image: np.ndarray, smooth: np.ndarray, lines: tuple[np.ndarray, np.ndarray], p: EdgeParameters
) -> np.ndarray:
    """Usable profiles, from 0 outside to 1 inside, at the sampled distances; shape (profile, distance)."""
    points, steps = lines
    distances = _distances(p)
    offsets = _half_way(_sample(smooth, points, steps, distances, order=1), distances, p)
    found = np.isfinite(offsets)
    starts = points[found] + offsets[found, None] * steps[found]
    profiles = _sample(image, starts, steps[found], distances, order=3)
    low, low_change = _side(profiles, distances, (-p.low_mm[1], -p.low_mm[0]))
    high, high_change = _side(profiles, distances, p.high_mm)
    usable = (p.low_hu[0] <= low) & (low <= p.low_hu[1]) & (p.high_hu[0] <= high) & (high <= p.high_hu[1])
    usable &= np.maximum(low_change, high_change) < p.plateau_change * (high - low)
    low, high = low[usable, None], high[usable, None]
    return (profiles[usable] - low) / (high - low)


def _sample(
    image: np.ndarray, points: np.ndarray, steps: np.ndarray, distances: np.ndarray, *, order: int
) -> np.ndarray:
    places = points[:, None, :] + distances[None, :, None] * steps[:, None, :]
    return ndimage.map_coordinates(image, np.moveaxis(places, -1, 0), order=order, mode="nearest")


def _side(profiles: np.ndarray, distances: np.ndarray, between: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Mean of one side of every profile, and by how much its two halves differ."""
    middle = sum(between) / 2
    near = profiles[:, (between[0] <= distances) & (distances < middle)].mean(axis=1)
    far = profiles[:, (middle <= distances) & (distances <= between[1])].mean(axis=1)
    return (near + far) / 2, np.abs(near - far)


def _half_way(profiles: np.ndarray, distances: np.ndarray, p: EdgeParameters) -> np.ndarray:
    """Distance at which each smoothed profile passes half its step, the one nearest to the edge pixel; NaN for none."""
    low, _ = _side(profiles, distances, (-p.low_mm[1], -p.low_mm[0]))
    high, _ = _side(profiles, distances, p.high_mm)
    above = profiles - ((low + high) / 2)[:, None]
    rises = (above[:, :-1] < 0) & (above[:, 1:] >= 0) & (np.abs(distances[:-1]) <= 2)
    cost = np.where(rises, np.abs(distances[:-1]), np.inf)
    at = cost.argmin(axis=1)
    rows = np.arange(len(profiles))
    before, after = above[rows, at], above[rows, at + 1]
    found = rises[rows, at]
    fraction = np.divide(-before, after - before, out=np.full(len(rows), np.nan), where=found)
    return distances[at] + p.step_mm * fraction


def _fitted_width(distances: np.ndarray, spread: np.ndarray, fit_mm: float) -> float:
    def blurred_step(t, low, step, centre, sd):
        return low + step * special.ndtr((t - centre) / sd)

    near = np.abs(distances) <= fit_mm
    limits = ([-1, 0.2, -2, 0.05], [1, 3, 2, 10])
    try:
        fit, _ = optimize.curve_fit(blurred_step, distances[near], spread[near], p0=[0, 1, 0, 0.8], bounds=limits)
    except RuntimeError:
        return float("nan")
    return float(WIDTH_PER_SD * fit[3])
