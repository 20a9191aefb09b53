"""DICOM slice geometry: one regular grid from positions and orientations, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from .header import SliceHeader

ORIENTATION_TOLERANCE = 1e-4  # of a unit vector: 0.05 mm over a field of 500 mm
SIDEWAYS_TOLERANCE_MM = 0.1
SAME_POSITION_MM = 0.01
UNEVEN_TOLERANCE = 0.01  # of the step between slices
ROUNDING_TOLERANCE = 0.001
ROUNDED_MM = 0.1  # to which some programs round positions: two of them may then be this much off
MIN_STEP_PER_ROUNDING = 4  # times as long a step must be, so that no missing slice passes for rounding
PLAUSIBLE_PIXEL_MM = (1e-6, 1e4)
MAX_COORDINATE_MM = 1e6  # beyond lie numbers with which nothing can be worked out
MAX_PIXELS = 8192**2  # a slice of more may be nothing but a damaged number, and would take gigabytes


@dataclass(frozen=True, eq=False)
class SliceStack:
    """Slices in k order with their grid: spacing (i, j, k) in mm, origin (LPS, mm), direction (columns i, j, k)."""

    headers: tuple[SliceHeader, ...]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: np.ndarray
    warnings: tuple[str, ...]


def stack_slices(headers: list[SliceHeader], *, slices_only: bool = False) -> SliceStack:
    """Sort slices along their normal (row x column direction) and check that they fill one regular grid.

    The k axis is the normal, so that the axes (i, j, k) are right-handed (DICOM PS3.3 C.7.6.2.1.1).

    Args:
        slices_only: for what needs the slices and not how they lie to each other: tilt, uneven steps and missing slices
            are warnings, and the spacing along k is the usual step.

    Raises:
        InputError: sizes, pixel spacings or orientations are mixed, slices are missing, doubled, uneven or shifted
            sideways (gantry tilt), or a header lacks its place.
    """
    headers, positions, axes = _in_order(headers)
    depth = positions @ axes[2]
    rounding = ROUNDED_MM if _are_rounded(positions) else 0.0
    if slices_only:
        step, warnings = _usual_step(headers, depth, _sideways(positions, axes[2]))
    else:
        shifts = _require_straight(headers, positions, axes[2], rounding)
        step, warnings = _step(headers, depth, rounding * np.abs(axes[2]).sum())
        warnings = shifts + warnings
    row_step, column_step = headers[0].pixel_spacing
    return SliceStack(
        headers=tuple(headers),
        spacing=(column_step, row_step, step),
        origin=tuple(positions[0].tolist()),
        direction=axes.T,
        warnings=warnings,
    )


def lacks_slices(headers: list[SliceHeader]) -> bool:
    """Whether slices would be a regular stack if there were some more between them."""
    try:
        _, positions, axes = _in_order(headers)
    except InputError:
        return False
    gaps = np.diff(positions @ axes[2])
    return gaps.size > 0 and gaps.min() >= SAME_POSITION_MM and _lacking(gaps) is not None


def _in_order(headers: list[SliceHeader]) -> tuple[list[SliceHeader], np.ndarray, np.ndarray]:
    """Slices sorted along their normal, their positions (n, 3), and the unit vectors of the axes as rows."""
    for header in headers:
        _require_place(header)
        _require_same_grid(header, headers[0])
    axes = _axes(headers[0])
    positions = np.array([header.position for header in headers])
    order = np.argsort(positions @ axes[2], kind="stable")
    return [headers[n] for n in order], positions[order], axes


def _require_place(header: SliceHeader) -> None:
    needed = {
        "Rows and Columns": None not in header.size and min(header.size) > 0,
        "Pixel Spacing": header.pixel_spacing and _is_plausible(header.pixel_spacing),
        "Image Position (Patient)": header.position and max(map(abs, header.position)) < MAX_COORDINATE_MM,
        "Image Orientation (Patient)": header.orientation and max(map(abs, header.orientation)) < MAX_COORDINATE_MM,
    }
    lacking = [name for name, there in needed.items() if not there]
    if lacking:
        raise InputError(
            f"{header.label} has no valid {' and no valid '.join(lacking)} in its header (the file may be cut): "
            "copy or export it again."
        )
    rows, columns = header.size
    if rows * columns > MAX_PIXELS:
        raise InputError(
            f"{header.label} has {rows} x {columns} pixels by its header, more than any scanner makes: copy or export "
            "it again."
        )


def _is_plausible(sizes_mm: tuple[float, ...]) -> bool:
    low, high = PLAUSIBLE_PIXEL_MM
    return low <= min(sizes_mm) and max(sizes_mm) <= high


def _require_same_grid(header: SliceHeader, first: SliceHeader) -> None:
    differs = None
    if header.size != first.size:
        differs = f"{header.size[0]}x{header.size[1]} pixels, not {first.size[0]}x{first.size[1]}"
    elif not np.allclose(header.pixel_spacing, first.pixel_spacing, rtol=ORIENTATION_TOLERANCE):
        differs = f"a pixel spacing of {header.pixel_spacing}, not {first.pixel_spacing} mm"
    elif not np.allclose(header.orientation, first.orientation, rtol=0, atol=ORIENTATION_TOLERANCE):
        differs = "another orientation"
    if differs:
        raise InputError(
            f"Series {header.series_name} mixes images of different shape: {header.label} has {differs} as in "
            f"{first.label}; keep one kind of image in the folder."
        )


def _axes(header: SliceHeader) -> np.ndarray:
    """Rows: the unit vectors of the i, j and k axes, made exactly orthogonal (headers round them)."""
    row, column = np.array(header.orientation).reshape(2, 3)
    cosines = np.array([row @ row - 1, column @ column - 1, row @ column])
    if np.abs(cosines).max() > 10 * ORIENTATION_TOLERANCE:
        raise InputError(
            f"{header.label} has an Image Orientation (Patient) that is not two perpendicular unit vectors: "
            "export the series again."
        )
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return np.array([row, column, np.cross(row, column)])


def _are_rounded(positions: np.ndarray) -> bool:
    tenths = positions / ROUNDED_MM
    return bool(np.abs(tenths - np.rint(tenths)).max() < 1e-4)


def _sideways(positions: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """How far each slice lies from the line through the first one along the normal, in mm."""
    way = positions - positions[0]
    return np.linalg.norm(way - np.outer(way @ normal, normal), axis=1)


def _require_straight(
    headers: list[SliceHeader], positions: np.ndarray, normal: np.ndarray, rounding: float
) -> tuple[str, ...]:
    sideways, name = _sideways(positions, normal), headers[0].series_name
    if sideways.max() <= SIDEWAYS_TOLERANCE_MM:
        return ()
    if sideways.max() <= np.sqrt(3) * rounding:
        return (
            f"The slices of series {name} are shifted sideways by up to {sideways.max():.2f} mm, as rounded positions "
            "are: they were taken as straight.",
        )
    tilt = _degrees(sideways[-1], (positions[-1] - positions[0]) @ normal)
    raise InputError(
        f"The slices of series {name} are not stacked along the slice normal: "
        f"{headers[sideways.argmax()].label} is shifted sideways by {sideways.max():.1f} mm (a gantry tilt of "
        f"{tilt:.1f} degrees, or two scans in one series); resample it to an untilted grid first."
    )


def _degrees(sideways: float, way: float) -> float:
    return float(np.degrees(np.arctan2(sideways, way)))


def _step(headers: list[SliceHeader], depth: np.ndarray, rounding: float) -> tuple[float, tuple[str, ...]]:
    """The even step between slices in mm, and what there is to say about it."""
    if len(headers) == 1:
        return _single_step(headers[0])
    gaps = np.diff(depth)
    if gaps.min() < SAME_POSITION_MM:
        _raise_doubled(headers, depth)
    step = (depth[-1] - depth[0]) / len(gaps)
    uneven = np.abs(depth - depth[0] - step * np.arange(len(depth))).max()
    tolerated = UNEVEN_TOLERANCE * step
    if rounding * MIN_STEP_PER_ROUNDING <= step:
        tolerated = max(tolerated, rounding * (1 + 1e-6))
    if uneven > tolerated:
        _raise_uneven(headers, depth)
    if uneven <= ROUNDING_TOLERANCE * step:
        return float(step), ()
    return float(step), (
        f"The slices of series {headers[0].series_name} are off an even step of {step:.3f} mm by up to "
        f"{uneven:.3f} mm: they were taken as even.",
    )


def _usual_step(headers: list[SliceHeader], depth: np.ndarray, sideways: np.ndarray) -> tuple[float, tuple[str, ...]]:
    """The usual step of slices that need not be a regular stack, and how they differ from one."""
    if len(headers) == 1:
        return _single_step(headers[0])
    gaps, name, warnings = np.diff(depth), headers[0].series_name, ()
    if gaps.min() < SAME_POSITION_MM:
        _raise_doubled(headers, depth)
    step = _usual(gaps)
    if np.abs(gaps - step).max() > max(2 * ROUNDED_MM, 2 * UNEVEN_TOLERANCE * step):
        warnings += (
            f"Series {name} has steps of {gaps.min():.2f} to {gaps.max():.2f} mm between its slices: each slice was "
            "used by itself.",
        )
    if sideways.max() > 2 * ROUNDED_MM:
        warnings += (
            f"Series {name} has a gantry tilt of {_degrees(sideways[-1], depth[-1] - depth[0]):.1f} degrees, or slices "
            f"shifted sideways by up to {sideways.max():.1f} mm: each slice was used by itself.",
        )
    return step, warnings


def _single_step(header: SliceHeader) -> tuple[float, tuple[str, ...]]:
    if header.thickness and _is_plausible((header.thickness,)):
        return header.thickness, ()
    return 1.0, (f"{header.label} is a single slice without a Slice Thickness: 1 mm was taken.",)


def _raise_doubled(headers: list[SliceHeader], depth: np.ndarray) -> None:
    uid = headers[0].series_name
    new_place = np.diff(depth, prepend=-np.inf) >= SAME_POSITION_MM
    images = np.diff(np.append(np.flatnonzero(new_place), len(depth)))
    if len(images) > 1 and images.min() == images.max():
        raise InputError(
            f"Series {uid} has {images[0]} images at each of its {len(images)} positions (a 4-D or multi-phase "
            "scan): export one phase as a series of its own."
        )
    at = int(np.flatnonzero(~new_place)[0])
    raise InputError(
        f"Series {uid} has different images at the same position: {headers[at - 1].label} and {headers[at].label} "
        f"({depth[at]:.1f} mm); take the wrong one out of the folder."
    )


def _raise_uneven(headers: list[SliceHeader], depth: np.ndarray) -> None:
    uid, gaps = headers[0].series_name, np.diff(depth)
    step, lacking = _usual(gaps), _lacking(gaps)
    if lacking is not None:
        number, at = int(lacking.sum()), int(lacking.argmax())
        raise InputError(
            f"Series {uid} lacks {number} slice{'s' * (number > 1)}: after {headers[at].label} "
            f"(position {depth[at]:.1f} mm) the next comes {gaps[at]:.1f} mm further, where the step is {step:.1f} mm; "
            "export the whole series again."
        )
    at = int(np.abs(gaps / step - 1).argmax())
    raise InputError(
        f"The slices of series {uid} are unevenly spaced, by {gaps.min():.2f} to {gaps.max():.2f} mm: after "
        f"{headers[at].label} (position {depth[at]:.1f} mm) the step is {gaps[at]:.2f} mm, elsewhere {step:.2f} mm; "
        "export a series with even steps."
    )


def _usual(gaps: np.ndarray) -> float:
    return float(np.sort(gaps)[(len(gaps) - 1) // 2])


def _lacking(gaps: np.ndarray) -> np.ndarray | None:
    """How many slices are missing in each gap; None where missing slices do not explain the gaps."""
    steps = gaps / _usual(gaps)
    lacking = np.rint(steps) - 1
    return lacking if np.abs(steps - np.rint(steps)).max() <= 0.05 and lacking.min() == 0 and lacking.any() else None
