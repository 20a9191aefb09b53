"""Edge width: how sharp the skin and the bones are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize, special

from .masks import outline
from .slices import Slice

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


@dataclass(frozen=True)
class _Lines:
    """Straight lines across an edge: where they start, in pixels, and pixels per mm along them; shape (line, 2)."""

    points: np.ndarray
    steps: np.ndarray

    def __getitem__(self, which: np.ndarray) -> _Lines:
        return _Lines(self.points[which], self.steps[which])

    def moved(self, distances: np.ndarray) -> _Lines:
        """Each line from a place that lies so many mm along it."""
        return _Lines(self.points + distances[:, None] * self.steps, self.steps)

    def places(self, distances: np.ndarray) -> np.ndarray:
        """Rows and columns, in pixels, at these distances in mm along every line; shape (2, line, distance)."""
        return self.points.T[:, :, None] + distances * self.steps.T[:, :, None]


# Air down to where a network that clips at -600 HU puts it.
SKIN = EdgeParameters(low_hu=(-1100, -500), high_hu=(-200, 200), low_mm=(3.0, 7.0), high_mm=(3.0, 7.0))
BONE = EdgeParameters(low_hu=(-150, 150), high_hu=(250, 2500), low_mm=(2.5, 5.5), high_mm=(1.5, 3.5))
BONE_FROM_HU = 200.0
HALF_WAY_MM = 2.0  # how far from the edge's pixel a profile may pass its half-way point


def skin_edge_width(
    image: np.ndarray | Slice,
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
    return _edge_width(Slice.of(image), _within(outline(body), region), pixel_size, parameters)


def bone_edge_width(
    image: np.ndarray | Slice,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: EdgeParameters = BONE,
    region: np.ndarray | None = None,
) -> float:
    """10-90 % width of the edge between bone and soft tissue, in mm; measured as that of the skin.

    Only bone at least about 3.5 mm thick has a flat inside, so the skull gives most values; NaN is common elsewhere.
    """
    image = Slice.of(image)
    bone = body & (image.smooth(parameters.smoothing_px) > BONE_FROM_HU)
    return _edge_width(image, _within(outline(bone), region), pixel_size, parameters)


def _edge_width(image: Slice, edge: np.ndarray, pixel_size: tuple[float, float], p: EdgeParameters) -> float:
    """The width at the pixels `edge`, a mask of shape (j, i)."""
    lines = _half_way(image, _profile_lines(image.smooth(p.smoothing_px), edge, pixel_size, p), p)
    distances = _steps((-p.fit_mm, p.fit_mm), p)
    profiles = _flat_profiles(image, lines, distances, p)
    if len(profiles) < p.minimum_profiles:
        return float("nan")
    return _fitted_width(distances, np.median(profiles, axis=0))


def _steps(between: tuple[float, float], p: EdgeParameters) -> np.ndarray:
    """Sampled distances from the edge in mm, negative outside of the region."""
    return np.arange(between[0], between[1] + p.step_mm / 2, p.step_mm)


def _within(mask: np.ndarray, region: np.ndarray | None) -> np.ndarray:
    return mask if region is None else mask & region


def _profile_lines(smooth: np.ndarray, edge: np.ndarray, pixel_size: tuple[float, float], p: EdgeParameters) -> _Lines:
    """Across the edge, from its pixels."""
    points = np.argwhere(edge)
    points = points[:: max(1, -(-len(points) // p.maximum_profiles))]
    slopes = _slopes(smooth, points) / pixel_size
    steepness = np.linalg.norm(slopes, axis=1, keepdims=True)
    steps = slopes / np.maximum(steepness, 1e-6) / pixel_size
    reach = 2 + max(*p.low_mm, *p.high_mm)
    ends = np.stack([points - reach * steps, points + reach * steps])
    whole = ((ends >= 0) & (ends <= np.array(smooth.shape) - 1)).all(axis=(0, 2)) & (steepness[:, 0] > 0)
    return _Lines(points[whole].astype(float), steps[whole])


def _slopes(smooth: np.ndarray, points: np.ndarray) -> np.ndarray:
    """HU per pixel along rows and columns at some pixels (point, 2), by central differences, at borders one-sided."""
    last = np.array(smooth.shape) - 1
    slopes = []
    for step in np.eye(2, dtype=int):
        before, after = np.maximum(points - step, 0), np.minimum(points + step, last)
        rises = smooth[tuple(after.T)] - smooth[tuple(before.T)]
        slopes.append(rises / np.maximum(((after - before) * step).sum(axis=1), 1))
    return np.stack(slopes, axis=1)


def _half_way(image: Slice, lines: _Lines, p: EdgeParameters) -> _Lines:
    """The lines from where the smoothed image passes half its step, nearest to the edge pixel; others are left out."""

    def sample(places: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(image.smooth(p.smoothing_px), places, order=1, mode="nearest")

    (low, _), (high, _) = (_side(sample, lines, between, p) for between in _sides(p))
    distances = _steps((-HALF_WAY_MM, HALF_WAY_MM + p.step_mm), p)
    above = sample(lines.places(distances)) - ((low + high) / 2)[:, None]
    rises = (above[:, :-1] < 0) & (above[:, 1:] >= 0)
    at = np.where(rises, np.abs(distances[:-1]), np.inf).argmin(axis=1)
    rows = np.flatnonzero(rises.any(axis=1))
    at = at[rows]
    before, after = above[rows, at], above[rows, at + 1]
    return lines[rows].moved(distances[at] - p.step_mm * before / (after - before))


def _flat_profiles(image: Slice, lines: _Lines, distances: np.ndarray, p: EdgeParameters) -> np.ndarray:
    """The profiles with two flat sides, from 0 outside to 1 inside; shape (profile, distance)."""
    sides = []
    for between, (lowest, highest) in zip(_sides(p), (p.low_hu, p.high_hu), strict=True):
        mean, change = _side(image.sample, lines, between, p)
        kept = (lowest <= mean) & (mean <= highest)  # the rest need not be sampled any further
        sides = [values[kept] for values in (*sides, mean, change)]
        lines = lines[kept]
    low, low_change, high, high_change = sides
    flat = np.maximum(low_change, high_change) < p.plateau_change * (high - low)
    low, high = low[flat, None], high[flat, None]
    return (image.sample(lines[flat].places(distances)) - low) / (high - low)


def _sides(p: EdgeParameters) -> tuple[tuple[float, float], tuple[float, float]]:
    """Between which distances the outside and the inside lie."""
    return (-p.low_mm[1], -p.low_mm[0]), p.high_mm


def _side(
    sample: Callable[[np.ndarray], np.ndarray], lines: _Lines, between: tuple[float, float], p: EdgeParameters
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of one side of every profile, and by how much its two halves differ."""
    values = sample(lines.places(_steps(between, p)))
    middle = values.shape[1] // 2
    first, second = values[:, :middle].mean(axis=1), values[:, middle:].mean(axis=1)
    return (first + second) / 2, np.abs(first - second)


def _fitted_width(t: np.ndarray, values: np.ndarray) -> float:
    """Width of the edge-spread function with these values at the distances t."""
    start = [0, 1, 0, 0.8]
    lowest, highest = np.array([-1, 0.2, -2, 0.05]), np.array([1, 3, 2, 10])
    try:
        with np.errstate(all="ignore"):  # without limits the SD may pass 0 on the way
            fit, _ = optimize.curve_fit(_blurred_step, t, values, p0=start, jac=_slopes_of_step, method="lm")
        if not ((lowest <= fit) & (fit <= highest)).all():  # the slower way keeps to the limits
            fit, _ = optimize.curve_fit(_blurred_step, t, values, p0=start, bounds=(lowest, highest))
    except RuntimeError:
        return float("nan")
    return float(WIDTH_PER_SD * fit[3])


def _blurred_step(t: np.ndarray, low: float, step: float, centre: float, sd: float) -> np.ndarray:
    return low + step * special.ndtr((t - centre) / sd)


def _slopes_of_step(t: np.ndarray, low: float, step: float, centre: float, sd: float) -> np.ndarray:
    """Derivatives of `_blurred_step` by low, step, centre and sd; shape (t, 4)."""
    z = (t - centre) / sd
    density = step / sd * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return np.stack([np.ones_like(t), special.ndtr(z), -density, -density * z], axis=1)
