"""The metrics in the report: the main ones, their assessments, tables and plots against the slice number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from ..assessment.verdicts import AS_EXPECTED, NOT_APPLICABLE, not_as_expected, verdict_counts
from ..quality.catalogue import GROUPS, METRICS, SCANS, Metric
from ..quality.record import DISTANCE, TRUTH, Distance, EnhancementRecord, MetricValues
from .html import chip, image
from .pictures import plot_png

Cell = tuple[str, str]  # value as text, verdict as HTML


def cards(record: EnhancementRecord) -> str:
    """The values to look at first."""
    mvct, enhanced, comparison = (record.groups[name] for name in ("mvct", "enhanced", "comparison"))
    shown = [
        ("enhanced", name, _from_to(mvct[name], enhanced[name]), "MVCT → enhanced")
        for name in ("noise_hu", "nselfssim", "cnr_muscle_fat", "edge_width_mm")
    ]
    notes = {"air_agreement": "air stayed air, tissue tissue", "soft_tissue": "enhanced - MVCT"}
    shown += [("comparison", name, _mean(comparison[name]), note) for name, note in notes.items()]
    html = "".join(
        f'<div class="card"><span class="soft">{escape(METRICS[name].label)}</span><strong>{escape(value)}</strong>'
        f'<span class="soft">{escape(note)}</span>{chip(record.assessment(group, name))}</div>'
        for group, name, value, note in shown
    )
    return f'<section class="cards" aria-label="Main metrics">{html}</section>'


def verdicts(record: EnhancementRecord) -> str:
    """How many values are as expected, and why the others are not; nothing where nothing was judged."""
    if not record.assessments:
        return ""
    counts, findings = verdict_counts(record.assessments), not_as_expected(record.assessments)
    items = "".join(
        f"<li>{chip(assessment)} <strong>{escape(GROUPS[group])}, {escape(METRICS[name].label)}.</strong> "
        f"{escape(assessment.reason)}</li>"
        for group, name, assessment in findings
    )
    reasons = f'<ul class="reasons">{items}</ul>' if items else ""
    applicable = sum(counts.values()) - counts[NOT_APPLICABLE]
    summary = f"{counts[AS_EXPECTED]} of {applicable} values are as expected"
    summary += f" ({counts[NOT_APPLICABLE]} more are not applicable)" if counts[NOT_APPLICABLE] else ""
    summary += "; the others:" if findings else "."
    return f"<section><h2>How far to trust it</h2><p>{summary}</p>{reasons}</section>"


def tables(record: EnhancementRecord) -> str:
    """Every metric with mean, SD, verdict and what it tells."""
    scans = [scan for scan in SCANS if scan in record.groups]
    of_scans = [(name, [_cell(record, scan, name) for scan in scans]) for name in record.groups["mvct"]]
    html = "<section><h2>Image-quality metrics</h2>" + _table([SCANS[scan] for scan in scans], of_scans)
    html += '<p class="note">Mean ± SD over the slices that contain what is measured; - where none does.</p>'
    compared = [(name, [_cell(record, "comparison", name)]) for name in record.groups["comparison"]]
    if record.distance:
        compared.append((DISTANCE, [(_distance(record.distance), chip(record.assessment("comparison", DISTANCE)))]))
    html += "<h2>Enhanced against MVCT</h2>" + _table(["Enhanced - MVCT"], compared)
    if truth := [record.groups[scan] for scan in TRUTH if scan in record.groups]:
        against_truth = [(name, [(_mean_sd(scan[name]), "") for scan in truth]) for name in truth[0]]
        html += "<h2>Against the true kVCT</h2>" + _table(["MVCT", "Enhanced"], against_truth, truth=True)
    return html + "</section>"


def plots(record: EnhancementRecord) -> str:
    """Values against the slice number, with what their lines and bands are."""
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
    figures = "".join(
        f'<figure class="row"><h3>{escape(name)}</h3>{image(png, alt=f"{name} against the slice number")}</figure>'
        for name, png in shown
    )
    heading = f'<h2>Slice by slice</h2><p class="note">{" ".join(notes)}</p>'
    return f'<section>{heading}<div class="plots">{figures}</div></section>'


def _scan_plot(record: EnhancementRecord, name: str) -> bytes:
    lines = {SCANS[scan]: record.groups[scan][name].per_slice for scan in ("mvct", "enhanced")}
    reference, band = record.group("planning_ct").get(name), None
    if reference and reference.has_value:
        band = (SCANS["planning_ct"], reference.mean, reference.sd if math.isfinite(reference.sd) else 0.0)
    return plot_png(lines, metric=METRICS[name], band=band, z_mm=record.z_mm)


def _table(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell]]], *, truth: bool = False) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in ("Metric", *columns, "Better", "Meaning"))
    body = "".join(_row(METRICS[key], cells, truth) for key, cells in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(metric: Metric, cells: Sequence[Cell], truth: bool) -> str:
    label = (truth and metric.truth_label) or metric.label
    values = "".join(f'<td class="number">{escape(value)}{verdict}</td>' for value, verdict in cells)
    return (
        f'<tr><th scope="row">{escape(label)}</th>{values}<td>{escape(metric.better or "-")}</td>'
        f'<td class="meaning">{escape(metric.meaning)}</td></tr>'
    )


def _cell(record: EnhancementRecord, group: str, name: str) -> Cell:
    return _mean_sd(record.groups[group][name]), chip(record.assessment(group, name))


def _distance(distance: Distance) -> str:
    return f"{_number(distance.mvct, DISTANCE)} → {_number(distance.enhanced, DISTANCE)}"


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
