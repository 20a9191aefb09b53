"""A folder whose CT files are received as if they had been sent; they stay where they are."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import OutputError
from ..runtime.events import EventHandler
from ..storage.atomic import atomic_file
from .spool import NotCT, Spool

POLL_S = 1.0
_CHUNK = 1 << 20


class Watcher:
    """Looks again and again; what it has taken is in the spool's `watched.txt`, a line a file.

    Args:
        folder: looked into and below; hidden files and links to folders are passed over.
        quiet_s: for so long a file has to stay as it is: one that still grows is waited for.
        max_bytes: of one file; larger ones are no slices.
    """

    def __init__(self, folder: Path, spool: Spool, quiet_s: float, max_bytes: int, on_event: EventHandler):
        self._folder, self._spool, self._quiet_s, self._max_bytes = folder, spool, quiet_s, max_bytes
        self._on_event = on_event
        self._record = spool.folder / "watched.txt"
        self._taken = set(self._record.read_text("ascii").split()) if self._record.exists() else set()
        self._since: dict[str, float] = {}
        self._warned = False
        self._forget_gone()

    def run(self, ended: threading.Event) -> None:
        """Look until it is over."""
        while not ended.wait(POLL_S):
            self.look()

    def look(self) -> None:
        """Take the files that have come to rest."""
        now, found = time.monotonic(), {}
        for path, version in self._files():
            if version in self._taken:
                continue
            found[version] = self._since.get(version, now)
            if now - found[version] >= self._quiet_s:
                self._take(path, version)
        self._since = found  # without those that have gone or changed

    def _forget_gone(self) -> None:
        """The record holds no more than the folder does; nothing is forgotten where the folder is not there now."""
        if self._taken and (there := {version for _, version in self._files()}):
            self._taken &= there
            with atomic_file(self._record) as partial:
                partial.write_text("".join(f"{version}\n" for version in sorted(self._taken)), "ascii")

    def _files(self) -> Iterator[tuple[Path, str]]:
        for place, folders, names in os.walk(self._folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for path in (Path(place, name) for name in names if not name.startswith(".")):
                try:
                    status = path.stat()
                except OSError:  # gone meanwhile
                    continue
                if path.is_file() and status.st_size <= self._max_bytes:
                    version = f"{path.relative_to(self._folder)}\0{status.st_size}\0{status.st_mtime_ns}"
                    yield path, hashlib.sha256(os.fsencode(version)).hexdigest()

    def _take(self, path: Path, version: str) -> None:
        try:
            with path.open("rb") as file:
                self._spool.receive(iter(lambda: file.read(_CHUNK), b""))
        except NotCT:
            pass
        except OutputError as error:
            if not self._warned:
                self._on_event("warning", message=str(error))
            self._warned = True
            return  # tried again
        except OSError:  # gone or not to be read; tried again
            return
        with self._record.open("a", encoding="ascii") as record:
            record.write(f"{version}\n")
            record.flush()
            os.fsync(record.fileno())
        self._taken.add(version)
