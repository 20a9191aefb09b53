"""Volumes in and out: NRRD, NIfTI, MetaImage and DICOM CT series, with their geometry kept."""

from .atomic import atomic_file, atomic_folder
from .dicom_series import DicomSeries, SeriesInfo, list_series
from .dicom_writer import write_dicom_series
from .formats import is_dicom_output
from .reader import read_volume
from .volume import Volume
from .writer import write_volume

__all__ = [
    "DicomSeries",
    "SeriesInfo",
    "Volume",
    "atomic_file",
    "atomic_folder",
    "is_dicom_output",
    "list_series",
    "read_volume",
    "write_dicom_series",
    "write_volume",
]
