"""The spool of a node: what was received and not yet delivered.

Each series has a folder. What lies in it is its state, and nothing else is, so that a node that was killed goes on:

    arriving/       slices that came since the scan was closed, or before
    scan/           slices that are enhanced together
    result/         what was made of them, as a case of a batch has it (see `batch.folder`)
    sent/           a file for each destination that has acknowledged all of it
    given-up/       a file for each destination that has not, after all attempts, with the reason
    outcome.json    delivered; or why nothing is done: other, failed
    retry           somebody asked for another attempt

Beside them lies `incoming`, with what is half written or about to be removed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from pydicom.uid import CTImageStorage

from ..errors import InputError, OutputError
from ..io.dicom.header import DamagedDicom, SliceHeader, read_header
from ..storage.atomic import atomic_file, output_errors, settle_folder
from ..storage.json_file import read_json, write_json
from ..storage.lock import locked
from .config import Limits

Status = Literal["arriving", "waiting", "sending", "delivered", "withheld", "other", "failed", "given up"]
FINISHED: tuple[Status, ...] = ("delivered", "withheld", "other")  # which may be removed
LOCK_PATIENCE_S = 5.0  # for a node that was killed
_MEGABYTE = 1 << 20


class NotCT(InputError):
    """What was received is no CT slice."""


class Full(OutputError):
    """There is no room for what was received."""


class Series:
    """One series, by its folder, whose name is its number and the digest of its UID."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.number = int(folder.name.partition("-")[0])
        self.arriving, self.scan, self.result = folder / "arriving", folder / "scan", folder / "result"
        self.enhanced, self.pdf = self.result / "enhanced", self.result / "pdf"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Series) and self.folder == other.folder

    def __hash__(self) -> int:
        return hash(self.folder)

    @property
    def outcome(self) -> dict[str, Any]:
        """status, time and maybe reason; empty where there is none."""
        return read_json(self.folder / "outcome.json")

    @property
    def status(self) -> Status:
        """By what lies in the folder."""
        outcome = self.outcome.get("status")
        if self.result.exists():
            if outcome:
                return outcome
            if not self.enhanced.exists():
                return "withheld"
            return "given up" if any(_names(self.folder / "given-up")) else "sending"
        if any(_names(self.arriving)) or not self.scan.exists():
            return "arriving"
        return outcome or "waiting"

    @property
    def reason(self) -> str:
        """Why it is not delivered, one sentence; empty where there is nothing to say."""
        if self.status == "withheld":
            why = read_json(self.result / "done.json").get("withheld", "")
            return f"{why.partition(', so ')[0]}, so it is not sent without send_untrusted." if why else ""
        given_up = self.folder / "given-up"
        return self.outcome.get("reason") or next((_text(given_up / name) for name in _names(given_up)), "")

    @property
    def late(self) -> int:
        """How many slices came after the result was made."""
        return len(_names(self.arriving)) if self.result.exists() else 0

    @property
    def files(self) -> list[Path]:
        """Its slices."""
        return [folder / name for folder in (self.scan, self.arriving) for name in _names(folder)]

    @property
    def headers(self) -> list[SliceHeader]:
        """Those of its slices, later ones in the stead of earlier ones of the same UID."""
        found = {path.name: path for path in self.files}
        return [header for path in found.values() if (header := read_header(path))]

    @property
    def version(self) -> Any:
        """Another one where the result was made anew; None where there is none."""
        with suppress(OSError):
            status = (self.result / "done.json").stat()
            return status.st_ino, status.st_mtime_ns

    @property
    def outputs(self) -> list[Path]:
        """The DICOM files of the result."""
        return sorted(self.result.glob("*/*.dcm"))

    def has(self, marker: Literal["sent", "given-up"], key: str) -> bool:
        """Whether the destination with this key has it behind it."""
        return (self.folder / marker / key).exists()


class Spool:
    """All series, in a folder that one node at a time works in; from any thread.

    Args:
        folder: made where it is not there.
        limits: see `NodeConfig`.
    """

    def __init__(self, folder: Path, limits: Limits):
        self.folder, self._limits = folder, limits
        self._series, self.incoming = folder / "series", folder / "incoming"
        self.lock = threading.RLock()

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Keep other nodes out, and begin without what an earlier one has left half done.

        Raises:
            OutputError: another node works in it, or it cannot be written.
        """
        with locked(self.folder / "node", patience_s=LOCK_PATIENCE_S):
            with output_errors(self.folder):
                shutil.rmtree(self.incoming, ignore_errors=True)
                self._series.mkdir(parents=True, exist_ok=True)
                self.incoming.mkdir(exist_ok=True)
                for series in self.series():
                    if not (series.files or series.result.exists()):
                        self.discard(series.folder)
            yield

    def series(self) -> list[Series]:
        """In the order of their numbers."""
        return sorted(map(Series, map(self._series.joinpath, _names(self._series))), key=lambda one: one.number)

    def receive(self, pieces: Iterable[bytes | memoryview]) -> Series:
        """Take the file of a slice, which lies safely on the disk when this returns.

        The same file again changes nothing; another one with its SOP Instance UID takes its place.

        Args:
            pieces: of its bytes.

        Raises:
            NotCT: it is no CT image with its UIDs.
            Full: it does not fit on the disk, or its series has too many slices.
        """
        free = shutil.disk_usage(self.folder).free
        if free < self._limits.free_megabytes * _MEGABYTE:
            raise Full(f"The disk of '{self.folder}' is full: free some space.")
        received = self.incoming / f"{secrets.token_hex(8)}.dcm"
        try:
            with atomic_file(received) as partial, partial.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
        except OutputError as error:
            raise Full(str(error)) from error
        try:
            return self._add(received, _ct_header(received))
        except OSError as error:
            raise Full(f"'{self.folder}' cannot be written: free some space on its disk.") from error
        finally:
            received.unlink(missing_ok=True)

    def _add(self, received: Path, header: SliceHeader) -> Series:
        name = f"{_digest(header.sop_uid)}.dcm"
        with self.lock:
            series = self._of(header.series_uid)
            there = [folder / name for folder in (series.arriving, series.scan) if (folder / name).exists()]
            if there and there[0].read_bytes() == received.read_bytes():
                return series
            if not there and len(series.files) >= self._limits.slices:
                raise Full(f"Series {series.number} has more than {self._limits.slices} slices.")
            series.arriving.mkdir(exist_ok=True)
            received.replace(series.arriving / name)
            settle_folder(series.arriving)
            settle_folder(series.folder)
            return series

    def _of(self, uid: str) -> Series:
        """The series with this UID; a new one where there is none."""
        digest = _digest(uid)
        for name in _names(self._series):
            if name.endswith(f"-{digest}"):
                return Series(self._series / name)
        last = read_json(self.folder / "last.json").get("number", 0)
        number = 1 + max([last, *(series.number for series in self.series())])
        write_json(self.folder / "last.json", {"number": number})
        series = Series(self._series / f"{number:04d}-{digest}")
        series.folder.mkdir()
        settle_folder(self._series)
        return series

    def close(self, series: Series) -> None:
        """What has arrived belongs to the scan now, which is enhanced."""
        with self.lock:
            self._unlink(series.folder / "outcome.json")  # first: slices that arrive count until all are moved
            if series.scan.exists():
                for name in _names(series.arriving):
                    (series.arriving / name).replace(series.scan / name)
            elif series.arriving.exists():
                series.arriving.rename(series.scan)
            settle_folder(series.folder)

    def end(self, series: Series, status: Status, reason: str = "") -> None:
        """Nothing more is done with a series."""
        with self.lock:
            write_json(series.folder / "outcome.json", {"status": status, "time": time.time(), "reason": reason})
            settle_folder(series.folder)

    def mark(self, series: Series, marker: Literal["sent", "given-up"], key: str, version: Any, text: str = "") -> None:
        """A destination has acknowledged a result, or was given up; of a result that was made anew since, not."""
        with self.lock:
            if series.version == version:
                folder = series.folder / marker
                with atomic_file(folder / key) as partial:
                    partial.write_text(text, encoding="utf-8")
                settle_folder(folder)
                settle_folder(series.folder)

    def ask_retry(self, series: Series) -> None:
        """Have the node that owns the spool, or the next one, try again what was not delivered."""
        (series.folder / "retry").touch()

    def retry(self, series: Series) -> None:
        """Do what was asked for. The wish goes last, so that a node that is killed meanwhile does it again."""
        with self.lock:
            status = series.status
            if series.late or status == "withheld":  # made anew
                self._unlink(series.folder / "outcome.json")
                for name in ("sent", "given-up", "result"):
                    self.discard(series.folder / name)
            elif status == "given up":
                self.discard(series.folder / "given-up")
            elif status in ("failed", "other"):
                self._unlink(series.folder / "outcome.json")
            self._unlink(series.folder / "retry")

    def asked_retry(self, series: Series) -> bool:
        """Whether somebody did."""
        return (series.folder / "retry").exists()

    def discard(self, path: Path) -> None:
        """Remove a folder at once."""
        away = self.incoming / secrets.token_hex(8)
        with suppress(FileNotFoundError):
            path.rename(away)
        shutil.rmtree(away, ignore_errors=True)

    def purge(self, series: Series, keep_s: float) -> bool:
        """Remove a series with which nothing more is done, once it has been kept for so long; True where it was."""
        with self.lock:
            old = series.status in FINISHED and not series.late and time.time() - _newest(series.folder) > keep_s
            if old:
                self.discard(series.folder)
            return old

    @staticmethod
    def _unlink(path: Path) -> None:
        path.unlink(missing_ok=True)
        settle_folder(path.parent)


def _ct_header(path: Path) -> SliceHeader:
    try:
        header = read_header(path)
    except DamagedDicom as error:
        raise NotCT("The data set is damaged.") from error
    if header is None or header.sop_class != CTImageStorage or not (header.series_uid and header.sop_uid):
        raise NotCT("The data set is no CT image, or has no UIDs.")
    return header


def _digest(uid: str) -> str:
    """The spool names no UID."""
    return hashlib.sha256(uid.encode()).hexdigest()[:16]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 - names only
    except (FileNotFoundError, NotADirectoryError):
        return []


def _newest(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder, *(folder / name for name in _names(folder))))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
