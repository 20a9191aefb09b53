"""The metrics of one enhancement as rows of texts with their assessments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from slicer.i18n import tr as _

from ...assessment.verdicts import gravity
from ...quality.catalogue import metrics
from ...quality.record import NSELFSSIM_DISTANCE, Assessment, EnhancementRecord, MetricValues

SCANS = ("mvct", "enhanced", "planning_ct")
OTHER = "other"  # the enhanced scan of another model
MODEL_SCANS = (OTHER, "enhanced", "planning_ct")
METRICS = metrics(_)


@dataclass(frozen=True)
class Cell:
    """One value.

    Args:
        value: the mean as shown, "-" where it could not be measured.
        spread: its SD as shown; empty where there is none.
        verdict: of the library; empty where there is none.
        reason: of the verdict.
    """

    value: str
    spread: str = ""
    verdict: str = ""
    reason: str = ""

    @property
    def text(self) -> str:
        """Value and spread on one line."""
        return f"{self.value} {self.spread}".strip()


@dataclass(frozen=True)
class MetricRow:
    """One metric.

    Args:
        title: its name and unit.
        meaning: what it tells, in plain words.
        cells: by scan (of SCANS, or of MODEL_SCANS), only those that have a value to show.
    """

    title: str
    meaning: str
    cells: Mapping[str, Cell]

    @property
    def verdict(self) -> str:
        """The worst verdict of its values; "" where none has one."""
        return max((cell.verdict for cell in self.cells.values() if cell.verdict), key=gravity, default="")


def scan_title(scan: str) -> str:
    """What a scan of SCANS is called."""
    return {"mvct": _("MVCT"), "enhanced": _("Enhanced"), "planning_ct": _("Planning CT")}[scan]


def metric_title(values: MetricValues) -> str:
    """Label of a metric with its unit."""
    return _title(values.name, values.unit)


def _title(name: str, unit: str) -> str:
    label = METRICS[name].label if name in METRICS else name.replace("_", " ")
    return label if unit == "1" else f"{label} ({unit})"


def metric_rows(record: EnhancementRecord) -> list[MetricRow]:
    """Rows for all metrics of the scans, then of their comparison, whose values stand in the enhanced column."""
    rows = [_scan_row(record, values) for values in record.groups["mvct"].values()]
    distances = {name: _distance_row(record, name) for name in record.distances}
    if NSELFSSIM_DISTANCE in distances:
        rows.insert(1, distances.pop(NSELFSSIM_DISTANCE))
    compared = [_comparison_row(record, values) for values in record.groups["comparison"].values()]
    return [*rows, *compared, *distances.values()]


def model_rows(record: EnhancementRecord, other: EnhancementRecord) -> list[MetricRow]:
    """Rows as `metric_rows` has them, with the enhanced scan of another model in the place of the MVCT."""
    theirs = {row.title: row.cells.get("enhanced") for row in metric_rows(other)}
    rows = [replace(row, cells={**row.cells, OTHER: theirs.get(row.title)}) for row in metric_rows(record)]
    return [replace(row, cells={scan: row.cells[scan] for scan in MODEL_SCANS if row.cells.get(scan)}) for row in rows]


def _scan_row(record: EnhancementRecord, values: MetricValues) -> MetricRow:
    found = {scan: record.group(scan)[values.name] for scan in SCANS if values.name in record.group(scan)}
    cells = {scan: _cell(record.assessment(scan, values.name), of_scan) for scan, of_scan in found.items()}
    return MetricRow(metric_title(values), _meaning(values.name), cells)


def _comparison_row(record: EnhancementRecord, values: MetricValues) -> MetricRow:
    cell = _cell(record.assessment("comparison", values.name), values)
    return MetricRow(metric_title(values), _meaning(values.name), {"enhanced": cell})


def _distance_row(record: EnhancementRecord, name: str) -> MetricRow:
    found, of = record.assessment("comparison", name), record.distances[name]
    cells = {
        "mvct": Cell(_number(of.mvct, name)),
        "enhanced": Cell(_number(of.enhanced, name), "", found.verdict, found.reason),
    }
    return MetricRow(_title(name, of.unit), _meaning(name), cells)


def _cell(found: Assessment, values: MetricValues) -> Cell:
    spread = f"± {_number(values.sd, values.name)}" if math.isfinite(values.sd) else ""
    return Cell(_number(values.mean, values.name), spread, found.verdict, found.reason)


def _meaning(name: str) -> str:
    if name not in METRICS:
        return ""
    metric = METRICS[name]
    better = _("Better: {values}.").format(values=metric.better)
    return f"{metric.meaning} {better}" if metric.better else metric.meaning


def _number(value: float, name: str) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.{METRICS[name].digits}f}" if name in METRICS else f"{value:.4g}"
