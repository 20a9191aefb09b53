"""The values of a phantom in one scan, each with what it should be and how far it may be off."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from ..physics.qa_phantoms import PLUG_DIAMETER_MM, Plug, kv_hu
from ..volume import Volume
from .edges import CircleEdge, circle_edge
from .phantoms import CATPHAN_DENSITIES, TOMO_CHEESE, WATER, Phantom
from .position import CLEAR_HU, Cylinder, distances_mm, mean_image, plug_centre
from .tolerances import ScanTolerances, setting_of_density

CENTRE_MM = 30.0  # radius of the middle of a phantom, or a third of the phantom's
RIM_ROI_MM = 8.0  # radius of the regions at the rim, and as much lies between them and the edge
FAINT_HU = 30.0  # below it a plug is water, as far as contrast is concerned
SQUARE_MM = 50.0  # of the Catphan's holes
FAR_ENOUGH_MM = 3.0  # from the edge of a plug to the region measured in it

INSERT = "insert_"  # how the names of inserts begin

Rule = Literal["±", "at most", "at least"]


@dataclass(frozen=True)
class Value:
    """One value of one scan.

    Args:
        name: in JSON and CSV.
        label: for people.
        unit: of it.
        digits: after the point.
        value: as measured; NaN where the scan does not show it.
        nominal: what it should be; None where its tolerance alone says.
        tolerance: by how much it may differ from the nominal, or its limit; None where it is not judged.
        rule: how the tolerance is meant.
        setting: of `ScanTolerances`, which its tolerance comes from; empty where there is none.
    """

    name: str
    label: str
    unit: str
    digits: int
    value: float
    nominal: float | None = None
    tolerance: float | None = None
    rule: Rule = "at most"
    setting: str = ""

    @property
    def is_insert(self) -> bool:
        """Whether it is the HU of an insert."""
        return self.name.startswith(INSERT)

    @property
    def passed(self) -> bool | None:
        """Whether it is within its tolerance, which NaN is not; None where it is not judged."""
        if self.tolerance is None:
            return None
        if self.rule == "±":
            return abs(self.value - self.nominal) <= self.tolerance
        return self.value <= self.tolerance if self.rule == "at most" else self.value >= self.tolerance


def judged(values: Iterable[Value], limits: ScanTolerances) -> list[Value]:
    """Values that were measured, with their tolerances."""
    return [replace(value, tolerance=getattr(limits, value.setting) if value.setting else None) for value in values]


def with_nominals(values: Sequence[Value], nominals: Mapping[str, float]) -> list[Value]:
    """The values that have a nominal by their name, which their tolerance is then on either side of."""
    return [replace(value, nominal=nominals[value.name], rule="±") for value in values if value.name in nominals]


def measure(
    scan: Volume,
    cylinder: Cylinder,
    phantom: Phantom,
    *,
    plugs: Mapping[str, Plug],
    by_pylinac: Mapping[str, Any] | None,
    at_kv: bool,
) -> list[Value]:
    """All values of a phantom in a scan, not judged yet, see `judged`.

    Args:
        scan: HU, shape (k, j, i), axial.
        cylinder: where the phantom lies in it.
        phantom: which one it is.
        plugs: of a cheese phantom, by number.
        by_pylinac: what pylinac says of it; None for a phantom that needs no pylinac.
        at_kv: whether its HU should be those of kV, as an enhanced scan's.
    """
    if phantom.name == WATER:
        return _of_cylinder(scan, cylinder, phantom, _rim_edge(scan, cylinder))
    if phantom.name == TOMO_CHEESE:
        return _of_cheese(scan, cylinder, phantom, plugs, by_pylinac, at_kv)
    return _of_catphan(scan, cylinder, phantom, by_pylinac, at_kv)


def _of_cylinder(scan: Volume, cylinder: Cylinder, phantom: Phantom, edge: CircleEdge) -> list[Value]:
    """What a cylinder of water has: HU, noise, uniformity, diameter, and the sharpness of an edge."""
    image, centre = mean_image(scan, cylinder)
    middle = distances_mm(scan, centre) <= min(CENTRE_MM, cylinder.diameter_mm / 6)
    water = float(image[middle].mean())
    ring = cylinder.diameter_mm / 2 - 2 * RIM_ROI_MM
    angles = np.radians(np.arange(0, 360, 90))
    places = centre + ring * np.column_stack([np.cos(angles), np.sin(angles)])
    rim = [float(image[distances_mm(scan, place) <= RIM_ROI_MM].mean()) for place in places]
    noise = float(np.mean([scan.array[k][middle].std() for k in cylinder.core]))
    uniformity = max(abs(hu - water) for hu in rim)
    geometry = "geometry_mm" if phantom.diameter_mm else ""
    values = [
        Value("water_hu", "Water in the centre", "HU", 1, water, 0.0, rule="±", setting="water_hu"),
        Value("uniformity_hu", "Uniformity, rim - centre", "HU", 1, uniformity, setting="uniformity_hu"),
        Value("noise_hu", "Noise: SD in the centre", "HU", 1, noise, setting="noise_hu"),
        Value(
            "diameter_mm", "Diameter", "mm", 1, cylinder.diameter_mm, phantom.diameter_mm, rule="±", setting=geometry
        ),
    ]
    return values + _of_edge(edge)


def _of_edge(edge: CircleEdge) -> list[Value]:
    return [
        Value("mtf_50", "MTF 50 %", "lp/mm", 2, edge.mtf_50),
        Value("mtf_10", "MTF 10 %", "lp/mm", 2, edge.mtf_10),
        Value("resolution_mm", "Resolved object", "mm", 2, edge.resolution_mm, setting="resolution_mm"),
        Value("overshoot_hu", "Overshoot beside the edge", "HU", 1, edge.overshoot_hu, setting="overshoot_hu"),
    ]


def _rim_edge(scan: Volume, cylinder: Cylinder) -> CircleEdge:
    image, centre = mean_image(scan, cylinder)
    return circle_edge(image, distances_mm(scan, centre), cylinder.diameter_mm / 2)


def _of_cheese(
    scan: Volume,
    cylinder: Cylinder,
    phantom: Phantom,
    plugs: Mapping[str, Plug],
    by_pylinac: Mapping[str, Any],
    at_kv: bool,
) -> list[Value]:
    image, centre = mean_image(scan, cylinder)
    places = {
        number: plug_centre(image, scan, centre + plug.place_mm(cylinder.roll))
        for number, plug in plugs.items()
        if abs(plug.mv_hu) >= CLEAR_HU
    }
    lightest = min(plugs, key=lambda number: plugs[number].density)
    if lightest in places:
        edge = circle_edge(image, distances_mm(scan, places[lightest]), PLUG_DIAMETER_MM / 2)
    else:
        edge = _rim_edge(scan, cylinder)
    values = _of_cylinder(scan, cylinder, phantom, edge)
    values += _contrast(image, scan, centre, cylinder, plugs, values)
    if len(places) > 1:
        values.append(_distances(plugs, places))
    for number, plug in plugs.items():
        hu = float(by_pylinac["rois"][number]["median"])
        nominal, setting = plug.kv_hu if at_kv else plug.mv_hu, setting_of_density(plug.density)
        values.append(
            Value(f"{INSERT}{number}", f"{number}: {plug.material}", "HU", 0, hu, nominal, rule="±", setting=setting)
        )
    return values


def _contrast(
    image: np.ndarray,
    scan: Volume,
    centre: np.ndarray,
    cylinder: Cylinder,
    plugs: Mapping[str, Plug],
    values: list[Value],
) -> list[Value]:
    """Contrast-to-noise ratio of the faintest plug that is no water."""
    visible = {number: plug for number, plug in plugs.items() if abs(plug.mv_hu) >= FAINT_HU}
    if not visible:
        return []
    _, plug = min(visible.items(), key=lambda item: abs(item[1].mv_hu))
    radius = PLUG_DIAMETER_MM / 2 - FAR_ENOUGH_MM
    hu = float(image[distances_mm(scan, centre + plug.place_mm(cylinder.roll)) <= radius].mean())
    known = {value.name: value.value for value in values}
    ratio = abs(hu - known["water_hu"]) / max(known["noise_hu"], 1e-6)
    label = f"Low-contrast CNR: {plug.material} ({plug.mv_hu:+.0f} HU)"
    return [Value("low_contrast_cnr", label, "1", 2, ratio, rule="at least", setting="low_contrast_cnr")]


def _distances(plugs: Mapping[str, Plug], places: Mapping[str, np.ndarray]) -> Value:
    """The largest error of the distances between plugs that stand out."""
    errors = [
        math.dist(places[a], places[b]) - math.dist(plugs[a].place_mm(), plugs[b].place_mm())
        for a, b in combinations(places, 2)
    ]
    largest = max(errors, key=abs)
    return Value("distances_mm", "Distances of plugs, error", "mm", 2, largest, 0.0, rule="±", setting="geometry_mm")


def _of_catphan(
    scan: Volume,
    cylinder: Cylinder,
    phantom: Phantom,
    by_pylinac: Mapping[str, Any],
    at_kv: bool,
) -> list[Value]:
    linearity, uniform, pairs = (by_pylinac[module] for module in ("ctp404", "ctp486", "ctp528"))
    regions = uniform["rois"]
    centre, noise = (float(regions["Center"][name]) for name in ("value", "stdev"))
    uniformity = max(abs(float(roi["value"]) - centre) for roi in regions.values())
    half = next(frequency for share, frequency in pairs["mtf_lp_mm"].items() if int(share) == 50)
    side, thickness, visibility = (
        float(linearity[name])
        for name in ("avg_line_distance_mm", "measured_slice_thickness_mm", "low_contrast_visibility")
    )
    values = [
        Value("water_hu", "Uniform module, centre", "HU", 1, centre),
        Value("uniformity_hu", "Uniformity, rim - centre", "HU", 1, uniformity, setting="uniformity_hu"),
        Value("noise_hu", "Noise: SD in the centre", "HU", 1, noise, setting="noise_hu"),
        Value("diameter_mm", "Diameter", "mm", 1, cylinder.diameter_mm),
        *_of_edge(_rim_edge(scan, cylinder)),
        # None where the modulation of all gauges that were found is higher
        Value("line_pairs_50", "MTF 50 %, line pairs", "lp/mm", 2, math.nan if half is None else float(half)),
        Value("square_mm", "Square of holes, side", "mm", 2, side, SQUARE_MM, rule="±", setting="geometry_mm"),
        Value(
            "slice_mm", "Slice thickness", "mm", 1, thickness, scan.spacing[2], rule="±", setting="slice_thickness_mm"
        ),
        Value("low_contrast_visibility", "Low-contrast visibility", "1", 2, visibility),
    ]
    if low_contrast := by_pylinac.get("ctp515"):
        seen = float(low_contrast["num_rois_seen"])
        values.append(Value("low_contrast_seen", "Low-contrast targets seen, of 6", "1", 0, seen))
    for name, roi in linearity["hu_rois"].items():
        if name in CATPHAN_DENSITIES:
            density = CATPHAN_DENSITIES[name]
            mv_hu = 1000 * (density - 1)
            nominal, setting = kv_hu(density) if at_kv else mv_hu, setting_of_density(density)
            slug = name.casefold().replace("% ", "_")
            values.append(
                Value(f"{INSERT}{slug}", name, "HU", 0, float(roi["value"]), nominal, rule="±", setting=setting)
            )
    return values
