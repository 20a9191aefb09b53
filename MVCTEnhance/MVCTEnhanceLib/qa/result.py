"""The outcome of quality assurance: the values of both scans side by side, and whether they pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    """

    phantom: Phantom
    date: str
    cylinder: Cylinder
    mvct: Sequence[Value]
    enhanced: Sequence[Value]
    made: Mapping[str, str]
    warnings: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        """Whether no value of either scan is out of tolerance."""
        return not self.failed

    @property
    def failed(self) -> list[tuple[str, Value]]:
        """The values out of tolerance, each with its scan."""
        return [(scan, value) for scan in SCANS for value in getattr(self, scan) if value.passed is False]

    @property
    def pairs(self) -> list[tuple[Value, Value]]:
        """Each value before and after enhancing."""
        return list(zip(self.mvct, self.enhanced, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable, for qa.json and --json."""
        return {
            "phantom": self.phantom.name,
            "date": self.date,
            "passed": self.passed,
            "position": self.position,
            "values": {
                before.name: {
                    "label": before.label,
                    "unit": before.unit,
                    "mvct": _as_dict(before),
                    "enhanced": _as_dict(after),
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


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
