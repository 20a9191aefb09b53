"""DICOM CT series: what lies in a folder, which one is meant, and reading it to a volume."""

from __future__ import annotations

import filecmp
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from ..errors import InputError
from .dicom_file import open_dicom
from .dicom_geometry import stack_slices
from .dicom_header import SliceHeader, scan_folder
from .dicom_pixels import read_slice
from .quiet import quiet_pydicom
from .values import compact
from .volume import Volume

DEEPEST = 30  # levels of sequences within each other that a header keeps


@dataclass(frozen=True)
class DicomSeries:
    """The DICOM files that a volume was read from.

    Args:
        files: one file for each slice, in k order.
        series_uid: their Series Instance UID.
        description, manufacturer, model_name, kvp: of the first slice, as in `SliceHeader`.
    """

    files: tuple[Path, ...]
    series_uid: str
    description: str = ""
    manufacturer: str = ""
    model_name: str = ""
    kvp: float | None = None

    def header(self, k: int) -> pydicom.Dataset:
        """The whole header of slice k, read anew, without pixel data and without elements that cannot be parsed.

        Raises:
            InputError: the file has gone or cannot be read any more.
        """
        path = self.files[k]
        try:
            with quiet_pydicom():
                ds = open_dicom(path, stop_before_pixels=True)
                _drop_unreadable(ds)
                return ds
        except Exception as error:
            raise InputError(
                f"{path.parent.name}/{path.name} cannot be read any more: leave the source series in place until the "
                "result is written."
            ) from error


@dataclass(frozen=True)
class SeriesInfo:
    """One series as a list shows it; `obstacle` says why it cannot be read as a CT volume, None if it may."""

    series_uid: str
    description: str
    modality: str
    number_of_images: int
    obstacle: str | None


def list_series(folder: str | Path) -> list[SeriesInfo]:
    """All DICOM series in a folder and its subfolders, sorted by UID (an empty list if there are none).

    Raises:
        InputError: the folder does not exist or cannot be read.
    """
    headers, _ = scan_folder(Path(folder))
    return [_info(images) for images in _by_series(headers).values()]


def read_dicom_folder(
    folder: Path, *, series_uid: str | None = None, recursive: bool = True, pixels: bool = True
) -> Volume:
    """The CT series of a folder: the one with `series_uid`, or the only one.

    HU as int16 where they are whole numbers, else float32, shape (k, j, i), slices sorted along their normal. Without
    `pixels` all values are 0 and take no memory, for where only the place and the source matter.

    Raises:
        InputError: there is no or more than one CT series, or the series is no regular CT volume.
    """
    headers, damaged = scan_folder(folder, recursive=recursive)
    if damaged:
        raise InputError(
            f"{damaged[0].parent.name}/{damaged[0].name} is a damaged or cut DICOM file, or one without a Series "
            f"Instance UID, and may be a slice of the scan{f' (and {len(damaged) - 1} more)' * (len(damaged) > 1)}: "
            "copy or export it again, or take it out of the folder."
        )
    if not headers:
        raise InputError(f"{folder} holds no DICOM images: choose the folder of a CT series.")
    return _read_series(_choose(folder, _by_series(headers), series_uid), pixels)


def _drop_unreadable(ds: pydicom.Dataset, levels: int = DEEPEST) -> None:
    """Also sequences nested more than `levels` deep, which would take more of Python's stack than there is."""
    for tag in list(ds.keys()):
        try:
            element = ds[tag]
        except Exception:  # whatever pydicom makes of one odd value, it must not stop the export of a scan
            del ds[tag]
            continue
        if element.VR == "SQ" and not levels:
            del ds[tag]
            continue
        for item in element.value if element.VR == "SQ" else ():
            _drop_unreadable(item, levels - 1)


def _by_series(headers: list[SliceHeader]) -> dict[str, list[SliceHeader]]:
    series: dict[str, list[SliceHeader]] = {uid: [] for uid in sorted({header.series_uid for header in headers})}
    for header in headers:
        series[header.series_uid].append(header)
    return series


def _info(headers: list[SliceHeader]) -> SeriesInfo:
    first = headers[0]
    return SeriesInfo(first.series_uid, first.description, first.modality, len(headers), _obstacle(headers))


def _obstacle(headers: list[SliceHeader]) -> str | None:
    """Why these images cannot be a CT volume, with what to do."""
    other = sorted({header.modality or "unknown" for header in headers} - {"CT"})
    if other:
        return f"is of modality {' and '.join(other)}: choose a CT series"
    if all(header.is_localizer for header in headers):
        return "is a localizer (scout view): choose the axial series"
    if any(header.is_multiframe for header in headers):
        return "is an Enhanced (multi-frame) CT, which is not read here: convert it to single-frame CT images first"
    if any(header.samples > 1 for header in headers):
        return "has colour images: choose a series with HU values"
    if not any(header.position or header.orientation for header in headers):
        return "has no slice positions (a report or a screen picture): choose the axial series"
    return None


def _choose(folder: Path, series: dict[str, list[SliceHeader]], series_uid: str | None) -> list[SliceHeader]:
    obstacles = {uid: _obstacle(headers) for uid, headers in series.items()}
    if series_uid is not None and series_uid not in series:
        raise InputError(f"{folder} has no series {series_uid}: choose one of {_listed(series)}.")
    usable = [uid for uid, obstacle in obstacles.items() if obstacle is None]
    if series_uid is None and len(usable) > 1:
        raise InputError(f"{folder} holds {len(usable)} CT series: choose one by its UID, {_listed(series, usable)}.")
    chosen = series_uid or (usable[0] if usable else next(iter(series)))
    if obstacles[chosen] is None:
        return series[chosen]
    if series_uid or len(series) == 1:
        raise InputError(f"Series {chosen} in {folder} {obstacles[chosen]}.")
    raise InputError(f"{folder} holds no CT volume but {_listed(series)}: choose the folder of a CT series.")


def _listed(series: dict[str, list[SliceHeader]], uids: list[str] | None = None) -> str:
    parts = []
    for uid in uids or series:
        info = _info(series[uid])
        parts.append(f"{uid} ({info.modality or 'unknown modality'}, {info.number_of_images} images)")
    return ", ".join(parts)


def _read_series(headers: list[SliceHeader], pixels: bool) -> Volume:
    uid = headers[0].series_uid
    headers, warnings = _axial_images(headers)
    stack = stack_slices(headers)
    array, notes = (_read_pixels if pixels else _no_pixels)(stack.headers)
    first = stack.headers[0]
    source = DicomSeries(
        tuple(header.path.absolute() for header in stack.headers),
        uid,
        description=first.description,
        manufacturer=first.manufacturer,
        model_name=first.model_name,
        kvp=first.kvp,
    )
    return Volume(
        array=array,
        spacing=stack.spacing,
        origin=stack.origin,
        direction=stack.direction,
        source=source,
        warnings=warnings + stack.warnings + notes,
        product=first.product,
    )


def _axial_images(headers: list[SliceHeader]) -> tuple[list[SliceHeader], tuple[str, ...]]:
    """Without localizers and without second copies of the same file."""
    uid, warnings = headers[0].series_uid, []
    axial = [header for header in headers if not header.is_localizer]
    if len(axial) < len(headers):
        warnings.append(f"Series {uid} has {len(headers) - len(axial)} localizer images: they were left out.")
    first_with: dict[str, SliceHeader] = {}
    kept = []
    for header in axial:
        first = first_with.setdefault(header.sop_uid or str(header.path), header)
        if first is header or not filecmp.cmp(first.path, header.path, shallow=False):
            kept.append(header)
    if len(kept) < len(axial):
        warnings.append(f"Series {uid} has {len(axial) - len(kept)} files twice: the copies were left out.")
    return kept, tuple(warnings)


def _no_pixels(headers: tuple[SliceHeader, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    return np.broadcast_to(np.int16(0), (len(headers), *headers[0].size)), ()


def _read_pixels(headers: tuple[SliceHeader, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The stacked HU values; int16 until a slice needs float32, so that a long scan is never held twice as int64."""
    array = np.empty((len(headers), *headers[0].size), np.int16)
    notes: dict[str, None] = {}
    for k, header in enumerate(headers):
        values, told = read_slice(header)
        values = compact(values)
        if values.dtype != array.dtype:
            array = array.astype(np.float32, copy=False)
        array[k] = values
        notes.update(dict.fromkeys(told))
    return array, tuple(notes)
