"""Volumes to DICOM CT series: derived from the series they were read from, or fresh."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

from .. import __version__
from ..errors import MVCTEnhanceError, OutputError
from .atomic import atomic_folder, first_cause
from .dicom_header import holds_outputs_only
from .product import Product
from .quiet import quiet_pydicom
from .values import rounded_int16
from .volume import Volume

PLACE_TOLERANCE_MM = 0.1
_PROGRAM = "MVCTEnhance"
# What described the stored pixels of the source and no longer holds for the new ones.
_STALE = (
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "RealWorldValueMappingSequence",
    "IconImageSequence",
    "DerivationCodeSequence",
    "NumberOfFrames",
    "PlanarConfiguration",
    "MACParametersSequence",
    "DigitalSignaturesSequence",
)
_OVERLAYS_AND_CURVES = (0x5000, 0x6000)
_FIRST_GROUP = 0x0008  # of an image; below are those of commands, of the file's own header and of directories


def write_dicom_series(
    volume: Volume,
    folder: str | Path,
    *,
    description: str,
    derivation: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write a volume as a new DICOM CT series, one file for each slice k, int16 HU rounded and clipped.

    A volume that was read from DICOM keeps patient, study, frame of reference, position and orientation of its source
    and becomes DERIVED\\SECONDARY\\AXIAL with new UIDs and references to the source images. Any other volume becomes a
    series of an anonymous patient with made-up UIDs, taken as head first supine. Uncompressed Explicit VR Little
    Endian, 16-bit signed, Rescale Slope 1 and Intercept 0, since these every treatment planning system reads.

    Args:
        volume: HU values, shape (k, j, i).
        folder: a new or empty folder; with `overwrite` also one that holds outputs of this program and nothing else.
        description: the new Series Description (cut to 64 characters).
        derivation: how the values were made, for the Derivation Description; None for a fresh original series.

    Raises:
        OutputError: the folder has something in it or cannot be written, the volume does not fit its source, or its
            values are no numbers; no part of the series is left.
        InputError: the source files cannot be read any more.
    """
    values = rounded_int16(volume.array)
    with _header_errors(folder), quiet_pydicom():
        _require_fit(volume)
        series = _new_series(volume, description, derivation)
        with atomic_folder(folder, may_replace=lambda path: overwrite and holds_outputs_only(path)) as partial:
            for k, pixels in enumerate(values):
                ds = _derived(volume, k) if volume.source else _fresh(volume, k)
                ds.update(series)
                _finish(ds, pixels, k, volume.product)
                _write(ds, partial / f"CT{k + 1:04d}.dcm")


def _write(ds: FileDataset, path: Path) -> None:
    try:
        dcmwrite(path, ds, enforce_file_format=True)
    except OSError as error:
        if first_cause(error).errno is None:  # pydicom's own word for a value that it cannot write
            raise ValueError("a value that cannot be written") from error
        raise


@contextmanager
def _header_errors(folder: str | Path) -> Iterator[None]:
    """One sentence for the many exceptions that pydicom has for a source header that breaks the standard."""
    try:
        yield
    except (MVCTEnhanceError, MemoryError):
        raise
    except Exception as error:
        raise OutputError(
            f"{folder} cannot be written as DICOM, since the headers of the source have values that DICOM does not "
            "allow: write the result as .nrrd."
        ) from error


def _require_fit(volume: Volume) -> None:
    """A derived series takes its place from the source headers, so the volume must still lie there."""
    if volume.source is None:
        return
    if len(volume.source.files) != len(volume.array):
        raise OutputError(
            f"The volume has {len(volume.array)} slices but its source series {len(volume.source.files)}: "
            "write it as .nrrd, or drop its source."
        )
    for k in (0, len(volume.array) - 1):
        header = volume.source.header(k)
        place = volume.origin + volume.direction[:, 2] * volume.spacing[2] * k
        off = np.abs(place - np.array(header.ImagePositionPatient, float)).max()
        if (header.Rows, header.Columns) != volume.array.shape[1:] or off > PLACE_TOLERANCE_MM:
            raise OutputError(
                f"The volume has another size or place than its source {volume.source.files[k].name}: "
                "write it as .nrrd, or drop its source."
            )


def _new_series(volume: Volume, description: str, derivation: str | None) -> Dataset:
    """The elements that all slices of the new series share."""
    now = datetime.now()
    ds = Dataset()
    ds.SeriesInstanceUID = generate_uid()
    ds.SeriesDescription = _plain(description, 64)
    ds.SeriesNumber = _series_number(volume)
    ds.Modality = "CT"
    for event in ("Series", "Content", "InstanceCreation"):
        setattr(ds, f"{event}Date", now.strftime("%Y%m%d"))
        setattr(ds, f"{event}Time", now.strftime("%H%M%S.%f"))
    if volume.source is None:
        ds.update(_anonymous_study(now))
    if volume.source is None and derivation is None:
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    else:
        ds.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
        ds.DerivationDescription = _plain(derivation or f"Processed by {_PROGRAM} {__version__}", 1024)
    return ds


def _series_number(volume: Volume) -> int:
    if volume.source is None:
        return 1
    try:
        return int(volume.source.header(0).get("SeriesNumber") or 0) % 1_000_000 + 1000
    except (TypeError, ValueError):
        return 1000


def _anonymous_study(now: datetime) -> Dataset:
    ds = Dataset()
    ds.PatientName = "Anonymous"
    ds.PatientID = ds.PatientBirthDate = ds.PatientSex = ""
    ds.StudyID = ds.AccessionNumber = ds.ReferringPhysicianName = ""
    ds.StudyInstanceUID = generate_uid()
    ds.StudyDate, ds.StudyTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S.%f")
    ds.FrameOfReferenceUID = generate_uid()
    ds.PositionReferenceIndicator = ""
    ds.PatientPosition = "HFS"
    ds.Manufacturer = _PROGRAM
    ds.KVP = None
    ds.AcquisitionNumber = None
    ds.WindowCenter, ds.WindowWidth = 40, 400
    return ds


def _derived(volume: Volume, k: int) -> FileDataset:
    """The header of source slice k with what still holds, and a reference to it."""
    ds = volume.source.header(k)
    ds.remove_private_tags()
    for tag in [tag for tag in ds.keys() if _is_left_out(tag)]:  # noqa: SIM118
        del ds[tag]
    for keyword in _STALE:
        if keyword in ds:
            del ds[keyword]
    sop_class, sop_instance = ds.get("SOPClassUID"), ds.get("SOPInstanceUID")
    if "SourceImageSequence" in ds:
        del ds.SourceImageSequence
    if all(uid and isinstance(uid, str) for uid in (sop_class, sop_instance)):
        source = Dataset()
        source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = sop_class, sop_instance
        ds.SourceImageSequence = [source]
    return ds


def _is_left_out(tag: BaseTag) -> bool:
    """Whether an element of the source shows something else than the voxels, or stands where no image may have it."""
    return tag.group & 0xFF00 in _OVERLAYS_AND_CURVES or tag.group < _FIRST_GROUP


def _fresh(volume: Volume, k: int) -> FileDataset:
    """The place of slice k of a volume without DICOM headers."""
    direction = np.asarray(volume.direction, float)
    place = volume.origin + direction[:, 2] * volume.spacing[2] * k
    ds = FileDataset("", {}, preamble=b"\0" * 128)
    ds.ImagePositionPatient = _decimals(place)
    ds.ImageOrientationPatient = _decimals([*direction[:, 0], *direction[:, 1]])
    ds.PixelSpacing = _decimals([volume.spacing[1], volume.spacing[0]])
    ds.SliceThickness = _decimals([volume.spacing[2]])[0]
    return ds


def _finish(ds: FileDataset, pixels: np.ndarray, k: int, product: Product | None) -> None:
    """Identity, maker and pixel data of one slice; pixels int16 HU, shape (j, i)."""
    new = Dataset()  # an element of the source would keep its VR, which may be a wrong one
    new.SOPClassUID = CTImageStorage
    new.SOPInstanceUID = generate_uid()
    new.InstanceNumber = k + 1
    new.ContributingEquipmentSequence = [*_contributors(ds), _processing_equipment(product)]
    new.SamplesPerPixel = 1
    new.PhotometricInterpretation = "MONOCHROME2"
    new.Rows, new.Columns = pixels.shape
    new.BitsAllocated = new.BitsStored = 16
    new.HighBit = 15
    new.PixelRepresentation = 1
    new.RescaleSlope, new.RescaleIntercept, new.RescaleType = "1", "0", "HU"
    new.PixelData = pixels.astype("<i2").tobytes()
    new["PixelData"].VR = "OW"
    ds.update(new)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _contributors(ds: FileDataset) -> list[Dataset]:
    element = ds.get("ContributingEquipmentSequence")
    return list(element) if isinstance(element, Sequence) else []


def _processing_equipment(product: Product | None) -> Dataset:
    purpose = Dataset()
    purpose.CodeValue = "109102"
    purpose.CodingSchemeDesignator = "DCM"
    purpose.CodeMeaning = "Processing Equipment"
    ds = Dataset()
    ds.PurposeOfReferenceCodeSequence = [purpose]
    ds.Manufacturer = _PROGRAM
    ds.ManufacturerModelName = _PROGRAM
    ds.SoftwareVersions = __version__
    if product:
        ds.ContributionDescription = product.marker
    return ds


def _decimals(numbers) -> list[str]:
    """Decimal strings of at most 16 characters, as DICOM has it."""
    return [format_number_as_ds(float(number)) for number in numbers]


def _plain(text: str, length: int) -> str:
    """Text that is the same in each character set a source may declare, without DICOM's separator."""
    text = " ".join(text.replace("\\", "/").split())
    return text.encode("ascii", "replace").decode()[:length]
