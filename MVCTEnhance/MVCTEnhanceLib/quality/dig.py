"""DIG: the gradient of what the enhancement changed; large where it changed structure."""

from __future__ import annotations

import numpy as np

from .slices import require_same_shape, require_slice

NETWORK_WINDOW_HU = (-600.0, 400.0)


def dig(mvct: np.ndarray, enhanced: np.ndarray, *, region: np.ndarray | None = None) -> float:
    """Mean over the slice of |grad(x - G(x))|², in HU²/px².

    The gradient is by forward differences; each of its two components is averaged over the pixels that have a
    neighbour, air and couch included, and the two means are added. A constant HU shift is invisible to it: show the
    HU change beside it.

    Args:
        mvct: x, HU, shape (j, i).
        enhanced: G(x), HU, shape (j, i).
        region: bool, shape (j, i); only differences of two pixels inside it count. None for the whole slice.

    Returns:
        the DIG; NaN where no two neighbours lie in the region.

    Raises:
        InputError: the shapes differ.

    Source: S. Ozaki et al., Med. Phys. 49(6), 2022.
    """
    require_same_shape(mvct, enhanced, names=("MVCT", "enhanced scan"))
    difference = require_slice(mvct) - require_slice(enhanced)
    return float(sum(_mean_square_step(difference, region, axis) for axis in (0, 1)))


def dig_scaled(mvct: np.ndarray, enhanced: np.ndarray, *, region: np.ndarray | None = None) -> float:
    """DIG of the values as the paper's network sees them: clipped to [-600, 400] HU, scaled to [-1, 1]; in 1/px²."""
    low, high = NETWORK_WINDOW_HU
    clipped = (np.clip(require_slice(image), low, high) for image in (mvct, enhanced))
    return dig(*clipped, region=region) * (2 / (high - low)) ** 2


def _mean_square_step(difference: np.ndarray, region: np.ndarray | None, axis: int) -> float:
    steps = np.diff(difference, axis=axis)
    if region is not None:
        rows, columns = steps.shape
        steps = steps[region[:rows, :columns] & region[-rows:, -columns:]]
    # Not by a product of vectors: BLAS keeps another core busy for a while after each, waiting for the next.
    return float(np.square(steps).mean()) if steps.size else float("nan")
