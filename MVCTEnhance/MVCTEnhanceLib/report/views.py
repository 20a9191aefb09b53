"""The scans in the report: slices of MVCT, enhanced scan and difference, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..physics.calibration import Calibration
from ..physics.density import difference
from ..quality.body import body_mask
from ..quality.masks import box_around
from ..quality.record import EnhancementRecord
from ..volume import Volume
from ..volume.grid import axial, listed_z_mm
from .pictures import DIFFERENCE_COLOURS, difference_png, grey_png

_WITHIN = 98.0  # per cent of the shown pixels
_LIMITS_HU = (50, 100, 150, 200, 300, 400, 500, 700, 1000)
_SLICES_FOR_SECTIONS = 9
_MARGIN_MM = 15.0
_GREY_HU = {"window": 400.0, "level": 40.0}
_AXIAL_SLICES = 4


def pictures(mvct: Volume, enhanced: Volume, record: EnhancementRecord) -> dict[str, Any]:
    """Axial slices spread over the body and, where there are enough slices, a coronal and a sagittal section.

    Returns:
        sections: name, aspect ratio and panels (name, PNG, HU of the full colours or 0 for grey), one after the other;
        and what the page says of them.
    """
    sections = list(_sections(mvct, enhanced, record))
    correction = Calibration.of_site(record.provenance.site).correction
    maps = {"Difference": difference, "Beyond the HU conversion": correction}
    limits = {name: _limit([change(*pair) for _, pair, _ in sections]) for name, change in maps.items()}
    return {
        "sections": [
            (name, f"aspect-ratio: {width:.4g} / {height:.4g}", list(_panels(pair, maps, limits)))
            for name, pair, (width, height) in sections
        ],
        "grey": _GREY_HU,
        "margin_mm": _MARGIN_MM,
        "within": _WITHIN,
        "colours": DIFFERENCE_COLOURS,
    }


def _sections(
    mvct: Volume, enhanced: Volume, record: EnhancementRecord
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray], tuple[float, float]]]:
    """Name, the two scans (row, column) and size (width, height) in mm of what is shown, one after the other."""
    numbers, names = _numbers_in_lists(mvct, record), record.slice_names()
    mvct, enhanced = axial(mvct), axial(enhanced)
    volumes = (mvct.array, enhanced.array)
    nselfssim = record.groups["mvct"]["nselfssim"].per_slice
    shown = _shown_slices([nselfssim[number] for number in numbers])
    pixel_size = (mvct.spacing[1], mvct.spacing[0])
    rows, columns = _around_body(mvct.array[shown], pixel_size)
    for k in shown:
        yield (
            f"Axial, {names[numbers[k]]}",
            tuple(volume[k, rows, columns] for volume in volumes),
            _size_mm(rows, columns, pixel_size),
        )
    count = len(mvct.array)
    if count < _SLICES_FOR_SECTIONS:
        return
    j, i = (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2
    height = count * mvct.spacing[2]
    yield (
        "Coronal, middle",
        tuple(volume[::-1, j, columns] for volume in volumes),
        ((columns.stop - columns.start) * mvct.spacing[0], height),
    )
    yield (
        "Sagittal, middle",
        tuple(volume[::-1, rows, i] for volume in volumes),
        ((rows.stop - rows.start) * mvct.spacing[1], height),
    )


def _numbers_in_lists(mvct: Volume, record: EnhancementRecord) -> list[int]:
    """Where the record has each axial slice, from the feet to the head."""
    z_mm = record.z_mm or listed_z_mm(mvct)
    numbers = list(range(len(z_mm)))
    return numbers if z_mm[0] <= z_mm[-1] else numbers[::-1]


def _shown_slices(values: Sequence[float]) -> list[int]:
    """Slices spread evenly over those that show a body (NSelfSSIM has a value in every one of them)."""
    with_body = [k for k, value in enumerate(values) if math.isfinite(value)] or list(range(len(values)))
    places = np.linspace(0, len(with_body), min(_AXIAL_SLICES, len(with_body)), endpoint=False)
    half_step = len(with_body) / len(places) / 2
    return [with_body[int(place + half_step)] for place in places]


def _around_body(images: np.ndarray, pixel_size: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns that hold the body in all these slices, with a margin; everything where there is none."""
    body = np.any([body_mask(image, pixel_size=pixel_size) for image in images], axis=0)
    if not body.any():
        return slice(0, body.shape[0]), slice(0, body.shape[1])
    return box_around(body, tuple(round(_MARGIN_MM / size) for size in pixel_size))


def _size_mm(rows: slice, columns: slice, pixel_size: tuple[float, float]) -> tuple[float, float]:
    return (columns.stop - columns.start) * pixel_size[1], (rows.stop - rows.start) * pixel_size[0]


def _limit(changes: Sequence[np.ndarray]) -> int:
    """The HU of the full colours for maps of one kind, (row, column) each: a round number that holds nearly all."""
    reach = np.percentile(np.abs(np.concatenate([change.ravel() for change in changes])), _WITHIN)
    return next((limit for limit in _LIMITS_HU if limit >= reach), _LIMITS_HU[-1])


def _panels(
    pair: tuple[np.ndarray, np.ndarray], maps: Mapping[str, Callable], limits: Mapping[str, int]
) -> Iterator[tuple[str, bytes, int]]:
    for name, scan in zip(("MVCT", "Enhanced"), pair, strict=True):
        yield name, grey_png(scan, **_GREY_HU), 0
    for name, change in maps.items():
        yield name, difference_png(change(*pair), limit=limits[name]), limits[name]
