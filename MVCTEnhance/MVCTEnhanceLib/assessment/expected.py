"""Expected ranges of the metrics, from the slices of scans that were enhanced and measured.

docs/models.md states the rule, by which the shipped cards have theirs, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ..quality.catalogue import METRICS
from ..quality.record import NSELFSSIM_DISTANCE, OFFSETS, EnhancementRecord
from ..quality.spread import FOR_FEW_DATA, prediction_interval, rounded, widened

CENTRAL = (2.5, 97.5)  # percentiles of the slices
TRUST = 0.5  # of the width of what is expected, on either side of it
# Half of the tolerance that TG-148 gives the HU of MVCT for dose (water 30, lung 50 HU): the scanner may take the rest.
TRUSTED_BIAS_HU = MappingProxyType({"soft_tissue": 15.0, "fat": 15.0, "lung": 25.0})
MIN_BIAS_HU = 5.0  # no closer than MVCT is calibrated from day to day
AIR_AGREEMENT = "air_agreement"
AIR, TRUSTED_AIR = 99.0, 98.5
# The noise of the slices of one kVCT differs by the first factor; beyond the second it is another kind of image.
_CHOSEN_TO_PLANNING_CT = {"expected": [0.6, 1.6], "trusted": [0.3, 3.0]}
TO_MVCT, TO_PLANNING_CT = "enhanced_to_mvct", "enhanced_to_planning_ct"

Ranges = dict[str, dict[str, dict[str, list[float | None]]]]  # by group and metric: expected and trusted


def expected_ranges(
    records: Sequence[EnhancementRecord],
    *,
    planning_cts: Sequence[EnhancementRecord] = (),
    min_scans: int = 1,
    of_scanner: bool = False,
) -> Ranges:
    """Ranges of all metrics that the scans show, as `card["expected"]` has them; none of those that were chosen.

    Args:
        records: of the scans.
        planning_cts: those of them that show each planning CT once; none for no ranges of planning CTs.
        min_scans: in fewer of which a metric has values it gets no range.
        of_scanner: whether they are the ranges of the scanner of these scans, one a patient: no narrower than what is
            predicted for another patient, and of air agreement and the HU offsets from planning CTs, too.
    """
    ranges: Ranges = {}

    def add(group: str, name: str, per_scan: list[Sequence[float]]) -> None:
        values = [finite for of_scan in per_scan if (finite := [value for value in of_scan if math.isfinite(value)])]
        if values and len(values) >= min_scans:
            ranges.setdefault(group, {})[name] = _range(group, name, _Values(values, of_scanner))

    for group in ("mvct", "enhanced", "planning_ct", "comparison"):
        measured = planning_cts if group == "planning_ct" else records
        for name in measured[0].group(group) if measured else ():
            if name != AIR_AGREEMENT or of_scanner:
                add(group, name, [values.per_slice for record in measured if (values := record.group(group).get(name))])
    for name in _named(TO_MVCT):
        if all(name in record.group("enhanced") for record in records):
            add(TO_MVCT, name, [_parts(record, name) for record in records])
    for name in OFFSETS if of_scanner else ():
        add("comparison", name, [[record.distances[name].enhanced] for record in records if name in record.distances])
    if "cnr_muscle_fat" in ranges.get("mvct", {}):
        # A thin neck has less noise, which its own range judges.
        ranges["mvct"]["cnr_muscle_fat"]["trusted"][1] = None
    distances = (record.distances.get(NSELFSSIM_DISTANCE) for record in planning_cts)
    if known := [distance.enhanced for distance in distances if distance]:
        ranges.setdefault("comparison", {})[NSELFSSIM_DISTANCE] = _one_sided(known)
    return ranges


def chosen_ranges() -> Ranges:
    """Those of the card that are not measured."""
    to_planning_ct = {name: dict(_CHOSEN_TO_PLANNING_CT) for name in _named(TO_PLANNING_CT)}
    air = {"expected": [AIR, None], "trusted": [TRUSTED_AIR, None]}
    return {"comparison": {AIR_AGREEMENT: air}, TO_PLANNING_CT: to_planning_ct}


def _named(group: str) -> list[str]:
    """The metrics for which a card has ranges in this group."""
    return [name for name, metric in METRICS.items() if group in metric.causes]


def _parts(record: EnhancementRecord, name: str) -> list[float]:
    pairs = zip(*(record.groups[scan][name].per_slice for scan in ("enhanced", "mvct")), strict=True)
    return [after / before for after, before in pairs if before]


@dataclass(frozen=True)
class _Values:
    """Args: per_scan, finite values of each scan; predicted, whether ranges hold what another scan is to show."""

    per_scan: Sequence[Sequence[float]]
    predicted: bool

    def central(self, *, positive: bool = False) -> list[float]:
        """The range of most values, which may be positive by nature, so that they are skewed."""
        values = np.concatenate(self.per_scan)
        low, high = widened(*map(float, np.percentile(values, CENTRAL)))
        if not self.predicted:
            return [low, high]
        if positive and values.min() > 0:
            ends = np.exp(prediction_interval([np.log(of_scan) for of_scan in self.per_scan]))
        else:
            ends = prediction_interval(self.per_scan)
        return rounded(min(low, float(ends[0])), max(high, float(ends[1])))


def _range(group: str, name: str, values: _Values) -> dict[str, Any]:
    if group == TO_MVCT:
        return _two_sided(values)
    if name == "nselfssim":
        return {kind: [low, min(high, 1.0)] for kind, (low, high) in _two_sided(values).items()}
    if name == AIR_AGREEMENT:
        low, high = values.central()
        trusted = rounded(low - TRUST * (high - low), high)[0]
        return {"expected": [min(low, AIR), None], "trusted": [min(trusted, TRUSTED_AIR), None]}
    if METRICS[name].max_above_planning_ct:  # little of it is blur, which edge widths show
        return _at_most(values)
    if limits := METRICS[name].max_offset:
        low, high = values.central()
        low, high = min(low, -MIN_BIAS_HU), max(high, MIN_BIAS_HU)
        return {"expected": [low, high], "trusted": [min(low, -limits[1]), max(high, limits[1])]}
    if name not in TRUSTED_BIAS_HU:
        return _two_sided(values)
    low, high = values.central()
    bias = max(-low, high, MIN_BIAS_HU)
    trusted = max(TRUSTED_BIAS_HU[name], bias)
    return {"expected": [-bias, bias], "trusted": [-trusted, trusted]}


def _two_sided(values: _Values) -> dict[str, Any]:
    """All of them are positive by nature: a failure is less than half of the lowest that is expected."""
    low, high = values.central(positive=True)
    width = high - low
    return {"expected": [low, high], "trusted": rounded(max(low - TRUST * width, low / 2), high + TRUST * width)}


def _one_sided(values: Iterable[float]) -> dict[str, Any]:
    high = rounded(0.0, np.percentile(list(values), CENTRAL[1]) * (1 + FOR_FEW_DATA))[1]
    return {"expected": [None, high], "trusted": [None, rounded(0.0, high * (1 + TRUST))[1]]}


def _at_most(values: _Values) -> dict[str, Any]:
    low, high = values.central()
    return {"expected": [None, high], "trusted": [None, rounded(low, high + TRUST * (high - low))[1]]}
