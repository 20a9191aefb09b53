"""The distribution of each metric over the slices of several scans, beside the expected ranges of a card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..quality.record import OFFSETS, EnhancementRecord
from .expected import CENTRAL
from .ranges import Expectation, chosen_offset, expectation

GROUPS = ("mvct", "enhanced", "comparison")


@dataclass(frozen=True, eq=False)
class Distribution:
    """One metric.

    Args:
        group, name: of it.
        per_scan: its finite values in the slices of each scan.
        wanted: the card's ranges; None where it has none.
    """

    group: str
    name: str
    per_scan: tuple[tuple[float, ...], ...]
    wanted: Expectation | None

    @property
    def values(self) -> np.ndarray:
        """Of all slices."""
        return np.array([value for of_scan in self.per_scan for value in of_scan])

    @property
    def scans(self) -> int:
        """How many show the metric."""
        return sum(map(bool, self.per_scan))

    @property
    def percentiles(self) -> tuple[float, float, float]:
        """Lowest and highest of the central 95 % of the slices, with the median between."""
        low, high = CENTRAL
        return tuple(map(float, np.percentile(self.values, (low, 50, high))))

    @property
    def outside(self) -> tuple[float, float] | None:
        """Parts of the slices outside of what is expected, and of what is trusted."""
        if self.wanted is None:
            return None
        levels = np.array([self.wanted.level(value) for value in self.values])
        return float((levels > 0).mean()), float((levels > 1).mean())

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable."""
        outside = self.outside or (None, None)
        spread = dict(zip(("low", "median", "high"), self.percentiles, strict=True))
        counts = {"scans": self.scans, "slices": self.values.size}
        return counts | spread | {"outside_expected": outside[0], "outside_trusted": outside[1]}


def distributions(records: Sequence[EnhancementRecord], card: Mapping[str, Any]) -> list[Distribution]:
    """Of every metric that a slice of the scans shows, and of the HU offsets from their planning CTs."""
    found = []
    for group in GROUPS:
        for name in records[0].group(group):
            measured = [values for record in records if (values := record.group(group).get(name))]
            per_scan = [filter(math.isfinite, values.per_slice) for values in measured]
            one = Distribution(group, name, tuple(map(tuple, per_scan)), expectation(card, group, name))
            if one.scans:
                found.append(one)
    for name in OFFSETS:
        offsets = [record.distances[name].enhanced if name in record.distances else math.nan for record in records]
        per_scan = tuple((offset,) if math.isfinite(offset) else () for offset in offsets)
        if any(per_scan):
            found.append(Distribution("comparison", name, per_scan, chosen_offset(name)))
    return found
