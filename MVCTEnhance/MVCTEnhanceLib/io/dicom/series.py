"""DICOM CT series: what lies in a folder, which one is meant, and reading it to a volume."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR

from ...errors import InputError
from ...runtime.quiet import quiet_pydicom
from ...volume import Volume
from ...volume.values import compact
from .file import open_dicom
from .geometry import stack_slices
from .groups import ImageGroup, group_images
from .header import DamagedDicom, SliceHeader, scan_folder
from .pixels import read_slice

MAX_SEQUENCE_DEPTH = 30  # levels of sequences within each other that a header keeps
MAX_LISTED, MAX_TEXT_LENGTH = 10, 64  # series in a message, letters of a text of each


@dataclass(frozen=True)
class DicomSeries:
    """The DICOM files that a volume was read from.

    Args:
        files: one file for each slice, in k order.
        series_uid: their Series Instance UID.
        description, date: of the first slice, as in `SliceHeader`.
    """

    files: tuple[Path, ...]
    series_uid: str
    description: str = ""
    date: str = ""

    def header(self, k: int) -> pydicom.Dataset:
        """The whole header of slice k, read anew, without pixel data and without elements that cannot be parsed.

        Texts are decoded when they are asked for: until then `get_item` gives their bytes.

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


def read_dicom_folder(
    path: Path, *, series_uid: str | None = None, pixels: bool = True, slices_only: bool = False
) -> Volume:
    """A CT series: the only one of a folder, the one with `series_uid`, or that of a file.

    HU as int16 where they are whole numbers, else float32, shape (k, j, i), slices sorted along their normal.

    Args:
        path: folder, searched with its subfolders; or one DICOM file of the series, of which only the folder is.
        series_uid: a Series Instance UID or, since several scans may have the same, one file of the scan, relative to
            the folder.
        pixels: without them all values are 0 and take no memory, for where only the place and the source matter.
        slices_only: as for `stack_slices`.

    Raises:
        InputError: there is no or more than one CT series, or the series is no regular CT volume.
    """
    is_file = path.is_file()
    folder, choice = (path.parent, series_uid or path.name) if is_file else (path, series_uid)
    headers, damaged = scan_folder(folder, recursive=not is_file)
    if damaged:
        raise _may_be_a_slice(damaged)
    if not headers:
        raise InputError(f"{folder} holds no DICOM images: choose the folder of a CT series.")
    groups = group_images(headers)
    doubtful = next((group for group in groups if group.fault and not group.series_uid), None)
    group = doubtful or _choose(folder, groups, choice)
    if group.fault:
        raise InputError(group.fault)
    return _read_group(group, pixels=pixels, slices_only=slices_only)


def _may_be_a_slice(damaged: list[DamagedDicom]) -> InputError:
    first, more = damaged[0], f" (and {len(damaged) - 1} more)" * (len(damaged) > 1)
    return InputError(
        f"{first.label} {first.what} and may be a slice of the scan{more}: {first.remedy}, or take it out of the "
        "folder."
    )


def _drop_unreadable(ds: pydicom.Dataset, levels: int = MAX_SEQUENCE_DEPTH) -> None:
    """Also sequences nested more than `levels` deep, which would take more of Python's stack than there is."""
    for tag in list(ds.keys()):
        raw = ds.get_item(tag)
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
        if element.VR in CUSTOMIZABLE_CHARSET_VR:
            ds[tag] = raw


def _choose(folder: Path, groups: list[ImageGroup], series_uid: str | None) -> ImageGroup:
    """The group that is meant, among those of a folder."""
    meant = [group for group in groups if group.obstacle is None]
    if series_uid is not None:
        meant = _meant(groups, folder, series_uid)
        if not meant:
            raise InputError(f"{folder} has no series {series_uid}: choose one of {_listed(folder, groups)}.")
    if len(meant) > 1:
        raise _several(folder, meant)
    if not meant and len(groups) > 1:
        raise InputError(
            f"{folder} holds no CT volume but {_listed(folder, groups)}: choose the folder of a CT series."
        )
    (group,) = meant or groups
    if group.obstacle:
        raise InputError(f"Series {group.images[0].series_name} in {folder} {group.obstacle}.")
    return group


def _meant(groups: list[ImageGroup], folder: Path, series_uid: str) -> list[ImageGroup]:
    path = folder / series_uid
    of_file = [group for group in groups if path in (image.path for image in group.images)]
    return of_file or [group for group in groups if series_uid in group.series_uids or path in group.left_out]


def _several(folder: Path, groups: list[ImageGroup]) -> InputError:
    if len({group.series_uid for group in groups}) > 1:
        return InputError(f"{folder} holds {len(groups)} CT series: choose one by its UID, {_listed(folder, groups)}.")
    reasons = " and ".join(dict.fromkeys(reason for group in groups for reason in group.apart_by))
    place = "the UID" if any(len(group.folders) > 1 for group in groups) else "the folder or the UID"
    return InputError(
        f"{folder} holds {len(groups)} scans under one Series Instance UID ({groups[0].series_uid}), which differ in "
        f"{reasons}: choose one by a file of it in place of {place}, {_listed(folder, groups)}."
    )


def _listed(folder: Path, groups: list[ImageGroup]) -> str:
    """The series with what somebody can tell them apart by, but who was scanned; the UID where it is of one only."""
    uids = Counter(group.series_uid for group in groups)
    entries = []
    for group in groups[:MAX_LISTED]:
        first = group.images[0]
        name = group.series_uid if uids[group.series_uid] == 1 and group.series_uid else _relative(first.path, folder)
        entries.append(f"{name} ({', '.join(_described(group))})")
    more = len(groups) - len(entries)
    return "; ".join(entries) + f"; and {more} more" * (more > 0)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _described(group: ImageGroup) -> list[str]:
    first, number = group.images[0], len(group.images)
    texts = [first.modality or "unknown modality", first.description, _day(first.date)]
    texts += [f"series {first.series_number}" * bool(first.series_number), first.manufacturer]
    return [text[:MAX_TEXT_LENGTH] for text in texts if text] + [f"{number} slice{'s' * (number > 1)}"]


def _day(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdecimal() else ""


def _read_group(group: ImageGroup, *, pixels: bool, slices_only: bool) -> Volume:
    stack = stack_slices(list(group.images), slices_only=slices_only)
    array, notes = (_read_pixels if pixels else _no_pixels)(stack.headers)
    first = stack.headers[0]
    source = DicomSeries(
        tuple(header.path.absolute() for header in stack.headers),
        first.series_uid,
        description=first.description,
        date=first.date,
    )
    return Volume(
        array=array,
        spacing=stack.spacing,
        origin=stack.origin,
        direction=stack.direction,
        source=source,
        warnings=group.warnings + stack.warnings + notes,
        product=first.product,
        acquisition=first.acquired,
    )


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
