"""Checks that ITK leaves out: it reads a NIfTI file cut in half, turns NaN into 0 HU, and hangs at an absurd place."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

_CHUNK = 1 << 20
_FLOATS = {16: "f4", 64: "f8"}  # by NIfTI-1's codes of types
_BITS = {2: 8, 4: 16, 8: 32, 16: 32, 64: 64, 256: 8, 512: 16, 768: 32, 1024: 64, 1280: 64}
_HEADER_BYTES = 348
_MOST = 1e12  # in whatever unit of length
_DAMAGED = (ArithmeticError, EOFError, OSError, ValueError, zlib.error, struct.error)


def is_header_sound(path: Path) -> bool:
    """Whether the header of a .nii or .nii.gz file (NIfTI-1) has a type, a place and voxel sizes that can be."""
    try:
        with _opened(path) as file:
            header, order = _header(file)
        code, bits = struct.unpack_from(order + "2h", header, 70)
        by_quaternion, by_matrix = struct.unpack_from(order + "2h", header, 252)
        values = [*struct.unpack_from(order + "4f", header, 76)]
        values += struct.unpack_from(order + "6f", header, 256) if by_quaternion else ()
        values += struct.unpack_from(order + "12f", header, 280) if by_matrix else ()
    except _DAMAGED:
        return False
    return bits == _BITS.get(code, bits) and all(abs(value) < _MOST for value in values)


def count_nonfinite(path: Path) -> int | None:
    """How many voxels of a .nii or .nii.gz file (NIfTI-1) are NaN or infinite; None where the file is cut."""
    try:
        with _opened(path) as file:
            header, order = _header(file)
            dimensions, *sizes = struct.unpack_from(order + "8h", header, 40)
            code, bits = struct.unpack_from(order + "2h", header, 70)
            (offset,) = struct.unpack_from(order + "f", header, 108)
            file.seek(int(offset))
            left = math.prod(sizes[:dimensions]) * bits // 8
            bad = 0
            while left and (chunk := file.read(min(left, _CHUNK))):
                left -= len(chunk)
                if code in _FLOATS and len(chunk) % (bits // 8) == 0:
                    bad += int(np.count_nonzero(~np.isfinite(np.frombuffer(chunk, order + _FLOATS[code]))))
            while file.read(_CHUNK):  # to the checksum at the end
                pass
        return None if left else bad
    except _DAMAGED:
        return None


def _opened(path: Path) -> BinaryIO:
    return gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")


def _header(file: BinaryIO) -> tuple[bytes, str]:
    """With its byte order."""
    header = file.read(_HEADER_BYTES)
    return header, "<" if header[:4] == struct.pack("<i", _HEADER_BYTES) else ">"
