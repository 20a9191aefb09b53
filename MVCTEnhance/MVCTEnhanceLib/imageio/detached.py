"""The files in which a NRRD or MetaImage header says its voxels are: ITK waits for ever for one that is a pipe."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError

_HEADER_BYTES = 1 << 16
_NAMED = re.compile(r"^(?:data ?file:|ElementDataFile\s*=)\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)


def require_ordinary_data(path: Path) -> None:
    """Refuse a header that names a pipe, a socket or a device instead of a file.

    Raises:
        InputError: it does.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES).decode("utf-8", "surrogateescape").replace("\0", "\n")
    named = _NAMED.search(header)
    if not named:
        return
    names = header[named.end() :].split("\n") if named[1].upper().startswith("LIST") else [named[1]]
    for name in filter(None, map(str.strip, names)):
        data = path.parent / name
        if len(name) < 256 and data.exists() and not (data.is_file() or data.is_dir()):
            raise InputError(f"{path} has its voxels in {data.name}, which is no ordinary file: export the scan again.")
