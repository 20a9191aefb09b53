"""Damage to DICOM files as disks, networks, odd programs and ill will do it: each is a function of bytes to bytes."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.tag import Tag

LONG = (b"OB", b"OD", b"OF", b"OL", b"OW", b"OV", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
VRS = (*LONG, b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
       b"SS", b"ST", b"TM", b"UI", b"UL", b"US", b"ZZ", b"\0\0")  # fmt: skip
LENGTHS = (0, 1, 2, 7, 0x7FFF, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
DEPTHS = (2, 20, 100, 300, 1000, 5000)
READ = (  # what the reader looks at
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesDescription",
    "SliceThickness", "SeriesInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "SamplesPerPixel",
    "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PhotometricInterpretation", "RescaleSlope", "RescaleIntercept", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "PlanarConfiguration", "PixelData",
)  # fmt: skip
NUMBERS = (
    "0", "-1", "nan", "inf", "-inf", "1e308", "-1e308", "1e-308", "1e400", "1e18", "65535", "4294967295", "abc", "",
    " ", "0x10", "1,5", "1\\2", "1\\2\\3\\4\\5\\6\\7", "9" * 300,
)  # fmt: skip
SIZES = (0, 1, 2, 3, 255, 256, 4096, 32768, 65534, 65535)
COUNTS = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}

Damage = Callable[[bytes, np.random.Generator], bytes]


@dataclass(frozen=True)
class Place:
    """Where an element lies: its first byte, where its length is written, and where its value begins and ends."""

    tag: int
    start: int
    length_at: int
    length_bytes: int
    value: int
    end: int
    is_implicit: bool


def damaged(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """The bytes after one to three damages, and what they were."""
    names = []
    for _ in range(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])):
        damage = DAMAGES[rng.integers(len(DAMAGES))]
        data = damage(data, rng)
        names.append(damage.__name__)
    return data, " + ".join(names)


def flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for at in _somewhere(data, rng, int(rng.choice([1, 4, 64, 1000]))):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def overwrite_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for at in _somewhere(data, rng, int(rng.choice([1, 8, 200]))):
        changed[at] = rng.choice([0, 0xFF, 0x5C, rng.integers(256)])
    return bytes(changed)


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _one(data, rng)]


def splice(data: bytes, rng: np.random.Generator) -> bytes:
    """A piece of the file copied to, or moved over, another place; or lost; or noise put between."""
    length = int(rng.choice([1, 2, 8, 100, 4096]))
    source, target = _one(data, rng), _one(data, rng)
    piece = data[source : source + length] if rng.random() < 0.7 else rng.bytes(length)
    return data[:target] + piece * int(rng.choice([0, 1, 1, 20])) + data[target + int(rng.choice([0, length])) :]


def break_length(data: bytes, rng: np.random.Generator) -> bytes:
    place = _element(data, rng)
    if place is None:
        return flip_bits(data, rng)
    length = int(rng.choice(LENGTHS)) if rng.random() < 0.7 else place.end - place.value + int(rng.integers(-9, 10))
    length %= 1 << 8 * place.length_bytes
    written = length.to_bytes(place.length_bytes, "little")
    return data[: place.length_at] + written + data[place.length_at + place.length_bytes :]


def change_vr(data: bytes, rng: np.random.Generator) -> bytes:
    """Another VR in the bytes; the length field stays where it was, as wrong programs leave it."""
    place = _element(data, rng)
    if place is None or place.is_implicit:
        return flip_bits(data, rng)
    at = place.start + 4
    return data[:at] + VRS[rng.integers(len(VRS))] + data[at + 2 :]


def lose_element(data: bytes, rng: np.random.Generator) -> bytes:
    place = _element(data, rng)
    return flip_bits(data, rng) if place is None else data[: place.start] + data[place.end :]


def double_element(data: bytes, rng: np.random.Generator) -> bytes:
    place, other = _element(data, rng), _element(data, rng)
    if place is None or other is None:
        return splice(data, rng)
    return data[: other.start] + data[place.start : place.end] + data[other.start :]


def nest_sequences(data: bytes, rng: np.random.Generator) -> bytes:
    """Sequences within sequences before some element, with defined, undefined or lacking ends."""
    places = list(_elements(data))
    if not places:
        return splice(data, rng)
    place = places[rng.integers(len(places))]
    nested = nested_sequences(
        int(rng.choice(DEPTHS)),
        implicit=place.is_implicit,
        undefined=bool(rng.random() < 0.6),
        closed=bool(rng.random() < 0.7),
    )
    return data[: place.start] + nested + data[place.start :]


def nested_sequences(depth: int, *, implicit: bool = False, undefined: bool = True, closed: bool = True) -> bytes:
    """A private sequence (0009,1001) of one item with such a sequence in it, and so on."""
    tag = struct.pack("<HH", 0x0009, 0x1001) + (b"" if implicit else b"SQ\0\0")
    item, end_item, end = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"
    if undefined:
        return (tag + b"\xff" * 4 + item + b"\xff" * 4) * depth + (end_item + end) * depth * closed
    lengths = [(len(tag) + 12) * n for n in range(depth - 1, -1, -1)]
    return b"".join(tag + struct.pack("<I", length + 8) + item + struct.pack("<I", length) for length in lengths)


def odd_value(data: bytes, rng: np.random.Generator) -> bytes:
    """One of the values that the reader needs becomes odd: numbers that are none, absurd sizes, another VR."""
    ds, keyword = _parsed(data), READ[rng.integers(len(READ) - 1)]  # not the pixel data, which come last
    if ds is None:
        return flip_bits(data, rng)
    if dictionary_VR(keyword).startswith("US") or rng.random() < 0.2:
        vr, value = "US", int(SIZES[rng.integers(len(SIZES))])
    else:
        count = COUNTS.get(keyword, 1) if rng.random() < 0.7 else 1
        vr, value = "UT", "\\".join([NUMBERS[rng.integers(len(NUMBERS))]] * count)
    ds.add(DataElement(Tag(tag_for_keyword(keyword)), vr, value, already_converted=True))
    return _saved(ds, data, rng)


def lose_value(data: bytes, rng: np.random.Generator) -> bytes:
    """One of the elements that the reader looks at is lost, or empty."""
    ds, keyword = _parsed(data), READ[rng.integers(len(READ))]
    if ds is None or keyword not in ds:
        return lose_element(data, rng)
    if rng.random() < 0.5:
        del ds[keyword]
    else:
        ds[keyword].value = None
    return _saved(ds, data, rng)


DAMAGES: tuple[Damage, ...] = (
    flip_bits, overwrite_bytes, cut, splice, break_length, change_vr, lose_element, double_element, nest_sequences,
    odd_value, lose_value,
)  # fmt: skip


def _somewhere(data: bytes, rng: np.random.Generator, count: int) -> np.ndarray:
    """Places to damage: in the header, anywhere, or at the start of the pixel data, where codecs have their tables."""
    if not data:
        return np.empty(0, int)
    low, high = 128, 2500
    kind = rng.random()
    if kind < 0.25:
        low, high = 0, len(data)
    elif kind < 0.5:
        low = max(data.find(b"\xe0\x7f\x10\x00"), 0)
        high = low + 700
    high = min(high, len(data))
    return rng.integers(min(low, high - 1), high, count)


def _one(data: bytes, rng: np.random.Generator) -> int:
    return int(next(iter(_somewhere(data, rng, 1)), 0))


def _element(data: bytes, rng: np.random.Generator) -> Place | None:
    places = list(_elements(data))
    return places[rng.integers(len(places))] if places else None


def _elements(data: bytes) -> Iterator[Place]:
    """The elements of the outermost level, as far as they can be followed (little endian)."""
    at, implicit = (132, False) if data[128:132] == b"DICM" else (0, False)
    while at + 8 <= len(data):
        group, element = struct.unpack_from("<HH", data, at)
        if group != 2:
            implicit = data[at + 4 : at + 6] not in VRS
        if implicit:
            length_at, length_bytes = at + 4, 4
        elif data[at + 4 : at + 6] in LONG:
            length_at, length_bytes = at + 8, 4
        else:
            length_at, length_bytes = at + 6, 2
        value = length_at + length_bytes
        length = int.from_bytes(data[length_at:value], "little")
        if value > len(data):
            return
        end = min(value + length, len(data))
        yield Place(group << 16 | element, at, length_at, length_bytes, value, end, implicit)
        if length == 0xFFFFFFFF:
            return
        at = value + length


def _parsed(data: bytes) -> pydicom.Dataset | None:
    try:
        ds = pydicom.dcmread(io.BytesIO(data), force=True)
        return ds if len(ds) > 5 and "TransferSyntaxUID" in ds.file_meta else None
    except Exception:  # damaged already
        return None


def _saved(ds: pydicom.Dataset, data: bytes, rng: np.random.Generator) -> bytes:
    file = io.BytesIO()
    try:
        ds.save_as(file)
    except Exception:  # damaged already
        return flip_bits(data, rng)
    return file.getvalue()
