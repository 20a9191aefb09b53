"""Straight profiles across the edges of a region of a slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .slices import Slice

HALF_WAY_MM = 2.0  # how far from the edge's pixel a profile may pass its half-way point


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
class Lines:
    """Straight lines across an edge: where they start, in pixels, and pixels per mm along them; shape (line, 2)."""

    points: np.ndarray
    steps: np.ndarray

    def __getitem__(self, which: np.ndarray) -> Lines:
        return Lines(self.points[which], self.steps[which])

    def moved(self, distances: np.ndarray) -> Lines:
        """Each line from a place that lies so many mm along it."""
        return Lines(self.points + distances[:, None] * self.steps, self.steps)

    def places(self, distances: np.ndarray) -> np.ndarray:
        """Rows and columns, in pixels, at these distances in mm along every line; shape (2, line, distance)."""
        return self.points.T[:, :, None] + distances * self.steps.T[:, :, None]


@dataclass(frozen=True)
class FlatEdges:
    """Profiles with two flat sides: the lines from their half-way points, and the HU of either side, shape (line,)."""

    lines: Lines
    low_hu: np.ndarray
    high_hu: np.ndarray


def steps(between: tuple[float, float], p: EdgeParameters) -> np.ndarray:
    """Sampled distances from the edge in mm, negative outside of the region."""
    return np.arange(between[0], between[1] + p.step_mm / 2, p.step_mm)


def flat_edges(image: Slice, edge: np.ndarray, pixel_size: tuple[float, float], p: EdgeParameters) -> FlatEdges:
    """The usable profiles across the edge at the pixels `edge`, a mask of shape (j, i)."""
    lines = _half_way(image, _profile_lines(image.smooth(p.smoothing_px), edge, pixel_size, p), p)
    found = []
    for between, (lowest, highest) in zip(sides(p), (p.low_hu, p.high_hu), strict=True):
        mean, change = _side(image.sample, lines, between, p)
        kept = (lowest <= mean) & (mean <= highest)  # the rest need not be sampled any further
        found = [values[kept] for values in (*found, mean, change)]
        lines = lines[kept]
    low, low_change, high, high_change = found
    flat = np.maximum(low_change, high_change) < p.plateau_change * (high - low)
    return FlatEdges(lines[flat], low[flat], high[flat])


def _profile_lines(smooth: np.ndarray, edge: np.ndarray, pixel_size: tuple[float, float], p: EdgeParameters) -> Lines:
    """Across the edge, from its pixels."""
    points = np.argwhere(edge)
    points = points[:: max(1, -(-len(points) // p.maximum_profiles))]
    slopes = _slopes(smooth, points) / pixel_size
    steepness = np.linalg.norm(slopes, axis=1, keepdims=True)
    steps = slopes / np.maximum(steepness, 1e-6) / pixel_size
    reach = 2 + max(*p.low_mm, *p.high_mm)
    ends = np.stack([points - reach * steps, points + reach * steps])
    whole = ((ends >= 0) & (ends <= np.array(smooth.shape) - 1)).all(axis=(0, 2)) & (steepness[:, 0] > 0)
    return Lines(points[whole].astype(float), steps[whole])


def _slopes(smooth: np.ndarray, points: np.ndarray) -> np.ndarray:
    """HU per pixel along rows and columns at some pixels (point, 2), by central differences, at borders one-sided."""
    last = np.array(smooth.shape) - 1
    slopes = []
    for step in np.eye(2, dtype=int):
        before, after = np.maximum(points - step, 0), np.minimum(points + step, last)
        rises = smooth[tuple(after.T)] - smooth[tuple(before.T)]
        slopes.append(rises / np.maximum(((after - before) * step).sum(axis=1), 1))
    return np.stack(slopes, axis=1)


def _half_way(image: Slice, lines: Lines, p: EdgeParameters) -> Lines:
    """The lines from where the smoothed image passes half its step, nearest to the edge pixel; others are left out."""

    def sample(places: np.ndarray) -> np.ndarray:
        return ndimage.map_coordinates(image.smooth(p.smoothing_px), places, order=1, mode="nearest")

    (low, _), (high, _) = (_side(sample, lines, between, p) for between in sides(p))
    distances = steps((-HALF_WAY_MM, HALF_WAY_MM + p.step_mm), p)
    above = sample(lines.places(distances)) - ((low + high) / 2)[:, None]
    rises = (above[:, :-1] < 0) & (above[:, 1:] >= 0)
    at = np.where(rises, np.abs(distances[:-1]), np.inf).argmin(axis=1)
    rows = np.flatnonzero(rises.any(axis=1))
    at = at[rows]
    before, after = above[rows, at], above[rows, at + 1]
    return lines[rows].moved(distances[at] - p.step_mm * before / (after - before))


def sides(p: EdgeParameters) -> tuple[tuple[float, float], tuple[float, float]]:
    """Between which distances the outside and the inside lie."""
    return (-p.low_mm[1], -p.low_mm[0]), p.high_mm


def _side(
    sample: Callable[[np.ndarray], np.ndarray], lines: Lines, between: tuple[float, float], p: EdgeParameters
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of one side of every profile, and by how much its two halves differ."""
    values = sample(lines.places(steps(between, p)))
    middle = values.shape[1] // 2
    first, second = values[:, :middle].mean(axis=1), values[:, middle:].mean(axis=1)
    return (first + second) / 2, np.abs(first - second)
