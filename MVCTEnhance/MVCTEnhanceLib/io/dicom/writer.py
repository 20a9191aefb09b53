"""Volumes to DICOM CT series: derived from the series they were read from, or fresh."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

from ... import __version__
from ...errors import MVCTEnhanceError, OutputError
from ...runtime.quiet import quiet_pydicom
from ...storage.atomic import atomic_folder, first_cause
from ...volume import Volume
from ...volume.grid import digest
from ...volume.product import PROGRAM, Product
from ...volume.values import rounded_int16
from .header import holds_outputs_only
from .iod import add_empty
from .kept import Kept, derived_uid, keep

PLACE_TOLERANCE_MM = 0.1
WITHOUT_SOURCE = (
    "The scan has no DICOM headers: the new DICOM series is of an anonymous patient, in a study and a frame of "
    "reference that were made up, so that no program will show it on the patient's scans; its Patient Position is "
    "empty."
)
NOT_AXIAL = "The slices are not axial: the new DICOM series has them as they lie, with the Image Type REFORMATTED."
_AXIAL_COSINE = np.sqrt(0.5)  # from there the slice normal is nearer to the patient's long axis than to any other
_SERIES_NUMBERS = {"enhanced": 1000, "difference": 2000, "correction": 3000, "cycle error": 4000}
_DIGITS = 32  # of an input's digest; some files have not all
_MAX_SOURCE_NUMBER = 1_000_000


@dataclass(frozen=True)
class _Texts:
    description: str
    derivation: str
    comments: str


def write_dicom_series(
    volume: Volume,
    folder: str | Path,
    *,
    description: str,
    derivation: str | None = None,
    comments: str = "",
    overwrite: bool = False,
) -> None:
    """Write a volume as a new DICOM CT series, one file for each slice k, int16 HU rounded and clipped.

    A volume that was read from DICOM keeps patient, study, frame of reference, position and orientation of its source
    and becomes a derived series with references to the source images. Any other volume becomes a series of an
    anonymous patient. `placeholder_warnings` tells what the source does not have. Uncompressed Explicit VR Little
    Endian, 16-bit signed, Rescale Slope 1 and Intercept 0, since these every treatment planning system reads.

    All UIDs of a derived series are worked out from those of the source or else from the input's digest, and from the
    voxels, the texts, what the volume is a product of and this program's version: the same call gives the same series
    but for dates and times, any other call gives another one. An original series is another one each time.

    Args:
        volume: HU values, shape (k, j, i).
        folder: a new or empty folder; with `overwrite` also one that holds outputs of this program and nothing else.
        description: the new Series Description (cut to 64 characters).
        derivation: how the values were made, for the Derivation Description; None for a fresh original series.
        comments: the Image Comments (cut to 10240 characters).

    Raises:
        OutputError: the folder has something in it or cannot be written, the volume does not fit its source, or its
            values are not finite; no part of the series is left.
        InputError: the source files cannot be read any more.
    """
    values = rounded_int16(volume.array)
    texts = _Texts(_plain(description, 64), _plain(derivation or "", 1024), _plain(comments, 10240))
    with header_errors(str(folder), "write the result as .nrrd"):
        _require_fit(volume)
        kept = keep(volume.source) if volume.source else None
        key = _key(volume, values, kept, texts)
        series = _new_series(volume, kept, texts, key)
        with atomic_folder(folder, may_replace=lambda path: overwrite and holds_outputs_only(path)) as partial:
            for k, pixels in enumerate(values):
                ds = _derived(kept, k) if kept else _fresh(volume, k)
                ds.update(series)
                _finish(ds, pixels, volume.product)
                _identify(ds, k, key)
                _write(ds, partial / f"CT{k + 1:04d}.dcm")


def placeholder_warnings(volume: Volume) -> tuple[str, ...]:
    """What a DICOM series of the volume has or leaves out that is not as in its source, one sentence each.

    Raises:
        InputError: the source files cannot be read any more.
    """
    with quiet_pydicom():
        warnings = keep(volume.source).warnings if volume.source else (WITHOUT_SOURCE,)
    return warnings if _is_axial(volume) else (*warnings, NOT_AXIAL)


def _write(ds: Dataset, path: Path) -> None:
    keep_bytes(ds)
    try:
        dcmwrite(path, ds, enforce_file_format=True)
    except OSError as error:
        if first_cause(error).errno is None:  # pydicom's own word for a value that it cannot write
            raise ValueError("a value that cannot be written") from error
        raise


def keep_bytes(ds: Dataset) -> None:
    """Have texts written as the bytes that they are, which pydicom does where it need not encode the rest anew."""
    ds.set_original_encoding(False, True, ds._character_set)
    for element in ds.elements():
        for item in element.value if element.VR == "SQ" else ():
            keep_bytes(item)


@contextmanager
def header_errors(what: str, instead: str) -> Iterator[None]:
    """Silence for pydicom, and one sentence for its many exceptions for a source header that breaks the standard.

    Args:
        what: that is written, at the start of the sentence.
        instead: what to do where it cannot be.
    """
    try:
        with quiet_pydicom():
            yield
    except (MVCTEnhanceError, MemoryError):
        raise
    except Exception as error:
        raise OutputError(
            f"{what} cannot be written as DICOM, since the headers of the source have values that DICOM does not "
            f"allow: {instead}."
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


def _key(volume: Volume, values: np.ndarray, kept: Kept | None, texts: _Texts) -> tuple[str, ...]:
    """All that tells the series from others; an original one, which is made of nothing, is another each time."""
    if not kept and not texts.derivation:
        return (generate_uid(),)
    product = volume.product or Product("")
    order = str(np.asarray(volume.direction, float).round(3).tolist())  # which the digest does not depend on
    own = (product.kind, product.input_digest, digest(volume.with_array(values)), order, __version__)
    return (*own, texts.description, texts.derivation, texts.comments, *(kept.key if kept else ()))


def _new_series(volume: Volume, kept: Kept | None, texts: _Texts, key: tuple[str, ...]) -> Dataset:
    """The elements that all slices of the new series share."""
    now = datetime.now()
    ds = Dataset()
    if not kept:
        ds.update(_anonymous_study(volume, texts))
    ds.SeriesInstanceUID = derived_uid("series", *key)
    ds.SeriesDescription = texts.description
    ds.SeriesNumber = _series_number(volume)
    ds.Modality = "CT"
    for event in ("Series", "Content", "InstanceCreation"):
        setattr(ds, f"{event}Date", now.strftime("%Y%m%d"))
        setattr(ds, f"{event}Time", now.strftime("%H%M%S.%f"))
    plane = "AXIAL" if _is_axial(volume) else "REFORMATTED"
    if kept or texts.derivation:
        ds.ImageType = ["DERIVED", "SECONDARY", plane]
        ds.DerivationDescription = texts.derivation or f"Processed by {PROGRAM} {__version__}"
    else:
        ds.ImageType = ["ORIGINAL", "PRIMARY", plane]
    if texts.comments:
        ds.ImageComments = texts.comments
    return ds


def _is_axial(volume: Volume) -> bool:
    return abs(np.asarray(volume.direction, float)[2, 2]) > _AXIAL_COSINE


def _series_number(volume: Volume) -> int:
    """The source's number, moved by thousands that differ from kind to kind of output."""
    offset = _SERIES_NUMBERS.get(volume.product.kind if volume.product else "", 0)
    if volume.source is None:
        return offset + 1
    try:
        number = int(volume.source.header(0).get("SeriesNumber") or 0) % _MAX_SOURCE_NUMBER
    except (TypeError, ValueError):
        number = 0
    return number + (offset or _SERIES_NUMBERS["enhanced"])


def _anonymous_study(volume: Volume, texts: _Texts) -> Dataset:
    """Patient, study and frame of reference of a volume without DICOM headers: one for all that is made of one scan."""
    input_digest = volume.product.input_digest if volume.product else ""
    identity = (input_digest or digest(volume))[:_DIGITS] if texts.derivation else generate_uid()
    ds = Dataset()
    ds.PatientName = "Anonymous"
    ds.StudyInstanceUID = derived_uid("study", identity)
    ds.FrameOfReferenceUID = derived_uid("frame of reference", identity)
    ds.Manufacturer = PROGRAM
    ds.WindowCenter, ds.WindowWidth = 40, 400
    return ds


def _derived(kept: Kept, k: int) -> Dataset:
    """The header of source slice k with what still holds, and a reference to it."""
    ds = kept.header(k)
    sop_class, sop_instance = ds.get("SOPClassUID"), ds.get("SOPInstanceUID")
    if sop_class and sop_instance:
        source = Dataset()
        source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = sop_class, sop_instance
        ds.SourceImageSequence = [source]
    return ds


def _fresh(volume: Volume, k: int) -> Dataset:
    """The place of slice k of a volume without DICOM headers."""
    direction = np.asarray(volume.direction, float)
    place = volume.origin + direction[:, 2] * volume.spacing[2] * k
    ds = Dataset()
    ds.ImagePositionPatient = _decimals(place)
    ds.ImageOrientationPatient = _decimals([*direction[:, 0], *direction[:, 1]])
    ds.PixelSpacing = _decimals([volume.spacing[1], volume.spacing[0]])
    ds.SliceThickness = _decimals([volume.spacing[2]])[0]
    return ds


def _finish(ds: Dataset, pixels: np.ndarray, product: Product | None) -> None:
    """Maker and pixel data of one slice, and what the source lacks; pixels int16 HU, shape (j, i)."""
    ds.ContributingEquipmentSequence = [*_contributors(ds), contributing_equipment(ds, product)]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 1
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1", "0", "HU"
    ds.PixelData = pixels.astype("<i2").tobytes()
    ds["PixelData"].VR = "OW"
    add_empty(ds)


def _identify(ds: Dataset, k: int, key: tuple[str, ...]) -> None:
    """Number and UIDs of slice k, and the head of its file."""
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = derived_uid("image", str(k), *key)
    ds.InstanceNumber = k + 1
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _contributors(ds: Dataset) -> list[Dataset]:
    element = ds.get("ContributingEquipmentSequence")
    return list(element) if isinstance(element, Sequence) else []


def contributing_equipment(image: Dataset, product: Product | None) -> Dataset:
    """This program as one that contributed to an image, with what the image is; it has Content Date and Time."""
    purpose = Dataset()
    purpose.CodeValue = "109102"
    purpose.CodingSchemeDesignator = "DCM"
    purpose.CodeMeaning = "Processing Equipment"
    ds = Dataset()
    ds.PurposeOfReferenceCodeSequence = [purpose]
    ds.Manufacturer = PROGRAM
    ds.ManufacturerModelName = PROGRAM
    ds.SoftwareVersions = __version__
    ds.ContributionDateTime = f"{image.ContentDate}{image.ContentTime}"
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
