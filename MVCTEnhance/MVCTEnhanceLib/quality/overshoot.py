"""Overshoot and undershoot: tissue that is too bright and air that is too dark beside the edge between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .masks import box_around, erode, outline
from .profiles import EdgeParameters, FlatEdges, flat_edges, steps
from .slices import Slice, require_same_shape

AIR_EDGES = EdgeParameters(low_hu=(-1100, -800), high_hu=(-200, 200), low_mm=(3.5, 6.0), high_mm=(4.0, 7.0))
NOT_MEASURED = (float("nan"), float("nan"))


@dataclass(frozen=True)
class OvershootParameters:
    """Which edges are measured, and how far from them; distances in mm from the edge.

    Args:
        edges: of tissue and air; their two sides are what is compared with.
        air_below_hu: what is below it after smoothing, inside the body, is air.
        tissue_hu: range of the tissue whose error is taken against a truth.
        near_tissue_mm: between these distances tissue may be too bright.
        near_air_mm: between these distances air may be too dark.
        error_mm: between these distances the error against a truth is taken, on either side.
        skin_mm: edges nearer to the outside are left out, since skin is brighter than the fat below it.
        bone_from_hu: profiles that reach it after smoothing are left out: a thin bone is no overshoot.
        bone_mm: tissue this near to bone of the truth is left out, into which the blur of the bone reaches.
    """

    edges: EdgeParameters = AIR_EDGES
    air_below_hu: float = -400.0
    tissue_hu: tuple[float, float] = (-200.0, 200.0)
    near_tissue_mm: tuple[float, float] = (1.5, 3.5)
    near_air_mm: tuple[float, float] = (1.5, 2.5)
    error_mm: tuple[float, float] = (1.0, 2.5)
    skin_mm: float = 3.0
    bone_from_hu: float = 250.0
    bone_mm: float = 3.5


def air_edge_overshoot(
    image: np.ndarray | Slice,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: OvershootParameters | None = None,
    region: np.ndarray | None = None,
) -> tuple[float, float]:
    """Overshoot and undershoot beside the air inside the body (airways, gas), in HU.

    Profiles across the edges of that air are found and aligned as those of the edge widths, and their median is taken.
    The overshoot is how far it rises 1.5 to 3.5 mm inside the tissue above the tissue at 4 to 7 mm, the undershoot how
    far it falls 1.5 to 2.5 mm inside the air below the air at 3.5 to 6 mm. Where it rises or falls slowly they are
    negative. Thin layers of anatomy raise them too, so that a value tells only beside that of a scan of the same place.

    Args:
        image: HU, shape (j, i).
        body: bool, shape (j, i).
        pixel_size: (row j, column i) in mm.
        region: bool, shape (j, i); only edges inside it count. None for the whole body.

    Returns:
        (overshoot, undershoot); NaN where fewer than 30 profiles have two flat sides.
    """
    p, image = parameters or OvershootParameters(), Slice.of(image)
    tissue = body & (image.smooth(p.edges.smoothing_px) >= p.air_below_hu)
    deep = erode(body, tuple(2 * round(p.skin_mm / size) + 1 for size in pixel_size))
    edge = outline(tissue) & deep if region is None else outline(tissue) & deep & region
    found = _without_bone(image, flat_edges(image, edge, pixel_size, p.edges), p)
    if len(found.low_hu) < p.edges.minimum_profiles:
        return NOT_MEASURED
    inside, outside = steps(p.near_tissue_mm, p.edges), -steps(p.near_air_mm, p.edges)
    above = image.sample(found.lines.places(inside)) - found.high_hu[:, None]
    below = found.low_hu[:, None] - image.sample(found.lines.places(outside))
    return tuple(float(np.median(profiles, axis=0).max()) for profiles in (above, below))


def air_edge_errors(
    image: np.ndarray | Slice,
    truth: np.ndarray | Slice,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: OvershootParameters | None = None,
) -> tuple[float, float]:
    """Mean of image - truth beside the air inside the body: in the tissue, and in the air; in HU.

    Args:
        image, truth: HU, shape (j, i); the truth decides what is tissue and what air (lung too).
        body: bool, shape (j, i), of the truth.
        pixel_size: (row j, column i) in mm.

    Returns:
        (error of soft tissue 1 to 2.5 mm from air and not near bone, error of air 1 to 2.5 mm from tissue); NaN for a
        side of which there is nothing.

    Raises:
        InputError: the shapes differ.
    """
    image, truth = Slice.of(image), Slice.of(truth)
    require_same_shape(image.hu, truth.hu, names=("scan", "truth"))
    error = image.hu - truth.hu
    return tuple(_mean(error[mask]) for mask in beside_air(truth, body, pixel_size=pixel_size, parameters=parameters))


def beside_air(
    truth: np.ndarray | Slice,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: OvershootParameters | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Where `air_edge_errors` are taken: tissue beside air, and air beside tissue; bool, shape (j, i)."""
    p, truth = parameters or OvershootParameters(), Slice.of(truth)
    tissue, in_air = np.zeros(truth.hu.shape, bool), np.zeros(truth.hu.shape, bool)
    air = body & (truth.smooth(p.edges.smoothing_px) < p.air_below_hu)
    if air.any():
        box = box_around(air, tuple(int((p.error_mm[1] + p.bone_mm) / size) + 2 for size in pixel_size))
        air, hu = air[box], truth.hu[box]
        near_bone = _beside(hu >= p.bone_from_hu, (0, p.bone_mm), pixel_size)
        soft = body[box] & (p.tissue_hu[0] <= hu) & (hu <= p.tissue_hu[1]) & ~near_bone
        tissue[box] = soft & _beside(air, p.error_mm, pixel_size)
        in_air[box] = air & _beside(~air, p.error_mm, pixel_size)
    return tissue, in_air


def _without_bone(image: Slice, found: FlatEdges, p: OvershootParameters) -> FlatEdges:
    places = found.lines.places(steps((0.0, p.edges.high_mm[1]), p.edges))
    highest = ndimage.map_coordinates(image.smooth(p.edges.smoothing_px), places, order=1, mode="nearest").max(axis=1)
    kept = highest < p.bone_from_hu
    return FlatEdges(found.lines[kept], found.low_hu[kept], found.high_hu[kept])


def _beside(mask: np.ndarray, between_mm: tuple[float, float], pixel_size: tuple[float, float]) -> np.ndarray:
    """Where the edge of a mask lies this far away: half a pixel nearer than its nearest pixel."""
    if not mask.any():
        return mask
    distance = ndimage.distance_transform_edt(~mask, sampling=pixel_size) - sum(pixel_size) / 4
    return (between_mm[0] <= distance) & (distance <= between_mm[1])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")
