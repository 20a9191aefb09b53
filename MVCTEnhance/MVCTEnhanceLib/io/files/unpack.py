"""Bytes of a file, unpacked where its content is gzip, whatever its name says."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

GZIP = b"\x1f\x8b"
MAX_LEVELS = 2  # a packed file that was packed again
_CHUNK = 1 << 20
_WITH_GZIP_HEADER = 31


class Unpacked:
    """Reads a binary file from its beginning; `levels` says how often it is packed.

    Bytes after the packed ones are passed over, as gzip does.
    """

    def __init__(self, file: BinaryIO):
        self._chunks: Iterator[bytes] = iter(lambda: file.read(_CHUNK), b"")
        self._rest = b""
        self.levels = 0
        while self.levels < MAX_LEVELS and self._starts_with(GZIP):
            self._chunks, self._rest = _gunzip(chain([self._rest], self._chunks)), b""
            self.levels += 1

    def read(self, count: int) -> bytes:
        """So many bytes, fewer where the file ends.

        Raises:
            EOFError: it is packed and cut; zlib.error: its packed bytes or their checksum are damaged.
        """
        parts, missing = [], count
        while missing and (part := self._rest or next(self._chunks, b"")):
            parts.append(part[:missing])
            self._rest = part[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)

    def check_end(self) -> None:
        """Read on to the checksum, unless it lies far away.

        Raises:
            EOFError, zlib.error: as `read`.
        """
        if self.levels:
            self.read(8 * _CHUNK)

    def _starts_with(self, mark: bytes) -> bool:
        self._rest = self.read(len(mark)) + self._rest
        return self._rest.startswith(mark)


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Also of several packed parts one after the other; an empty chunk never comes."""
    part = zlib.decompressobj(_WITH_GZIP_HEADER)
    for chunk in chunks:
        left, full = chunk, True
        while left or full:
            if part.eof and not (left and left.startswith(GZIP[: len(left)])):
                return
            if part.eof:
                part = zlib.decompressobj(_WITH_GZIP_HEADER)
            unpacked = part.decompress(left, _CHUNK)
            if unpacked:
                yield unpacked
            left, full = part.unused_data if part.eof else part.unconsumed_tail, len(unpacked) == _CHUNK
            if part.eof and not left:
                break
    if not part.eof:
        raise EOFError("the packed bytes end too soon")
