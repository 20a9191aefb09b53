"""DICOM images put together to scans, since one Series Instance UID may stand for several and several for one."""

from __future__ import annotations

import filecmp
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from pydicom.uid import CTImageStorage

from ...errors import InputError
from .geometry import lacks_slices, stack_slices
from .header import SliceHeader

MIN_SINGLES = 3  # positions of images with a series each that may be one scan: any two are evenly spaced
MAX_SCAN_S = 3600
_DAY_S = 24 * 3600
_PICTURE = "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture Image Storage, and the multi-frame ones below it

Images = list[SliceHeader]


@dataclass(frozen=True)
class ImageGroup:
    """Images that are one scan, or of which no scan can be made.

    Args:
        images: without what lies under their series UID but is no slice; of one series UID where it is one scan.
        warnings: what was left out or is doubtful, one sentence each.
        apart_by: the header elements by which other images of the same series UID are another scan.
        fault: why the images must not be read as a scan, and what to do; empty where nothing is known against it.
        series_uids: those in the files.
        left_out: other files of the series UID.
    """

    images: tuple[SliceHeader, ...]
    warnings: tuple[str, ...] = ()
    apart_by: tuple[str, ...] = ()
    fault: str = ""
    series_uids: frozenset[str] = frozenset()
    left_out: frozenset[Path] = frozenset()

    @property
    def series_uid(self) -> str:
        """Series Instance UID of the first image; empty where it has none."""
        return self.images[0].series_uid

    @property
    def folders(self) -> set[Path]:
        """Folders in which the images lie."""
        return {image.path.parent for image in self.images}

    @property
    def obstacle(self) -> str | None:
        """Why these images are no CT volume, with what to do; None if they may be one."""
        other = sorted({image.modality or "unknown" for image in self.images} - {"CT"})
        if other:
            return f"is of modality {' and '.join(other)}: choose a CT series"
        if all(image.is_localizer for image in self.images):
            return "is a localizer (scout view): choose the axial series"
        if any(image.is_multiframe for image in self.images):
            return "is an Enhanced (multi-frame) CT, which is not read here: convert it to single-frame CT images first"
        if any(image.samples > 1 for image in self.images):
            return "has colour images: choose a series with HU values"
        if not any(image.position or image.orientation for image in self.images):
            return "has no slice positions (a report or a screen picture): choose the axial series"
        return None

    @property
    def is_ct(self) -> bool:
        """Whether these are CT slices, also of a kind that is not read; not localizers, reports and pictures."""
        return any(
            image.modality == "CT"
            and not image.is_localizer
            and image.samples == 1
            and bool(image.is_multiframe or image.position)
            for image in self.images
        )


def group_images(headers: Iterable[SliceHeader], *, copies_apart: bool = False) -> list[ImageGroup]:
    """Put the images below a folder together to scans.

    What lies under one series UID is taken apart by patient always; by study, frame of reference and date where not
    each slice has its own, and a date not where a scan crosses midnight; by acquisition where positions repeat; by
    folder where the slices of several are no single regular stack. Images of which each has a series UID of its own are
    one scan where patient, study, frame of reference and date agree and they form a regular stack.

    Args:
        headers: of all images.
        copies_apart: whether a second copy of a file in another folder belongs to a scan of its own.

    Returns:
        in the order of series UIDs and files.
    """
    series: dict[tuple[str, ...], Images] = defaultdict(list)
    for header in sorted(headers, key=lambda header: header.path):
        key = (header.series_uid,) if header.series_uid else ("", str(header.path.parent))
        series[key].append(header)
    groups = [group for key in sorted(series) for group in _of_series(series[key], copies_apart)]
    return _mark_without_uid(_join_singles(groups))


def _of_series(images: Images, copies_apart: bool) -> list[ImageGroup]:
    slices, warnings = _slices_alone(images)
    slices, more = _without_copies(slices, copies_apart)
    warnings += more
    reasons: list[str] = []
    parts = _taken_apart(slices, reasons)
    common = ImageGroup(
        images=(),
        apart_by=tuple(dict.fromkeys(reasons)),
        series_uids=frozenset({images[0].series_uid}),
        left_out=frozenset(image.path for image in images) - {image.path for image in slices},
    )
    return [replace(common, images=tuple(part), warnings=(*warnings, *_differences(part))) for part in parts]


def _slices_alone(images: Images) -> tuple[Images, list[str]]:
    """Without other objects under the UID of a CT series and without its localizers."""
    name, warnings = images[0].series_name, []
    slices = [image for image in images if not _is_no_slice(image)]
    if slices and len(slices) < len(images):
        others = Counter(image.modality or "unknown" for image in images if _is_no_slice(image))
        kinds = ", ".join(f"{number} of modality {modality}" for modality, number in sorted(others.items()))
        warnings.append(f"Series {name} has files beside its slices ({kinds}): they were left out.")
    axial = [image for image in slices if not image.is_localizer]
    if axial and len(axial) < len(slices):
        warnings.append(f"Series {name} has {len(slices) - len(axial)} localizer images: they were left out.")
    return axial or slices or images, warnings


def _is_no_slice(image: SliceHeader) -> bool:
    """Whether an image, or an object without pixels, cannot be a slice of a CT series even if its UID says so."""
    if image.sop_class == CTImageStorage and None not in image.size:
        return False
    is_picture = image.sop_class.startswith(_PICTURE) and not (image.position or image.orientation)
    return image.modality not in ("", "CT") or is_picture


def _without_copies(images: Images, copies_apart: bool) -> tuple[Images, list[str]]:
    first_with: dict[object, SliceHeader] = {}
    kept = []
    for image in images:
        folder = image.path.parent if copies_apart else None
        first = first_with.setdefault((image.sop_uid or image.path, folder), image)
        if first is image or not _is_copy(image.path, first.path):
            kept.append(image)
    if len(kept) == len(images):
        return images, []
    return kept, [
        f"Series {images[0].series_name} has {len(images) - len(kept)} files twice: the copies were left out."
    ]


def _is_copy(path: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(path, other, shallow=False)
    except OSError:  # gone meanwhile, of which the reader will tell
        return False


def _taken_apart(images: Images, reasons: list[str]) -> list[Images]:
    """The images by scan; `reasons` gets the names of what differs."""
    for reason, rule in _RULES:
        parts = rule(images)
        if len(parts) > 1:
            reasons.append(reason)
            return [scan for part in parts for scan in _taken_apart(part, reasons)]
    return [images]


def _parts(images: Images, value: Callable[[SliceHeader], object]) -> dict[object, Images]:
    parts: dict[object, Images] = defaultdict(list)
    for image in images:
        parts[value(image)].append(image)
    return dict(parts)


def _by_patient(images: Images) -> list[Images]:
    """Name and birth date count only where there is no Patient ID, since both are spelled in many ways."""
    return list(_parts(images, _who).values())


def _who(image: SliceHeader) -> tuple[str, ...]:
    patient = image.patient
    return (patient.id,) if patient.id else ("", patient.name, patient.birth_date)


def _by_name(images: Images) -> list[Images]:
    parts = list(_parts(images, lambda image: image.patient.name).values())
    return parts if all(map(_is_stack, parts)) else [images]


def _by_value(images: Images, value: Callable[[SliceHeader], str]) -> list[Images]:
    """Apart, unless each slice has its own value, as some programs write, or only some stray slices have none."""
    parts = _parts(images, value)
    if all(len(part) == 1 for part in parts.values()):
        return [images]
    if len(parts) == 2 and "" in parts and not _is_stack(parts[""]):
        return [images]
    return list(parts.values())


def _by_study(images: Images) -> list[Images]:
    return _by_value(images, lambda image: image.study_uid)


def _by_frame(images: Images) -> list[Images]:
    return _by_value(images, lambda image: image.frame_uid)


def _by_date(images: Images) -> list[Images]:
    value = _date_of(images)
    return [images] if _crosses_midnight(images, value) else _by_value(images, value)


def _date_of(images: Images) -> Callable[[SliceHeader], str]:
    if any(image.acquisition_date for image in images):
        return lambda image: image.acquisition_date
    return lambda image: image.date


def _crosses_midnight(images: Images, value: Callable[[SliceHeader], str]) -> bool:
    """Whether one regular stack goes on from one day to the next within an hour, as far as there are times."""
    days = sorted({value(image) for image in images})
    if len(days) != 2 or _next_day(days[0]) != days[1] or _repeats(image.instance for image in images):
        return False
    stack = _stack(images)
    changes = sum(value(a) != value(b) for a, b in pairwise(stack))
    if changes != 1:
        return False
    times = {image.time for image in images if image.time}
    if len(times) < 2:
        return True  # one time for all is that of the series
    evening = [_seconds(image.time) for image in images if value(image) == days[0]]
    morning = [_seconds(image.time) for image in images if value(image) == days[1]]
    return _DAY_S - min(evening) + max(morning) < MAX_SCAN_S


def _next_day(day: str) -> str:
    try:
        return (date.fromisoformat(f"{day[:4]}-{day[4:6]}-{day[6:]}") + timedelta(days=1)).strftime("%Y%m%d")
    except (ValueError, OverflowError):
        return ""


def _seconds(time: str) -> float:
    """Of a DICOM time HHMMSS.F; half a day for what is none, which is far from midnight."""
    try:
        return int(time[:2]) * 3600 + int(time[2:4] or 0) * 60 + float(time[4:] or 0)
    except ValueError:
        return _DAY_S / 2


def _by_acquisition(images: Images) -> list[Images]:
    if not _repeats(_place(image) for image in images):
        return [images]
    parts = list(_parts(images, lambda image: image.acquisition).values())
    alone = all(len(part) > 1 and not _repeats(_place(image) for image in part) for part in parts)
    return parts if alone else [images]


def _by_folder(images: Images) -> list[Images]:
    parts = list(_parts(images, lambda image: image.path.parent).values())
    if all(len(part) == 1 for part in parts) or _is_one_export(images):
        return [images]
    scans: list[Images] = []
    for part in parts:
        scan = next((scan for scan in scans if _is_one_export(scan + part)), None)
        if scan is None:
            scans.append(list(part))
        else:
            scan += part
    return scans


def _is_one_export(images: Images) -> bool:
    """Whether they are one regular stack, or would be but for slices that are missing."""
    numbers = [image.instance for image in images]
    return _is_stack(images) or (all(numbers) and not _repeats(numbers) and lacks_slices(images))


def _is_stack(images: Sequence[SliceHeader]) -> bool:
    return len(_stack(images)) > 1


def _stack(images: Sequence[SliceHeader]) -> tuple[SliceHeader, ...]:
    """The images in order of position, none where they are no regular stack."""
    try:
        return stack_slices(list(images)).headers
    except InputError:
        return ()


def _place(image: SliceHeader) -> object:
    """The position where there is one, to 0.01 mm; else the image itself, which has no double."""
    return tuple(round(x, 2) for x in image.position) if image.position else image.path


def _repeats(values: Iterable[object]) -> bool:
    """Whether a value that is there comes twice."""
    there = [value for value in values if value != ""]
    return len(there) > len(set(there))


_RULES: tuple[tuple[str, Callable[[Images], list[Images]]], ...] = (
    ("Patient ID", _by_patient),
    ("Study Instance UID", _by_study),
    ("Frame of Reference UID", _by_frame),
    ("Acquisition Date", _by_date),
    ("Patient's Name", _by_name),
    ("Acquisition Number", _by_acquisition),
    ("folder or position", _by_folder),
)


def _differences(images: Images) -> list[str]:
    """What differs within images that are taken as one scan."""
    values = {
        "Study Instance UID": {image.study_uid for image in images},
        "Frame of Reference UID": {image.frame_uid for image in images},
        "acquisition date": set(map(_date_of(images), images)),
    }
    names = [name for name, there in values.items() if len(there) > 1]
    warnings = []
    if names:
        warnings.append(
            f"Series {images[0].series_name} has slices that differ in their {' and '.join(names)}: they were taken as "
            "one scan; check that they are."
        )
    if _repeats(image.instance for image in images) and _is_stack(images):
        warnings.append(
            f"Series {images[0].series_name} has slices of the same Instance Number at different positions: they were "
            "taken as one scan; check that they are."
        )
    return warnings


def _join_singles(groups: list[ImageGroup]) -> list[ImageGroup]:
    """Images of one folder that each have a series UID of their own but would be one scan: one group."""
    singles: dict[object, list[ImageGroup]] = defaultdict(list)
    for group in groups:
        if len(group.images) == 1 and group.series_uid and group.is_ct and group.obstacle is None:
            singles[_kind(group.images[0])].append(group)
    for alike in singles.values():
        of_path = {group.images[0].path: group for group in alike}
        for part in _taken_apart([group.images[0] for group in alike], []):
            joined = _joined([of_path[image.path] for image in part])
            if joined:
                paths = {image.path for image in part}
                groups = [group for group in groups if group.images[0].path not in paths] + [joined]
    return sorted(groups, key=lambda group: (group.series_uid, group.images[0].path))


def _kind(image: SliceHeader) -> object:
    """What slices of one scan share."""
    grid = [tuple(round(x, 4) for x in numbers or ()) for numbers in (image.orientation, image.pixel_spacing)]
    return image.path.parent, _who(image), image.size, *grid


def _joined(groups: list[ImageGroup]) -> ImageGroup | None:
    """One scan, or images that must not be read, or None where nothing says that they belong together."""
    uids = frozenset().union(*(group.series_uids for group in groups))
    images = [replace(image, series_uid=min(uids)) for group in groups for image in group.images]
    studies, frames = {image.study_uid for image in images}, {image.frame_uid for image in images}
    agree = [len(values) == 1 and "" not in values for values in (studies, frames)]
    if len(set(map(_place, images))) < MIN_SINGLES or not (any(agree) or _is_stack(images)):
        return None
    if all(agree) and _is_stack(images) and not _repeats(image.instance for image in images):
        warning = (
            f"Each image of series {min(uids)} has a Series Instance UID of its own: all {len(images)} were taken as "
            "one scan, since they form a regular stack."
        )
        return ImageGroup(tuple(images), (warning, *_differences(images)), series_uids=uids)
    fault = (
        f"{images[0].path.parent.name} holds {len(images)} images that each have a Series Instance UID of their own, "
        "but are of several studies or frames of reference or no regular stack: export the scan again as one series."
    )
    return ImageGroup(tuple(images), fault=fault, series_uids=uids)


def _mark_without_uid(groups: list[ImageGroup]) -> list[ImageGroup]:
    """Slices without a series UID are one scan only where nothing else in their folder may be theirs."""
    in_folder = Counter(folder for group in groups if group.is_ct for folder in group.folders)
    return [_without_uid(group, in_folder) if not group.series_uid and group.is_ct else group for group in groups]


def _without_uid(group: ImageGroup, in_folder: Counter[Path]) -> ImageGroup:
    first = group.images[0]
    if max(in_folder[folder] for folder in group.folders) > 1:
        more = f" (and {len(group.images) - 1} more)" * (len(group.images) > 1)
        fault = (
            f"{first.label} has no Series Instance UID{more}, so that nobody can tell which scan it is a slice of: "
            "export the series again, or take the file out of the folder."
        )
        return replace(group, fault=fault)
    warning = "The images have no Series Instance UID: all of their folder were taken as one scan; check that they are."
    return replace(group, warnings=(warning, *group.warnings))
