"""The metrics in the report: the main ones, their assessments, tables and plots against the slice number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..assessment.verdicts import AS_EXPECTED, NOT_APPLICABLE, not_as_expected, verdict_counts
from ..quality.catalogue import GROUPS, METRICS, SCANS, Metric
from ..quality.record import NOT_ASSESSED, TRUTH, Assessment, Distance, EnhancementRecord, MetricValues
from .pictures import plot_png

Cell = tuple[str, Assessment]  # the value as text
Row = tuple[str, Metric, list[Cell]]  # of a table, with its label
STRUCTURE_COLUMNS = (
    "Structure",
    "Volume / cm³",
    "MVCT / HU",
    "Enhanced / HU",
    "Planning CT / HU",
    "HU change",
    "MVCT noise / HU",
    "Enhanced noise / HU",
    "Unusual / %",
)


def main_metrics(record: EnhancementRecord) -> list[tuple[str, str, str, Assessment]]:
    """The values to look at first: label, value, what it is of, assessment."""
    mvct, enhanced, comparison = (record.groups[name] for name in ("mvct", "enhanced", "comparison"))
    shown = [
        ("enhanced", name, _from_to(mvct[name], enhanced[name]), "MVCT → enhanced")
        for name in ("noise_hu", "nselfssim", "cnr_muscle_fat", "edge_width_mm")
    ]
    notes = {"air_agreement": "air stayed air, tissue tissue", "soft_tissue": "enhanced - MVCT"}
    shown += [("comparison", name, _mean(comparison[name]), note) for name, note in notes.items()]
    return [(METRICS[name].label, value, note, record.assessment(group, name)) for group, name, value, note in shown]


def verdicts(record: EnhancementRecord) -> dict[str, Any]:
    """How many values are as expected, not applicable and judged at all; the others, the gravest first."""
    counts = verdict_counts(record.assessments)
    return {
        "as_expected": counts[AS_EXPECTED],
        "not_applicable": counts[NOT_APPLICABLE],
        "applicable": sum(counts.values()) - counts[NOT_APPLICABLE],
        "others": [
            (f"{GROUPS[group]}, {METRICS[name].label}", assessment)
            for group, name, assessment in not_as_expected(record.assessments)
        ],
    }


def tables(record: EnhancementRecord) -> list[tuple[str, list[str], list[Row]]]:
    """Title, names of the scans, and every metric with mean, SD and assessment of each."""
    scans = [scan for scan in SCANS if scan in record.groups]
    of_scans = [_row(name, [_cell(record, scan, name) for scan in scans]) for name in record.groups["mvct"]]
    compared = [_row(name, [_cell(record, "comparison", name)]) for name in record.groups["comparison"]]
    compared += [
        _row(name, [(_distance(name, distance), record.assessment("comparison", name))])
        for name, distance in record.distances.items()
    ]
    shown = [
        ("Image-quality metrics", [SCANS[scan] for scan in scans], of_scans),
        ("Enhanced against MVCT", ["Enhanced - MVCT"], compared),
    ]
    if truth := [record.groups[scan] for scan in TRUTH if scan in record.groups]:
        rows = [_row(name, [(_mean_sd(scan[name]), NOT_ASSESSED) for scan in truth], truth=True) for name in truth[0]]
        shown.append(("Against the true kVCT", ["MVCT", "Enhanced"], rows))
    return shown


def plots(record: EnhancementRecord) -> tuple[list[tuple[str, bytes]], list[str]]:
    """Values against the slice number, as names and PNG, and what their lines and bands are."""
    z_mm, comparison = record.z_mm, record.groups["comparison"]
    shown = [(METRICS[name].label, _scan_plot(record, name)) for name in record.groups["mvct"]]
    notes = ["Slices are numbered from 1; below the numbers stands the patient's z."] if z_mm else []
    if "planning_ct" in record.groups:
        notes.append("Green line and shaded band: mean ± SD over the planning CT's own slices, the reference.")
    for values in (values for values in comparison.values() if not values.part_of and METRICS[values.name].plotted):
        metric = METRICS[values.name]
        shown.append((metric.label, plot_png({metric.label: values.per_slice}, metric=metric, z_mm=z_mm)))
        if metric.limit is not None:
            limit = f"{metric.label.lower()} of {metric.limit:g} {metric.unit}"
            notes.append(f"Dashed line: {limit}, beyond which to look closer.")
    changes = {name.replace("_", " "): values.per_slice for name, values in comparison.items() if values.part_of}
    shown.append(("HU change, enhanced - MVCT", plot_png(changes, metric=METRICS["soft_tissue"], z_mm=z_mm)))
    return shown, notes


def _scan_plot(record: EnhancementRecord, name: str) -> bytes:
    lines = {SCANS[scan]: record.groups[scan][name].per_slice for scan in ("mvct", "enhanced")}
    reference, band = record.group("planning_ct").get(name), None
    if reference and reference.has_value:
        band = (SCANS["planning_ct"], reference.mean, reference.sd if math.isfinite(reference.sd) else 0.0)
    return plot_png(lines, metric=METRICS[name], band=band, z_mm=record.z_mm)


def _row(name: str, cells: list[Cell], *, truth: bool = False) -> Row:
    metric = METRICS[name]
    return (truth and metric.truth_label) or metric.label, metric, cells


def _cell(record: EnhancementRecord, group: str, name: str) -> Cell:
    values = record.groups[group].get(name)  # some metrics are not measured in the planning CT
    return (_mean_sd(values), record.assessment(group, name)) if values else ("-", NOT_ASSESSED)


def _distance(name: str, distance: Distance) -> str:
    return _with_unit(f"{_number(distance.mvct, name)} → {_number(distance.enhanced, name)}", distance.unit)


def _mean(values: MetricValues) -> str:
    return _with_unit(_number(values.mean, values.name), values.unit)


def _from_to(before: MetricValues, after: MetricValues) -> str:
    return _with_unit(f"{_number(before.mean, before.name)} → {_number(after.mean, after.name)}", before.unit)


def _mean_sd(values: MetricValues) -> str:
    spread = f" ± {_number(values.sd, values.name)}" if math.isfinite(values.sd) else ""
    return _with_unit(_number(values.mean, values.name) + spread, values.unit)


def _number(value: float, name: str) -> str:
    return f"{value:.{METRICS[name].digits}f}" if math.isfinite(value) else "-"


def _with_unit(text: str, unit: str) -> str:
    return text if unit == "1" or text == "-" else f"{text} {unit}"


def structure_table(record: EnhancementRecord) -> dict[str, Any]:
    """Columns and rows of the table of structures."""
    return {"columns": STRUCTURE_COLUMNS, "rows": [_structure(*one) for one in record.structures.items()]}


def _structure(name: str, values: Mapping[str, Any]) -> tuple[str, list[str]]:
    scans, unusual = [values[scan] for scan in ("mvct", "enhanced")], values.get("unusual")
    hu = [_hu(of) for of in (*scans, values.get("planning_ct"))]
    noise = [_or_dash(of["noise_hu"], 1) for of in scans]
    share = _or_dash(None if unusual is None else 100 * unusual, 1)
    return name, [f"{values['volume_cm3']:.4g}", *hu, _or_dash(values["hu_change"], 1), *noise, share]


def _hu(of_scan: Mapping[str, float | None] | None) -> str:
    if of_scan is None or of_scan["mean"] is None:
        return "-"
    return f"{of_scan['mean']:.0f} ± {_or_dash(of_scan['sd'])} ({of_scan['p5']:.0f} to {of_scan['p95']:.0f})"


def _or_dash(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
