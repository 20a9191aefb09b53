"""HU change with the field of view: the table field_of_view.

Also holds what the other parts on a few slices of each scan need.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from methods import Versioned, described, methods, trained
from MVCTEnhanceLib.quality.body import body_mask
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.values import AIR_HU
from study import Method, Row, Study

FIELD_SLICES = 1
CROP_SIDES = (64, 128, 256)
STARTS = {"even": (0, 2), "odd": (1, 3)}  # of a crop's first row and column, after a multiple of 8
PADDING = {"even": 64, "odd": 33}
MARGIN_PX = 40
MIN_INTERIOR_PX = 8
POINTWISE = ("MVCT", "MVCT + density curve")
SAME_HU = 10  # 99 % of the pixels within this: a field of view does not matter


def run(study: Study) -> None:
    """Make the table."""
    scans = {
        case.patient: some_slices(case.mvct, spread(len(case.mvct.array), FIELD_SLICES)) for case in study.cases("test")
    }
    rows = [row for method in methods(study) if method.name not in POINTWISE for row in _rows(study, method, scans)]
    columns = {
        "method": "method",
        "field": "field of view",
        "start": "first row and column",
        "margin_px": "margin / px",
        "interior_mean": "interior: mean / HU",
        "interior_p99": "99 % / HU",
        "interior_max": "max / HU",
        "interior_pixels": "pixels",
        "all_mean": "with the border: mean / HU",
        "all_p99": "99 % / HU",
        "all_max": "max / HU",
    }
    notes = _notes(study, rows, sum(len(mvct.array) for mvct in scans.values()))
    study.write_table("field_of_view", rows, columns, title="HU change with the field of view", notes=notes)


def _rows(study: Study, method: Versioned, scans: Mapping[str, Volume]) -> list[Row]:
    """A row for each field of view, over all patients."""
    found = [
        study.once(f"robustness/field/{patient}/{method.kept.name}", lambda mvct=mvct: change_counts(method, mvct))
        for patient, mvct in scans.items()
    ]
    rows = []
    for key, first in found[0].items():
        field, start = key.split(", ")
        row = {"method": method.name, "field": field, "start": start, "margin_px": first["margin_px"]}
        for pixels in ("interior", "all"):
            statistics = change_statistics([counts[key][pixels] for counts in found if key in counts])
            row |= {f"{pixels}_{name}": value for name, value in statistics.items()}
        rows.append(row)
    return rows


@dataclass(frozen=True)
class FieldOfView:
    """Another field of view of the same slices.

    Args:
        name: as in the table.
        start: "even" or "odd", of the first row and column.
        first: row and column of the whole field that it begins at; below 0 there is air.
        size: rows and columns.
        common: rows and columns of the whole field that it shows.
    """

    name: str
    start: str
    first: tuple[int, int]
    size: tuple[int, int]
    common: tuple[slice, slice]

    def of(self, whole: np.ndarray) -> np.ndarray:
        """HU of the whole field (k, j, i) -> HU of this one, air where it is larger."""
        taken = np.full((len(whole), *self.size), AIR_HU, whole.dtype)
        taken[self.back] = self.shared(whole)
        return taken

    def shared(self, whole: np.ndarray) -> np.ndarray:
        """What of an array on the whole field (k, j, i) lies in this one too."""
        return whole[(slice(None), *self.common)]

    @property
    def back(self) -> tuple[slice, slice, slice]:
        """Where the shared rows and columns lie in this field."""
        rows, columns = (
            slice(part.start - first, part.stop - first) for part, first in zip(self.common, self.first, strict=True)
        )
        return slice(None), rows, columns

    @property
    def margin_px(self) -> int:
        """Width of the border that is no interior; a small crop would have no interior with all of it."""
        side = min(part.stop - part.start for part in self.common)
        return min(MARGIN_PX, (side - MIN_INTERIOR_PX) // 2)


def fields_of_view(shape: tuple[int, int], centre: tuple[int, int]) -> Iterator[FieldOfView]:
    """Crops about a centre (j, i), as far as they fit into slices of a shape (j, i), and padding with air."""
    for side in CROP_SIDES:
        if side + 8 > min(shape):
            continue
        corner = [min(max(c - side // 2, 0), size - side - 3) // 8 * 8 for c, size in zip(centre, shape, strict=True)]
        for start, offsets in STARTS.items():
            for offset in offsets:
                first = (corner[0] + offset, corner[1] + offset)
                common = tuple(slice(place, place + side) for place in first)
                yield FieldOfView(f"crop {side}²", start, first, (side, side), common)
    for start, width in PADDING.items():
        size = (shape[0] + 2 * width, shape[1] + 2 * width)
        common = (slice(0, shape[0]), slice(0, shape[1]))
        yield FieldOfView("padded with air", start, (-width, -width), size, common)


def change_counts(method: Method, mvct: Volume) -> dict[str, dict]:
    """By how many HU a method's result changes with the field of view, in the body.

    Args:
        mvct: HU of the whole field, shape (k, j, i).

    Returns:
        for each "name, start": the margin in pixels, and for "interior" and "all" pixels |change| -> how many pixels
        have it, in whole HU.
    """
    body = np.stack([body_mask(image, pixel_size=(mvct.spacing[1], mvct.spacing[0])) for image in mvct.array])
    centre = tuple(int(np.mean(places)) for places in np.nonzero(body)[1:])
    whole = whole_hu(method, mvct)
    found: dict[str, dict] = {}
    for field in fields_of_view(mvct.array.shape[1:], centre):
        part = whole_hu(method, replace(mvct, array=field.of(mvct.array)))
        change, inside = np.abs(part[field.back] - field.shared(whole)), field.shared(body)
        entry = found.setdefault(
            f"{field.name}, {field.start}", {"margin_px": field.margin_px, "interior": {}, "all": {}}
        )
        interior = (slice(None), *(slice(field.margin_px, -field.margin_px),) * 2)
        _count(entry["interior"], change[interior][inside[interior]])
        _count(entry["all"], change[inside])
    return found


def _count(counts: dict[str, int], changes: np.ndarray) -> None:
    """Keys are texts, as they are after they have been kept as JSON."""
    for change, number in zip(*np.unique(changes, return_counts=True), strict=True):
        counts[str(change)] = counts.get(str(change), 0) + int(number)


def change_statistics(counts: Sequence[Mapping[str, int]]) -> dict[str, float]:
    """Mean, 99th percentile and maximum of |change| in HU, and the number of pixels, over counts taken together."""
    together: dict[int, int] = {}
    for part in counts:
        for change, number in part.items():
            together[int(change)] = together.get(int(change), 0) + number
    if not together:
        return {"mean": math.nan, "p99": math.nan, "max": math.nan, "pixels": 0}
    changes = np.array(sorted(together))
    numbers = np.array([together[change] for change in changes])
    reached = np.searchsorted(np.cumsum(numbers), 0.99 * numbers.sum())
    return {
        "mean": float((changes * numbers).sum() / numbers.sum()),
        "p99": int(changes[reached]),
        "max": int(changes[-1]),
        "pixels": int(numbers.sum()),
    }


def some_slices(volume: Volume, chosen: np.ndarray) -> Volume:
    """Slices by their indices: a bag of 2-D slices, whose places along k no longer mean anything."""
    return replace(volume, array=volume.array[chosen], source=None)


def spread(total: int, count: int) -> np.ndarray:
    """Up to `count` of `total` indices, evenly spread about the middle."""
    count = min(count, total)
    return ((np.arange(count) + 0.5) * total / count).astype(int)


def whole_hu(method: Method, mvct: Volume) -> np.ndarray:
    """What a method makes of an MVCT, in whole HU as in a written scan; int32, shape (k, j, i)."""
    return np.round(method.convert(mvct)).astype(np.int32)


def _notes(study: Study, rows: Sequence[Row], slices: int) -> str:
    lines = [
        f"|HU change| in the body when the same slices are converted with another field of view: {slices} slices of "
        "the simulated MVCT of the test patients, evenly spread over each. Crops lie about the centre of the body and "
        f"begin at a multiple of 8 pixels plus 0 or 2 (even) and plus 1 or 3 (odd). Padding is air of {AIR_HU:.0f} HU, "
        f"{PADDING['even']} (even) or {PADDING['odd']} (odd) pixels on each side. *Interior* leaves out a margin "
        f"along the border of the crop, or of the field before padding: {MARGIN_PX} pixels, fewer in the smallest "
        "crop, which would have no interior otherwise. HU are rounded to whole numbers first, as in a written scan, "
        "so that a change of 1 HU may be rounding. No randomness beyond that of the simulated scans.",
        "",
        "The MVCT itself and the density curve, which see one pixel at a time, are left out. "
        "Conventional methods whose strength is a multiple of the slice's own noise measure it in the field that they "
        "get, and so depend on it too.",
        "",
        f"Called independent of the field of view: 99 % of the interior within {SAME_HU} HU, in each row.",
        "",
    ]
    for method in trained(study):
        own = [row for row in rows if row["method"] == method.name and row["interior_pixels"]]
        if own:
            lines.append(_conclusion(method.name, own))
    return "\n".join([*lines, "", "The networks:", "", described(study)])


def _conclusion(name: str, rows: Sequence[Row]) -> str:
    worst = max(row["interior_p99"] for row in rows)
    verdict = "independent" if worst <= SAME_HU else "**not independent**"
    return (
        f"- {name}: {verdict}; 99 % of the interior within {worst} HU in every row, largest change "
        f"{max(row['interior_max'] for row in rows)} HU; with the border 99 % within "
        f"{max(row['all_p99'] for row in rows)} HU, largest {max(row['all_max'] for row in rows)} HU."
    )
