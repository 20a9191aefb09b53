"""The cases of a batch: each DICOM CT series and each volume file below a folder, with its name and its place."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..io.dicom.header import SliceHeader
from ..io.formats import READABLE, has_suffix
from ..runtime.events import EventHandler, ignore_event
from ..volume.product import Product
from .search import Found, find_scans


@dataclass(frozen=True)
class Case:
    """One scan.

    Args:
        name: what the summary calls it: its path relative to the input folder, and for one of several series in a
            folder '#' and the series' UID, and for one of several scans under one UID '#' and its first file.
        key: the same for as long as the scan lies there, whatever comes to lie beside it.
        place: relative folder that its outputs are wanted in.
        source: what the reader is given: a volume file, a DICOM file of a series that lies in one folder, or a folder.
        series_uid: where `source` is a folder, what tells the reader which series: its UID or one of its files.
        is_dicom: whether it is no volume file.
        fingerprint: another one as soon as a file of the scan has changed.
        header: of the first image of a series; None for what is none.
    """

    name: str
    key: str
    place: PurePosixPath
    source: Path
    series_uid: str | None
    is_dicom: bool
    fingerprint: str
    header: SliceHeader | None = field(default=None, compare=False, repr=False)


def find_cases(
    folder: Path, *, on_event: EventHandler = ignore_event, own_outputs: list[Product] | None = None
) -> tuple[Case, ...]:
    """Every CT series and volume file below a folder, in the order of their paths; see `find_scans`.

    Raises:
        InputError: the folder is not there or holds no case.
    """
    found = find_scans(folder, on_event=on_event, own_outputs=own_outputs)
    found = sorted(found, key=lambda scan: (_at(scan).parts, scan.uid or "", scan.files))
    series = Counter(scan.folder for scan in found if scan.uid is not None)
    places = _wanted_places(found, folder)
    cases = []
    for scan, place in zip(found, places, strict=True):
        source = str(_relative(_at(scan), folder))
        key = f"{source}#{scan.uid}" if scan.uid else source
        if scan.shares_uid:
            key += f"#{_relative(scan.files[0], scan.folder)}"
        cases.append(
            Case(
                name=key if series[scan.folder] > 1 else source,
                key=key,
                place=place,
                source=scan.source,
                series_uid=scan.series_uid,
                is_dicom=scan.is_dicom,
                fingerprint=_fingerprint(scan.files, folder),
                header=scan.header,
            )
        )
    return tuple(cases)


def _at(scan: Found) -> Path:
    return scan.source if scan.uid is None else scan.folder


def _wanted_places(found: Sequence[Found], root: Path) -> Iterator[PurePosixPath]:
    """A series that is alone in and below its folder takes the folder's own place, others one below it."""
    at_or_below = Counter(place for scan in found for place in (scan.folder, *scan.folder.parents))
    stems = Counter((scan.folder, _stem(scan.source).casefold()) for scan in found if scan.uid is None)
    nth: Counter[Path] = Counter()
    for scan in found:
        folder, stem = _relative(scan.folder, root), _stem(scan.source)
        if scan.uid is not None:
            nth[scan.folder] += 1
            yield folder if at_or_below[scan.folder] == 1 and folder.parts else folder / f"ct-{nth[scan.folder]}"
        elif stems[scan.folder, stem.casefold()] == 1:
            yield folder / stem
        else:
            yield folder / f"{stem}{scan.source.name[len(stem) :].replace('.', '-', 1)}"


def _relative(path: Path, root: Path) -> PurePosixPath:
    return PurePosixPath(path.relative_to(root).as_posix())


def _stem(path: Path) -> str:
    """The name without the suffix of a volume file."""
    suffix = next((suffix for suffix in READABLE if has_suffix(path, (suffix,))), "")
    return path.name[: len(path.name) - len(suffix)]


def _fingerprint(files: Sequence[Path], root: Path) -> str:
    """Of names, sizes and times: reading every voxel of a cohort to find what changed would take too long."""
    entries = []
    for path in files:
        try:
            status = path.stat()
            entries.append([str(_relative(path, root)), status.st_size, status.st_mtime_ns])
        except OSError:
            entries.append([str(_relative(path, root)), None, None])
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()
