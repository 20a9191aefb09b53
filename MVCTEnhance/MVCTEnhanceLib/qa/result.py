"""The outcome of quality assurance: the values of both scans side by side, and whether they pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .phantoms import SCANS, Phantom
from .position import Cylinder
from .values import Value


@dataclass(frozen=True, eq=False)
class QAResult:
    """All of one analysis.

    Args:
        phantom: which one.
        date: of the scan, or of the analysis where the scan does not say: YYYY-MM-DD.
        cylinder: where it lies in the MVCT.
        mvct, enhanced: the same values of both scans, in the same order.
        made: program, model, pylinac, digest of the MVCT and time, by their names.
        warnings: sentences.
        changes: of both scans the same values with that of the acceptance as nominal and the tolerance of its change;
            empty where they were not compared.
        accepted: date of the acceptance's scan.
    """

    phantom: Phantom
    date: str
    cylinder: Cylinder
    mvct: Sequence[Value]
    enhanced: Sequence[Value]
    made: Mapping[str, str]
    warnings: Sequence[str] = ()
    changes: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    accepted: str = ""

    @property
    def passed(self) -> bool:
        """Whether no value of either scan, and no change since the acceptance, is out of tolerance."""
        return not (self.failed or self.changed)

    @property
    def failed(self) -> list[tuple[str, Value]]:
        """The values out of tolerance, each with its scan."""
        return [(scan, value) for scan in SCANS for value in getattr(self, scan) if value.passed is False]

    @property
    def changed(self) -> list[tuple[str, Value]]:
        """The values that have changed by more than their tolerance since the acceptance, each with its scan."""
        return [(scan, value) for scan in SCANS for value in self.changes.get(scan, ()) if value.passed is False]

    @property
    def pairs(self) -> list[tuple[Value, Value]]:
        """Each value before and after enhancing."""
        return list(zip(self.mvct, self.enhanced, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable, for qa.json and --json."""
        changes = {(scan, value.name): value for scan, values in self.changes.items() for value in values}
        return {
            "phantom": self.phantom.name,
            "date": self.date,
            "passed": self.passed,
            "accepted": self.accepted or None,
            "position": self.position,
            "values": {
                before.name: {
                    "label": before.label,
                    "unit": before.unit,
                    "digits": before.digits,
                    **{
                        scan: _as_dict(value) | _change(changes.get((scan, value.name)))
                        for scan, value in zip(SCANS, (before, after), strict=True)
                    },
                    "difference": _number(after.value - before.value),
                }
                for before, after in self.pairs
            },
            "warnings": list(self.warnings),
            "made": dict(self.made),
        }

    @property
    def position(self) -> dict[str, float]:
        """Slices that show the phantom, and how far it is out of place."""
        cylinder = self.cylinder
        return {
            "slices": len(cylinder.slices),
            "offset_mm": round(cylinder.offset_mm, 2),
            "tilt_degrees": round(cylinder.tilt, 2),
            "roll_degrees": round(cylinder.roll, 2),
        }


def _as_dict(value: Value) -> dict[str, Any]:
    return {
        "value": _number(value.value),
        "nominal": value.nominal,
        "tolerance": value.tolerance,
        "rule": value.rule if value.tolerance is not None else None,
        "passed": value.passed,
    }


def _change(value: Value | None) -> dict[str, Any]:
    """Of a value since the acceptance; empty where it is not compared."""
    if value is None:
        return {}
    change = {"value": _number(value.value - value.nominal), "tolerance": value.tolerance, "passed": value.passed}
    return {"accepted": value.nominal, "change": change}


def values_of(found: Mapping[str, Any]) -> list[tuple[Value, Value]]:
    """Each value before and after enhancing, of what `QAResult.to_dict` gave."""
    return [tuple(_as_value(name, entry, entry[scan]) for scan in SCANS) for name, entry in found["values"].items()]


def _as_value(name: str, entry: Mapping[str, Any], of_scan: Mapping[str, Any]) -> Value:
    value = math.nan if of_scan["value"] is None else of_scan["value"]
    rule = of_scan["rule"] or "at most"
    shown = (entry["label"], entry["unit"], entry["digits"])
    return Value(name, *shown, value, of_scan["nominal"], of_scan["tolerance"], rule)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
