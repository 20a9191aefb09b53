"""A place that one process at a time writes to."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import OutputError
from ..runtime.cancel import cleaned_up_when_ended
from .atomic import output_errors

LOCK = ".lock-"  # how the hidden files that carry locks begin
POLL_S = 0.1


@contextmanager
def locked(path: str | Path, *, patience_s: float) -> Iterator[None]:
    """Keep other processes that lock the same path out; the system ends the lock with the process, however that ends.

    A hidden file beside `path` carries the lock; a killed process may leave it, which does no harm. Where the disk has
    no locks, as some network disks, nobody is kept out.

    Args:
        path: file or folder, which need not be there.
        patience_s: seconds to wait for another process.

    Raises:
        OutputError: another process still writes to it, or the file cannot be made.
    """
    path = Path(path)
    file = path.parent.resolve() / f"{LOCK}{hashlib.sha256(path.name.encode(errors='replace')).hexdigest()[:12]}"
    until = time.monotonic() + patience_s
    with output_errors(path):
        file.parent.mkdir(parents=True, exist_ok=True)
        while (handle := _try(file)) is None:
            if time.monotonic() > until:
                raise OutputError(f"Another run writes to '{path}': wait for its end, or choose another place.")
            time.sleep(POLL_S)
    try:
        with cleaned_up_when_ended(file.unlink):
            yield
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)  # on Windows it goes with its handle
        os.close(handle)


def _try(file: Path) -> int | None:
    """The handle that holds the lock; None where another process has it."""
    if os.name == "nt":
        try:
            return os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_TEMPORARY)
        except (FileExistsError, PermissionError):  # the latter while it goes
            return None
    import fcntl

    handle = os.open(file, os.O_CREAT | os.O_RDONLY, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        return handle
    if _is_of(handle, file):
        return handle
    os.close(handle)  # its holder has removed it between the two calls
    return None


def _is_of(handle: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except FileNotFoundError:
        return False
