"""The page of a course review: an HTML page that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..assessment.provenance import provenance_rows
from ..assessment.ranges import expectation
from ..assessment.verdicts import gravity, not_as_expected, verdict_counts
from ..quality.catalogue import GROUPS, INTENDED_USE, METRICS, SCANS, Metric
from ..quality.record import Assessment
from ..registration.motion import NOT_FOR_POSITIONING
from ..report.page import page
from ..report.pictures import days_png, profiles_png
from .result import REFERENCES, Course, DayResult
from .thumbnails import GREY_HU, level_of, thumbnails

MOST = 5  # metrics among those that changed most
SHIFTS_MM = ("lateral_mm", "longitudinal_mm", "vertical_mm")
SHIFTS_DEG = ("pitch_deg", "roll_deg", "yaw_deg")
Values = Sequence[float]


def course_page(course: Course, card: Mapping[str, Any], planning_ct: Path | None) -> str:
    """The page of a course of which at least one day was done.

    Args:
        course: all days.
        card: of the model, with its expected ranges.
        planning_ct: for its picture; None without one.
    """
    record = course.done[-1].record
    shifts, angles = (_shift_plot(course, names) for names in (SHIFTS_MM, SHIFTS_DEG))
    content = {
        "version": __version__,
        "intended_use": INTENDED_USE,
        "not_for_positioning": NOT_FOR_POSITIONING,
        "course": course,
        "references": {name: REFERENCES[name] for name in course.references},
        "warnings": [*course.warnings, *_warnings(course)],
        "rows": [_row(course, day) for day in course.days],
        "flagged": _flagged(course),
        "most": [*_metrics_that_changed(course, card), *_body_that_changed(course), *_couch_that_moved(course)],
        "assessments": _assessments(course),
        "assessed": _counts(course),
        "body_plots": _body_plots(course),
        "truncated": _truncated(course),
        "shift_plots": [plot for plot in (("Shift", shifts), ("Rotation", angles)) if plot[1]],
        "not_registered": _by_text(course, lambda day: [day.not_registered] if day.not_registered else []),
        "level": level_of(course),
        "thumbnails": thumbnails(course, planning_ct),
        "grey": (GREY_HU["level"] - GREY_HU["window"] / 2, GREY_HU["level"] + GREY_HU["window"] / 2),
        "trends": _trends(course, card),
        "structures": _structures(course),
        "without_structures": _by_text(course, lambda day: [day.without_structures] if day.without_structures else []),
        "provenance": {name.replace("sha256", "SHA-256"): text for name, text in _provenance(record).items() if text},
    }
    return page("course.html.j2", content)


def _provenance(record: Any) -> dict[str, str]:
    rows = provenance_rows(record)
    return {name: rows[name] for name in ("program", "model", "site", "strength", "model_sha256", "site_sha256")}


def _axis(course: Course) -> dict[str, Any]:
    """Where the days lie in a plot, and what they are called there."""
    dates = [day.day.date for day in course.days]
    if course.identify and all(dates):
        return {"days": [(day.day.at, day.day.date) for day in course.days], "along": "date"}
    numbers = [(day.day.at, str(int(day.day.at))) for day in course.days]
    return {"days": numbers, "along": "day" if any(dates) else "scan"}


def _row(course: Course, day: DayResult) -> dict[str, Any]:
    """A day in the table."""
    row: dict[str, Any] = {"label": course.label(day), "name": day.day.name if course.identify else ""}
    if day.reason:
        return row | {"reason": day.reason}
    counts = verdict_counts(day.record.assessments)
    worst = next((verdict for verdict in reversed(counts) if counts[verdict]), "")
    changes = course.changes(day)
    return row | {
        "reason": "",
        "assessment": Assessment(worst),
        "count": counts.get(worst, 0),
        "changes": [_change(changes[name], course.limit.is_passed(changes[name])) for name in course.references],
        "shift": [_signed(day.couch_shift.get(name), 1) for name in (*SHIFTS_MM, *SHIFTS_DEG)],
        "agreement": Assessment(**day.registration["assessment"]) if day.registration else Assessment(),
    }


def _change(body: Any, is_beyond: bool) -> tuple[str, Assessment]:
    if body is None:
        return "-", Assessment()
    text = f"{body.area_percent:+.1f} %, {body.diameter_mm:+.1f} mm"
    return text, Assessment(
        "look closer", "The body has changed by more than the limit."
    ) if is_beyond else Assessment()


def _signed(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{round(value, digits) + 0:+.{digits}f}"  # no -0.0


def _flagged(course: Course) -> list[tuple[str, str]]:
    """Sentences on the days whose body has changed by more than the limit, by reference."""
    found = []
    for name in course.references:
        beyond = {
            course.label(day): course.limit.of(body)
            for day in course.done
            if course.limit.is_passed(body := course.changes(day)[name])
        }
        if not beyond:
            continue
        most = max(beyond, key=lambda label: abs(beyond[label]))
        what = "smaller" if beyond[most] < 0 else "larger"
        by = f"{abs(beyond[most]):.1f} {course.limit.unit}"
        found.append(
            (
                f"Body against {REFERENCES[name]}",
                f"{by} {what} on {most}; beyond {course.limit} on {_listed(list(beyond), course)}.",
            )
        )
    return found


def _listed(labels: Sequence[str], course: Course) -> str:
    """Labels in a row, "day" only once where all have it."""
    if len(labels) == len(course.done) > 1:
        return "all scans"
    if len(labels) > 1 and all(label.startswith("day ") and "," not in label for label in labels):
        return f"days {', '.join(label.removeprefix('day ') for label in labels)}"
    return ", ".join(labels)


def _metrics_that_changed(course: Course, card: Mapping[str, Any]) -> list[str]:
    """The metrics that lie farthest from their first value, as a part of the width of their expected range."""
    found = []
    for group in ("mvct", "enhanced", "comparison"):
        for name, metric in METRICS.items():
            wanted = expectation(card, group, name) if group in metric.groups else None
            values = _of_days(course, group, name, metric)
            known = [n for n, value in enumerate(values) if math.isfinite(value)]
            if wanted is None or None in (wanted.expected.low, wanted.expected.high) or len(known) < 2:
                continue
            first = known[0]
            most = max(known, key=lambda n: abs(values[n] - values[first]))
            part = abs(values[most] - values[first]) / (wanted.expected.high - wanted.expected.low)
            unit = "" if metric.unit == "1" else f" {metric.unit}"
            of_days = (f"{values[n]:.{metric.digits}f}{unit} on {course.label(course.days[n])}" for n in (first, most))
            of_range = f"{100 * part:.0f} % of the width of the expected range"
            found.append((part, f"{GROUPS[group]}, {metric.label}: {', '.join(of_days)} ({of_range})."))
    return [text for part, text in sorted(found, key=lambda one: -one[0])[:MOST] if part > 0]


def _body_that_changed(course: Course) -> list[str]:
    found = []
    for name in course.references:
        bodies = [(course.label(day), course.changes(day)[name]) for day in course.done]
        bodies = [(label, body) for label, body in bodies if body is not None and body.most_mm]
        if bodies:
            label, body = max(bodies, key=lambda one: abs(one[1].most_mm))
            found.append(
                f"Effective diameter of the body against {REFERENCES[name]}: {body.most_mm:+.1f} mm at "
                f"z = {body.most_z_mm:.1f} mm on {label}."
            )
    return found


def _couch_that_moved(course: Course) -> list[str]:
    """The day whose couch shift lies farthest from the median of all."""
    days = [day for day in course.done if day.couch_shift]
    if len(days) < 2:
        return []
    shifts = np.array([[day.couch_shift[name] for name in SHIFTS_MM] for day in days])
    apart = np.linalg.norm(shifts - np.median(shifts, axis=0), axis=1)
    most = int(apart.argmax())
    return [f"Couch shift: {apart[most]:.1f} mm from the median of all days on {course.label(days[most])}."]


def _counts(course: Course) -> tuple[int, int]:
    """Assessments that are to be looked at or not to be trusted, and all."""
    all_of = [verdict_counts(day.record.assessments) for day in course.done]
    return sum(sum(counts.values()) for counts in all_of), sum(
        len(not_as_expected(day.record.assessments)) for day in course.done
    )


def _assessments(course: Course) -> list[tuple[str, Assessment, str]]:
    """What is not as expected on some day: label, the gravest assessment with its reason, and the days."""
    found: dict[tuple[str, str], list[tuple[str, Assessment]]] = {}
    for day in course.done:
        for group, name, assessment in not_as_expected(day.record.assessments):
            found.setdefault((group, name), []).append((course.label(day), assessment))
    rows = []
    for (group, name), of_days in found.items():
        label, worst = max(of_days, key=lambda one: gravity(one[1].verdict))
        reason = Assessment(worst.verdict, f"On {label}: {worst.reason[:1].lower()}{worst.reason[1:]}")
        rows.append(
            (f"{GROUPS[group]}, {METRICS[name].label}", reason, _listed([label for label, _ in of_days], course))
        )
    return sorted(rows, key=lambda row: -gravity(row[1].verdict))


def _by_text(course: Course, texts: Callable[[DayResult], Sequence[str]]) -> list[str]:
    """Sentences, each once, with the days that have it where these are not all."""
    found: dict[str, list[str]] = {}
    for day in course.done:
        for text in dict.fromkeys(texts(day)):
            found.setdefault(text, []).append(course.label(day))
    sentences = [
        text if len(labels) == len(course.done) else f"{_listed(labels, course)}: {text}"
        for text, labels in found.items()
    ]
    return [text[:1].upper() + text[1:] for text in sentences]


def _warnings(course: Course) -> list[str]:
    def texts(day: DayResult) -> list[str]:
        return [*(day.record.warnings or ()), *(day.registration["warnings"] if day.registration else ())]

    return _by_text(course, texts)


def _truncated(course: Course) -> list[str]:
    """On the levels that the field of view cuts."""

    def texts(day: DayResult) -> list[str]:
        cut = int(day.size.truncated.sum())
        return [f"the field of view cuts the body in {cut} of {len(day.size.z_mm)} slices"] if cut else []

    sentences = [f"{text}: they are not compared." for text in _by_text(course, texts)]
    return sentences or ["The field of view cuts the body in none of the slices."]


def _body_plots(course: Course) -> list[tuple[str, bytes]]:
    """Area and effective diameter by level, and their change by day."""
    named = {REFERENCES[name][4:]: size for name, size in course.references.items()}
    shown = [day for day in course.done if day.size.has_body]
    if not shown:
        return []
    named |= {course.label(shown[-1]): shown[-1].size} if len(shown) > 1 else {}
    others = [day.size for day in shown[1:-1]]
    plots = [
        (
            title,
            profiles_png({name: of(size) for name, size in named.items()}, [of(size) for size in others], unit=unit),
        )
        for title, unit, of in (
            ("Area by level", "cm²", lambda size: (size.z_mm, size.area_mm2 / 100)),
            ("Effective diameter by level", "mm", lambda size: (size.z_mm, size.diameter_mm)),
        )
    ]
    for title, unit, name in (
        ("Change of the area", "%", "area_percent"),
        ("Change of the diameter", "mm", "diameter_mm"),
    ):
        lines = {
            REFERENCES[of].replace("the ", "against the "): [
                math.nan if (body := course.changes(day).get(of)) is None else getattr(body, name)
                for day in course.days
            ]
            for of in course.references
        }
        limits = [-course.limit.value, course.limit.value] if course.limit.unit == unit else []
        plots.append((title, days_png(lines=lines, unit=unit, limits=limits, **_axis(course))))
    return plots


def _shift_plot(course: Course, names: Sequence[str]) -> bytes | None:
    if not any(day.couch_shift for day in course.done):
        return None
    lines = {name.partition("_")[0]: [day.couch_shift.get(name, math.nan) for day in course.days] for name in names}
    return days_png(lines=lines, unit=names[0].partition("_")[2].replace("deg", "°"), **_axis(course))


def _of_days(course: Course, group: str, name: str, metric: Metric) -> list[float]:
    path = ".".join(filter(None, (group, metric.part_of, name)))
    return [day.means().get(path, math.nan) for day in course.days]


def _structures(course: Course) -> list[tuple[str, bytes]]:
    """Mean HU in each structure, with that of the planning CT as a dashed line."""
    names = dict.fromkeys(name for day in course.done for name in day.structures)
    plots = []
    for name in names:
        of_days = [day.structures.get(name, {}) for day in course.days]
        lines = {SCANS[scan]: [_mean_hu(values, scan) for values in of_days] for scan in ("mvct", "enhanced")}
        planned = [value for value in (_mean_hu(values, "planning_ct") for values in of_days) if math.isfinite(value)]
        plots.append((name, days_png(lines=lines, unit="HU", limits=planned[:1], **_axis(course))))
    return plots


def _mean_hu(values: Mapping[str, Any], scan: str) -> float:
    mean = values.get(scan, {}).get("mean")
    return math.nan if mean is None else mean


def _trends(course: Course, card: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """Every metric that has a value, with its expected ranges."""
    found = []
    for name, metric in METRICS.items():
        groups = [group for group in ("mvct", "enhanced", "comparison") if group in metric.groups]
        titles = {group: SCANS.get(group, metric.label) for group in groups}
        lines = {titles[group]: _of_days(course, group, name, metric) for group in groups}
        if not any(math.isfinite(value) for values in lines.values() for value in values):
            continue
        wanted = {titles[group]: expectation(card, group, name) for group in groups}
        bands = {title: (one.expected.low, one.expected.high) for title, one in wanted.items() if one}
        found.append((metric.label, days_png(lines=lines, unit=metric.unit, bands=bands, **_axis(course))))
    return found
