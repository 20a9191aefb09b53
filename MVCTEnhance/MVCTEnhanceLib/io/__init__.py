"""Volumes in and out: NRRD, NIfTI, MetaImage and DICOM CT series, with their geometry kept."""

from .dicom.writer import write_dicom_series
from .files.writer import write_volume
from .formats import is_dicom_output
from .reader import read_volume

__all__ = [
    "is_dicom_output",
    "read_volume",
    "write_dicom_series",
    "write_volume",
]
