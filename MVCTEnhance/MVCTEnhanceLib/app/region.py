"""The region that a user wants readouts of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..imageio import Volume
from ..imageio.grid import reorient_like
from ..imageio.reader import read_map


def read_region(path: Path, mvct: Volume) -> np.ndarray:
    """A region as bool, shape (k, j, i), in the order of the MVCT's voxels; not zero in the file is inside.

    Raises:
        InputError: it cannot be read, lies on another grid than the MVCT, or is empty.
    """
    region = reorient_like(read_map(path), mvct)
    if region is None:
        raise InputError(f"The region '{path}' lies on another grid than the MVCT: export it on the MVCT's own voxels.")
    inside = region.array != 0
    if not inside.any():
        raise InputError(f"The region '{path}' is empty: draw one, or measure the whole scan.")
    return inside
