"""A structure on the grid of a scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Structure:
    """A structure, kept as the smallest box of voxels that holds it.

    Args:
        name: as whoever drew it named it.
        box: where in the scan the coverage lies, of its axes (k, j, i).
        coverage: part of each voxel of the box that lies inside, float32, shape (k, j, i).
    """

    name: str
    box: tuple[slice, slice, slice]
    coverage: np.ndarray

    @classmethod
    def of(cls, name: str, coverage: np.ndarray) -> Structure:
        """Of the part of each voxel of the whole scan that lies inside, of which something does."""
        sides = [np.flatnonzero(coverage.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
        box = tuple(slice(int(side[0]), int(side[-1]) + 1) for side in sides)
        return cls(name, box, coverage[box].astype(np.float32))

    def cm3(self, spacing: tuple[float, float, float]) -> float:
        """Its volume; `spacing` of the scan's voxels in mm along (i, j, k)."""
        return float(self.coverage.sum(dtype=float)) * float(np.prod(spacing)) / 1000

    @property
    def inside(self) -> np.ndarray:
        """Voxels of the box of which at least a half lies inside, bool."""
        return self.coverage >= 0.5


def with_names_of_their_own(names: list[str]) -> list[str]:
    """The same names, the second and further ones of a kind numbered."""
    numbered: list[str] = []
    for name in names:
        unique, number = name or "without a name", 1
        while unique in numbered:
            number += 1
            unique = f"{name or 'without a name'} ({number})"
        numbered.append(unique)
    return numbered
