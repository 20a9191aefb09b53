"""One scan in memory: voxel values in HU with their exact place in the patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import InputError
from .acquisition import UNKNOWN, Acquisition
from .product import Product

if TYPE_CHECKING:
    from pydicom import Dataset


class HeaderSource(Protocol):
    """Headers of the DICOM series that a volume was read from; attributes as in `DicomSeries`."""

    files: tuple[Path, ...]
    series_uid: str
    description: str
    date: str

    def header(self, k: int) -> Dataset:
        """The header of slice k, without pixel data."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A CT volume.

    Args:
        array: HU values, shape (k, j, i): slice, row, column; int16 or float32.
        spacing: voxel size in mm along (i, j, k).
        origin: LPS position in mm of the centre of voxel (0, 0, 0).
        direction: 3x3 matrix whose columns are the LPS unit vectors of the i, j and k axes
            (left-handed and oblique ones are kept as they are).
        source: the DICOM series the volume was read from, None for other formats.
        warnings: of the reader, for the user, one sentence each.
        product: which output of this program the volume is; None where it is none, or not known.
        acquisition: what the headers say of it.
        note: how the values were made, for the header of a file (.nrrd, .mha); empty where nothing is to be said.
    """

    array: np.ndarray
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: np.ndarray = field(default_factory=lambda: np.eye(3))
    source: HeaderSource | None = None
    warnings: tuple[str, ...] = ()
    product: Product | None = None
    acquisition: Acquisition = UNKNOWN
    note: str = ""

    def __post_init__(self):
        if self.array.ndim != 3:
            raise InputError(
                f"A volume needs the three axes (k, j, i), but this one has shape {self.array.shape}: "
                "choose a single 3-D scan."
            )

    def with_array(self, array: np.ndarray) -> Volume:
        """The same geometry and source with other voxel values (same shape): no product, not acquired, no note."""
        if array.shape != self.array.shape:
            raise ValueError(f"array of shape {array.shape} cannot take the place of {self.array.shape}")
        return replace(self, array=array, product=None, acquisition=UNKNOWN, note="")


@dataclass(frozen=True)
class SlicesOnDemand:
    """int16 HU that are worked out slice by slice whenever a writer asks, in the place of an array in a volume.

    Args:
        shape: (k, j, i).
        make: the slice of an index k, int16 of shape (j, i).
    """

    shape: tuple[int, int, int]
    make: Callable[[int], np.ndarray]
    dtype = np.dtype(np.int16)
    ndim = 3

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, k: int) -> np.ndarray:
        return self.make(k)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self.make, range(len(self)))
