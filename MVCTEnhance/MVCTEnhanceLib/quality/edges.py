"""Edge width: how sharp the skin and the bones are."""

from __future__ import annotations

import numpy as np
from scipy import special

from .masks import outline
from .profiles import EdgeParameters, flat_edges, sides, steps
from .slices import Slice

# 10-90 % width of a step blurred by a Gaussian, in units of its SD.
WIDTH_PER_SD = 2.5631031310892007
# The ends of an edge that a mattress or clothes cover in part lie farther apart, by fit, than those of a blurred edge
# of its width: 1.26 to 1.45 times in simulated MVCT, those of other skin at most 1.19 times.
MAX_STEP_OF_BLUR = 1.2


# Air down to where a network that clips at -600 HU puts it.
SKIN = EdgeParameters(low_hu=(-1100, -500), high_hu=(-200, 200), low_mm=(3.0, 7.0), high_mm=(3.0, 7.0))
BONE = EdgeParameters(low_hu=(-150, 150), high_hu=(250, 2500), low_mm=(2.5, 5.5), high_mm=(1.5, 3.5))
BONE_FROM_HU = 200.0


def skin_edge_width(
    image: np.ndarray | Slice,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: EdgeParameters = SKIN,
    region: np.ndarray | None = None,
    covered_too: bool = False,
) -> float:
    """10-90 % width of the edge between body and air, in mm.

    Profiles across the outline of the body (cubic spline, along the gradient) are aligned at their half-way point in a
    lightly smoothed image and normalised by their own two sides; their median is the edge-spread function, to which an
    error function is fitted: width = 2.563 SD. Aligning on the smoothed image and the median over hundreds of profiles
    keep noise from changing the width.

    Args:
        image: HU, shape (j, i).
        body: bool, shape (j, i).
        pixel_size: (row j, column i) in mm.
        region: bool, shape (j, i); only profiles across the outline inside it count. None for the whole outline.
        covered_too: do not look whether something covers the edge; it is known elsewhere that nothing does.

    Returns:
        the width in mm; NaN where fewer than 30 profiles have two flat sides, or something covers the edge, so that it
        is more than one step.

    Source: patient-based edge-spread functions after J. Sanders et al., Med. Phys. 43(10), 2016.
    """
    distances, values = _edge_spread(Slice.of(image), _within(outline(body), region), pixel_size, parameters)
    if np.isnan(values).any():
        return float("nan")
    step, sd = _fitted(distances, values)
    if covered_too or step <= MAX_STEP_OF_BLUR * _step_of_blur(sd, parameters):
        return WIDTH_PER_SD * sd
    return float("nan")


def skin_edge_widths_of_pair(
    mvct: np.ndarray | Slice,
    enhanced: np.ndarray | Slice,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    region: np.ndarray | None = None,
) -> tuple[float, float]:
    """`skin_edge_width` of a slice of the MVCT and of the enhanced scan.

    Whether something covers the edge is looked for in the MVCT alone, so that what the enhancement did to it shows.

    Args:
        mvct, enhanced: HU, shape (j, i).
        body, pixel_size, region: as of `skin_edge_width`.

    Returns:
        the two widths in mm; both NaN where the MVCT has none.
    """
    before = skin_edge_width(mvct, body, pixel_size=pixel_size, region=region)
    if np.isnan(before):
        return before, before
    return before, skin_edge_width(enhanced, body, pixel_size=pixel_size, region=region, covered_too=True)


def skin_edge_profile(
    image: np.ndarray | Slice, body: np.ndarray, *, pixel_size: tuple[float, float], parameters: EdgeParameters = SKIN
) -> tuple[np.ndarray, np.ndarray]:
    """The edge-spread function that `skin_edge_width` fits: distances in mm, negative in air, and values from 0 to 1.

    Returns:
        two arrays of one shape; the values are NaN where fewer than 30 profiles have two flat sides.
    """
    return _edge_spread(Slice.of(image), outline(body), pixel_size, parameters)


def bone_edge_width(
    image: np.ndarray | Slice,
    body: np.ndarray,
    *,
    pixel_size: tuple[float, float],
    parameters: EdgeParameters = BONE,
    region: np.ndarray | None = None,
) -> float:
    """10-90 % width of the edge between bone and soft tissue, in mm; measured as that of the skin.

    Only bone at least about 3.5 mm thick has a flat inside, so the skull gives most values; NaN is common elsewhere.
    """
    image = Slice.of(image)
    bone = body & (image.smooth(parameters.smoothing_px) > BONE_FROM_HU)
    distances, values = _edge_spread(image, _within(outline(bone), region), pixel_size, parameters)
    return float("nan") if np.isnan(values).any() else WIDTH_PER_SD * _fitted(distances, values)[1]


def _edge_spread(
    image: Slice, edge: np.ndarray, pixel_size: tuple[float, float], p: EdgeParameters
) -> tuple[np.ndarray, np.ndarray]:
    """Distances in mm, and the median of the profiles there; NaN where they are too few."""
    found = flat_edges(image, edge, pixel_size, p)
    distances = steps((-p.fit_mm, p.fit_mm), p)
    if len(found.low_hu) < p.minimum_profiles:
        return distances, np.full(distances.shape, np.nan)
    low, high = found.low_hu[:, None], found.high_hu[:, None]
    profiles = (image.sample(found.lines.places(distances)) - low) / (high - low)
    return distances, np.median(profiles, axis=0)


def _within(mask: np.ndarray, region: np.ndarray | None) -> np.ndarray:
    return mask if region is None else mask & region


def _fitted(t: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Step and SD in mm of the blurred step with these values at the distances t; NaN where there is none."""
    from scipy import optimize  # here, since it takes half a second, and not every job measures

    start = [0, 1, 0, 0.8]
    lowest, highest = np.array([-1, 0.2, -2, 0.05]), np.array([1, 3, 2, 10])
    try:
        with np.errstate(all="ignore"):  # without limits the SD may pass 0 on the way
            fit, _ = optimize.curve_fit(_blurred_step, t, values, p0=start, jac=_slopes_of_step, method="lm")
        if not ((lowest <= fit) & (fit <= highest)).all():  # the slower way keeps to the limits
            fit, _ = optimize.curve_fit(_blurred_step, t, values, p0=start, bounds=(lowest, highest))
    except RuntimeError:
        return float("nan"), float("nan")
    return float(fit[1]), float(fit[3])


def _step_of_blur(sd: float, p: EdgeParameters) -> float:
    """Step of an edge that is only blurred, as a part of what lies between the means of its two sides."""
    low, high = (special.ndtr(steps(side, p) / sd).mean() for side in sides(p))
    return 1 / (high - low)


def _blurred_step(t: np.ndarray, low: float, step: float, centre: float, sd: float) -> np.ndarray:
    return low + step * special.ndtr((t - centre) / sd)


def _slopes_of_step(t: np.ndarray, low: float, step: float, centre: float, sd: float) -> np.ndarray:
    """Derivatives of `_blurred_step` by low, step, centre and sd; shape (t, 4)."""
    z = (t - centre) / sd
    density = step / sd * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return np.stack([np.ones_like(t), special.ndtr(z), -density, -density * z], axis=1)
