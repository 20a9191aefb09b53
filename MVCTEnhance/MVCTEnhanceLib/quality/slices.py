"""One slice, with what several metrics ask of it worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy import ndimage

from ..errors import InputError

SPLINE_PAD = 12  # pixels after which what lies beyond the border no longer changes the coefficients


class Slice:
    """A slice as float64 HU of shape (j, i).

    Args:
        image: HU, shape (j, i).

    Raises:
        InputError: it has other axes.
    """

    def __init__(self, image: np.ndarray):
        self.hu = require_slice(image)
        self._smooth: dict[tuple[float, ...], np.ndarray] = {}

    @classmethod
    def of(cls, image: np.ndarray | Slice) -> Slice:
        """The slice of an array; a slice as it is."""
        return image if isinstance(image, Slice) else cls(image)

    def crop(self, box: tuple[slice, slice]) -> Slice:
        """The part in a box; what was smoothed already is cut too, not smoothed anew at the borders of the box."""
        part = Slice(np.ascontiguousarray(self.hu[box]))
        part._smooth = {sigmas: np.ascontiguousarray(smooth[box]) for sigmas, smooth in self._smooth.items()}
        return part

    def smooth(self, sigma_px: float | Sequence[float]) -> np.ndarray:
        """Gaussian of this SD, one for both axes or one each; not to be written to."""
        sigmas = tuple(np.broadcast_to(sigma_px, 2).tolist())
        if sigmas not in self._smooth:
            self._smooth[sigmas] = ndimage.gaussian_filter(self.hu, sigmas)
        return self._smooth[sigmas]

    def sample(self, places: np.ndarray) -> np.ndarray:
        """HU of the cubic spline through the pixels.

        Args:
            places: rows and columns in pixels, shape (2, ...).

        Returns:
            shape (...); equal to `ndimage.map_coordinates` of order 3 and mode "nearest".
        """
        return ndimage.map_coordinates(self._spline, places + SPLINE_PAD, order=3, mode="nearest", prefilter=False)

    @cached_property
    def _spline(self) -> np.ndarray:
        return ndimage.spline_filter(np.pad(self.hu, SPLINE_PAD, mode="edge"), order=3, mode="nearest")


def places_of(count: int, most: int) -> list[int]:
    """Numbers of slices from 0, evenly placed, at most so many."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()


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
        raise InputError(f"A metric works on one slice with the axes (row, column), but got shape {image.shape}.")
    return np.ascontiguousarray(image, np.float64)  # sums depend on how the pixels lie in memory
