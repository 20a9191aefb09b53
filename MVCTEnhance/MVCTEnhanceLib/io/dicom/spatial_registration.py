"""DICOM Spatial Registration objects: how the frame of reference of one series lies in that of another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SpatialRegistrationStorage
from pydicom.valuerep import format_number_as_ds

from ... import __version__
from ...errors import MVCTEnhanceError, OutputError
from ...runtime.quiet import quiet_pydicom
from ...storage.atomic import atomic_folder
from ...volume.product import PROGRAM, Product
from ...volume.volume import HeaderSource
from .header import holds_outputs_only, text_of
from .kept import derived_uid, keep
from .writer import contributing_equipment, keep_bytes

FILE = "REG0001.dcm"
_OF_STUDY = (
    "SpecificCharacterSet",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "StudyDescription",
)
_TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "PositionReferenceIndicator",
    "ContentCreatorName",
)
_PATIENT_GROUP = 0x0010
_SERIES_NUMBER = 5000
_CONTENT_BASED = ("125024", "DCM", "Image Content-based Alignment")


@dataclass(frozen=True)
class _Referenced:
    """What a registration names a series by; images have class and instance UID."""

    study_uid: str
    series_uid: str
    frame_uid: str
    images: tuple[Dataset, ...]

    @classmethod
    def of(cls, series: HeaderSource, role: str) -> _Referenced:
        headers = [series.header(k) for k in range(len(series.files))]
        frames = {text_of(header, "FrameOfReferenceUID") for header in headers}
        if len(frames) > 1 or "" in frames:
            raise OutputError(
                f"The slices of the {role} do not share one Frame of Reference UID, to which a Spatial Registration "
                "object refers: write the registration as a transform."
            )
        return cls(
            text_of(headers[0], "StudyInstanceUID"), series.series_uid, frames.pop(), tuple(map(_reference, headers))
        )


def write_spatial_registration(
    folder: Path,
    *,
    moving: HeaderSource,
    fixed: HeaderSource,
    matrix: np.ndarray,
    texts: tuple[str, str],
    overwrite: bool,
) -> None:
    """Write a folder with one object, in the moving series' study and the fixed series' frame of reference.

    The object has the fixed series with the identity and the moving one with its matrix; each names its images, since
    both may have one frame of reference. The same call gives the same UIDs.

    Args:
        folder: a new or empty folder; with `overwrite` also one that holds outputs of this program and nothing else.
        moving, fixed: the MVCT and the planning CT.
        matrix: shape (4, 4), from the moving series' coordinates to the fixed one's, LPS in mm.
        texts: Series Description (at most 64 letters) and Content Description.

    Raises:
        OutputError: a series has not one Frame of Reference UID or has values that DICOM does not allow, or the folder
            has something in it or cannot be written.
        InputError: the series cannot be read any more.
    """
    try:
        with quiet_pydicom():
            ds = _object(moving, fixed, matrix, texts)
    except (MVCTEnhanceError, MemoryError):
        raise
    except Exception as error:
        raise OutputError(
            "The registration cannot be written as DICOM, since the headers of the scans have values that DICOM does "
            "not allow: write it as a transform."
        ) from error
    with atomic_folder(folder, may_replace=lambda path: overwrite and holds_outputs_only(path)) as partial:
        dcmwrite(partial / FILE, ds, enforce_file_format=True)


def _object(moving: HeaderSource, fixed: HeaderSource, matrix: np.ndarray, texts: tuple[str, str]) -> Dataset:
    kept, now = keep(moving), datetime.now()
    shared = kept.shared
    ds = Dataset()
    for tag in shared.keys():  # noqa: SIM118
        if tag.group == _PATIENT_GROUP or shared[tag].keyword in _OF_STUDY:
            ds[tag] = shared.get_item(tag)
    for keyword in _TYPE_2:
        if keyword not in ds:
            setattr(ds, keyword, None)
    of_moving, of_fixed = _Referenced.of(moving, "MVCT"), _Referenced.of(fixed, "planning CT")
    numbers = [format_number_as_ds(float(number)) for number in matrix.ravel()]
    key = (*kept.key, *(image.ReferencedSOPInstanceUID for image in of_fixed.images), *numbers, *texts, __version__)
    ds.SOPClassUID = SpatialRegistrationStorage
    ds.SOPInstanceUID = derived_uid("registration", *key)
    ds.SeriesInstanceUID = derived_uid("registration series", *key)
    ds.Modality = "REG"
    ds.SeriesNumber = _SERIES_NUMBER
    ds.SeriesDescription, ds.ContentDescription = texts[0][:64], texts[1][:64]
    ds.ContentLabel = "REGISTRATION"
    ds.InstanceNumber = 1
    for event in ("Series", "Content", "InstanceCreation"):
        setattr(ds, f"{event}Date", now.strftime("%Y%m%d"))
        setattr(ds, f"{event}Time", now.strftime("%H%M%S.%f"))
    ds.Manufacturer = ds.ManufacturerModelName = PROGRAM
    ds.SoftwareVersions = __version__
    ds.ContributingEquipmentSequence = [contributing_equipment(ds, Product("registration"))]
    ds.FrameOfReferenceUID = of_fixed.frame_uid
    identity = [format_number_as_ds(float(number)) for number in np.eye(4).ravel()]
    ds.RegistrationSequence = [_registered(of_fixed, identity), _registered(of_moving, numbers)]
    _refer(ds, of_moving, of_fixed)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    keep_bytes(ds)
    return ds


def _reference(header: Dataset) -> Dataset:
    ds = Dataset()
    ds.ReferencedSOPClassUID, ds.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    return ds


def _registered(series: _Referenced, matrix: list[str]) -> Dataset:
    """An item of the Registration Sequence."""
    kind = Dataset()
    kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning = _CONTENT_BASED
    step = Dataset()
    step.FrameOfReferenceTransformationMatrix = matrix
    step.FrameOfReferenceTransformationMatrixType = "RIGID"
    way = Dataset()
    way.MatrixSequence = [step]
    way.RegistrationTypeCodeSequence = [kind]
    ds = Dataset()
    ds.FrameOfReferenceUID = series.frame_uid
    ds.ReferencedImageSequence = series.images
    ds.MatrixRegistrationSequence = [way]
    return ds


def _refer(ds: Dataset, *all_series: _Referenced) -> None:
    """The Common Instance Reference module: which series of this study, and of others, the object refers to."""
    for series in all_series:
        item = Dataset()
        item.SeriesInstanceUID = series.series_uid
        item.ReferencedInstanceSequence = series.images
        if series.study_uid == ds.StudyInstanceUID:
            ds.ReferencedSeriesSequence = [*ds.get("ReferencedSeriesSequence", ()), item]
        else:
            study = Dataset()
            study.StudyInstanceUID = series.study_uid
            study.ReferencedSeriesSequence = [item]
            ds.StudiesContainingOtherReferencedInstancesSequence = [study]
