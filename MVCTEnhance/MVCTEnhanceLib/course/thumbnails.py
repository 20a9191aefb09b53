"""One level of the patient as every scan of a course shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..jobs.scans import read_scan
from ..quality.body import body_mask
from ..quality.masks import box_around
from ..report.pictures import grey_png
from ..volume import Volume
from ..volume.resample import resample_to
from .result import Course, DayResult

PIXEL_MM = 2.0
MARGIN_PX = 5
GREY_HU = {"window": 400.0, "level": 40.0}
Thumbnail = tuple[str, bytes | None, str]  # what it is called, PNG or None, and why there is none


def level_of(course: Course) -> float:
    """z in mm of the middle of what all scans show or, where nothing is common, of the first scan."""
    ranges = [(day.size.z_mm[0], day.size.z_mm[-1]) for day in course.done]
    low, high = max(low for low, _ in ranges), min(high for _, high in ranges)
    return float(sum((low, high) if low <= high else ranges[0]) / 2)


def thumbnails(course: Course, planning_ct: Path | None) -> list[Thumbnail]:
    """Axial sections of the planning CT and of the enhanced scans at one level, cut alike; a scan is read at a time.

    A scan that was registered is shown in its place on the planning CT.
    """
    level = level_of(course)
    images: dict[str, np.ndarray] = {}
    grid: Volume | None = None
    for day in course.done:
        scan = read_scan(day.place / "enhanced.nrrd", "enhanced scan")
        grid = grid or _section(scan, day, level)
        if day.size.z_mm[0] - scan.spacing[2] <= level <= day.size.z_mm[-1] + scan.spacing[2]:
            images[course.label(day)] = resample_to(scan, grid, day.motion.inverse.to_itk(np.zeros(3))).array[0]
    if planning_ct:
        images = {"planning CT": resample_to(read_scan(planning_ct, "planning CT"), grid).array[0]} | images
    bodies = np.any([body_mask(image, pixel_size=(PIXEL_MM, PIXEL_MM)) for image in images.values()], axis=0)
    box = box_around(bodies, (MARGIN_PX, MARGIN_PX)) if bodies.any() else (slice(None), slice(None))
    return list(_shown(course, images, box))


def _shown(course: Course, images: dict[str, np.ndarray], box: tuple[slice, slice]) -> Iterator[Thumbnail]:
    names = ["planning CT"] * ("planning CT" in images)
    reasons = {course.label(day): "no result" if day.reason else "not at this level" for day in course.days}
    for name in (*names, *reasons):
        image = images.get(name)
        yield name, None if image is None else grey_png(image[box], **GREY_HU), reasons.get(name, "")


def _section(scan: Volume, day: DayResult, level: float) -> Volume:
    """A grid of one axial slice that holds what a scan shows, in its place on the planning CT."""
    reach = (np.array(scan.array.shape[::-1]) - 1) * scan.spacing
    centre = day.motion.moved(np.asarray(scan.origin, float) + np.asarray(scan.direction, float) @ reach / 2)
    count = int(np.ceil(max(reach[:2]) / PIXEL_MM)) + 1
    first = centre[:2] - (count - 1) * PIXEL_MM / 2
    return Volume(np.zeros((1, count, count), np.float32), (PIXEL_MM, PIXEL_MM, 1.0), (*first.tolist(), level))
