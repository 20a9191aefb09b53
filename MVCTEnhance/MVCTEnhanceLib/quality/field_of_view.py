"""The field of view of a slice, a circle or the whole image, by which a body is cut that reaches beyond it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

RIM_PX = 3.0
CUT_PART = 0.05  # of the rim that is body, from which the body is cut


@dataclass(frozen=True)
class FieldOfView:
    """Args: shape of the image, (j, i); pixel_size (row j, column i) in mm; round, the largest circle in the image."""

    shape: tuple[int, int]
    pixel_size: tuple[float, float]
    round: bool

    @property
    def rim_mm(self) -> float:
        """Width of the rim in which a body that is cut ends."""
        return RIM_PX * max(self.pixel_size)

    def inside_mm(self, places: np.ndarray) -> np.ndarray:
        """How far rows and columns, shape (2, ...), lie inside of it; negative outside."""
        from_middle = np.stack(
            [
                np.abs(place - (count - 1) / 2) * size
                for place, count, size in zip(places, self.shape, self.pixel_size, strict=True)
            ]
        )
        halves = np.array([count * size / 2 for count, size in zip(self.shape, self.pixel_size, strict=True)])
        if self.round:
            return halves.min() - np.hypot(*from_middle)
        return (halves.reshape(2, *[1] * (from_middle.ndim - 1)) - from_middle).min(axis=0)


@lru_cache(maxsize=8)
def _pixels_inside_mm(field: FieldOfView) -> np.ndarray:
    """`inside_mm` of all pixels, which the slices of a scan have in common; not to be written to."""
    return field.inside_mm(np.indices(field.shape))


def cutting_field(body: np.ndarray, pixel_size: tuple[float, float]) -> FieldOfView | None:
    """The field of view that cuts a body: there is body at its rim, and none outside of it; None where none does.

    Args:
        body: bool, shape (j, i).
        pixel_size: (row j, column i) in mm.
    """
    for is_round in (True, False):
        field = FieldOfView(body.shape, pixel_size, is_round)
        inside = _pixels_inside_mm(field)
        rim = (inside >= 0) & (inside < field.rim_mm)
        if body[rim].mean() >= CUT_PART and not body[inside < -field.rim_mm].any():
            return field
    return None


def away_from_cut(body: np.ndarray, pixel_size: tuple[float, float], *, margin_mm: float) -> np.ndarray | None:
    """Bool, shape (j, i): what lies farther than a margin inside of the field that cuts the body; None if none does."""
    field = cutting_field(body, pixel_size)
    return field and _pixels_inside_mm(field) > margin_mm
