"""The few header values of a DICOM image that decide which scan it belongs to and where it lies."""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pydicom
from pydicom.charset import decode_bytes, default_encoding, python_encoding
from pydicom.uid import (
    UID,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    MediaStorageDirectoryStorage,
)
from pydicom.valuerep import TEXT_VR_DELIMS, VR

from ...errors import InputError
from ...runtime.quiet import quiet_pydicom
from ...volume.acquisition import Acquisition
from ...volume.product import Product, product_of_dicom
from .file import EXPORT_UNCOMPRESSED, open_dicom, read_file_meta, unread_syntax

_TAGS = [
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "AcquisitionTime",
    "Modality",
    "Manufacturer",
    "SeriesDescription",
    "StationName",
    "ManufacturerModelName",
    "DerivationDescription",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "SliceThickness",
    "KVP",
    "ContributingEquipmentSequence",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "AcquisitionNumber",
    "InstanceNumber",
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SamplesPerPixel",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
]
WITHOUT_UID = "without a Series Instance UID"
_PADDING = "\0 "
_NOT_DECODED = "\ufffd"
_ENHANCED = (EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)


@dataclass(frozen=True)
class Patient:
    """Who was scanned, to be compared and never shown, without what DICOM lets be padded.

    Args:
        id: see `patient_id`.
        name, birth_date: bytes as letters.
    """

    id: str
    name: str
    birth_date: str

    def __repr__(self) -> str:
        return "Patient()"


@dataclass(frozen=True)
class SliceHeader:
    """One DICOM image; what its header lacks or spells wrongly is None or an empty text.

    Args:
        acquisition_date, date: the latter of the series or the study where there is none of the acquisition; YYYYMMDD.
        time: of the acquisition, as HHMMSS and a fraction.
        kvp: peak voltage of the tube or accelerator in kV.
        product: which output of this program the image is, None for other images.
    """

    path: Path
    patient: Patient
    study_uid: str
    frame_uid: str
    acquisition_date: str
    date: str
    time: str
    acquisition: str
    instance: str
    series_uid: str
    series_number: str
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
    kvp: float | None
    manufacturer: str
    model_name: str
    station: str
    product: Product | None

    @property
    def label(self) -> str:
        """The file as messages name it."""
        return _label(self.path)

    @property
    def series_name(self) -> str:
        """The series' UID as messages have it after the word series."""
        return self.series_uid or WITHOUT_UID

    @property
    def acquired(self) -> Acquisition:
        """By what and at which voltage."""
        return Acquisition(self.modality, self.kvp, self.manufacturer, self.model_name, self.station)

    @property
    def made_here(self) -> bool:
        """Whether the image is an output of this program."""
        return self.product is not None

    @property
    def is_localizer(self) -> bool:
        """Whether the image is a localizer (scout view)."""
        return "LOCALIZER" in self.image_type

    @property
    def is_multiframe(self) -> bool:
        """Whether the file holds several frames, as Enhanced CT does."""
        return self.sop_class in _ENHANCED or self.frames > 1


class DamagedDicom(Exception):
    """The file is DICOM but its header is cut or cannot be parsed.

    Args:
        what: a sentence's end that says so.
        remedy: what to do.
    """

    def __init__(
        self, path: Path, what: str = "is a damaged or cut DICOM file", remedy: str = "copy or export it again"
    ):
        super().__init__(f"{path} {what}: {remedy}.")
        self.path, self.what, self.remedy = path, what, remedy

    @property
    def label(self) -> str:
        """The file as messages name it."""
        return _label(self.path)


def scan_folder(folder: Path, *, recursive: bool = True) -> tuple[list[SliceHeader], list[DamagedDicom]]:
    """The DICOM images below `folder`, and the DICOM files too damaged to tell what they are.

    Other, hidden and special files and folder links (which may loop) are passed over.

    Raises:
        InputError: the folder or something in it cannot be read.
    """
    headers, damaged = [], []
    for path in _regular_files(folder, recursive=recursive):
        try:
            header = read_header(path)
        except DamagedDicom as error:
            damaged.append(error)
        else:
            if header is not None:
                headers.append(header)
    return headers, damaged


def holds_outputs_only(folder: Path) -> bool:
    """Whether each thing in a folder is a DICOM file that this program has made of a scan."""
    try:
        return all(path.is_file() and (header := read_header(path)) and header.made_here for path in folder.iterdir())
    except (DamagedDicom, InputError):
        return False


def read_header(path: Path) -> SliceHeader | None:
    """The header of one file, None where it is no DICOM image.

    Raises:
        DamagedDicom: it is DICOM, but cut or broken before it can be told what it is.
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
        return _parse_meta_alone(file, path, error)
    if not header.series_uid and header.modality in ("", "CT") and None in header.size:
        return _parse_meta_alone(file, path, None)
    return header


def _parse_meta_alone(file: BinaryIO, path: Path, cause: Exception | None) -> None:
    """None for a file of a storage class without images, as an RTSTRUCT is, whatever else is wrong with it.

    Raises:
        DamagedDicom: any other file.
    """
    try:
        meta = read_file_meta(file)
        storage, syntax = meta.MediaStorageSOPClassUID.name, UID(str(meta.TransferSyntaxUID))
    except Exception:  # what pydicom makes of a broken file
        raise DamagedDicom(path) from cause
    if storage.endswith("Storage") and "Image" not in storage:
        return None
    if syntax.is_private and syntax.is_valid:
        raise DamagedDicom(path, f"has the {unread_syntax(syntax)}", EXPORT_UNCOMPRESSED) from cause
    raise DamagedDicom(path) from cause


def _from_dataset(ds: pydicom.Dataset, path: Path) -> SliceHeader:
    thickness, kvp = (
        value[0] if (value := _numbers(ds, keyword, 1)) else None for keyword in ("SliceThickness", "KVP")
    )
    rows, columns, samples, frames = (
        int(value[0]) if (value := _numbers(ds, keyword, 1)) else None
        for keyword in ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames")
    )
    image_type = ds.get("ImageType") or ()
    return SliceHeader(
        path=path,
        patient=Patient(
            id=patient_id(ds),
            name=_raw(ds, "PatientName").rstrip("^= ").casefold(),
            birth_date=_raw(ds, "PatientBirthDate"),
        ),
        study_uid=text_of(ds, "StudyInstanceUID"),
        frame_uid=text_of(ds, "FrameOfReferenceUID"),
        acquisition_date=text_of(ds, "AcquisitionDate"),
        date=text_of(ds, "AcquisitionDate") or text_of(ds, "SeriesDate") or text_of(ds, "StudyDate"),
        time=text_of(ds, "AcquisitionTime"),
        acquisition=text_of(ds, "AcquisitionNumber"),
        instance=text_of(ds, "InstanceNumber"),
        series_uid=text_of(ds, "SeriesInstanceUID"),
        series_number=text_of(ds, "SeriesNumber"),
        sop_uid=text_of(ds, "SOPInstanceUID"),
        sop_class=text_of(ds, "SOPClassUID"),
        modality=text_of(ds, "Modality"),
        description=text_of(ds, "SeriesDescription"),
        image_type=(image_type,) if isinstance(image_type, str) else tuple(image_type),
        position=_numbers(ds, "ImagePositionPatient", 3),
        orientation=_numbers(ds, "ImageOrientationPatient", 6),
        pixel_spacing=_numbers(ds, "PixelSpacing", 2),
        size=(rows, columns),
        samples=samples or 1,
        frames=frames or 1,
        thickness=thickness,
        kvp=kvp,
        manufacturer=text_of(ds, "Manufacturer"),
        model_name=text_of(ds, "ManufacturerModelName"),
        station=text_of(ds, "StationName"),
        product=product_of_dicom(ds),
    )


def _label(path: Path) -> str:
    """With its folder only, since a longer path may hold a patient's name."""
    return f"{path.parent.name}/{path.name}"


def text_of(ds: pydicom.Dataset, keyword: str) -> str:
    """A text value on one line, as it goes into messages, whatever bytes a broken file has there."""
    try:
        value = ds.get(keyword)
    except Exception:  # what pydicom makes of a value that is none
        return ""
    text = "" if value is None else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def patient_id(ds: pydicom.Dataset) -> str:
    """The Patient ID, to be compared and never shown: the same whatever character set it is written in.

    Bytes that the file's Specific Character Set does not explain are equal to the same bytes alone and to no text.
    """
    value = ds.get_item("PatientID").value if "PatientID" in ds else None
    if not isinstance(value, bytes):
        return str(value or "").strip(_PADDING)
    try:
        with quiet_pydicom():
            text = decode_bytes(value, _encodings(ds), TEXT_VR_DELIMS)
    except Exception:  # what pydicom makes of a broken file
        text = _NOT_DECODED
    # Where pydicom puts a sign in the place of what it cannot decode, two that differ might become one.
    is_text = not {_NOT_DECODED, "\x1b"} & set(text)
    return text.strip(_PADDING) if is_text else "\0" + value.decode("latin-1").strip(_PADDING)


def _encodings(ds: pydicom.Dataset) -> list[str]:
    """Of Python; ASCII where the header names none that is known, for which pydicom takes Latin-1."""
    named = ds.get("SpecificCharacterSet") or ""
    found = [python_encoding.get(name, default_encoding) for name in ([named] if isinstance(named, str) else named)]
    return ["ascii" if encoding == default_encoding else encoding for encoding in found]


def _raw(ds: pydicom.Dataset, keyword: str) -> str:
    """The bytes of a text as they are in the file, since decoding may make one of two that differ."""
    value = ds.get_item(keyword).value if keyword in ds else None
    return (value.decode("latin-1") if isinstance(value, bytes) else str(value or "")).strip(_PADDING)


def _numbers(ds: pydicom.Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        values = np.atleast_1d(np.asarray(ds.get(keyword), dtype=float))
    except (TypeError, ValueError, OverflowError):
        return None
    return tuple(values.tolist()) if values.shape == (count,) and np.isfinite(values).all() else None


def _looks_like_dicom(file: BinaryIO) -> bool:
    """Whether the DICM mark is there or, in old files without one, the first elements are of DICOM."""
    start = file.read(1024)
    file.seek(0)
    return start[128:132] == b"DICM" or _begins_with_elements(start)


def _begins_with_elements(start: bytes) -> bool:
    """Whether bytes begin with an element of group 0002 or 0008; a raw file of small numbers may nearly do."""
    if len(start) < 16 or start[:2] not in (b"\x02\x00", b"\x08\x00") or start[3] != 0:
        return False
    if start[4:6].decode("latin-1") in VR.__members__:
        return True
    length = int.from_bytes(start[4:8], "little")
    first, following = (struct.unpack("<HH", start[at : at + 4].ljust(4, b"\0")) for at in (0, 8 + min(length, 1024)))
    return length % 2 == 0 and first < following and following[0] in (0x0002, 0x0008, 0x0010)


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
