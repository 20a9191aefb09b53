"""Structures of a DICOM RT Structure Set on the grid of a scan.

Voxels are covered by the area inside of the contours: libraries that round contours to whole pixels are 9 % off in a
structure of 10 mm.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import RTStructureSetStorage

from ..errors import InputError
from ..io.dicom.file import open_dicom
from ..io.dicom.header import patient_id
from ..volume import Volume
from .contours import coverage
from .structure import Structure, with_names_of_their_own

CLOSED = "CLOSED_PLANAR"
EXPORT_AGAIN = "export the structure set again"


def is_rtstruct(path: Path) -> bool:
    """Whether a file is a DICOM RT Structure Set."""
    if not path.is_file():
        return False
    try:
        return open_dicom(path, specific_tags=["SOPClassUID"]).get("SOPClassUID") == RTStructureSetStorage
    except Exception:  # what is no DICOM raises nearly anything
        return False


def read_rtstruct(path: Path, scan: Volume) -> tuple[list[Structure], tuple[str, ...]]:
    """The structures that have closed contours.

    Args:
        path: the file.
        scan: on whose grid they are wanted, in axial slices.

    Returns:
        The structures that lie in the scan, and a warning for each of the others and for what else is left out.

    Raises:
        InputError: the file cannot be read, or belongs to another patient or another frame of reference.
    """
    try:
        ds = open_dicom(path)
        _require_same_patient(ds, scan, path)
        rois = list(_rois(ds))
    except InputError:
        raise
    except Exception as error:  # pydicom raises nearly anything for a damaged file
        raise InputError(f"The structure set '{path}' is damaged: {EXPORT_AGAIN}.") from error
    structures, warnings = [], []
    for name, (number, _) in zip(with_names_of_their_own([name for _, name in rois]), rois, strict=True):
        contours, others = _contours(ds, number, path)
        if others:
            warnings.append(f"The structure '{name}' has {others} points or open lines, which enclose nothing.")
        if not contours:
            warnings.append(f"The structure '{name}' has no closed contour: it is left out.")
            continue
        try:
            part = coverage(contours, scan)
        except InputError as error:
            raise InputError(f"The structure '{name}' in '{path}' cannot be used: {error}.") from error
        if part.any():
            structures.append(Structure.of(name, part))
        else:
            warnings.append(f"The structure '{name}' lies outside of the scan: it is left out.")
    return structures, tuple(warnings)


def _require_same_patient(ds: Dataset, scan: Volume, path: Path) -> None:
    if scan.source is None:
        return
    header = scan.source.header(0)
    if patient_id(ds) != patient_id(header):
        raise InputError(
            f"The structure set '{path}' belongs to another Patient ID than the scan: choose that of this patient."
        )
    frames = {str(item.get("FrameOfReferenceUID", "")) for item in ds.get("ReferencedFrameOfReferenceSequence", [])}
    frames |= {str(item.get("ReferencedFrameOfReferenceUID", "")) for item in ds.get("StructureSetROISequence", [])}
    if frames and str(header.get("FrameOfReferenceUID", "")) not in frames:
        raise InputError(
            f"The structure set '{path}' was drawn in another frame of reference than that of the scan, so that its "
            "place is not known: use structures that were drawn on this scan, or register the scans first."
        )


def _rois(ds: Dataset) -> Iterator[tuple[int, str]]:
    for item in ds.get("StructureSetROISequence", []):
        yield int(item.ROINumber), str(item.get("ROIName", "")).strip()


def _contours(ds: Dataset, number: int, path: Path) -> tuple[list[np.ndarray], int]:
    """The closed contours of a structure, LPS positions in mm, shape (n, 3) each; how many others it has."""
    closed, others = [], 0
    for roi in ds.get("ROIContourSequence", []):
        if int(roi.ReferencedROINumber) != number:
            continue
        for contour in roi.get("ContourSequence", []) or []:
            points = np.array(contour.get("ContourData") or [], float)
            if contour.get("ContourGeometricType") != CLOSED:
                others += 1
                continue
            if points.size < 9 or points.size % 3 or not np.isfinite(points).all():
                raise InputError(f"A contour in '{path}' has no three points with three numbers each: {EXPORT_AGAIN}.")
            closed.append(points.reshape(-1, 3))
    return closed, others
