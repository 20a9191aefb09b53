"""Outputs of this program, known again by what their files say, and the digest that ties them to their input."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from .volume import Volume

Kind = Literal["enhanced", "difference", "correction", "cycle error"]


@dataclass(frozen=True)
class Product:
    """What an output of this program is.

    Args:
        kind: which of the outputs.
        input_digest: `digest` of the scan that it was made of; empty where the file does not say.
    """

    kind: Kind | str
    input_digest: str = ""


def digest(volume: Volume) -> str:
    """SHA-256, in hexadecimal digits, of the voxels in their order and of the grid rounded to 0.001 mm.

    The same scan gives the same digest from whatever format it was read.
    """
    grid = (*volume.spacing, *volume.origin, *np.asarray(volume.direction, float).ravel())
    rounded = ",".join(f"{round(float(number), 3) + 0.0:.3f}" for number in grid)
    content = hashlib.sha256(f"{volume.array.shape}{volume.array.dtype}{rounded}".encode())
    for part in volume.array:
        content.update(np.ascontiguousarray(part).tobytes())
    return content.hexdigest()
