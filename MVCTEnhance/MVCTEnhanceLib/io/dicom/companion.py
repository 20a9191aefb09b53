"""DICOM objects that are no images and lie beside those of a series, as of its patient and study."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from ... import __version__
from ...storage.atomic import atomic_folder
from ...volume.product import PROGRAM, Product
from .header import holds_outputs_only
from .kept import Kept, derived_uid
from .writer import contributing_equipment, keep_bytes

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
)
_PATIENT_GROUP = 0x0010


def companion(kept: Kept, product: Product, *, sop_class: str, modality: str, key: tuple[str, ...]) -> Dataset:
    """An object in a series of its own, with patient, study, maker, UIDs and times; the same call gives the same UIDs.

    Args:
        kept: of the series that it lies beside.
        product: what it is.
        key: texts that tell it from any other of this kind.
    """
    now = datetime.now()
    ds = Dataset()
    for tag in kept.shared.keys():  # noqa: SIM118
        if tag.group == _PATIENT_GROUP or kept.shared[tag].keyword in _OF_STUDY:
            ds[tag] = kept.shared.get_item(tag)
    for keyword in _TYPE_2:
        if keyword not in ds:
            setattr(ds, keyword, None)
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = derived_uid(product.kind, *key)
    ds.SeriesInstanceUID = derived_uid(f"{product.kind} series", *key)
    ds.Modality = modality
    ds.InstanceNumber = 1
    for event in ("Series", "Content", "InstanceCreation"):
        setattr(ds, f"{event}Date", now.strftime("%Y%m%d"))
        setattr(ds, f"{event}Time", now.strftime("%H%M%S.%f"))
    ds.Manufacturer = ds.ManufacturerModelName = PROGRAM
    ds.SoftwareVersions = __version__
    ds.ContributingEquipmentSequence = [contributing_equipment(ds, product)]
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def reference(header: Dataset) -> Dataset:
    """An item that refers to the image with this header."""
    ds = Dataset()
    ds.ReferencedSOPClassUID, ds.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    return ds


def write_companion(ds: Dataset, folder: Path, name: str, *, overwrite: bool) -> None:
    """Write a folder with this object.

    Args:
        folder: a new or empty folder; with `overwrite` also one that holds outputs of this program and nothing else.
        name: of the file.

    Raises:
        OutputError: the folder has something in it or cannot be written.
    """
    keep_bytes(ds)
    with atomic_folder(folder, may_replace=lambda path: overwrite and holds_outputs_only(path)) as partial:
        dcmwrite(partial / name, ds, enforce_file_format=True)
