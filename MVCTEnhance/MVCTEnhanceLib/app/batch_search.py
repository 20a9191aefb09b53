"""What a search for scans finds below a folder."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..imageio.dicom_header import SliceHeader, scan_folder
from ..imageio.formats import READABLE, has_suffix
from ..imageio.product import Product, product_of_file
from .progress import Report

SEGMENTATIONS = (".seg.nrrd", ".seg.nhdr")  # as Slicer saves them
DETACHED = (".mhd", ".nhdr")  # headers whose voxels are in other files


@dataclass(frozen=True)
class Found:
    """A scan where it was found: all its files lie in or, where the series is split, below `folder`."""

    folder: Path
    source: Path
    files: tuple[Path, ...]
    uid: str | None = None
    is_split: bool = False
    is_dicom: bool = True


def find_scans(
    folder: Path, *, report: Report = lambda event, **fields: None, own_outputs: list[Product] | None = None
) -> list[Found]:
    """Every CT series and volume file below a folder, in any order.

    What cannot be read but may be a scan is among them, so that the reason is told with it. DICOM series that are no
    CT volumes, segmentations, and outputs of this program are passed over and counted in warnings; hidden files and
    folders and links to folders are passed over.

    Args:
        folder: to look into and below.
        report: as in `enhance_folder`.
        own_outputs: gets what was passed over since this program has made it, one for each file or series.

    Raises:
        InputError: the folder is not there or holds no scan.
    """
    require_folder(folder)
    search = _Search()
    places = search.folders_below(folder)
    for done, place in enumerate(places, start=1):
        search.look_into(place)
        report("progress", stage="search", done=done, total=len(places))
    found = search.results()
    made = search.own_outputs()
    if made and own_outputs is not None:
        own_outputs += made
    if made and not found:
        raise InputError(
            f"'{folder}' holds no scan but {len(made)} outputs of this program (enhanced scans or maps): give the "
            "folder of the MVCT scans."
        )
    if not found:
        raise InputError(f"'{folder}' holds no CT series and no volume file ({', '.join(READABLE)}): check the path.")
    if search.passed:
        report("warning", message=f"{search.passed} DICOM series or segmentations are no CT scans: passed over.")
    if made:
        message = f"{len(made)} outputs of this program (enhanced scans or maps) are no MVCT: passed over."
        report("warning", message=message)
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
        self._made_files: list[Product] = []
        self._made_series: dict[str, Product] = {}
        self._series: dict[str, dict[Path, list[SliceHeader]]] = defaultdict(dict)

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
        headers = [header for header in headers if not header.product]
        series = _by_series(headers)
        usable = {uid: images for uid, images in series.items() if _is_scan(images)}
        self.passed += len(series) - len(usable)
        for uid, images in usable.items():
            self._series[uid][folder] = images
        if damaged and not usable:
            self._others.append(Found(folder, damaged[0], tuple(damaged)))

    def results(self) -> list[Found]:
        return [*self._others, *(scan for uid, parts in self._series.items() for scan in _dicom(uid, parts))]

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


def _by_series(headers: Sequence[SliceHeader]) -> dict[str, list[SliceHeader]]:
    series: dict[str, list[SliceHeader]] = defaultdict(list)
    for header in headers:
        series[header.series_uid].append(header)
    return series


def _is_scan(images: Sequence[SliceHeader]) -> bool:
    """Whether these are CT slices, also of a kind that the reader refuses; not localizers, reports and pictures."""
    return all(image.modality == "CT" for image in images) and any(
        not image.is_localizer and image.samples == 1 and (image.is_multiframe or image.position) for image in images
    )


def _dicom(uid: str, parts: dict[Path, list[SliceHeader]]) -> Iterator[Found]:
    """One scan where slices in several folders lie at different positions (a split export), else one a folder."""
    positions = [{image.position for image in images} for images in parts.values()]
    if len(parts) > 1 and sum(map(len, positions)) == len(set().union(*positions)):
        common = Path(os.path.commonpath(list(parts)))
        files = [image.path for images in parts.values() for image in images]
        yield Found(common, common, tuple(files), uid, is_split=True)
    else:
        for folder, images in parts.items():
            yield Found(folder, images[0].path, tuple(image.path for image in images), uid)
