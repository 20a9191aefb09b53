"""The output folder of a batch.

Each case has a folder in it that appears when the case is finished: with the enhanced scan, the metrics, what else was
asked for, and a note of what it was made of. Hidden folders are cases being worked on; batch.json keeps which case has
which folder.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..jobs.scans import require_permission
from ..quality.record import EnhancementRecord
from ..storage.atomic import PARTIAL, put_folder
from ..storage.json_file import read_json, write_json
from ..storage.lock import LOCK, locked
from .cases import Case
from .places import choose_places

SUMMARY = "summary.csv"
PLAN = "batch.json"
READOUTS = "readouts.json"
NOTE = "done.json"
COURSE = ("course.html", "days.json")  # of a review of the cases in the same folder


def require_usable(output: Path, source: Path, *, resume: bool) -> None:
    """Refuse an output folder that holds other things, could not be written, or lies in or around the input.

    Raises:
        OutputError: one of these.
    """
    ours, theirs = output.resolve(), source.resolve()
    if ours == theirs or ours in theirs.parents or theirs in ours.parents:
        raise OutputError(f"'{output}' lies in or around the input folder: choose a folder apart from it.")
    if output.exists() and not output.is_dir():
        raise OutputError(f"'{output}' is a file: choose a new folder.")
    require_permission(output / SUMMARY)
    present = [path.name for path in output.iterdir()] if output.exists() else []
    present = [name for name in present if not name.startswith(LOCK)]
    if resume:
        present = [name for name in present if not name.startswith(PARTIAL)]  # killed before anything else was there
    if present and not resume:
        raise OutputError(f"The folder '{output}' is not empty: choose a new one, or resume a batch with --resume.")
    if present and PLAN not in present:
        raise OutputError(f"The folder '{output}' holds no batch that could be resumed: choose a new or an empty one.")


@contextmanager
def batch_lock(output: Path) -> Iterator[None]:
    """Make the folder, keep other batches out of it, and leave nothing half done in it.

    Raises:
        OutputError: another batch works in it, or it cannot be made.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"'{output}' cannot be made ({error.strerror}): choose another place.") from error
    with locked(output / SUMMARY, patience_s=0):
        _remove_partial(output)
        try:
            yield
        finally:
            _remove_partial(output)


def assign_places(output: Path, cases: Sequence[Case]) -> dict[str, Path]:
    """The folder of each case by its key, stored before any case is run, so that it holds when the batch is resumed.

    Raises:
        OutputError: it cannot be stored.
    """
    stored = read_json(output / PLAN).get("places", {})
    places = choose_places(output, cases, before=stored, reserved=(SUMMARY, PLAN, *COURSE))
    if places != stored:
        write_json(output / PLAN, {"format": 1, "places": places})
    return {case.key: output / places[case.key] for case in cases}


def require_exists(output: Path, places: dict[str, Path]) -> None:
    """Refuse to go on in a folder that was removed meanwhile, also where it is there again, for another batch.

    Raises:
        OutputError: the choice of `assign_places` is not there any more.
    """
    try:
        (output / PLAN).stat()
        stored = read_json(output / PLAN).get("places")  # nothing where a network disk has its moments
        gone = stored is not None and any(output / stored.get(key, "") != place for key, place in places.items())
    except FileNotFoundError:
        gone = True
    if gone:
        raise OutputError(f"The folder '{output}' was removed while the batch worked in it: start the batch again.")


def earlier_results(output: Path, cases: Iterable[Case]) -> dict[str, dict[str, Any]]:
    """The notes of cases that an earlier run has finished, by their keys."""
    places = read_json(output / PLAN).get("places", {})
    notes = {case.key: load_completed(output / places[case.key]) for case in cases if case.key in places}
    return {key: note for key, note in notes.items() if note}


def load_completed(place: Path) -> dict[str, Any] | None:
    """The note of a case whose files are all there; else None.

    It has made_of (input, model, suffix, and which outputs), made_by (the program), seconds, files (name -> size),
    withheld where no DICOM was written (the reason), place, and record, that of the case.
    """
    note = read_json(place / NOTE)
    if not {"made_of", "made_by", "seconds", "files"} <= set(note):
        return None
    if any(_size(place / name) != size for name, size in note["files"].items()):
        return None
    try:
        return note | {"place": place, "record": EnhancementRecord.from_dict(read_json(place / READOUTS))}
    except ValueError:
        return None


@contextmanager
def staging(output: Path) -> Iterator[Path]:
    """A new hidden folder in the output, removed in the end unless `commit_case` has moved it."""
    folder = output / f"{PARTIAL}{secrets.token_hex(6)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def commit_case(folder: Path, place: Path, note: dict[str, Any], readouts: dict[str, Any]) -> None:
    """Turn a staging folder into the folder of a finished case, in the stead of an older result of the case.

    What the user has put beside the older result goes along.

    Raises:
        OutputError: there is something else in its place, or it cannot be written.
        OSError: it cannot be moved.
    """
    if place.exists() and not (place / NOTE).is_file():
        raise OutputError(f"'{place}' is no result of this batch and is left as it is: move it away, then --resume.")
    write_json(folder / READOUTS, readouts)
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    write_json(folder / NOTE, note | {"files": sizes})
    _keep_other_files(place, folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    put_folder(folder, place)


def _keep_other_files(place: Path, folder: Path) -> None:
    ours = {NOTE, *read_json(place / NOTE).get("files", ())}
    for path in filter(Path.is_file, place.rglob("*")):
        target = folder / path.relative_to(place)
        if path.relative_to(place).as_posix() not in ours and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _remove_partial(output: Path) -> None:
    for path in output.glob(f"{PARTIAL}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
