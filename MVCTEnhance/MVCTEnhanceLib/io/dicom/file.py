"""DICOM files opened by pydicom, but none that unpacks to more than a CT slice can be."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.filereader import read_dataset, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

MAX_UNPACKED_BYTES = 1 << 28  # bytes
_CHUNK = 1 << 20
EXPORT_UNCOMPRESSED = "export the series uncompressed (Explicit VR Little Endian)"


def unread_syntax(syntax: pydicom.uid.UID) -> str:
    """How messages name a transfer syntax that nothing here can read."""
    name = syntax if syntax.name == syntax else f"{syntax.name} ({syntax})"
    return f"transfer syntax {name}, which is not read here"


def open_dicom(file: BinaryIO | Path, **options) -> pydicom.FileDataset:
    """`pydicom.dcmread` for any file, also without the DICOM mark.

    Args:
        file: path, or file open at its begin.
        options: of `dcmread`.

    Raises:
        ValueError: the file is compressed as a whole and unpacks to more than 256 MB, for which it need not be large.
        Exception: nearly any other that pydicom raises for a damaged file.
    """
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return open_dicom(opened, **options)
    _require_bounded(file)
    file.seek(0)
    return pydicom.dcmread(file, force=True, **options)


def read_file_meta(file: BinaryIO) -> pydicom.Dataset:
    """The elements of group 0002 of an open file, from its begin.

    Raises:
        Exception: nearly any that pydicom raises for a damaged file.
    """
    file.seek(0)
    read_preamble(file, force=True)
    return read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag.group != 2)


def _require_bounded(file: BinaryIO) -> None:
    meta = read_file_meta(file)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    unpack, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while packed := unpack.unconsumed_tail or file.read(_CHUNK):
        size += len(unpack.decompress(packed, _CHUNK))
        if size > MAX_UNPACKED_BYTES:
            raise ValueError("unpacks to more than a slice can be")
