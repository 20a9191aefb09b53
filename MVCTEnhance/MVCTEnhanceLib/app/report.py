"""The report of one enhancement: an HTML page that needs nothing else, and the readouts as JSON and CSV."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from .. import __version__
from ..imageio.atomic import atomic_file
from ..imageio.volume import Volume
from ..quality.body import body_mask
from ..quality.checks import require_same_shape
from .report_pictures import DIFFERENCE_COLOURS, difference_png, grey_png, plot_png
from .report_style import STYLE
from .report_texts import INTENDED_USE, TEXTS

_SCANS = {"mvct": "MVCT", "enhanced": "Enhanced", "planning_ct": "Planning CT"}
_AIR_AGREEMENT_AIM = 99.0
_SLICES_FOR_SECTIONS = 9
_MARGIN_MM = 15.0


@dataclass(frozen=True)
class ReportOptions:
    """How the pictures look.

    Args:
        window: width of the grey window in HU.
        level: its centre in HU.
        difference: HU at which the difference map is fully blue or red.
        slices: how many axial slices are shown.
    """

    window: float = 400.0
    level: float = 40.0
    difference: float = 200.0
    slices: int = 4


def write_report(
    folder: str | Path,
    *,
    mvct: Volume,
    enhanced: Volume,
    readouts: Mapping,
    model_card: Mapping,
    warnings: Sequence[str] = (),
    options: ReportOptions | None = None,
) -> Path:
    """Write report.html, readouts.json and readouts.csv (one line a slice) into a folder.

    The page holds its pictures, runs no script and asks nothing from a network. Of the scans only voxels, matrix and
    voxel size go into it: no name, identifier, date or path.

    Args:
        mvct, enhanced: HU on the same grid.
        readouts: what `Readouts.to_dict` gives.
        model_card: nested names and texts.
        warnings: sentences to be shown on top.

    Returns:
        the path of report.html.

    Raises:
        InputError: the scans differ in shape.
        OutputError: a file cannot be written.
    """
    require_same_shape(mvct.array, enhanced.array, names=("MVCT", "enhanced scan"))
    folder, options = Path(folder), options or ReportOptions()
    page = _page(
        [
            _heading(mvct, warnings),
            _cards(readouts),
            _pictures(mvct, enhanced, readouts, options),
            _tables(readouts),
            _plots(readouts),
            _model_section(model_card),
            _parameters_section(readouts["parameters"]),
        ]
    )
    texts = {
        "readouts.json": json.dumps(readouts, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "readouts.csv": _csv(readouts),
        "report.html": page,
    }
    for name, text in texts.items():
        with atomic_file(folder / name) as path:
            path.write_text(text, encoding="utf-8", newline="")
    return folder / "report.html"


def _page(sections: Sequence[str]) -> str:
    body = "\n".join(sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>MVCTEnhance report</title>
<style>{STYLE}</style>
</head>
<body>
{body}
<footer class="soft">MVCTEnhance {escape(__version__)}. Every value is also in readouts.json and readouts.csv.</footer>
</body>
</html>
"""


def _heading(mvct: Volume, warnings: Sequence[str]) -> str:
    slices, rows, columns = mvct.array.shape
    voxel = " × ".join(f"{size:.3g}" for size in mvct.spacing)
    lines = [
        "<header>",
        "<h1>Enhanced MVCT: report</h1>",
        f'<p class="soft">{slices} slices of {columns} × {rows} pixels, voxel {voxel} mm</p>',
        f'<p class="use"><strong>Intended use.</strong> {escape(INTENDED_USE)}</p>',
    ]
    if warnings:
        items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
        lines.append(f'<div class="warnings" role="note"><h2>Warnings</h2><ul>{items}</ul></div>')
    return "\n".join([*lines, "</header>"])


def _cards(readouts: Mapping) -> str:
    """The values to look at first."""
    mvct, enhanced, comparison = (readouts[name] for name in ("mvct", "enhanced", "comparison"))
    cards = [
        (TEXTS[key].name, _from_to(mvct[key], enhanced[key], key), "MVCT → enhanced")
        for key in ("noise_hu", "nselfssim", "cnr_muscle_fat", "edge_width_mm")
    ]
    air, bias = comparison["air_agreement"], comparison["hu_bias"]["soft_tissue"]
    cards.append((TEXTS["air_agreement"].name, _mean(air, "air_agreement"), "air stayed air, tissue tissue"))
    cards.append((TEXTS["soft_tissue"].name, _mean(bias, "soft_tissue"), "enhanced - MVCT"))
    html = "".join(
        f'<div class="card"><span class="soft">{escape(name)}</span><strong>{escape(value)}</strong>'
        f'<span class="soft">{escape(note)}</span></div>'
        for name, value, note in cards
    )
    return f'<section class="cards" aria-label="Main readouts">{html}</section>'


def _pictures(mvct: Volume, enhanced: Volume, readouts: Mapping, options: ReportOptions) -> str:
    rows = [
        _picture_row(name, pair, size_mm, options)
        for name, pair, size_mm in _sections(mvct, enhanced, readouts, options)
    ]
    low, high = options.level - options.window / 2, options.level + options.window / 2
    return "\n".join(
        [
            "<section><h2>MVCT, enhanced and difference</h2>",
            f'<p class="note">Grey from {low:g} to {high:g} HU in both scans (W {options.window:g}, '
            f"L {options.level:g}); cut to the body and {_MARGIN_MM:g} mm around it. Difference: enhanced - MVCT.</p>",
            *rows,
            "</section>",
        ]
    )


def _sections(
    mvct: Volume, enhanced: Volume, readouts: Mapping, options: ReportOptions
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray], tuple[float, float]]]:
    """Name, the two scans (row, column) and size (width, height) in mm of what is shown, one after the other."""
    volumes = [_upright(volume) for volume in (mvct, enhanced)]
    shown = _shown_slices(readouts, options.slices)
    pixel_size = (mvct.spacing[1], mvct.spacing[0])
    rows, columns = _around_body(volumes[0][shown], pixel_size)
    for k in shown:
        yield (
            f"Axial, slice {k}",
            tuple(volume[k, rows, columns] for volume in volumes),
            _size_mm(rows, columns, pixel_size),
        )
    count = len(mvct.array)
    if count < _SLICES_FOR_SECTIONS:
        return
    slices = slice(None, None, -1 if mvct.direction[2, 2] > 0 else 1)
    j, i = (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2
    height = count * mvct.spacing[2]
    yield (
        "Coronal, middle",
        tuple(volume[slices, j, columns] for volume in volumes),
        ((columns.stop - columns.start) * mvct.spacing[0], height),
    )
    yield (
        "Sagittal, middle",
        tuple(volume[slices, rows, i] for volume in volumes),
        ((rows.stop - rows.start) * mvct.spacing[1], height),
    )


def _upright(volume: Volume) -> np.ndarray:
    """A view of the voxels with the patient's left to the right and the back below, as CT is read."""
    flips = [1 if volume.direction[axis, axis] >= 0 else -1 for axis in (0, 1)]
    return volume.array[:, :: flips[1], :: flips[0]]


def _shown_slices(readouts: Mapping, wanted: int) -> list[int]:
    """Slices spread evenly over those that show a body (NSelfSSIM has a value in every one of them)."""
    values = readouts["mvct"]["nselfssim"]["per_slice"]
    with_body = [k for k, value in enumerate(values) if value is not None] or list(range(len(values)))
    places = np.linspace(0, len(with_body), min(wanted, len(with_body)), endpoint=False)
    half_step = len(with_body) / len(places) / 2
    return [with_body[int(place + half_step)] for place in places]


def _around_body(images: np.ndarray, pixel_size: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns that hold the body in all these slices, with a margin; everything where there is none."""
    body = np.any([body_mask(image, pixel_size=pixel_size) for image in images], axis=0)
    if not body.any():
        return slice(0, body.shape[0]), slice(0, body.shape[1])
    sides = []
    for axis in (0, 1):
        found = np.flatnonzero(body.any(axis=1 - axis))
        margin = round(_MARGIN_MM / pixel_size[axis])
        sides.append(slice(max(0, int(found[0]) - margin), min(body.shape[axis], int(found[-1]) + 1 + margin)))
    return sides[0], sides[1]


def _size_mm(rows: slice, columns: slice, pixel_size: tuple[float, float]) -> tuple[float, float]:
    return (columns.stop - columns.start) * pixel_size[1], (rows.stop - rows.start) * pixel_size[0]


def _picture_row(
    name: str, pair: tuple[np.ndarray, np.ndarray], size_mm: tuple[float, float], options: ReportOptions
) -> str:
    before, after = pair
    grey = {"window": options.window, "level": options.level}
    difference = difference_png(after.astype(np.float32) - before, limit=options.difference)
    panels = {
        "MVCT": (grey_png(before, **grey), "MVCT"),
        "Enhanced": (grey_png(after, **grey), "Enhanced"),
        "Difference": (difference, _colour_bar(options.difference)),
    }
    shape = f"aspect-ratio: {size_mm[0]:.4g} / {size_mm[1]:.4g}"
    figures = "".join(
        f"<figure>{_img(png, alt=f'{panel}: {name}', style=shape)}<figcaption>{caption}</figcaption></figure>"
        for panel, (png, caption) in panels.items()
    )
    return f'<div class="row"><h3>{escape(name)}</h3><div class="panels">{figures}</div></div>'


def _colour_bar(limit: float) -> str:
    return (
        f'<div class="bar"><div style="background: linear-gradient(to right, {", ".join(DIFFERENCE_COLOURS)})"></div>'
        f"<span>-{limit:g} HU</span><span>Difference</span><span>+{limit:g} HU</span></div>"
    )


def _tables(readouts: Mapping) -> str:
    scans = [name for name in _SCANS if name in readouts]
    of_scans = [(key, [_mean_sd(readouts[name][key], key) for name in scans]) for key in readouts["mvct"]]
    html = "<section><h2>Readouts</h2>"
    html += _table([_SCANS[name] for name in scans], of_scans)
    html += '<p class="note">Mean ± SD over the slices that show what is measured; - where none does.</p>'
    html += _distance_note(readouts["comparison"])
    html += "<h2>Enhanced against MVCT</h2>"
    html += _table(["Enhanced - MVCT"], [(key, [_mean_sd(item, key)]) for key, item in _leaves(readouts["comparison"])])
    if "truth" in readouts:
        before, after = (_leaves(readouts["truth"][name]) for name in ("mvct", "enhanced"))
        against_truth = [
            (key, [_mean_sd(a, key), _mean_sd(b, key)]) for (key, a), (_, b) in zip(before, after, strict=True)
        ]
        html += "<h2>Against the true kVCT</h2>" + _table(["MVCT", "Enhanced"], against_truth)
    return html + "</section>"


def _table(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in ("Readout", *columns, "What it tells"))
    body = "".join(
        f'<tr><th scope="row">{escape(TEXTS[key].name)}</th>'
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
        + f'<td class="meaning">{escape(TEXTS[key].meaning)}</td></tr>'
        for key, cells in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _distance_note(comparison: Mapping) -> str:
    distance = comparison.get("nselfssim_distance")
    if not distance or None in distance.values():
        return ""
    return (
        f'<p class="note">Distance to the planning CT\'s NSelfSSIM: MVCT {distance["mvct"]:.3f}, '
        f"enhanced {distance['enhanced']:.3f}.</p>"
    )


def _leaves(group: Mapping) -> list[tuple[str, Mapping]]:
    """Every readout of a group and its groups, by its own name."""
    found = []
    for name, item in group.items():
        if "per_slice" in item:
            found.append((name, item))
        elif name != "nselfssim_distance":
            found += _leaves(item)
    return found


def _plots(readouts: Mapping) -> str:
    plots = [_scan_plot(readouts, key) for key in readouts["mvct"]]
    comparison = readouts["comparison"]
    for key, limit in (("dig", None), ("air_agreement", _AIR_AGREEMENT_AIM)):
        lines = {TEXTS[key].name: comparison[key]["per_slice"]}
        plots.append((TEXTS[key].name, plot_png(lines, unit=comparison[key]["unit"], limit=limit)))
    biases = {tissue.replace("_", " "): item["per_slice"] for tissue, item in comparison["hu_bias"].items()}
    plots.append(("HU bias, enhanced - MVCT", plot_png(biases, unit="HU")))
    figures = "".join(
        f'<figure class="row"><h3>{escape(name)}</h3>{_img(png, alt=f"{name} against the slice number")}</figure>'
        for name, png in plots
    )
    return f'<section><h2>Slice by slice</h2><div class="plots">{figures}</div></section>'


def _scan_plot(readouts: Mapping, key: str) -> tuple[str, bytes]:
    lines = {_SCANS[name]: readouts[name][key]["per_slice"] for name in ("mvct", "enhanced")}
    aim = readouts.get("planning_ct", {}).get(key)
    band = (_SCANS["planning_ct"], aim["mean"], aim["sd"] or 0.0) if aim and aim["mean"] is not None else None
    return TEXTS[key].name, plot_png(lines, unit=readouts["mvct"][key]["unit"], band=band)


def _model_section(model_card: Mapping) -> str:
    return f'<section><h2>The model</h2><div class="row">{_nested(model_card)}</div></section>'


def _parameters_section(parameters: Mapping) -> str:
    return (
        "<section><details><summary>Parameters of the readouts</summary>"
        '<p class="note">Values compare only with the same parameters.</p>'
        f'<div class="row">{_nested(parameters)}</div></details></section>'
    )


def _nested(value) -> str:
    """Nested names, lists and values as HTML lists."""
    if isinstance(value, Mapping):
        items = "".join(
            f"<dt>{escape(str(key).replace('_', ' '))}</dt><dd>{_nested(item)}</dd>" for key, item in value.items()
        )
        return f"<dl>{items}</dl>"
    if isinstance(value, (list, tuple)):
        if all(isinstance(item, (int, float)) for item in value):
            return escape(", ".join(str(item) for item in value))
        return "<ul>" + "".join(f"<li>{_nested(item)}</li>" for item in value) + "</ul>"
    return escape("-" if value is None else str(value))


def _img(png: bytes, *, alt: str, style: str = "") -> str:
    data = base64.b64encode(png).decode("ascii")
    styled = f' style="{style}"' if style else ""
    return f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}"{styled}>'


def _mean(readout: Mapping, key: str) -> str:
    return _with_unit(_number(readout["mean"], key), readout["unit"])


def _from_to(before: Mapping, after: Mapping, key: str) -> str:
    return _with_unit(f"{_number(before['mean'], key)} → {_number(after['mean'], key)}", before["unit"])


def _mean_sd(readout: Mapping, key: str) -> str:
    spread = "" if readout["sd"] is None else f" ± {_number(readout['sd'], key)}"
    return _with_unit(_number(readout["mean"], key) + spread, readout["unit"])


def _number(value: float | None, key: str) -> str:
    return "-" if value is None else f"{value:.{TEXTS[key].digits}f}"


def _with_unit(text: str, unit: str) -> str:
    return text if unit == "1" or text == "-" else f"{text} {unit}"


def _csv(readouts: Mapping) -> str:
    """One line a slice of the MVCT's grid; the planning CT, which has slices of its own, is in the JSON."""
    columns = {
        f"{group}.{name}": values
        for group in ("mvct", "enhanced", "comparison", "truth")
        if group in readouts
        for name, values in _per_slice(readouts[group])
    }
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["slice", *columns])
    for k, row in enumerate(zip(*columns.values(), strict=True)):
        writer.writerow([k, *("" if value is None else value for value in row)])
    return file.getvalue()


def _per_slice(group: Mapping) -> Iterator[tuple[str, Sequence]]:
    for name, item in group.items():
        if "per_slice" in item:
            yield name, item["per_slice"]
        elif name != "nselfssim_distance":
            for inner, values in _per_slice(item):
                yield f"{name}.{inner}", values
