"""The scans in the report: slices of MVCT, enhanced scan and difference, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from ..physics.density import correction, difference
from ..quality.body import body_mask
from ..quality.masks import box_around
from ..quality.record import EnhancementRecord
from ..volume import Volume
from ..volume.grid import axial, listed_z_mm
from .html import image
from .pictures import DIFFERENCE_COLOURS, difference_png, grey_png

_MAPS = {"Difference": difference, "Beyond the HU conversion": correction}
_WITHIN = 98.0  # per cent of the shown pixels
_LIMITS_HU = (50, 100, 150, 200, 300, 400, 500, 700, 1000)
_SLICES_FOR_SECTIONS = 9
_MARGIN_MM = 15.0


@dataclass(frozen=True)
class PictureOptions:
    """How the pictures look.

    Args:
        window: width of the grey window in HU.
        level: its centre in HU.
        slices: how many axial slices are shown.
    """

    window: float = 400.0
    level: float = 40.0
    slices: int = 4


def pictures(mvct: Volume, enhanced: Volume, record: EnhancementRecord, options: PictureOptions) -> str:
    """Axial slices spread over the body and, where there are enough slices, a coronal and a sagittal section."""
    sections = list(_sections(mvct, enhanced, record, options))
    limits = {name: _limit([change(*pair) for _, pair, _ in sections]) for name, change in _MAPS.items()}
    rows = [_picture_row(name, pair, size_mm, options, limits) for name, pair, size_mm in sections]
    low, high = options.level - options.window / 2, options.level + options.window / 2
    return "\n".join(
        [
            "<section><h2>MVCT, enhanced scan and what was changed</h2>",
            f'<p class="note">Grey from {low:g} to {high:g} HU in both scans (W {options.window:g}, '
            f"L {options.level:g}); cut to the body and {_MARGIN_MM:g} mm around it. Difference: enhanced - MVCT; "
            "bone is red, since it has more HU in kVCT. Beyond the HU conversion: the same with the enhanced scan's HU "
            "turned back into those of MVCT, so that only what else was changed is left, in bone too. Full colour "
            f"begins at a round number of HU below which {_WITHIN:g} % of the shown pixels of the map lie.</p>",
            *rows,
            "</section>",
        ]
    )


def _sections(
    mvct: Volume, enhanced: Volume, record: EnhancementRecord, options: PictureOptions
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray], tuple[float, float]]]:
    """Name, the two scans (row, column) and size (width, height) in mm of what is shown, one after the other."""
    numbers, names = _numbers_in_lists(mvct, record), record.slice_names()
    mvct, enhanced = axial(mvct), axial(enhanced)
    volumes = (mvct.array, enhanced.array)
    nselfssim = record.groups["mvct"]["nselfssim"].per_slice
    shown = _shown_slices([nselfssim[number] for number in numbers], options.slices)
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


def _shown_slices(values: Sequence[float], wanted: int) -> list[int]:
    """Slices spread evenly over those that show a body (NSelfSSIM has a value in every one of them)."""
    with_body = [k for k, value in enumerate(values) if math.isfinite(value)] or list(range(len(values)))
    places = np.linspace(0, len(with_body), min(wanted, len(with_body)), endpoint=False)
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


def _limit(changes: Sequence[np.ndarray]) -> float:
    """The HU of the full colours for maps of one kind, (row, column) each: a round number that holds nearly all."""
    reach = np.percentile(np.abs(np.concatenate([change.ravel() for change in changes])), _WITHIN)
    return next((limit for limit in _LIMITS_HU if limit >= reach), _LIMITS_HU[-1])


def _picture_row(
    name: str,
    pair: tuple[np.ndarray, np.ndarray],
    size_mm: tuple[float, float],
    options: PictureOptions,
    limits: Mapping[str, float],
) -> str:
    grey = {"window": options.window, "level": options.level}
    panels = {panel: (grey_png(scan, **grey), panel) for panel, scan in zip(("MVCT", "Enhanced"), pair, strict=True)}
    for panel, change in _MAPS.items():
        limit = limits[panel]
        panels[panel] = (difference_png(change(*pair), limit=limit), panel + _colour_bar(limit))
    shape = f"aspect-ratio: {size_mm[0]:.4g} / {size_mm[1]:.4g}"
    figures = "".join(
        f"<figure>{image(png, alt=f'{panel}: {name}', style=shape)}<figcaption>{caption}</figcaption></figure>"
        for panel, (png, caption) in panels.items()
    )
    return f'<div class="row picture"><h3>{escape(name)}</h3><div class="panels">{figures}</div></div>'


def _colour_bar(limit: float) -> str:
    return (
        f'<div class="bar"><div style="background: linear-gradient(to right, {", ".join(DIFFERENCE_COLOURS)})"></div>'
        f"<span>-{limit:g} HU</span><span>+{limit:g} HU</span></div>"
    )
