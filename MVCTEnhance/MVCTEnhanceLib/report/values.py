"""The readouts in the report: the main ones, their verdicts, tables and plots against the slice number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ..assessment.tables import DISTANCE, leaves, slices_z_mm
from ..assessment.verdicts import AS_EXPECTED, NOT_APPLICABLE, not_as_expected
from ..quality.catalogue import GROUPS, METRICS, SCANS, Metric
from .html import chip, image
from .pictures import plot_png

Cell = tuple[str, str]  # value as text, verdict as HTML


def cards(readouts: Mapping[str, Any]) -> str:
    """The values to look at first."""
    mvct, enhanced, comparison = (readouts[name] for name in ("mvct", "enhanced", "comparison"))
    shown = [
        ("enhanced", key, _from_to(mvct[key], enhanced[key], key), "MVCT → enhanced")
        for key in ("noise_hu", "nselfssim", "cnr_muscle_fat", "edge_width_mm")
    ]
    air, bias = comparison["air_agreement"], comparison["hu_bias"]["soft_tissue"]
    shown.append(("comparison", "air_agreement", _mean(air, "air_agreement"), "air stayed air, tissue tissue"))
    shown.append(("comparison", "soft_tissue", _mean(bias, "soft_tissue"), "enhanced - MVCT"))
    html = "".join(
        f'<div class="card"><span class="soft">{escape(METRICS[key].label)}</span><strong>{escape(value)}</strong>'
        f'<span class="soft">{escape(note)}</span>{_chip(readouts, group, key)}</div>'
        for group, key, value, note in shown
    )
    return f'<section class="cards" aria-label="Main metrics">{html}</section>'


def verdicts(readouts: Mapping[str, Any]) -> str:
    """How many values are as expected, and why the others are not; nothing where nothing was judged."""
    given = readouts.get("verdicts")
    if not given:
        return ""
    counts = Counter(entry["verdict"] for group in given.values() for entry in group.values())
    findings = not_as_expected(given)
    items = "".join(
        f"<li>{chip(given[group][name])} <strong>{escape(GROUPS[group])}, {escape(METRICS[name].label)}.</strong> "
        f"{escape(reason)}</li>"
        for group, name, _, reason in findings
    )
    reasons = f'<ul class="reasons">{items}</ul>' if items else ""
    summary = f"{counts[AS_EXPECTED]} of {counts.total() - counts[NOT_APPLICABLE]} values are as expected"
    summary += f" ({counts[NOT_APPLICABLE]} more are not applicable)" if counts[NOT_APPLICABLE] else ""
    summary += "; the others:" if findings else "."
    return f"<section><h2>How far to trust it</h2><p>{summary}</p>{reasons}</section>"


def tables(readouts: Mapping[str, Any]) -> str:
    """Every readout with mean, SD, verdict and what it tells."""
    scans = [name for name in SCANS if name in readouts]
    of_scans = [(key, [_cell(readouts, name, key) for name in scans]) for key in readouts["mvct"]]
    html = "<section><h2>Image-quality metrics</h2>" + _table([SCANS[name] for name in scans], of_scans)
    html += '<p class="note">Mean ± SD over the slices that contain what is measured; - where none does.</p>'
    compared = [(key, [_cell(readouts, "comparison", key)]) for key in leaves(readouts["comparison"])]
    if DISTANCE in readouts["comparison"]:
        compared.append((DISTANCE, [(_distance(readouts["comparison"]), _chip(readouts, "comparison", DISTANCE))]))
    html += "<h2>Enhanced against MVCT</h2>" + _table(["Enhanced - MVCT"], compared)
    if "truth" in readouts:
        before, after = (leaves(readouts["truth"][name]) for name in ("mvct", "enhanced"))
        against_truth = [(key, [(_mean_sd(scan[key], key), "") for scan in (before, after)]) for key in before]
        html += "<h2>Against the true kVCT</h2>" + _table(["MVCT", "Enhanced"], against_truth, truth=True)
    return html + "</section>"


def plots(readouts: Mapping[str, Any]) -> str:
    """Values against the slice number, with what their lines and bands are."""
    shown = [_scan_plot(readouts, key) for key in readouts["mvct"]]
    comparison, z_mm = readouts["comparison"], slices_z_mm(readouts)
    notes = ["Slices are numbered from 1; below the numbers stands the patient's z."] if z_mm else []
    if "planning_ct" in readouts:
        notes.append("Green line and shaded band: mean ± SD over the planning CT's own slices, the reference.")
    for key in (key for key in comparison if key in METRICS and key != DISTANCE and METRICS[key].plotted):
        metric, values = METRICS[key], comparison[key]["per_slice"]
        shown.append((metric.label, plot_png({metric.label: values}, metric=metric, z_mm=z_mm)))
        if metric.limit is not None:
            notes.append(
                f"Dashed line: {metric.label.lower()} of {metric.limit:g} {metric.unit}, beyond which to look closer."
            )
    changes = {tissue.replace("_", " "): item["per_slice"] for tissue, item in comparison["hu_bias"].items()}
    shown.append(("HU change, enhanced - MVCT", plot_png(changes, metric=METRICS["soft_tissue"], z_mm=z_mm)))
    figures = "".join(
        f'<figure class="row"><h3>{escape(name)}</h3>{image(png, alt=f"{name} against the slice number")}</figure>'
        for name, png in shown
    )
    heading = f'<h2>Slice by slice</h2><p class="note">{" ".join(notes)}</p>'
    return f'<section>{heading}<div class="plots">{figures}</div></section>'


def _scan_plot(readouts: Mapping[str, Any], key: str) -> tuple[str, bytes]:
    lines = {SCANS[name]: readouts[name][key]["per_slice"] for name in ("mvct", "enhanced")}
    aim = readouts.get("planning_ct", {}).get(key)
    band = (SCANS["planning_ct"], aim["mean"], aim["sd"] or 0.0) if aim and aim["mean"] is not None else None
    return METRICS[key].label, plot_png(lines, metric=METRICS[key], band=band, z_mm=slices_z_mm(readouts))


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


def _cell(readouts: Mapping[str, Any], group: str, key: str) -> Cell:
    return _mean_sd(leaves(readouts[group])[key], key), _chip(readouts, group, key)


def _chip(readouts: Mapping[str, Any], group: str, key: str) -> str:
    return chip(readouts.get("verdicts", {}).get(group, {}).get(key))


def _distance(comparison: Mapping[str, Any]) -> str:
    before, after = (_number(comparison[DISTANCE][scan], DISTANCE) for scan in ("mvct", "enhanced"))
    return f"{before} → {after}"


def _mean(readout: Mapping[str, Any], key: str) -> str:
    return _with_unit(_number(readout["mean"], key), readout["unit"])


def _from_to(before: Mapping[str, Any], after: Mapping[str, Any], key: str) -> str:
    return _with_unit(f"{_number(before['mean'], key)} → {_number(after['mean'], key)}", before["unit"])


def _mean_sd(readout: Mapping[str, Any], key: str) -> str:
    spread = "" if readout["sd"] is None else f" ± {_number(readout['sd'], key)}"
    return _with_unit(_number(readout["mean"], key) + spread, readout["unit"])


def _number(value: float | None, key: str) -> str:
    return "-" if value is None else f"{value:.{METRICS[key].digits}f}"


def _with_unit(text: str, unit: str) -> str:
    return text if unit == "1" or text == "-" else f"{text} {unit}"
