"""Damage to NRRD, NIfTI and MetaImage files, as functions of bytes to bytes; what is in the headers above all."""

from __future__ import annotations

import gzip
import re
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from dicom_damage import NUMBERS
from MVCTEnhanceLib.io import write_volume
from MVCTEnhanceLib.volume import Volume

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:e-?\d+)?")
VALUE = re.compile(rb"(?<=[:=] )[^\n]+")
ODD_NUMBERS = [text.encode() for text in (*NUMBERS, "100000", "2147483647", "4294967296", "-3", "1e-40", "0 0 0")]
ODD_WORDS = (
    b"", b"none", b"gzip", b"bzip2", b"raw", b"ascii", b"hex", b"short", b"float", b"double", b"uchar", b"block",
    b"int64", b"True", b"False", b"MET_SHORT", b"MET_DOUBLE", b"MET_STRING", b"left-posterior-superior", b"scanner-xyz",
    b"LOCAL", b"LIST", b"/dev/zero", b"not-there.raw", b"(1,0,0)",
)  # fmt: skip
NIFTI_HEADER = 352
DIMENSIONS_AT, TYPE_AT, GEOMETRY_AT = 40, 70, (*range(76, 124, 4), *range(256, 328, 4))
TYPES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304)
FLOATS = (0, -1, np.nan, np.inf, 1e30, -1e30, 1e-30, 3)
SHORTS = (0, 1, -1, 2, 3, 5, 7, 100, 32767, -32768)

Damage = Callable[[bytes, int, np.random.Generator], bytes]


def volumes_to_damage(volume: Volume) -> dict[str, bytes]:
    """The volume in every format, packed and plain, whole numbers and others; by the file's name."""
    with tempfile.TemporaryDirectory() as work:
        for name in ("packed.nrrd", "packed.nii.gz", "plain.nii", "packed.mha"):
            write_volume(volume, Path(work) / name)
        image = sitk.ReadImage(f"{work}/packed.nrrd")
        for name in ("plain.nrrd", "plain.mha"):
            sitk.WriteImage(image, f"{work}/{name}", useCompression=False)
        for name in ("float.nii", "float.nrrd", "float.mha"):
            sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat64), f"{work}/{name}", useCompression=True)
        return {path.name: path.read_bytes() for path in sorted(Path(work).iterdir())}


def damaged_volume(name: str, data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """The bytes after one to three damages, and what they were; of a packed NIfTI file mostly within."""
    inside = name.endswith(".gz") and rng.random() < 0.7
    data = gzip.decompress(data) if inside else data
    header = _header_bytes(name, data)
    damages = (*ANY, *(NIFTI if ".nii" in name else TEXT) * 2)
    names = []
    for _ in range(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])):
        damage = damages[rng.integers(len(damages))]
        data = damage(data, header, rng)
        names.append(damage.__name__)
    return gzip.compress(data) if inside else data, f"{name}: {' + '.join(names)}"


def flip_bits(data: bytes, header: int, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for at in _places(data, header, rng, int(rng.choice([1, 4, 30]))):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def overwrite_bytes(data: bytes, header: int, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for at in _places(data, header, rng, int(rng.choice([1, 10, 200]))):
        changed[at] = rng.integers(256)
    return bytes(changed)


def cut(data: bytes, header: int, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers((header if rng.random() < 0.5 else len(data)) + 1))]


def splice(data: bytes, header: int, rng: np.random.Generator) -> bytes:
    """A piece of the header copied to, or moved over, another place of it; or lost."""
    length = int(rng.choice([1, 8, 100]))
    source, target = rng.integers(header + 1, size=2)
    piece = data[source : source + length] * int(rng.choice([0, 1, 20]))
    return data[:target] + piece + data[target + int(rng.choice([0, length])) :]


def odd_number(data: bytes, header: int, rng: np.random.Generator) -> bytes:
    return _replaced(data, header, NUMBER, ODD_NUMBERS, rng)


def odd_word(data: bytes, header: int, rng: np.random.Generator) -> bytes:
    return _replaced(data, header, VALUE, ODD_WORDS, rng)


def lose_or_double_line(data: bytes, header: int, rng: np.random.Generator) -> bytes:
    lines = data[:header].split(b"\n")
    which = int(rng.integers(len(lines)))
    times = int(rng.choice([0, 2]))
    return b"\n".join([*lines[:which], *[lines[which]] * times, *lines[which + 1 :]]) + data[header:]


def odd_dimension(data: bytes, header: int, rng: np.random.Generator) -> bytes:
    return _put(data, DIMENSIONS_AT + 2 * int(rng.integers(8)), "<h", SHORTS[rng.integers(len(SHORTS))])


def odd_type(data: bytes, header: int, rng: np.random.Generator) -> bytes:
    """Another code of a type, or another number of bits."""
    return _put(data, TYPE_AT + 2 * int(rng.integers(2)), "<h", TYPES[rng.integers(len(TYPES))])


def odd_place(data: bytes, header: int, rng: np.random.Generator) -> bytes:
    return _put(data, GEOMETRY_AT[rng.integers(len(GEOMETRY_AT))], "<f", FLOATS[rng.integers(len(FLOATS))])


ANY: tuple[Damage, ...] = (flip_bits, overwrite_bytes, cut, splice)
TEXT: tuple[Damage, ...] = (odd_number, odd_word, lose_or_double_line)
NIFTI: tuple[Damage, ...] = (odd_dimension, odd_type, odd_place)


def _header_bytes(name: str, data: bytes) -> int:
    if ".nii" in name:
        return min(NIFTI_HEADER, len(data))
    return data.find(b"\n\n") + 2 if name.endswith(".nrrd") else data.find(b"LOCAL") + 6


def _places(data: bytes, header: int, rng: np.random.Generator, count: int) -> np.ndarray:
    end = min(header if rng.random() < 0.7 else len(data), len(data))
    return rng.integers(end, size=count) if end else np.empty(0, int)


def _replaced(data: bytes, header: int, what: re.Pattern, by: list[bytes], rng: np.random.Generator) -> bytes:
    found = list(what.finditer(data[:header]))
    if not found:
        return flip_bits(data, header, rng)
    at = found[rng.integers(len(found))]
    return data[: at.start()] + by[rng.integers(len(by))] + data[at.end() :]


def _put(data: bytes, at: int, form: str, value: float) -> bytes:
    """Little endian, as the files are written."""
    put = struct.pack(form, value)
    return data[:at] + put + data[at + len(put) :] if at + len(put) <= len(data) else data
