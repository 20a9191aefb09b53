"""DICOM Spatial Registration objects: how the frame of reference of one series lies in that of another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SpatialRegistrationStorage
from pydicom.valuerep import format_number_as_ds

from ... import __version__
from ...errors import OutputError
from ...volume.product import Product
from ...volume.volume import HeaderSource
from .companion import companion, reference, write_companion
from .header import text_of
from .kept import keep
from .writer import header_errors

FILE = "REG0001.dcm"
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
            text_of(headers[0], "StudyInstanceUID"), series.series_uid, frames.pop(), tuple(map(reference, headers))
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
    with header_errors("The registration", "write it as a transform"):
        ds = _object(moving, fixed, matrix, texts)
    write_companion(ds, folder, FILE, overwrite=overwrite)


def _object(moving: HeaderSource, fixed: HeaderSource, matrix: np.ndarray, texts: tuple[str, str]) -> Dataset:
    kept = keep(moving)
    of_moving, of_fixed = _Referenced.of(moving, "MVCT"), _Referenced.of(fixed, "planning CT")
    numbers = [format_number_as_ds(float(number)) for number in matrix.ravel()]
    key = (*kept.key, *(image.ReferencedSOPInstanceUID for image in of_fixed.images), *numbers, *texts, __version__)
    ds = companion(kept, Product("registration"), sop_class=SpatialRegistrationStorage, modality="REG", key=key)
    ds.PositionReferenceIndicator = ds.ContentCreatorName = None
    ds.SeriesNumber = _SERIES_NUMBER
    ds.SeriesDescription, ds.ContentDescription = texts[0][:64], texts[1][:64]
    ds.ContentLabel = "REGISTRATION"
    ds.FrameOfReferenceUID = of_fixed.frame_uid
    identity = [format_number_as_ds(float(number)) for number in np.eye(4).ravel()]
    ds.RegistrationSequence = [_registered(of_fixed, identity), _registered(of_moving, numbers)]
    _refer(ds, of_moving, of_fixed)
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
