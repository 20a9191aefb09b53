"""The readouts of one enhancement as rows of texts with their verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from ...assessment.tables import DISTANCE, leaves
from ...assessment.verdicts import VERDICTS
from ...quality.catalogue import metrics

SCANS = ("mvct", "enhanced", "planning_ct")
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
    """One readout.

    Args:
        title: its name and unit.
        meaning: what it tells, in plain words.
        cells: by scan (of SCANS), only those that have a value to show.
    """

    title: str
    meaning: str
    cells: Mapping[str, Cell]

    @property
    def verdict(self) -> str:
        """The worst verdict of its values; "" where none has one."""
        given = [VERDICTS.index(cell.verdict) for cell in self.cells.values() if cell.verdict]
        return VERDICTS[max(given)] if given else ""


def scan_title(scan: str) -> str:
    """What a scan of SCANS is called."""
    return {"mvct": _("MVCT"), "enhanced": _("Enhanced"), "planning_ct": _("Planning CT")}[scan]


def metric_title(name: str, unit: str) -> str:
    """Name of a readout with its unit."""
    known = METRICS[name].label if name in METRICS else name.replace("_", " ")
    return known if unit == "1" else f"{known} ({unit})"


def readout_rows(readouts: Mapping[str, Any]) -> list[MetricRow]:
    """Rows for all readouts of the scans, then of their comparison, whose values stand in the enhanced column."""
    rows = [_scan_row(readouts, name) for name in leaves(readouts["mvct"])]
    if DISTANCE in readouts["comparison"]:
        rows.insert(1, _distance_row(readouts))
    return rows + [_comparison_row(readouts, name, item) for name, item in leaves(readouts["comparison"]).items()]


def verdict_counts(readouts: Mapping[str, Any]) -> dict[str, int]:
    """How often each verdict was given, by verdict, from good to bad."""
    given = [entry["verdict"] for group in readouts.get("verdicts", {}).values() for entry in group.values()]
    return {verdict: given.count(verdict) for verdict in VERDICTS}


def _scan_row(readouts: Mapping[str, Any], name: str) -> MetricRow:
    found = {scan: readouts[scan][name] for scan in SCANS if name in readouts.get(scan, {})}
    cells = {scan: _cell(readouts, scan, name, item) for scan, item in found.items()}
    return MetricRow(metric_title(name, found["mvct"]["unit"]), _meaning(name), cells)


def _comparison_row(readouts: Mapping[str, Any], name: str, item: Mapping[str, Any]) -> MetricRow:
    cell = _cell(readouts, "comparison", name, item)
    return MetricRow(metric_title(name, item["unit"]), _meaning(name), {"enhanced": cell})


def _distance_row(readouts: Mapping[str, Any]) -> MetricRow:
    distance = readouts["comparison"][DISTANCE]
    cells = {
        "mvct": Cell(_number(distance["mvct"], DISTANCE)),
        "enhanced": Cell(_number(distance["enhanced"], DISTANCE), "", *_judged(readouts, "comparison", DISTANCE)),
    }
    return MetricRow(metric_title(DISTANCE, distance["unit"]), _meaning(DISTANCE), cells)


def _cell(readouts: Mapping[str, Any], group: str, name: str, item: Mapping[str, Any]) -> Cell:
    spread = "" if item["sd"] is None else f"± {_number(item['sd'], name)}"
    return Cell(_number(item["mean"], name), spread, *_judged(readouts, group, name))


def _judged(readouts: Mapping[str, Any], group: str, name: str) -> tuple[str, str]:
    judgement = readouts.get("verdicts", {}).get(group, {}).get(name, {})
    return judgement.get("verdict", ""), judgement.get("reason", "")


def _meaning(name: str) -> str:
    if name not in METRICS:
        return ""
    metric = METRICS[name]
    better = _("Better: {values}.").format(values=metric.better)
    return f"{metric.meaning} {better}" if metric.better else metric.meaning


def _number(value: float | None, name: str) -> str:
    if value is None:
        return "-"
    return f"{value:.{METRICS[name].digits}f}" if name in METRICS else f"{value:.4g}"
