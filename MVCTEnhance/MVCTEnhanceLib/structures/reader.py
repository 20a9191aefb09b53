"""Structures from any of the files that they come in."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..volume import Volume
from .labels import read_labels
from .rtstruct import is_rtstruct, read_rtstruct
from .structure import Structure


def read_structures(path: Path, scan: Volume) -> tuple[list[Structure], tuple[str, ...]]:
    """The structures of an RT Structure Set, a label map or a segmentation of Slicer that lie in a scan, and warnings.

    Args:
        path: the file.
        scan: on whose grid they are wanted, in axial slices.

    Raises:
        InputError: it cannot be read, is of another patient, or no structure lies in the scan.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"The structures '{path}' are no file: name an RT Structure Set, a label map or a .seg.nrrd.")
    structures, warnings = (read_rtstruct if is_rtstruct(path) else read_labels)(path, scan)
    if not structures:
        raise InputError(f"No structure of '{path}' lies in the scan: {' '.join(warnings)}")
    return structures, warnings
