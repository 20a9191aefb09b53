"""The metrics of an enhanced scan as nodes that a scene keeps: two tables and a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ...quality.record import EnhancementRecord
from ..scene.volumes import place_beside
from ..wording import look_of
from .rows import MODEL_SCANS, SCANS, metric_rows, metric_title, model_rows, scan_title

SUMMARY_ROLE = "MVCTEnhance.summary"
BY_SLICE_ROLE = "MVCTEnhance.bySlice"
CHART_ROLE = "MVCTEnhance.chart"
MODELS_ROLE = "MVCTEnhance.models"
DEFAULT_CHART = "nselfssim"
SLICE_COLUMN, Z_COLUMN = "slice", "z_mm"


@dataclass(frozen=True)
class Line:
    """One line of the chart: its name, the table's column, colour, and whether it is the reference."""

    name: str
    column: str
    colour: tuple[float, float, float]
    aim: bool = False


def chart_choices(record: EnhancementRecord) -> dict[str, str]:
    """The metrics that a chart can show: name -> title."""
    found = {**record.groups["mvct"], **record.groups["comparison"]}
    return {name: metric_title(values) for name, values in found.items()}


def update_tables(enhanced, record: EnhancementRecord) -> None:
    """Bring both tables of an enhanced scan up to date: one line a metric, and one line a slice.

    Args:
        enhanced: the volume node, which refers to the tables.
    """
    summary = _node(enhanced, SUMMARY_ROLE, "vtkMRMLTableNode", _("{scan} metrics"))
    by_slice = _node(enhanced, BY_SLICE_ROLE, "vtkMRMLTableNode", _("{scan} metrics by slice"))
    _fill_summary(summary, record)
    columns = _by_slice(record)
    with slicer.util.NodeModify(by_slice):  # a chart that draws from it must not see it with columns missing
        slicer.util.updateTableFromArray(by_slice, list(columns.values()), list(columns))


def update_chart(enhanced, record: EnhancementRecord, name: str):
    """Let the chart of an enhanced scan show a metric, slice by slice.

    Args:
        enhanced: the volume node, which refers to the chart.
        name: of `chart_choices`; another name shows the first of them.

    Returns:
        the vtkMRMLPlotChartNode.
    """
    choices = chart_choices(record)
    name = name if name in choices else next(iter(choices))
    chart = _node(enhanced, CHART_ROLE, "vtkMRMLPlotChartNode", _("{scan} chart"))
    lines = _lines(record, name)
    present = _series_of(chart)
    missing = lines[len(present) :]
    new = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", line.name) for line in missing]
    for node in new:
        place_beside(node, enhanced)
    series = present + new
    with slicer.util.NodeModify(chart):
        chart.SetTitle(choices[name])
        chart.SetXAxisTitle(_slice_axis(record))
        chart.SetYAxisTitle(choices[name])
        chart.SetTitleFontSize(14)
        chart.SetAxisTitleFontSize(12)
        chart.SetLegendFontSize(12)
        chart.RemoveAllPlotSeriesNodeIDs()
        for node, line in zip(series, lines, strict=False):
            _update_line(node, enhanced.GetNodeReference(BY_SLICE_ROLE), line)
            chart.AddAndObservePlotSeriesNodeID(node.GetID())
        chart.Modified()
    # Only now that plot views know the new lines: when a series goes, they put those they know into the chart again.
    for node in series[len(lines) :]:
        slicer.mrmlScene.RemoveNode(node)
    return chart


def is_series_of(chart, series_id: str) -> bool:
    """Whether a plot series belongs to a chart node (which may be None)."""
    return chart is not None and chart.GetPlotSeriesNodeIndexFromID(series_id) >= 0


def _node(enhanced, role: str, class_name: str, name: str):
    """The node of this role, made where there is none, beside the enhanced scan in the subject hierarchy."""
    node = enhanced.GetNodeReference(role)
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass(class_name, name.format(scan=enhanced.GetName()))
        enhanced.SetNodeReferenceID(role, node.GetID())
        place_beside(node, enhanced)
    return node


def update_model_table(enhanced, record: EnhancementRecord, other: EnhancementRecord, titles: Sequence[str]):
    """Bring the table of an enhanced scan and that of another model up to date: a line a metric.

    Args:
        enhanced: the volume node, which refers to the table.
        titles: of the other model and of this one.

    Returns:
        the vtkMRMLTableNode.
    """
    rows = model_rows(record, other)
    columns: dict[str, list[str]] = {_("Metric"): [row.title for row in rows]}
    for scan, title in zip(MODEL_SCANS, titles, strict=False):
        cells = [row.cells.get(scan) for row in rows]
        columns[title] = [cell.text if cell else "" for cell in cells]
        columns[_("{title}: assessment").format(title=title)] = [
            look_of(cell.verdict).words if cell else "" for cell in cells
        ]
    table = _node(enhanced, MODELS_ROLE, "vtkMRMLTableNode", _("{scan} metrics of both models"))
    _fill_texts(table, columns)
    return table


def _fill_summary(table, record: EnhancementRecord) -> None:
    rows = metric_rows(record)
    columns: dict[str, list[str]] = {_("Metric"): [row.title for row in rows]}
    for scan in SCANS:
        cells = [row.cells.get(scan) for row in rows]
        if any(cells):
            columns[scan_title(scan)] = [cell.text if cell else "" for cell in cells]
    columns[_("Assessment")] = [look_of(row.verdict).words for row in rows]
    columns[_("Reason")] = [" ".join(cell.reason for cell in row.cells.values() if cell.reason) for row in rows]
    _fill_texts(table, columns)


def _fill_texts(table, columns: Mapping[str, Sequence[str]]) -> None:
    modifying = table.StartModify()
    table.RemoveAllColumns()
    for name, values in columns.items():
        column = vtk.vtkStringArray()
        column.SetName(name)
        for value in values:
            column.InsertNextValue(value)
        table.AddColumn(column)
    table.EndModify(modifying)


def _by_slice(record: EnhancementRecord) -> dict[str, np.ndarray]:
    """Column name -> value of each axial slice of the MVCT, NaN where it has none; of the planning CT its mean."""
    columns = {
        f"{group}.{name}": np.array(values.per_slice, dtype=float)
        for group in ("mvct", "enhanced", "comparison")
        for name, values in record.groups[group].items()
    }
    count = len(next(iter(columns.values())))
    for name, values in record.group("planning_ct").items():
        if values.has_value:
            columns[f"planning_ct.{name}"] = np.full(count, values.mean)
    place = {Z_COLUMN: np.array(record.z_mm)} if record.z_mm else {}
    return {SLICE_COLUMN: np.arange(1, count + 1, dtype=float)} | place | columns


def _slice_axis(record: EnhancementRecord) -> str:
    z_mm = record.z_mm
    if not z_mm:
        return _("Slice")
    return _("Slice, z = {first} to {last} mm").format(first=f"{z_mm[0]:.1f}", last=f"{z_mm[-1]:.1f}")


def _lines(record: EnhancementRecord, name: str) -> list[Line]:
    """The lines for a metric; a scan in which no slice has a value has none."""
    values = _by_slice(record)
    possible = [
        Line(_("MVCT scan"), f"mvct.{name}", (0.85, 0.45, 0.05)),
        Line(_("Enhanced scan"), f"enhanced.{name}", (0.12, 0.40, 0.80)),
        Line(_("Enhanced - MVCT"), f"comparison.{name}", (0.12, 0.40, 0.80)),
        Line(_("Planning CT, mean"), f"planning_ct.{name}", (0.15, 0.50, 0.20), aim=True),
    ]
    return [line for line in possible if line.column in values and np.isfinite(values[line.column]).any()]


def _series_of(chart) -> list:
    """The plot series nodes of a chart, less those that a user deleted."""
    found = map(chart.GetNthPlotSeriesNode, range(chart.GetNumberOfPlotSeriesNodes()))
    return list(dict.fromkeys(node for node in found if node))


def _update_line(series, table, line: Line) -> None:
    modifying = series.StartModify()
    series.SetName(line.name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(SLICE_COLUMN)
    series.SetYColumnName(line.column)
    series.SetPlotType(series.PlotTypeScatter)
    series.SetLineStyle(series.LineStyleDash if line.aim else series.LineStyleSolid)
    series.SetMarkerStyle(series.MarkerStyleNone if line.aim else series.MarkerStyleCircle)
    series.SetMarkerSize(9)
    series.SetLineWidth(2)
    series.SetColor(*line.colour)
    series.EndModify(modifying)
