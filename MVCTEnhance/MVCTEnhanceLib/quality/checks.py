"""Checks of the arrays that metrics are given."""

from __future__ import annotations

import numpy as np

from ..errors import InputError


def require_same_shape(a: np.ndarray, b: np.ndarray, *, names: tuple[str, str]) -> None:
    """Raise InputError, with both shapes, unless the two arrays have the same one."""
    if a.shape != b.shape:
        raise InputError(
            f"The {names[0]} has shape {a.shape} but the {names[1]} has shape {b.shape} (slices, rows, columns): "
            "resample one onto the grid of the other first."
        )


def require_slice(image: np.ndarray) -> np.ndarray:
    """The slice as float64; InputError unless it has the two axes (j, i)."""
    image = np.asarray(image)
    if image.ndim != 2:
        raise InputError(f"A readout works on one slice with the axes (row, column), but got shape {image.shape}.")
    return np.ascontiguousarray(image, np.float64)  # sums depend on how the pixels lie in memory
