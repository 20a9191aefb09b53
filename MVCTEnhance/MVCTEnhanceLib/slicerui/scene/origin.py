"""Origin of a volume of the scene, by its attributes, its file and its DICOM headers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import slicer

from ...errors import InputError
from .outputs import ROLE_MVCT
from .volumes import INSTANCE_UIDS, modality_of, volume_of

_PATIENT_POSITION_TAG = "0018,5100"

if TYPE_CHECKING:
    from ...io.dicom.header import SliceHeader
    from ...volume import Volume
    from ...volume.product import Product


def known_volume_of(node: slicer.vtkMRMLScalarVolumeNode, role: str) -> Volume:
    """The scan of a node, as `volumes.volume_of`, with what is known of its acquisition and of its being an output."""
    from ...volume.acquisition import Acquisition

    header, volume, modality = _header(node), volume_of(node, role), modality_of(node) or ""
    acquisition = replace(header.acquired, modality=modality) if header else Acquisition(modality)
    return replace(volume, acquisition=acquisition, product=product_of(node) or (header and header.product))


def identity_of(node: slicer.vtkMRMLScalarVolumeNode) -> dict[str, str]:
    """Description and date (YYYY-MM-DD) of the DICOM series of a volume; empty where it has none."""
    from ...assessment.provenance import identity_of_series

    header = _header(node)
    return identity_of_series(header.description, header.date) if header else {}


def patient_id_of(node: slicer.vtkMRMLScalarVolumeNode) -> str:
    """The DICOM Patient ID of a volume, to be compared and never shown; empty where it has none."""
    header = _header(node)
    return header.patient.id if header else ""


def patient_position_of(node: slicer.vtkMRMLScalarVolumeNode) -> str:
    """The DICOM Patient Position of a volume, such as "HFS"; empty where it has none."""
    uids = (node.GetAttribute(INSTANCE_UIDS) or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    is_known = uids and database is not None and database.isOpen
    return database.instanceValue(uids[0], _PATIENT_POSITION_TAG).strip() if is_known else ""


def product_of(node: slicer.vtkMRMLScalarVolumeNode) -> Product | None:
    """Which output of this program a volume is, by its attribute or the header of its file; None for any other.

    The attribute is written to and read from NRRD files by Slicer; of other files it drops the marker.
    """
    from ...io.formats import READABLE, has_suffix
    from ...volume.product import KEY, Product, product_in, product_of_file

    known = product_in(node.GetAttribute(KEY) or "")
    name = node.GetStorageNode().GetFileName() if node.GetStorageNode() else None
    if known is None and node.GetNodeReferenceID(ROLE_MVCT):
        return Product("output")  # of a scene saved before there was the attribute
    if known or not name or not has_suffix(name, READABLE):
        return known
    try:
        return product_of_file(Path(name))
    except OSError:
        return None


def _header(node: slicer.vtkMRMLScalarVolumeNode) -> SliceHeader | None:
    """Of the first DICOM file of a volume, where the database still has it."""
    from ...io.dicom.header import DamagedDicom, read_header

    uids = (node.GetAttribute(INSTANCE_UIDS) or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    file = database.fileForInstance(uids[0]) if uids and database is not None and database.isOpen else ""
    try:
        return read_header(Path(file)) if file else None
    except (InputError, DamagedDicom):
        return None
