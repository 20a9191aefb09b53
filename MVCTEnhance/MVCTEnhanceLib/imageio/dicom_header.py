"""The few header values of a DICOM image that decide which scan it belongs to and where it lies."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pydicom
from pydicom.uid import (
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    MediaStorageDirectoryStorage,
)

from ..errors import InputError
from .dicom_file import open_dicom
from .quiet import quiet_pydicom

_TAGS = [
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "SeriesDescription",
    "SliceThickness",
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SamplesPerPixel",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
]
_ENHANCED = (EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)


@dataclass(frozen=True)
class SliceHeader:
    """One DICOM image; what its header lacks or spells wrongly is None."""

    path: Path
    series_uid: str
    sop_uid: str
    sop_class: str
    modality: str
    description: str
    image_type: tuple[str, ...]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, ...] | None
    size: tuple[int | None, int | None]
    samples: int
    frames: int
    thickness: float | None

    @property
    def label(self) -> str:
        """The file as messages name it: with its folder only, since a longer path may hold a patient's name."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def is_localizer(self) -> bool:
        return "LOCALIZER" in self.image_type

    @property
    def is_multiframe(self) -> bool:
        return self.sop_class in _ENHANCED or self.frames > 1


class DamagedDicom(Exception):
    """The file is DICOM but its header is cut or cannot be parsed."""


def scan_folder(folder: Path, *, recursive: bool = True) -> tuple[list[SliceHeader], list[Path]]:
    """The DICOM images below `folder`, and the DICOM files too damaged to tell what they are.

    Other, hidden and special files and folder links (which may loop) are passed over.

    Raises:
        InputError: the folder or something in it cannot be read.
    """
    headers, damaged = [], []
    for path in _regular_files(folder, recursive=recursive):
        try:
            header = read_header(path)
        except DamagedDicom:
            damaged.append(path)
        else:
            if header is not None:
                headers.append(header)
    return headers, damaged


def read_header(path: Path) -> SliceHeader | None:
    """The header of one file, None where it is no DICOM image.

    Raises:
        DamagedDicom: it is DICOM, but cut or broken before the series can be told.
        InputError: the file cannot be opened.
    """
    try:
        with path.open("rb") as file, quiet_pydicom():
            if not _looks_like_dicom(file):
                if _is_empty_slice(path, file):
                    raise DamagedDicom(path)
                return None
            return _parse(file, path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions and the disk.") from error


def _parse(file: BinaryIO, path: Path) -> SliceHeader | None:
    try:
        ds = open_dicom(file, stop_before_pixels=True, specific_tags=_TAGS)
        if ds.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
            return None
        header = _from_dataset(ds, path)
    except MemoryError:
        raise
    except Exception as error:  # a broken file makes pydicom raise nearly anything
        raise DamagedDicom(path) from error
    if not header.series_uid:
        raise DamagedDicom(path)
    return header


def _from_dataset(ds: pydicom.Dataset, path: Path) -> SliceHeader:
    thickness = _numbers(ds, "SliceThickness", 1)
    rows, columns, samples, frames = (
        int(value[0]) if (value := _numbers(ds, keyword, 1)) else None
        for keyword in ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames")
    )
    image_type = ds.get("ImageType") or ()
    return SliceHeader(
        path=path,
        series_uid=_text(ds, "SeriesInstanceUID"),
        sop_uid=_text(ds, "SOPInstanceUID"),
        sop_class=_text(ds, "SOPClassUID"),
        modality=_text(ds, "Modality"),
        description=_text(ds, "SeriesDescription"),
        image_type=(image_type,) if isinstance(image_type, str) else tuple(image_type),
        position=_numbers(ds, "ImagePositionPatient", 3),
        orientation=_numbers(ds, "ImageOrientationPatient", 6),
        pixel_spacing=_numbers(ds, "PixelSpacing", 2),
        size=(rows, columns),
        samples=samples or 1,
        frames=frames or 1,
        thickness=thickness[0] if thickness else None,
    )


def _text(ds: pydicom.Dataset, keyword: str) -> str:
    """A text value on one line, as it goes into messages, whatever bytes a broken file has there."""
    text = str(ds.get(keyword) or "")
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _numbers(ds: pydicom.Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        values = np.atleast_1d(np.asarray(ds.get(keyword), dtype=float))
    except (TypeError, ValueError, OverflowError):
        return None
    return tuple(values.tolist()) if values.shape == (count,) and np.isfinite(values).all() else None


def _looks_like_dicom(file: BinaryIO) -> bool:
    """Whether the DICM mark is there, or (old files without one) the first element is of group 0002 or 0008."""
    start = file.read(132)
    file.seek(0)
    return start[128:] == b"DICM" or (start[:2] in (b"\x02\x00", b"\x08\x00") and start[3:4] == b"\x00")


def _is_empty_slice(path: Path, file: BinaryIO) -> bool:
    """A failed copy leaves a file of no bytes: a slice may be lost, which the user must know."""
    return path.suffix.lower() in (".dcm", ".ima") and not file.read(1)


def _regular_files(folder: Path, *, recursive: bool) -> list[Path]:
    def refuse(error: OSError):
        raise InputError(
            f"{error.filename} cannot be read as a folder ({error.strerror}): check the path and its permissions."
        ) from error

    found = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
        visible = sorted(name for name in names if not name.startswith("."))
        found += [path for name in visible if _is_regular(path := Path(parent, name))]
    return found


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:  # a broken link or a loop of links
        return False
