"""The days of a course: its scans in the order of their acquisition, of one patient."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from ..assessment.provenance import identity_of_series
from ..batch.cases import Case
from ..errors import InputError

_DATE_IN_NAME = re.compile(r"(?<!\d)\d{4}-[01]\d-[0-3]\d(?!\d)")
SEVERAL_PATIENTS = "The folder holds scans of {count} Patient IDs: give a folder with the scans of one patient."
WITHOUT_ID = (
    "{count} of {total} scans have no Patient ID, as volume files have none: check that all are of one patient."
)
WITHOUT_DATE = (
    "{count} of {total} scans have no date of acquisition: they come last, in the order of their names, and are called "
    "by their number."
)


@dataclass(frozen=True)
class Day:
    """One scan of a course.

    Args:
        case: of the batch that enhances it.
        row: its number in summary.csv, from 1.
        at: place on the axis of days; 1 for the first date.
        label: such as "day 12".
        date: YYYY-MM-DD; empty where it is not known.
    """

    case: Case
    row: int
    at: float
    label: str
    date: str = ""

    @property
    def name(self) -> str:
        """By what a person knows the scan again: date and description of the series, or the name of the file."""
        header = self.case.header
        known = identity_of_series(header.description, "") if header else {"file": self.case.name}
        return ", ".join(filter(None, (self.date, *known.values())))


def days_of(cases: Sequence[Case]) -> list[Day]:
    """The scans by date and time, those without a date last."""
    dates = [_date(case) for case in cases]
    first = min(filter(None, dates), default=None)
    order = sorted(
        range(len(cases)),
        key=lambda n: (dates[n] or date.max, cases[n].header.time if cases[n].header else "", n),
    )
    several, seen = Counter(filter(None, dates)), Counter[date]()
    days: list[Day] = []
    for position, n in enumerate(order, start=1):
        taken = dates[n]
        if taken is None:
            at = float(int(days[-1].at) + 1) if days else 1.0
            days.append(Day(cases[n], n + 1, at, f"scan {position}"))
            continue
        seen[taken] += 1
        number = (taken - first).days + 1
        again = f", scan {seen[taken]}" if seen[taken] > 1 else ""
        at = number + (seen[taken] - 1) / several[taken]
        days.append(Day(cases[n], n + 1, at, f"day {number}{again}", taken.isoformat()))
    return days


def course_warnings(cases: Sequence[Case], patient_id: str) -> tuple[str, ...]:
    """What is not known of the patient and of the dates, one sentence each.

    Args:
        cases: the scans.
        patient_id: of the planning CT; empty where it has none or is none.

    Raises:
        InputError: the scans are of several patients, or the planning CT is of another one; nobody is named.
    """
    ids = [case.header.patient.id if case.header else "" for case in cases]
    known = set(filter(None, ids))
    if len(known) > 1:
        raise InputError(SEVERAL_PATIENTS.format(count=len(known)))
    if patient_id and known - {patient_id}:
        raise InputError(
            "The planning CT has another Patient ID than the scans of the folder: choose that of this patient."
        )
    without = {WITHOUT_ID: ids.count(""), WITHOUT_DATE: sum(_date(case) is None for case in cases)}
    return tuple(text.format(count=count, total=len(cases)) for text, count in without.items() if count)


def without_names(text: str, case: Case) -> str:
    """A reason without what names the scan: its files and folders, which may give the patient away."""
    source, folder = case.source, case.name.partition("#")[0]
    names = {case.name, case.key, folder}
    for path in source.rglob("*") if source.is_dir() else source.parent.iterdir():
        names |= {str(path), f"{path.parent.name}/{path.name}", path.name, (Path(folder) / path.name).as_posix()}
    if case.header:
        names |= {f"{word} {case.header.series_name}" for word in ("Series", "series")}
    for name in sorted(names, key=len, reverse=True):
        # A folder may be called by a word of the sentence.
        before, after = ("", "") if re.search(r"[/.]", name) else (r"(?:(?<=^)|(?<=')|(?<=\bin ))", r"(?=[\s',:]|$)")
        text = re.sub(f"{before}{re.escape(name)}{after}", "the scan", text)
    text = text.replace("'the scan'", "the scan")
    return text[:1].upper() + text[1:]


def _date(case: Case) -> date | None:
    """Of the header or, of a volume file, in its name."""
    if case.header:
        text, format = case.header.date, "%Y%m%d"
    else:
        found = _DATE_IN_NAME.findall(case.source.name)
        text, format = found[-1] if found else "", "%Y-%m-%d"
    try:
        return datetime.strptime(text, format).date()
    except ValueError:
        return None
