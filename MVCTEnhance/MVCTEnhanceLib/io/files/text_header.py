"""Headers of NRRD and MetaImage files: what ITK does not survive, and what it leaves out or reads wrongly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from .checks import ABSURD
from .unpack import GZIP

NRRD = b"NRRD"
_HEADER_BYTES = 1 << 16
_DATA_FILE = re.compile(r"^(?:data ?file:|ElementDataFile\s*=)\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_HERE = "LOCAL"
_NUMBERED = re.compile(r"[^%]*%\d{0,2}[du][^%]*")  # ITK hands any other pattern to printf, which may end the process
_LONGEST_NAME = 255
_NO_TEXT = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f]")
_DIMENSIONS = re.compile(r"^NDims\s*[=:]\s*(.*?)\s*$", re.MULTILINE)
_NUMBERS = re.compile(
    r"^(?:spacings|thicknesses|space directions|space origin|ElementSpacing|ElementSize|Offset|Position|Origin|"
    r"TransformMatrix|Rotation|Orientation|CenterOfRotation|CompressedDataSize)\s*[=:](.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+|inf)", re.IGNORECASE)
_MM = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "um": 0.001, "µm": 0.001, "micron": 0.001, "": 1.0, "?": 1.0}
_PACKED_AS_A_WHOLE = {GZIP: "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7z"}


@dataclass(frozen=True)
class TextHeader:
    """What ITK does not tell of a file.

    Args:
        is_nrrd: by its content, whatever its name says.
        is_elsewhere: whether the voxels are in other files.
        mm: the unit of length, which ITK takes for mm.
        warnings: for the user.
    """

    is_nrrd: bool
    is_elsewhere: bool
    mm: float
    warnings: tuple[str, ...]


def is_of_another_format(path: Path) -> bool:
    """Whether the content is surely no NIfTI file, but what `read_text_header` reads or knows to refuse.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(132)
    marks = (NRRD, b"ObjectType", b"NDims", *(mark for mark in _PACKED_AS_A_WHOLE if mark != GZIP))
    return start.startswith(marks) or start.endswith(b"DICM")


def read_text_header(path: Path) -> TextHeader:
    """The header of a NRRD or MetaImage file that ITK can be given.

    Raises:
        InputError: the file or its voxels are packed in a way that is not read; the voxels are not there, or in a pipe,
            a socket or a device; the number of dimensions, a place or a size is absurd.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    packing = next((name for mark, name in _PACKED_AS_A_WHOLE.items() if start.startswith(mark)), None)
    if packing:
        raise InputError(f"{path} is packed as a whole ({packing}): unpack it first.")
    if start[128:132] == b"DICM":
        raise InputError(f"{path} is a DICOM file by its content: rename it to end in .dcm, or choose its folder.")
    is_nrrd = start.startswith(NRRD)
    header = start.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\0", "\n")
    header = header.split("\n\n", 1)[0] if is_nrrd else header
    _require_text(header if is_nrrd else _up_to_data(header), path)
    _require_possible_numbers(header, path)
    _require_readable_packing(header, is_nrrd, path)
    mm, warnings = _unit(header, is_nrrd, path)
    warnings += _without_orientation(header, is_nrrd, path) + _with_mapping(header, path)
    return TextHeader(is_nrrd, _has_data_files(header, path), mm, tuple(warnings))


def _require_text(header: str, path: Path) -> None:
    """ITK may end the process over voxels that it takes for fields, where the end of a header was lost."""
    if _NO_TEXT.search(header):
        raise InputError(f"{path} has a damaged header, which is no text or has no end: export or copy it again.")


def _up_to_data(header: str) -> str:
    """Of a MetaImage file, whose header ends with the name of its data file."""
    named = _DATA_FILE.search(header)
    return header[: named.end()] if named else header


def _require_possible_numbers(header: str, path: Path) -> None:
    dimensions = _DIMENSIONS.search(header)
    places = (float(number) for line in _NUMBERS.findall(header) for number in _NUMBER.findall(line))
    if (dimensions and not re.fullmatch("[1-9]", dimensions[1])) or any(abs(place) > ABSURD for place in places):
        raise InputError(f"{path} has a header with numbers that cannot be: export or copy it again.")


def _require_readable_packing(header: str, is_nrrd: bool, path: Path) -> None:
    """ITK knows no bzip2, and takes packed voxels of a MetaImage file for plain ones where their size is not given."""
    encoding = _value(header, "encoding") if is_nrrd else ""
    if encoding in ("bzip2", "bz2"):
        raise InputError(f"{path} has its voxels packed with bzip2, which is not read: save it with gzip or unpacked.")
    is_packed = not is_nrrd and _value(header, "CompressedData") == "true"
    if is_packed and not _value(header, "CompressedDataSize").isdecimal():
        raise InputError(f"{path} does not say how long its packed voxels are (CompressedDataSize): save it unpacked.")


def _unit(header: str, is_nrrd: bool, path: Path) -> tuple[float, list[str]]:
    text = _value(header, "space units" if is_nrrd else "DistanceUnits")
    names = set(re.findall('"(.*?)"', text)) if is_nrrd else {text}
    units = {_MM.get(name.strip()) for name in names or {""}}
    if len(units) == 1 and None not in units:
        return units.pop(), []
    return 1.0, [
        f"{path} has a unit of length that is not known ({_shown(text)}): mm were taken, check the size of the scan."
    ]


def _without_orientation(header: str, is_nrrd: bool, path: Path) -> list[str]:
    if is_nrrd:
        space = _value(header, "space")
        is_known = bool(_value(header, "space directions")) and ("left" in space or "right" in space or len(space) == 3)
        is_known &= not space.startswith("3d-")
    else:
        is_known = any(_value(header, name) for name in ("TransformMatrix", "Rotation", "Orientation"))
    if is_known or not _value(header, "sizes" if is_nrrd else "DimSize"):
        return []
    return [
        f"{path} does not say how the scan lies in the patient: it was taken as head first supine, check left and "
        "right."
    ]


def _with_mapping(header: str, path: Path) -> list[str]:
    slope, offset = (_value(header, f"ElementToIntensityFunction{name}") for name in ("Slope", "Offset"))
    mapping = _number(slope, 1.0) != 1.0 or _number(offset, 0.0) != 0.0
    if not mapping and not _value(header, "old min") and not _value(header, "oldmin"):
        return []
    return [f"{path} has values that its header maps to others, which was not done: check that air is about -1000 HU."]


def _has_data_files(header: str, path: Path) -> bool:
    named = _DATA_FILE.search(header)
    if not named or named[1] == _HERE:
        return False
    is_list = named[1].upper().startswith("LIST")
    names = header[named.end() :].split("\n") if is_list else [named[1]]
    for name in filter(None, map(str.strip, names)):
        is_pattern = "%" in name and not is_list
        if len(name) > _LONGEST_NAME or (is_pattern and not _NUMBERED.fullmatch(name)):
            raise InputError(f"{path} has a header with an impossible name of a data file: export or copy it again.")
        if is_pattern:
            continue
        data = path.parent / name
        if data.exists() and not (data.is_file() or data.is_dir()):
            raise InputError(
                f"{path} has its voxels in {data.name}, which is not a regular file: export the scan again."
            )
        if not data.exists():
            raise InputError(f"{path} lacks its data file {_shown(data.name)}: copy it to where the header says.")
    return True


def _value(header: str, name: str) -> str:
    """Of a field in small letters; empty where there is none."""
    found = re.search(rf"^{name}\s*(?::(?!=)|=)\s*(.*?)\s*$", header, re.IGNORECASE | re.MULTILINE)
    return found[1].lower() if found else ""


def _shown(text: str) -> str:
    """What of a damaged header can be shown."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _number(text: str, default: float) -> float:
    try:
        return float(text)
    except ValueError:
        return default
