"""What is known of each day of a course, and its JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..assessment.provenance import PROGRAM
from ..errors import InputError
from ..quality.catalogue import INTENDED_USE
from ..quality.record import EnhancementRecord
from ..registration.motion import NOT_FOR_POSITIONING, RigidMotion
from .body_size import BodyChange, BodySize, change
from .days import Day

FIRST, PLANNING_CT = "first", "planning_ct"
REFERENCES = {FIRST: "the first scan", PLANNING_CT: "the planning CT"}  # of the body's size


@dataclass(frozen=True)
class Limit:
    """Change of the body beyond which to look closer.

    Args:
        value: above 0.
        unit: % of the body's area, or mm of its effective diameter.
    """

    value: float
    unit: str

    @classmethod
    def of_text(cls, text: str) -> Limit:
        """The limit that a text such as "5%" or "10 mm" gives.

        Raises:
            InputError: it gives none.
        """
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(%|mm)", text.strip())
        if not found or float(found[1]) == 0:
            raise InputError(f"body-change: '{text}' is not possible: give a number above 0 as in 5% or 10mm.")
        return cls(float(found[1]), found[2])

    def is_passed(self, body: BodyChange | None) -> bool:
        """Whether a change is larger, to either side."""
        return body is not None and abs(self.of(body)) > self.value

    def of(self, body: BodyChange) -> float:
        """The change in the unit of the limit."""
        return body.area_percent if self.unit == "%" else body.diameter_mm

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}"


@dataclass(frozen=True, eq=False)
class DayResult:
    """What came of a day.

    Args:
        day: which scan it is of.
        reason: why there is nothing of it, one sentence; empty for a day that was enhanced and measured.
        place: folder of its enhanced scan.
        record: of its enhancement.
        size: of the body in the MVCT; z is that of the planning CT where the scan was registered.
        registration: as `register_files` gives it; None where it was not registered.
        not_registered: the reason for that, where there is a planning CT.
        structures: what the scans show in each, as `structure_values` gives it.
        without_structures: why there are none, where some were asked for.
    """

    day: Day
    reason: str = ""
    place: Path | None = None
    record: EnhancementRecord | None = None
    size: BodySize | None = None
    registration: Mapping[str, Any] | None = None
    not_registered: str = ""
    structures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    without_structures: str = ""

    @property
    def motion(self) -> RigidMotion:
        """From the MVCT to the planning CT; none where it was not registered."""
        matrix = np.array(self.registration["mvct"]["matrix_lps"]) if self.registration else np.eye(4)
        return RigidMotion(matrix[:3, :3], matrix[:3, 3])

    @property
    def couch_shift(self) -> Mapping[str, float]:
        """Of the MVCT; empty where it is not known."""
        return (self.registration and self.registration["mvct"]["couch_shift"]) or {}

    def means(self) -> dict[str, float]:
        """Mean of each metric by group and path, such as "enhanced.noise_hu"; what has no value is not there."""
        groups = self.record.groups if self.record else {}
        return {
            f"{group}.{values.path}": values.mean
            for group, of in groups.items()
            for values in of.values()
            if values.has_value
        }


@dataclass(frozen=True, eq=False)
class Course:
    """All days of a patient.

    Args:
        days: in the order of their acquisition.
        limit: of the body's change.
        planned: the body in the planning CT; None without one.
        warnings: on the course as a whole.
        identify: whether dates and names may be shown.
    """

    days: Sequence[DayResult]
    limit: Limit
    planned: BodySize | None
    warnings: tuple[str, ...]
    identify: bool

    @property
    def done(self) -> list[DayResult]:
        """The days that are no gap."""
        return [day for day in self.days if not day.reason]

    @property
    def references(self) -> dict[str, BodySize]:
        """The body's size that changes are counted from: in the first scan that shows it, and in the planning CT."""
        first = next((day.size for day in self.done if day.size and day.size.has_body), None)
        found = {FIRST: first, PLANNING_CT: self.planned}
        return {name: size for name, size in found.items() if size is not None}

    def changes(self, day: DayResult) -> dict[str, BodyChange | None]:
        """Of the body on a day, by reference."""
        if day.size is None:
            return {}
        return {name: change(day.size, reference) for name, reference in self.references.items()}

    def is_beyond_limit(self, day: DayResult) -> bool:
        """Whether the body has changed too much on a day, by any reference."""
        return any(map(self.limit.is_passed, self.changes(day).values()))

    def label(self, day: DayResult) -> str:
        """By what the page calls a day."""
        _label, comma, again = day.day.label.partition(",")
        return f"{day.day.date}{comma}{again}" if self.identify and day.day.date else day.day.label

    def to_dict(self) -> dict[str, Any]:
        """The JSON-serialisable form of days.json."""
        return {
            "program": PROGRAM,
            "intended_use": INTENDED_USE,
            "couch_shifts": NOT_FOR_POSITIONING,
            "body_change_limit": asdict(self.limit),
            "planning_ct_body": self.planned and self.planned.to_dict(),
            "warnings": list(self.warnings),
            "days": [self._entry(day) for day in self.days],
        }

    def _entry(self, day: DayResult) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "label": day.day.label,
            "row": day.day.row,
            "status": "failed" if day.reason else "done",
        }
        if self.identify:
            entry |= {"date": day.day.date, "name": day.day.name}
        if day.reason:
            return entry | {"reason": day.reason}
        entry |= {"metrics": day.means(), "warnings": list(day.record.warnings or ())}
        entry["assessments"] = {
            group: {name: assessment.verdict for name, assessment in of.items()}
            for group, of in day.record.assessments.items()
        }
        entry["body"] = day.size and day.size.to_dict()
        entry["body_change"] = {name: body and _finite(asdict(body)) for name, body in self.changes(day).items()}
        entry["beyond_limit"] = self.is_beyond_limit(day)
        if day.registration:
            entry["registration"] = dict(day.registration)
        texts = {"not_registered": day.not_registered, "without_structures": day.without_structures}
        entry |= {name: text for name, text in texts.items() if text}
        if day.structures:
            entry["structures"] = {name: dict(values) for name, values in day.structures.items()}
        return entry


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
