"""Compressed pixel data of one DICOM slice, given to decoders only where they are of the size that the header says."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import get_decoder
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
    generate_uid,
)

from ...errors import InputError, is_out_of_memory
from ...runtime.quiet import quiet_itk
from .file import EXPORT_UNCOMPRESSED, unread_syntax
from .header import SliceHeader

_UNCOMPRESSED = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
_JPEG = (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes)
READABLE_SYNTAXES = (*_UNCOMPRESSED, *_JPEG, *JPEG2000TransferSyntaxes, RLELossless)
_JPEG_START, _START_OF_SCAN = b"\xff\xd8", 0xDA
_JPEG_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # SOF markers, with that of JPEG-LS
_JPEG_2000_START = b"\xff\x4f\xff\x51"
_RLE_GROWTH = 64  # two bytes make at most 128 pixels' bytes
_ELEMENTS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)


def require_known_syntax(ds: pydicom.Dataset, header: SliceHeader) -> None:
    """Refuse an intact file whose pixel data nothing here can read.

    Raises:
        InputError: its transfer syntax is private, unknown, or a compression without a decoder.
    """
    syntax = ds.file_meta.TransferSyntaxUID
    if syntax in _UNCOMPRESSED or syntax in (*_JPEG, *JPEG2000TransferSyntaxes) or _has_decoder(syntax):
        return
    if not syntax.is_valid:
        raise InputError(f"{header.label} has a Transfer Syntax UID that is none, or is damaged: export it again.")
    raise InputError(f"{header.label} has the {unread_syntax(syntax)}: {EXPORT_UNCOMPRESSED}.")


def _has_decoder(syntax: pydicom.uid.UID) -> bool:
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:
        return False


def checked_frame(ds: pydicom.Dataset, header: SliceHeader) -> bytes:
    """The compressed picture of a slice, which is of the size that the header says.

    A damaged picture may claim any size, for which decoders take gigabytes.

    Raises:
        InputError: it is not, or its size cannot be told.
    """
    try:
        frame = get_frame(ds.PixelData, 0, number_of_frames=1)
        _require_size(frame, ds, header)
    except Exception as error:  # a broken file makes pydicom raise nearly anything
        raise _undecodable(ds, header) from error
    return frame


def decode_with_gdcm(ds: pydicom.Dataset, frame: bytes, header: SliceHeader) -> np.ndarray:
    """Stored values (j, i) from SimpleITK's own GDCM, which has JPEG decoders that pydicom's plug-ins may lack.

    It sees a file of nothing but the picture: a damaged length elsewhere makes it take any memory, or never end.

    Raises:
        InputError: it cannot decode them.
    """
    if ds.file_meta.TransferSyntaxUID not in (*_JPEG, *JPEG2000TransferSyntaxes):
        raise _undecodable(ds, header)
    try:
        with tempfile.TemporaryDirectory() as folder, quiet_itk():
            path = Path(folder, "picture.dcm")
            _picture(ds, frame).save_as(path, enforce_file_format=True)
            return sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO"))[0]
    except RuntimeError as error:
        raise MemoryError if is_out_of_memory(error) else _undecodable(ds, header) from error


def _undecodable(ds: pydicom.Dataset, header: SliceHeader) -> InputError:
    return InputError(
        f"{header.label} cannot be decoded ({ds.file_meta.TransferSyntaxUID.name}): the file is damaged or its "
        "compression is unknown here; copy it again or export the series uncompressed."
    )


def _require_size(frame: bytes, ds: pydicom.Dataset, header: SliceHeader) -> None:
    rows, columns = header.size
    syntax = ds.file_meta.TransferSyntaxUID
    if syntax == RLELossless and rows * columns * ds.BitsAllocated // 8 > _RLE_GROWTH * len(frame):
        raise ValueError("too little data for the size")
    if syntax in _JPEG and _jpeg_size(frame) != (rows, columns, 1):
        raise ValueError("JPEG of another size")
    if syntax in JPEG2000TransferSyntaxes and _jpeg_2000_size(frame) != (rows, columns, 1):
        raise ValueError("JPEG 2000 of another size")


def _picture(ds: pydicom.Dataset, frame: bytes) -> pydicom.FileDataset:
    """An image of the compressed picture alone; without a rescale, so that the stored values come out."""
    picture = pydicom.FileDataset("", {}, preamble=b"\0" * 128)
    for keyword in _ELEMENTS:
        setattr(picture, keyword, ds[keyword].value)
    picture.SOPClassUID, picture.SOPInstanceUID = CTImageStorage, generate_uid()
    picture.PixelData = encapsulate([frame])
    picture["PixelData"].VR = "OB"
    picture["PixelData"].is_undefined_length = True
    picture.file_meta = pydicom.dataset.FileMetaDataset()
    picture.file_meta.TransferSyntaxUID = ds.file_meta.TransferSyntaxUID
    return picture


def _jpeg_size(frame: bytes) -> tuple[int, int, int]:
    """Rows, columns and samples of a JPEG or JPEG-LS picture (ITU-T T.81, B.2)."""
    if not frame.startswith(_JPEG_START):
        raise ValueError("no JPEG")
    at, sizes = 2, set()
    while True:
        mark, marker, length = struct.unpack_from(">BBH", frame, at)
        if mark != 0xFF or length < 2:
            raise ValueError("damaged JPEG")
        if marker in _JPEG_FRAMES:
            sizes.add(struct.unpack_from(">HHB", frame, at + 5))
        if marker == _START_OF_SCAN:
            (size,) = sizes
            return size
        at += 2 + length


def _jpeg_2000_size(frame: bytes) -> tuple[int, int, int]:
    """Rows, columns and samples of a JPEG 2000 codestream, alone or in a JP2 file (ITU-T T.800, A.5.1)."""
    at = frame.find(_JPEG_2000_START)
    if at < 0:
        raise ValueError("no JPEG 2000")
    right, bottom, left, top = struct.unpack_from(">4I", frame, at + 8)
    (samples,) = struct.unpack_from(">H", frame, at + 40)
    return bottom - top, right - left, samples
