"""Scans in and out as a job sees them: called by their role, and never over or among the scans that were given."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from itertools import permutations
from pathlib import Path

import numpy as np

from ..errors import InputError, OutputError
from ..io import is_dicom_output, read_volume, write_dicom_series, write_volume
from ..io.dicom.header import WITHOUT_UID, holds_outputs_only, patient_id
from ..io.formats import WRITABLE, has_suffix
from ..io.reader import read_map
from ..volume import Volume
from ..volume.grid import axial, reorient_like
from ..volume.itk import itk_name
from .series_texts import SeriesTexts

UNKNOWN_PATIENT = (
    "Not both scans have a Patient ID, as DICOM has it: check that the MVCT and the planning CT are of one patient."
)
REPORT_FILES = ("report.html", "readouts.json", "readouts.csv")


def read_scan(path: Path, role: str, *, series_uid: str | None = None, slices_only: bool = False) -> Volume:
    """A scan whose warnings call it by its role, such as "MVCT".

    They go into reports and result files, where a path or a series' identifier may give a patient away. For the options
    see `read_volume`.

    Raises:
        InputError: as `read_volume`, which names the file, since only the user sees it; or axial slices of a single
            row or column, in which nothing can be measured.
    """
    volume = read_volume(path, series_uid=series_uid, slices_only=slices_only)
    rows, columns = axial(volume).array.shape[1:]
    if min(rows, columns) < 2:
        raise InputError(f"{path} has axial slices of {rows} x {columns} pixels: choose a scan.")
    return replace(volume, warnings=tuple(_by_role(text, volume, path, role) for text in volume.warnings))


def require_same_patient(mvct: Volume, planning_ct: Volume) -> tuple[str, ...]:
    """Refuse scans of two patients.

    Returns:
        a warning where one of them has no Patient ID, so that it is not known.

    Raises:
        InputError: their DICOM Patient IDs differ.
    """
    ids = [patient_id_of(scan) for scan in (mvct, planning_ct)]
    if all(ids) and len(set(ids)) > 1:
        raise InputError("The MVCT and the planning CT have different Patient IDs: choose two scans of one patient.")
    return () if all(ids) else (UNKNOWN_PATIENT,)


def patient_id_of(scan: Volume) -> str:
    """To be compared and never shown; empty where it is not known."""
    return patient_id(scan.source.header(0)) if scan.source else ""


def _by_role(text: str, volume: Volume, path: Path, role: str) -> str:
    names = [str(path)]
    if volume.source:
        first = volume.source.files[0]
        uid = volume.source.series_uid or WITHOUT_UID
        names += [f"Series {uid}", f"series {uid}", f"{first.parent.name}/{first.name}"]
    for name in names:
        text = text.replace(name, f"the {role}")
    return text[0].upper() + text[1:]


def write_scan(
    volume: Volume, path: Path, *, texts: SeriesTexts, compress: bool = True, overwrite: bool = False
) -> None:
    """A scan as a file or, where the path has no suffix of one, as a DICOM series with these texts."""
    if is_dicom_output(path):
        write_dicom_series(volume, path, **asdict(texts), overwrite=overwrite)
    else:
        write_volume(volume, path, compress=compress, overwrite=overwrite)


def require_writable(output: Path, *sources: Path, overwrite: bool = False) -> None:
    """Refuse an output that could not be written, exists, or would harm a scan that was given, before any work is done.

    Args:
        overwrite: whether what exists may be replaced: a file, or a folder that holds a series made by this program.

    Raises:
        OutputError: a suffix that is not written, one of the sources itself, a file or folder that exists, a folder
            inside a source, or no permission.
    """
    if any(_same(output, source) for source in sources):
        raise OutputError(f"'{output}' is an input itself, which is never overwritten: choose another output.")
    if is_dicom_output(output):
        _require_new_folder(output, sources, overwrite=overwrite)
    elif not has_suffix(output, WRITABLE):
        raise OutputError(f"'{output.name}' cannot be written: end the output in {', '.join(WRITABLE)}.")
    elif output.is_dir():
        raise OutputError(f"'{output}' is a folder: give the output a file name inside it.")
    elif itk_name(output.absolute()) is None:
        raise OutputError(f"'{output}' has letters in its path that are no valid text: choose another name or folder.")
    else:
        require_absent(output, overwrite=overwrite)
    require_permission(output)


def require_volume_file(output: Path, name: str) -> None:
    """Refuse an output that would be a DICOM series.

    Raises:
        OutputError: it has no suffix of a volume file; the sentence calls it by its name.
    """
    if is_dicom_output(output):
        raise OutputError(f"'{output.name}' is no volume file: end the {name}'s name in {', '.join(WRITABLE)}.")


def require_apart(*scans: Path, report: Path | None = None) -> None:
    """Refuse outputs that would replace each other: scans, and the folder of a report, which may hold the scans.

    Raises:
        OutputError: two have the same place, or one lies in the folder of another's DICOM series.
    """
    places = [path.resolve() for path in (*scans, report) if path]
    for path, other in permutations(places, 2):
        if path == other or (path in other.parents and path in places[: len(scans)]):
            raise OutputError(f"'{other}' lies in the place of another output: give each a place of its own.")


def require_absent(output: Path, *, overwrite: bool = False) -> None:
    """Refuse a file that exists, unless it is to be replaced.

    Raises:
        OutputError: it exists.
    """
    if not overwrite and os.path.lexists(output):
        raise OutputError(f"'{output}' exists already: choose another name, or replace it by --overwrite.")


def require_no_report(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse a folder that holds a report, unless that is to be replaced; there may be other files in it.

    Raises:
        OutputError: it holds one, or could not be written to.
    """
    for name in REPORT_FILES:
        require_absent(folder / name, overwrite=overwrite)
        require_permission(folder / name)


def require_new_series(output: Path, *sources: Path, overwrite: bool = False) -> None:
    """Refuse a folder for a DICOM series, as `require_writable` does, also one that is named like a volume file.

    Raises:
        OutputError: as `require_writable`.
    """
    if not is_dicom_output(output):
        raise OutputError(f"'{output.name}' is named like a volume file: name a new folder for the DICOM series.")
    require_writable(output, *sources, overwrite=overwrite)


def require_permission(path: Path) -> None:
    """Refuse a file or folder that could not be made.

    Raises:
        OutputError: its folder, or the nearest one above that is there, cannot be written to.
    """
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise OutputError(f"'{parent}' is no folder that can be written to: choose another place for '{path.name}'.")


def _same(output: Path, source: Path) -> bool:
    """Also by another spelling: through links, a folder yet to be made and '..', or other capitals."""
    return output.resolve() == source.resolve() or (output.exists() and source.exists() and output.samefile(source))


def _require_new_folder(output: Path, sources: tuple[Path, ...], *, overwrite: bool) -> None:
    if output.exists() and not output.is_dir():
        raise OutputError(f"'{output}' is a file: choose a new folder for the DICOM series.")
    if output.suffix and not output.is_dir():
        raise OutputError(
            f"'{output.name}' ends in '{output.suffix}': end the output in {', '.join(WRITABLE)}, or name a folder "
            "without a suffix for DICOM."
        )
    if output.is_dir() and any(output.iterdir()):
        if not overwrite:
            raise OutputError(
                f"The folder '{output}' is not empty: name a new folder for the DICOM series, or replace one that "
                "this program made by --overwrite."
            )
        if not holds_outputs_only(output):
            raise OutputError(
                f"The folder '{output}' holds other files than a series made by this program, which are never "
                "replaced: name a new folder for the DICOM series."
            )
    if any(source.resolve() in output.resolve().parents for source in sources):
        raise OutputError(
            f"'{output}' lies inside the folder of an input, which would then hold two series: choose another place."
        )


def read_region(path: Path, mvct: Volume) -> np.ndarray:
    """A region as bool, shape (k, j, i), in the order of the MVCT's voxels; not zero in the file is inside.

    Raises:
        InputError: it cannot be read, is no mask, lies on another grid than the MVCT, or is empty.
    """
    region = reorient_like(read_map(path), mvct)
    if region is None:
        raise InputError(f"The region '{path}' lies on another grid than the MVCT: export it on the MVCT's own voxels.")
    if region.array.min() < 0 < region.array.max():
        raise InputError(f"The region '{path}' has values below and above 0, as a CT has: choose a mask.")
    inside = region.array != 0
    if not inside.any():
        raise InputError(f"The region '{path}' is empty: draw one, or measure the whole scan.")
    return inside
