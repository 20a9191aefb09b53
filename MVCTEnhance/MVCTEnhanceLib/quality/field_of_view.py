"""The round field of view of a slice, by which a body is cut that reaches beyond it."""

from __future__ import annotations

import numpy as np

RIM_PX = 3.0
CUT_PART = 0.05  # of the rim that is body, from which the body is cut


def inside_mm(places: np.ndarray, shape: tuple[int, int], pixel_size: tuple[float, float]) -> np.ndarray:
    """How far places lie inside of the largest circle in an image, negative outside.

    Args:
        places: rows and columns in pixels, shape (2, ...).
        shape: of the image, (j, i).
        pixel_size: (row j, column i) in mm.
    """
    offsets = [(place - (count - 1) / 2) * size for place, count, size in zip(places, shape, pixel_size, strict=True)]
    return min(count * size for count, size in zip(shape, pixel_size, strict=True)) / 2 - np.hypot(*offsets)


def is_cut(body: np.ndarray, pixel_size: tuple[float, float]) -> bool:
    """Whether the circle in the image cuts the body: there is body at its rim, and none outside of it.

    Args:
        body: bool, shape (j, i).
        pixel_size: (row j, column i) in mm.
    """
    inside, rim_mm = inside_mm(np.indices(body.shape), body.shape, pixel_size), RIM_PX * max(pixel_size)
    rim = (inside >= 0) & (inside < rim_mm)
    return bool(body[rim].mean() >= CUT_PART and not body[inside < -rim_mm].any())


def away_from_cut(body: np.ndarray, pixel_size: tuple[float, float], *, margin_mm: float) -> np.ndarray | None:
    """Bool, shape (j, i): what lies farther than a margin inside of the circle that cuts the body; else None."""
    if not is_cut(body, pixel_size):
        return None
    return inside_mm(np.indices(body.shape), body.shape, pixel_size) > margin_mm
