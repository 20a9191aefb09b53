"""Files and folders that appear under their final name only when they are complete."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import OutputError
from ..runtime.cancel import cleaned_up_when_ended

_ADVICE = {
    errno.ENOSPC: "the disk is full, free some space or choose another place",
    errno.EDQUOT: "the disk quota is used up, free some space or choose another place",
    errno.EFBIG: "the file grows larger than is allowed here, choose another place",
    errno.EACCES: "there is no permission to write there, choose another place",
    errno.EPERM: "there is no permission to write there, choose another place",
    errno.EROFS: "the disk is read-only, choose another place",
    errno.ENOTDIR: "a part of the path is a file, choose another place",
    errno.ENOENT: "its folder was removed meanwhile, run this again",
    errno.EEXIST: "a part of the path is a file, choose another place",
}
_CANNOT_WAIT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)  # what some network disks answer

PARTIAL = ".partial-"  # how the names of what is not complete begin


@contextmanager
def atomic_file(path: str | Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a hidden path beside `path` to write to; it takes the name `path` when the block ends well.

    After any exception nothing of the new file is left.

    Args:
        overwrite: whether an existing file is replaced, in one step. If not, it stays whatever other programs do
            meanwhile, and the new file is refused.

    Raises:
        OutputError: the file is there and stays, or cannot be written (the sentence names `path` and what to do).
    """
    path = Path(path)
    with output_errors(path):
        if path.is_dir():
            raise OutputError(f"{path} is a folder: give the output a file name inside it.")
        if not overwrite and os.path.lexists(path):
            raise _is_there(path)
        with _removed_unless_complete(path) as partial:
            yield partial
            _settle(partial)
            if overwrite:
                partial.replace(path)
            else:
                _rename_where_nothing_is(partial, path)


@contextmanager
def atomic_folder(path: str | Path, *, may_replace: Callable[[Path], bool] = lambda path: False) -> Iterator[Path]:
    """Yield a new hidden folder beside `path` to write into; it takes the name `path` when the block ends well.

    After any exception nothing of the new folder is left.

    Args:
        may_replace: asked whether a folder with something in it may be replaced as a whole.

    Raises:
        OutputError: `path` is a file or a folder with something in it (two series are never mixed) that may not be
            replaced, or cannot be written.
    """
    path = Path(path).absolute()
    with output_errors(path):
        _require_free(path, may_replace)
        with _removed_unless_complete(path) as partial:
            partial.mkdir()
            yield partial
            for file in filter(Path.is_file, partial.rglob("*")):
                _settle(file)
            _require_free(path, may_replace)
            put_folder(partial, path)


def put_folder(new: Path, path: Path) -> None:
    """Give a folder its final name, in the stead of the folder that has the name.

    Raises:
        OSError: it cannot be moved; the other one is where it was.
    """
    old = new.with_name(f"{new.name}-old")
    if path.exists():
        path.rename(old)
    try:
        new.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _rename_where_nothing_is(partial: Path, path: Path) -> None:
    try:
        if os.name == "nt":  # where a rename replaces nothing
            partial.rename(path)
            return
        try:
            os.link(partial, path)
        except FileExistsError:
            raise
        except OSError:  # a disk without hard links
            if os.path.lexists(path):
                raise FileExistsError from None
            partial.rename(path)
        else:
            partial.unlink()
    except FileExistsError as error:
        raise _is_there(path) from error


def _is_there(path: Path) -> OutputError:
    return OutputError(f"'{path}' exists already and was not replaced: choose another name.")


@contextmanager
def _removed_unless_complete(path: Path) -> Iterator[Path]:
    partial = _partial(path)
    with cleaned_up_when_ended(lambda: _remove(partial)):
        try:
            yield partial
        except BaseException:
            _remove(partial)
            raise


def _settle(file: Path) -> None:
    """Wait until the disk holds a file, so that a failure of power leaves no empty one under a final name."""
    with file.open("rb+") as open_file:
        try:
            os.fsync(open_file.fileno())
        except OSError as error:
            if error.errno not in _CANNOT_WAIT:
                raise


def settle_folder(folder: Path) -> None:
    """Wait until the disk holds the names in a folder, so that a file that was renamed into it stays there.

    Raises:
        OSError: the disk refuses it.
    """
    if os.name == "nt":  # where a folder cannot be opened
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_WAIT:
            raise
    finally:
        os.close(handle)


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    """A free hidden name with the suffix of `path`, by which writers choose the format.

    Not from `tempfile`, whose files and folders are closed to the group whatever the umask says.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent / f"{PARTIAL}{secrets.token_hex(6)}{''.join(path.suffixes[-2:])}"


def _require_free(path: Path, may_replace: Callable[[Path], bool]) -> None:
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file: choose a new folder for the DICOM series.")
    if path.exists() and any(path.iterdir()) and not may_replace(path):
        raise OutputError(f"The folder {path} is not empty: choose a new or an empty one, so that no series are mixed.")


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what the system refuses into an OutputError that says what and what to do."""
    try:
        yield
    except OSError as error:
        reason = first_cause(error)
        advice = _ADVICE.get(reason.errno, f"{reason.strerror or 'the system refused it'}, choose another place")
        raise OutputError(f"{path} cannot be written: {advice}.") from error


def first_cause(error: OSError) -> OSError:
    """The system's own error: pydicom raises another without its number in its stead."""
    while error.errno is None and isinstance(error.__context__, OSError):
        error = error.__context__
    return error
