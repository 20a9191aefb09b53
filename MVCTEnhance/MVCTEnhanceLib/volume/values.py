"""Voxel values: the narrowest type that holds them, and int16 HU for files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError, OutputError

AIR_HU = -1000.0
PADDING_HU = -1024  # of pixels that the scanner has not measured
_INT16 = np.iinfo(np.int16)


def compact(array: np.ndarray) -> np.ndarray:
    """The same values as int16 where all are whole numbers that fit, else as float32 (any shape)."""
    if array.dtype == np.int16:
        return array
    whole = array.dtype.kind in "iub" or _all_whole(array)
    if array.size and whole and array.min() >= _INT16.min and array.max() <= _INT16.max:
        return array.astype(np.int16)
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which the reader refuses
        return array.astype(np.float32)


def rounded_int16(array: np.ndarray) -> np.ndarray:
    """HU values rounded to the nearest whole number and clipped to int16, never truncated or wrapped.

    Raises:
        OutputError: some values are NaN or infinite.
    """
    if array.dtype == np.int16:
        return array
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))
    if bad:
        raise OutputError(f"{bad} voxels are not finite (NaN or infinite): the volume was not written, run it again.")
    return np.clip(np.rint(array), _INT16.min, _INT16.max).astype(np.int16)


def require_finite(array: np.ndarray, path: Path) -> None:
    """Refuse a scan with non-finite values.

    Raises:
        InputError: how many there are, in the file `path`.
    """
    require_no_bad(array.size - int(np.count_nonzero(np.isfinite(array))), array.size, path)


def require_no_bad(bad: int, size: int, path: Path) -> None:
    """As `require_finite`, for a number of voxels that somebody else has counted."""
    if bad:
        raise InputError(
            f"{path} has {bad} voxels of {size} that are not finite (NaN or infinite): export the scan again."
        )


def _all_whole(array: np.ndarray) -> bool:
    """One slice after the other, so that a long scan needs no more memory than itself."""
    return all(np.isfinite(part).all() and (part == np.rint(part)).all() for part in array)
