"""Plane shapes that phantoms are painted with: coordinates in mm, x to the patient's left, y to the back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.interpolate import CubicSpline


class Shape(Protocol):
    """What can be painted: a region of the plane with a bounding box."""

    def bounds(self) -> tuple[float, float, float, float]:
        """Box (x_min, x_max, y_min, y_max) in mm that holds the region."""

    def inside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Boolean mask of the points (x, y), arrays in mm that broadcast against each other."""


@dataclass(frozen=True)
class Ellipse:
    """Superellipse |x/a|^power + |y/b|^power <= 1, turned by `angle` degrees from x towards y; empty if a or b <= 0."""

    x: float
    y: float
    a: float
    b: float
    angle: float = 0.0
    power: float = 2.0

    def bounds(self) -> tuple[float, float, float, float]:
        """Box (x_min, x_max, y_min, y_max) in mm that holds the shape."""
        reach = max(self.a, self.b) * (1.0 if self.power <= 2 else np.sqrt(2.0)) if min(self.a, self.b) > 0 else -1.0
        return self.x - reach, self.x + reach, self.y - reach, self.y + reach

    def inside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Boolean mask of the points (x, y), arrays in mm that broadcast against each other."""
        cos, sin = np.cos(np.radians(self.angle)), np.sin(np.radians(self.angle))
        u = ((x - self.x) * cos + (y - self.y) * sin) / self.a
        v = ((y - self.y) * cos - (x - self.x) * sin) / self.b
        if self.power == 2:
            return u * u + v * v <= 1
        return np.abs(u) ** self.power + np.abs(v) ** self.power <= 1

    def grown(self, margin: float) -> Ellipse:
        """The same shape with both semi-axes longer by `margin` mm; an empty one stays empty."""
        if min(self.a, self.b) <= 0:
            return self
        return replace(self, a=self.a + margin, b=self.b + margin)

    def mirrored(self) -> Ellipse:
        """The shape on the other side of the midline."""
        return replace(self, x=-self.x, angle=-self.angle)


@dataclass(frozen=True)
class Stroke:
    """All points within `radius` mm of a line through `points` ((x, y) in mm); empty if the radius is <= 0."""

    points: tuple[tuple[float, float], ...]
    radius: float

    def bounds(self) -> tuple[float, float, float, float]:
        """Box (x_min, x_max, y_min, y_max) in mm that holds the shape."""
        xs, ys = zip(*self.points, strict=True)
        if self.radius <= 0:
            return xs[0], xs[0] - 1, ys[0], ys[0] - 1
        return min(xs) - self.radius, max(xs) + self.radius, min(ys) - self.radius, max(ys) + self.radius

    def inside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Boolean mask of the points (x, y), arrays in mm that broadcast against each other."""
        hit = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=bool)
        for (x0, y0), (x1, y1) in zip(self.points[:-1], self.points[1:], strict=True):
            dx, dy = x1 - x0, y1 - y0
            length = max(dx * dx + dy * dy, 1e-12)
            along = np.clip(((x - x0) * dx + (y - y0) * dy) / length, 0, 1)
            hit |= (x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2 <= self.radius**2
        return hit

    def grown(self, margin: float) -> Stroke:
        """The same line, thicker by `margin` mm on each side; an empty one stays empty."""
        return replace(self, radius=self.radius + margin) if self.radius > 0 else self

    def mirrored(self) -> Stroke:
        """The shape on the other side of the midline."""
        return replace(self, points=tuple((-x, y) for x, y in self.points))


@dataclass(frozen=True)
class Outline:
    """Symmetric closed curve around (0, y): its radius in mm at equal steps of angle from the front to the back.

    `folds` and `depth` cut `folds` smooth grooves of up to `depth` mm into it (the sulci of the brain).
    """

    y: float
    radii: tuple[float, ...]
    folds: int = 0
    depth: float = 0.0
    phase: float = 0.0

    def bounds(self) -> tuple[float, float, float, float]:
        """Box (x_min, x_max, y_min, y_max) in mm that holds the shape."""
        reach = 1.1 * max(self.radii)
        return -reach, reach, self.y - reach, self.y + reach

    def inside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Boolean mask of the points (x, y), arrays in mm that broadcast against each other."""
        angle = np.arctan2(x, self.y - y)
        steps = np.arange(-180, 181)
        limit = np.interp(angle, np.radians(steps), self._radius(steps))
        if self.folds:
            limit -= self.depth * np.cos(self.folds * angle / 2 + self.phase + 1.5 * np.sin(3 * angle)) ** 8
        return x * x + (y - self.y) ** 2 <= np.maximum(limit, 0) ** 2

    def grown(self, margin: float | Iterable[float]) -> Outline:
        """The curve moved outwards by `margin` mm: one number, or one for each radius."""
        margins = np.broadcast_to(np.asarray(margin, dtype=float), len(self.radii))
        return replace(self, radii=tuple(np.maximum(np.add(self.radii, margins), 0)))

    def _radius(self, degrees: np.ndarray) -> np.ndarray:
        knots = np.linspace(0, 180, len(self.radii))
        return CubicSpline(knots, self.radii, bc_type="clamped")(np.abs(degrees))


def paint(labels: np.ndarray, x: np.ndarray, y: np.ndarray, painting: Iterable[tuple[int, Shape]]) -> None:
    """Paint labels shape by shape, the later over the earlier, in place.

    Args:
        labels: integer image (j, i) that is changed.
        x: mm position of each column, ascending, shape (i,).
        y: mm position of each row, ascending, shape (j,).
        painting: (label, shape) in the order of painting.
    """
    for label, shape in painting:
        x_min, x_max, y_min, y_max = shape.bounds()
        columns = slice(np.searchsorted(x, x_min), np.searchsorted(x, x_max, side="right"))
        rows = slice(np.searchsorted(y, y_min), np.searchsorted(y, y_max, side="right"))
        window = labels[rows, columns]
        if window.size:
            window[shape.inside(x[None, columns], y[rows, None])] = label
