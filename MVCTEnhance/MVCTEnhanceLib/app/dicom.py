"""An enhanced scan or a map that lies in a file, as a DICOM series derived from the MVCT's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError
from ..imageio import Volume, write_dicom_series
from ..imageio.dicom_series import read_dicom_folder
from ..imageio.grid import in_order_of
from ..imageio.reader import read_map
from .progress import Report, collecting
from .scans import require_new_series

DESCRIPTION = "MVCT enhanced (MVCTEnhance)"
WITHOUT_SOURCE = (
    "No source series was given: the new series is of an anonymous patient, in a study and a frame of reference of its "
    "own, so that no program will show it on the patient's scans."
)


@dataclass(frozen=True)
class DicomRequest:
    """What the user asks for.

    Args:
        scan: volume file of an enhanced scan, a difference or a cycle error, on the MVCT's voxels.
        output: a new folder.
        source: folder of the MVCT's series, whose patient, study and place are kept; None for an anonymous series.
        series_uid: which series, where the source folder has several.
        description: the new Series Description.
        derivation: how the values were made, for the Derivation Description.
        overwrite: whether a folder that holds a series made by this program, and nothing else, is replaced.
    """

    scan: Path
    output: Path
    source: Path | None = None
    series_uid: str | None = None
    description: str = DESCRIPTION
    derivation: str = f"Made from an MVCT by MVCTEnhance {__version__}"
    overwrite: bool = False


def write_derived_series(request: DicomRequest, *, report: Report = lambda event, **fields: None) -> dict[str, Any]:
    """Write a volume file as a DICOM CT series; each slice has the header of the source's slice at its place.

    Programs may keep slices, rows and columns the other way round than this one reads them: what counts is where they
    lie in the patient.

    Returns:
        slices: how many files were written; warnings.

    Raises:
        InputError: something cannot be read, or the volume's voxels are not those of the source.
        OutputError: the folder has something in it or cannot be written; no part of the series is left.
    """
    sources = (path for path in (request.scan, request.source) if path)
    require_new_series(request.output, *sources, overwrite=request.overwrite)
    warnings: list[str] = []
    report = collecting(warnings, report)
    report("stage", stage="read")
    volume = read_map(request.scan)
    if request.source:
        volume = _with_source(volume, request)
    else:
        volume = replace(volume, source=None)
        report("warning", message=WITHOUT_SOURCE)
    report("stage", stage="write")
    write_dicom_series(
        volume,
        request.output,
        description=request.description,
        derivation=request.derivation,
        overwrite=request.overwrite,
    )
    return {"slices": len(volume.array), "warnings": warnings}


def _with_source(volume: Volume, request: DicomRequest) -> Volume:
    if not request.source.is_dir():
        raise InputError(f"'{request.source}' is no folder: give the folder of the MVCT's DICOM series.")
    source = read_dicom_folder(request.source, series_uid=request.series_uid, pixels=False)
    matched = in_order_of(volume, source)
    if matched is None:
        raise InputError(
            f"'{request.scan}' has {_in_words(volume)} and the series in '{request.source}' {_in_words(source)}, or "
            "they lie in different places: give the series that the scan was made of, uncropped and not resampled."
        )
    return replace(source, array=matched.array, product=volume.product)


def _in_words(volume: Volume) -> str:
    slices, rows, columns = volume.array.shape
    voxel = " x ".join(f"{mm:.4g}" for mm in volume.spacing)
    return f"{slices} slices of {columns} x {rows} pixels of {voxel} mm"
