"""Every metric of one enhancement, measured slice by slice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np

from ..errors import InputError
from .air import AirParameters, air_agreement
from .body import BodyParameters, body_mask, near_body
from .catalogue import METRICS
from .contrast import cnr_muscle_fat
from .dig import NETWORK_WINDOW_HU, dig, dig_scaled
from .edges import BONE, BONE_FROM_HU, SKIN, bone_edge_width, skin_edge_width, skin_edge_widths_of_pair
from .field_of_view import away_from_cut
from .fine_noise import FineNoiseParameters, fine_noise, water_equivalent_diameter
from .hu_bias import hu_bias
from .hu_offset import OffsetParameters, hu_offsets
from .noise import NoiseParameters, homogeneous_tissue, noise_of_pair, noise_sd
from .nselfssim import NSelfSSIMParameters, nselfssim
from .overshoot import OvershootParameters, air_edge_errors, air_edge_overshoot
from .paired import mae, psnr, ssim
from .record import NSELFSSIM_DISTANCE, Distance, EnhancementRecord, MetricValues
from .slices import Slice, require_same_shape
from .ssim import SSIMParameters
from .tissues import MIN_LUNG_MM2, TISSUE_RANGES_HU, TissueParameters


def evaluate(
    mvct: np.ndarray,
    enhanced: np.ndarray,
    *,
    spacing: tuple[float, float, float],
    kvct: np.ndarray | None = None,
    kvct_spacing: tuple[float, float, float] | None = None,
    truth: np.ndarray | None = None,
    region: np.ndarray | None = None,
    threads: int = 1,
    progress: Callable[..., None] | None = None,
) -> EnhancementRecord:
    """Measure an enhancement, slice by slice.

    Args:
        mvct, enhanced: HU, shape (k, j, i), the same grid.
        spacing: of that grid, in mm along (i, j, k), as in Volume.
        kvct: planning CT of any shape (k, j, i), the reference; it needs no registration.
        kvct_spacing: of the planning CT, in mm along (i, j, k); needed with it.
        truth: kVCT of the same anatomy on the same grid, where there is one (simulated MVCT).
        region: shape (k, j, i), not zero inside; None for the whole scan. Everything is then measured in the body
            within the region: DIG too, else over the whole slice, and edges on the part of the outlines that lies
            in it. Air agreement, else around the whole body, is over what of that lies in the region, air included.
            The metrics of the planning CT, which lies elsewhere, stay those of its whole body, and the HU offsets from
            it those of the whole scan.
        threads: slices that are measured at the same time.
        progress: called as progress("evaluate", done=slices, total=slices) after each slice.

    Raises:
        InputError: the shapes do not fit, a scan has values that are not finite, or the region is empty.
    """
    _require_volumes({"MVCT": mvct, "enhanced scan": enhanced, "planning CT": kvct, "truth": truth})
    require_same_shape(mvct, enhanced, names=("MVCT", "enhanced scan"))
    if truth is not None:
        require_same_shape(enhanced, truth, names=("enhanced scan", "truth"))
    if kvct is not None and kvct_spacing is None:
        raise ValueError("kvct needs kvct_spacing")
    if region is not None:
        region = _inside(region, mvct)

    work = [*_pairs((mvct, enhanced, truth, region), spacing), *_singles(kvct, kvct_spacing)]
    total = len(work)
    rows: dict[str, list[dict[str, float]]] = {}
    with _in_threads(work, threads) as results:
        for done, measured in enumerate(results, start=1):
            for name, values in measured.items():
                rows.setdefault(name, []).append(values)
            if progress:
                progress("evaluate", done=done, total=total)
    groups = {name: _columns(values) for name, values in rows.items()}
    parameters = metric_parameters() | ({} if region is None else {"region": _described(region)})
    if kvct is None:
        return EnhancementRecord(groups, parameters)
    offsets = offsets_to_planning_ct(mvct, enhanced, kvct, spacing=spacing, kvct_spacing=kvct_spacing)
    return EnhancementRecord(groups, parameters, {NSELFSSIM_DISTANCE: _nselfssim_distance(groups)} | offsets)


def offsets_to_planning_ct(
    mvct: np.ndarray,
    enhanced: np.ndarray,
    kvct: np.ndarray,
    *,
    spacing: tuple[float, float, float],
    kvct_spacing: tuple[float, float, float],
) -> dict[str, Distance]:
    """HU offsets of both scans by metric, see `hu_offset.hu_offsets`; arguments as of `evaluate`."""
    sizes = {"pixel_size": spacing[1::-1], "kvct_pixel_size": kvct_spacing[1::-1]}
    after, before = hu_offsets((enhanced, mvct), kvct, **sizes)
    return {name: Distance(before[name], after[name], METRICS[name].unit) for name in after}


def _nselfssim_distance(groups: Mapping[str, Mapping[str, MetricValues]]) -> Distance:
    mvct, enhanced, reference = (groups[scan]["nselfssim"].mean for scan in ("mvct", "enhanced", "planning_ct"))
    return Distance(abs(mvct - reference), abs(enhanced - reference))


def _require_volumes(volumes: Mapping[str, np.ndarray | None]) -> None:
    for name, array in volumes.items():
        if array is None:
            continue
        if array.ndim != 3 or not array.size:
            raise InputError(f"The {name} has shape {array.shape}, but slices, rows and columns are needed.")
        if np.issubdtype(array.dtype, np.integer):
            continue
        for k, image in enumerate(array):
            if not np.isfinite(image).all():
                raise InputError(
                    f"The {name} has values that are not numbers (NaN or infinite) in slice {k}: "
                    "export or resample it again with a number, such as -1000 HU, outside of the scan."
                )


def _inside(region: np.ndarray, mvct: np.ndarray) -> np.ndarray:
    require_same_shape(mvct, region, names=("MVCT", "region"))
    inside = region != 0
    if not inside.any():
        raise InputError("The region is empty: draw one, or measure the whole scan.")
    return inside


def _described(region: np.ndarray) -> dict[str, int | str]:
    return {
        "voxels": int(region.sum()),
        "slices": int(region.any(axis=(1, 2)).sum()),
        "measured": (
            "all in the body within the region, DIG (else over the whole slice) too; air agreement with the air "
            "of the region around the body; the planning CT and the HU offsets from it as a whole"
        ),
    }


@contextmanager
def _in_threads(work: Sequence[Callable[[], dict]], threads: int) -> Iterator[Iterator[dict]]:
    """What each piece of work gives, in its order; numpy and scipy let several threads run."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool.map(lambda piece: piece(), work)
    finally:
        pool.shutdown(cancel_futures=True)  # where the work was stopped, the rest is not done first


def _pairs(
    volumes: tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None], spacing: tuple[float, float, float]
) -> list[Callable[[], dict[str, dict]]]:
    """What measures each slice of MVCT, enhanced scan, truth and region."""
    pixel_size = (spacing[1], spacing[0])
    slices = zip(*(repeat(None, len(volumes[0])) if volume is None else volume for volume in volumes), strict=True)
    return [partial(_measure_pair, *parts, pixel_size) for parts in slices]


def _singles(
    kvct: np.ndarray | None, spacing: tuple[float, float, float] | None
) -> list[Callable[[], dict[str, dict]]]:
    """What measures each slice of the planning CT."""
    return [] if kvct is None else [partial(_measure_alone, image, (spacing[1], spacing[0])) for image in kvct]


def _measure_alone(image: np.ndarray, pixel_size: tuple[float, float]) -> dict[str, dict]:
    image = Slice(image)
    body = body_mask(image, pixel_size=pixel_size)
    box = near_body(body, pixel_size)
    near = image.crop(box)
    noise = {"noise_hu": noise_sd(near, body[box], pixel_size=pixel_size)}
    skin_width = skin_edge_width(near, body[box], pixel_size=pixel_size, region=_skin(body, None, box, pixel_size))
    values = _measure_near_body(near, body[box], pixel_size, noise, skin_width)
    return {"planning_ct": {"nselfssim": nselfssim(image, body)} | values}


def _measure_pair(
    mvct: np.ndarray,
    enhanced: np.ndarray,
    truth: np.ndarray | None,
    region: np.ndarray | None,
    pixel_size: tuple[float, float],
) -> dict[str, dict]:
    mvct, enhanced = Slice(mvct), Slice(enhanced)
    body = body_mask(mvct, pixel_size=pixel_size)
    inside = _within(body, region)
    dig_region = None if region is None else inside
    box = near_body(body, pixel_size)
    near = {"mvct": mvct.crop(box), "enhanced": enhanced.crop(box)}
    near_region = None if region is None else region[box]
    tissues = tuple(homogeneous_tissue(image, inside[box], pixel_size=pixel_size) for image in near.values())
    noise = noise_of_pair(*near.values(), inside[box], pixel_size=pixel_size, tissues=tissues)
    water_mm = water_equivalent_diameter(near["mvct"], body[box], pixel_size=pixel_size)
    noises = [
        {"noise_hu": sd, "fine_noise_hu": fine_noise(image, tissue, pixel_size=pixel_size, water_mm=water_mm)}
        for image, tissue, sd in zip(near.values(), tissues, noise, strict=True)
    ]
    skin = _skin(body, region, box, pixel_size)
    skin_widths = skin_edge_widths_of_pair(*near.values(), body[box], pixel_size=pixel_size, region=skin)
    measured = {
        name: {"nselfssim": nselfssim(image, inside)}  # whose noise has its place in the whole slice
        | _measure_near_body(near[name], body[box], pixel_size, own_noises, skin_width, near_region)
        for name, image, own_noises, skin_width in zip(near, (mvct, enhanced), noises, skin_widths, strict=True)
    }
    measured |= {
        "comparison": {
            "dig": dig(mvct.hu, enhanced.hu, region=dig_region),
            "dig_scaled": dig_scaled(mvct.hu, enhanced.hu, region=dig_region),
            "air_agreement": air_agreement(mvct.hu, enhanced.hu, body, pixel_size=pixel_size, region=region),
            **hu_bias(near["enhanced"], near["mvct"], inside[box], pixel_size=pixel_size),
        },
    }
    if truth is not None:
        truth = Slice(truth)
        body = _within(body_mask(truth, pixel_size=pixel_size), region)
        measured["truth.mvct"] = _measure_against_truth(mvct, truth, body, pixel_size)
        measured["truth.enhanced"] = _measure_against_truth(enhanced, truth, body, pixel_size)
    return measured


def _within(body: np.ndarray, region: np.ndarray | None) -> np.ndarray:
    return body if region is None else body & region


def _skin(
    body: np.ndarray, region: np.ndarray | None, box: tuple[slice, slice], pixel_size: tuple[float, float]
) -> np.ndarray | None:
    """Where in a box the outline of the body is skin in the region; None for everywhere."""
    away = away_from_cut(body, pixel_size, margin_mm=SKIN.high_mm[1] + SKIN.fit_mm)
    if away is None:
        return None if region is None else region[box]
    return _within(away, region)[box]


def _measure_near_body(
    image: Slice,
    body: np.ndarray,
    pixel_size: tuple[float, float],
    noises: Mapping[str, float],
    skin_width: float,
    region: np.ndarray | None = None,
) -> dict[str, float]:
    inside = _within(body, region)
    overshoot, undershoot = air_edge_overshoot(image, body, pixel_size=pixel_size, region=region)
    return {
        **noises,
        "cnr_muscle_fat": cnr_muscle_fat(image, inside, pixel_size=pixel_size, noise_hu=noises["noise_hu"]),
        "edge_width_mm": skin_width,
        "bone_edge_width_mm": bone_edge_width(image, body, pixel_size=pixel_size, region=region),
        "edge_overshoot_hu": overshoot,
        "edge_undershoot_hu": undershoot,
    }


def _measure_against_truth(
    image: Slice, truth: Slice, body: np.ndarray, pixel_size: tuple[float, float]
) -> dict[str, float]:
    tissue, air = air_edge_errors(image, truth, body, pixel_size=pixel_size)
    return {
        "mae_hu": mae(image.hu, truth.hu, body),
        "psnr_db": psnr(image.hu, truth.hu, body),
        "ssim": ssim(image.hu, truth.hu, body),
        **hu_bias(image, truth, body, pixel_size=pixel_size),
        "tissue_at_air": tissue,
        "air_at_tissue": air,
    }


def _columns(rows: Sequence[dict[str, float]]) -> dict[str, MetricValues]:
    """Rows of values, one row a slice, turned into metrics."""
    return {name: metric_values(name, [row[name] for row in rows]) for name in rows[0]}


def metric_values(name: str, per_slice: Sequence[float]) -> MetricValues:
    """A metric of the catalogue over the slices of a scan; not finite where a slice has no value."""
    metric, values = METRICS[name], np.array(per_slice, dtype=float)
    finite = values[np.isfinite(values)]
    mean = float(finite.mean()) if finite.size else math.nan
    sd = float(finite.std(ddof=1)) if finite.size > 1 else math.nan
    return MetricValues(name, metric.unit, tuple(map(float, per_slice)), mean, sd, metric.part_of)


def metric_parameters() -> dict[str, Any]:
    """What the values depend on, JSON-serialisable, by metric."""
    parameters = {
        "body": asdict(BodyParameters()),
        "nselfssim": asdict(NSelfSSIMParameters()),
        "noise_hu": asdict(NoiseParameters()),
        "fine_noise_hu": {"tissue": "noise_hu", **asdict(FineNoiseParameters())},
        "tissues": {"range_hu": dict(TISSUE_RANGES_HU), "least_lung_mm2": MIN_LUNG_MM2, **asdict(TissueParameters())},
        "cnr_muscle_fat": {"muscle": "soft_tissue", "fat": "fat", "noise": "noise_hu"},
        "edge_width_mm": asdict(SKIN),
        "bone_edge_width_mm": {"bone_from_hu": BONE_FROM_HU, **asdict(BONE)},
        "edge_overshoot_hu": asdict(OvershootParameters()),
        "edge_undershoot_hu": {"as": "edge_overshoot_hu"},
        "edge_error": {"as": "edge_overshoot_hu", "truth": "scan - truth"},
        "dig": {"gradient": "forward differences", "scaled_window_hu": NETWORK_WINDOW_HU, "scaled_to": (-1.0, 1.0)},
        "air_agreement": asdict(AirParameters()),
        "hu_bias": {"comparison": "enhanced - MVCT", "truth": "scan - truth"},
        "fat_offset": asdict(OffsetParameters()),
        "soft_tissue_offset": {"as": "fat_offset"},
        "ssim": asdict(SSIMParameters()),
        "psnr_db": {"clip_hu": SSIMParameters().clip_hu, "peak_hu": SSIMParameters().data_range},
    }
    return _plain(parameters)


def _plain(value):
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
