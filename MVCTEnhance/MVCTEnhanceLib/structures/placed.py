"""Structures on the MVCT's grid, whichever scan they were drawn on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..volume import Volume
from ..volume.itk import to_itk
from .reader import read_structures
from .structure import Structure


@dataclass(frozen=True, eq=False)
class PlacedStructure:
    """A structure on the MVCT's grid.

    Args:
        structure: there.
        planned: the HU of the planning CT in it, where it was drawn on that; else None.
        planned_cm3: its volume there, else None.
    """

    structure: Structure
    planned: np.ndarray | None = None
    planned_cm3: float | None = None


def structures_drawn_on(mvct: Volume, path: Path) -> tuple[list[PlacedStructure], tuple[str, ...]]:
    """The structures of a file that were drawn on the MVCT (axial slices), and warnings; see `read_structures`."""
    structures, warnings = read_structures(path, mvct)
    return [PlacedStructure(structure) for structure in structures], warnings


def structures_brought_to(
    mvct: Volume, planning_ct: Volume, path: Path, transform: sitk.Transform
) -> tuple[list[PlacedStructure], tuple[str, ...]]:
    """The structures of a file that were drawn on the planning CT, brought to the MVCT; both in axial slices.

    Args:
        transform: linear, from points of the planning CT to those of the MVCT, as `register` writes it.

    Raises:
        InputError: see `read_structures`.
    """
    drawn, warnings = read_structures(path, planning_ct)
    placed, left_out = [], list(warnings)
    for structure in drawn:
        there = _moved(structure, planning_ct, mvct, transform.GetInverse())
        if there.any():
            hu = planning_ct.array[structure.box][structure.inside].astype(np.float64)
            placed.append(PlacedStructure(Structure.of(structure.name, there), hu, structure.cm3(planning_ct.spacing)))
        else:
            left_out.append(f"The structure '{structure.name}' lies outside of the MVCT: it is left out.")
    return placed, tuple(left_out)


def _moved(structure: Structure, scan: Volume, to: Volume, transform: sitk.Transform) -> np.ndarray:
    """Part of each voxel of another grid that lies inside, trilinear, shape (k, j, i)."""
    whole = np.zeros(scan.array.shape, np.float32)
    whole[structure.box] = structure.coverage
    image = sitk.Resample(to_itk(scan.with_array(whole)), to_itk(to), transform, sitk.sitkLinear, 0.0)
    return sitk.GetArrayFromImage(image)
