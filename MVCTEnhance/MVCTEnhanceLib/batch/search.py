"""Search for scans below a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..io.dicom.groups import ImageGroup, group_images
from ..io.dicom.header import SliceHeader, scan_folder
from ..io.formats import READABLE, has_suffix
from ..runtime.events import EventHandler, ignore_event
from ..volume.product import Product, product_of_file

SEGMENTATIONS = (".seg.nrrd", ".seg.nhdr")  # as Slicer saves them
DETACHED = (".mhd", ".nhdr")  # headers whose voxels are in other files


@dataclass(frozen=True)
class Found:
    """A scan where it was found.

    Args:
        folder: that its files lie in or, where they are in several, below.
        source, series_uid: what the reader is given.
        files: all of its series UID, first those that it is read from.
        uid: its Series Instance UID, empty where the images have none; None for what is no DICOM series.
        shares_uid: whether another scan at the same place has the same UID.
        header: of its first image; None for what is no DICOM series.
    """

    folder: Path
    source: Path
    files: tuple[Path, ...]
    uid: str | None = None
    series_uid: str | None = None
    shares_uid: bool = False
    is_dicom: bool = True
    header: SliceHeader | None = None


def find_scans(
    folder: Path, *, on_event: EventHandler = ignore_event, own_outputs: list[Product] | None = None
) -> list[Found]:
    """Every CT series and volume file below a folder, in any order.

    What cannot be read but may be a scan is among them, so that the reason is told with it. DICOM series that are no
    CT volumes, segmentations, and outputs of this program are passed over and counted in warnings; hidden files and
    folders and links to folders are passed over.

    Args:
        folder: to look into and below.
        on_event: as in `enhance_folder`.
        own_outputs: gets what was passed over since this program has made it, one for each file or series.

    Raises:
        InputError: the folder is not there or holds no scan.
    """
    require_folder(folder)
    search = _Search()
    places = search.folders_below(folder)
    for done, place in enumerate(places, start=1):
        search.look_into(place)
        on_event("progress", stage="search", done=done, total=len(places))
    found = search.results()
    made = search.own_outputs()
    if made and own_outputs is not None:
        own_outputs += made
    if made and not found:
        raise InputError(
            f"'{folder}' holds no scan but {len(made)} outputs of this program (such as enhanced scans): give the "
            "folder of the MVCT scans."
        )
    if not found:
        raise InputError(f"'{folder}' holds no CT series and no volume file ({', '.join(READABLE)}): check the path.")
    if search.passed:
        on_event("warning", message=f"{search.passed} DICOM series or segmentations are no CT scans: passed over.")
    if made:
        message = f"{len(made)} outputs of this program (such as enhanced scans) are no MVCT: passed over."
        on_event("warning", message=message)
    return found


def require_folder(folder: Path) -> None:
    """Refuse what scans cannot lie below.

    Raises:
        InputError: it is no folder.
    """
    if not folder.is_dir():
        raise InputError(f"'{folder}' is no folder: give the one that the scans lie below.")


class _Search:
    """What was found so far; `passed` counts what is no CT scan."""

    def __init__(self):
        self.passed = 0
        self._others: list[Found] = []
        self._headers: list[SliceHeader] = []
        self._damaged: dict[Path, list[Path]] = {}
        self._made_files: list[Product] = []
        self._made_series: dict[str, Product] = {}

    def folders_below(self, folder: Path) -> list[Path]:
        folders = []
        for place, names, _ in os.walk(folder, onerror=lambda error: self._refuse(Path(error.filename))):
            names[:] = sorted(name for name in names if not name.startswith("."))
            folders.append(Path(place))
        return folders

    def look_into(self, folder: Path) -> None:
        """Find the scans of one folder, not of those below."""
        try:
            volumes = _volumes(folder)
            scans = [path for path in volumes if not has_suffix(path, SEGMENTATIONS)]
            products = {path: product for path in scans if (product := _product(path))}
            self._made_files += products.values()
            self._others += [_volume(path) for path in scans if path not in products]
            self.passed += len(volumes) - len(scans)
            headers, damaged = scan_folder(folder, recursive=False)
        except (InputError, OSError):
            self._refuse(folder)
            return
        self._made_series |= {header.series_uid: header.product for header in headers if header.product}
        self._headers += [header for header in headers if not header.product]
        if damaged:
            self._damaged[folder] = [error.path for error in damaged]

    def results(self) -> list[Found]:
        groups = group_images(self._headers, copies_apart=True)
        scans = [group for group in groups if group.is_ct]
        with_scan = {folder for group in scans for folder in group.folders}
        lost = [
            Found(place, paths[0], tuple(paths)) for place, paths in self._damaged.items() if place not in with_scan
        ]
        self.passed += len(groups) - len(scans)
        return [*self._others, *lost, *_dicom(scans)]

    def own_outputs(self) -> list[Product]:
        return [*self._made_files, *self._made_series.values()]

    def _refuse(self, folder: Path) -> None:
        """A folder that cannot be read is a case, for which the reader will tell the reason."""
        self._others.append(Found(folder, folder, ()))


def _volumes(folder: Path) -> list[Path]:
    return [path for path in _visible_files(folder) if has_suffix(path, READABLE)]


def _product(path: Path) -> Product | None:
    try:
        return product_of_file(path)
    except OSError:  # the reader will tell the reason
        return None


def _volume(path: Path) -> Found:
    files = _visible_files(path.parent) if has_suffix(path, DETACHED) else [path]
    return Found(path.parent, path, tuple(files), is_dicom=False)


def _visible_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _dicom(scans: Sequence[ImageGroup]) -> list[Found]:
    places = [Path(os.path.commonpath(scan.folders)) for scan in scans]
    uids = Counter(scan.series_uid for scan in scans)
    at_place = Counter((place, scan.series_uid) for place, scan in zip(places, scans, strict=True))
    found = []
    for scan, place in zip(scans, places, strict=True):
        files = (*(image.path for image in scan.images), *sorted(scan.left_out))
        uid = scan.series_uid
        shared = at_place[place, uid] > 1
        if len(scan.folders) == 1:  # a reader that is given a file looks into its folder only
            found.append(Found(place, files[0], files, uid, shares_uid=shared, header=scan.images[0]))
        else:
            choice = uid if uids[uid] == 1 else files[0].relative_to(place).as_posix()
            found.append(Found(place, place, files, uid, choice, shares_uid=shared, header=scan.images[0]))
    return found
