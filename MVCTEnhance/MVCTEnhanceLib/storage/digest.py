"""Digest of a file's content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..errors import InputError


def file_sha256(path: Path, role: str) -> str:
    """SHA-256 of a file's content, in hexadecimal digits.

    Args:
        role: of the file, for messages, such as "structures".

    Raises:
        InputError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"The {role} '{path}' cannot be read ({error.strerror}): check the path.") from error
