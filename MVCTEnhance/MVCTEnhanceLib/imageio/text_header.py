"""Headers of NRRD and MetaImage files that ITK must not be given: it crashes at them, or waits for ever."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError

_HEADER_BYTES = 1 << 16
_DATA_FILE = re.compile(r"^(?:data ?file:|ElementDataFile\s*=)\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_HERE = "LOCAL"
_DIMENSIONS = re.compile(r"^NDims\s*[=:]\s*(.*?)\s*$", re.MULTILINE)
_NUMBERS = re.compile(
    r"^(?:spacings|thicknesses|space directions|space origin|ElementSpacing|ElementSize|Offset|Position|Origin|"
    r"TransformMatrix|Rotation|Orientation|CenterOfRotation|CompressedDataSize)\s*[=:](.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+|inf)", re.IGNORECASE)
_MOST = 1e12  # bytes, or whatever unit of length


def require_sound_header(path: Path) -> bool:
    """Refuse a header that ITK does not survive.

    Returns:
        whether the voxels are in other files.

    Raises:
        InputError: the voxels are in a pipe, a socket or a device, or the number of dimensions, a place or a size is
            absurd.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES).decode("utf-8", "surrogateescape").replace("\0", "\n")
    dimensions = _DIMENSIONS.search(header)
    places = (float(number) for line in _NUMBERS.findall(header) for number in _NUMBER.findall(line))
    if (dimensions and not re.fullmatch("[1-9]", dimensions[1])) or any(abs(place) > _MOST for place in places):
        raise InputError(f"{path} has a header with numbers that cannot be: export or copy it again.")
    named = _DATA_FILE.search(header)
    if not named or named[1] == _HERE:
        return False
    names = header[named.end() :].split("\n") if named[1].upper().startswith("LIST") else [named[1]]
    for name in filter(None, map(str.strip, names)):
        data = path.parent / name
        if len(name) < 256 and data.exists() and not (data.is_file() or data.is_dir()):
            raise InputError(f"{path} has its voxels in {data.name}, which is no ordinary file: export the scan again.")
    return True
