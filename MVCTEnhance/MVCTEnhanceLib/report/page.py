"""The report of one enhancement: an HTML page that needs nothing else, and the metrics as JSON and CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from .. import __version__
from ..assessment.provenance import provenance_rows
from ..quality.catalogue import INTENDED_USE
from ..quality.record import EnhancementRecord, Provenance
from ..quality.slices import require_same_shape
from ..storage.atomic import atomic_file
from ..volume import Volume
from ..volume.grid import axial
from .html import nested
from .style import STYLE
from .table import metrics_csv
from .values import cards, plots, tables, verdicts
from .views import PictureOptions, pictures

CARD_FIRST = ("name", "version", "intended_use", "training_data", "trained_on", "credits")


def write_report(
    folder: str | Path,
    *,
    mvct: Volume,
    enhanced: Volume,
    record: EnhancementRecord,
    model_card: Mapping,
    options: PictureOptions | None = None,
    overwrite: bool = False,
) -> Path:
    """Write report.html, readouts.json and readouts.csv (one line a slice) into a folder.

    The page holds its pictures, runs no script and asks nothing from a network. Of the scans only voxels, matrix and
    voxel size go into it: no name, identifier, date or path, unless the record's provenance has them as scan.

    Args:
        mvct, enhanced: HU on the same grid.
        record: of the enhancement.
        model_card: nested names and texts.
        overwrite: whether a report that is there is replaced, or the new one refused.

    Returns:
        the path of report.html.

    Raises:
        InputError: the scans differ in shape.
        OutputError: a file exists already or cannot be written.
    """
    require_same_shape(mvct.array, enhanced.array, names=("MVCT", "enhanced scan"))
    folder, options = Path(folder), options or PictureOptions()
    page = _page(
        [
            _heading(mvct, record.warnings or ()),
            cards(record),
            verdicts(record),
            pictures(mvct, enhanced, record, options),
            tables(record),
            plots(record),
            _provenance(record.provenance),
            _model(model_card),
            _details("Parameters of the metrics", "Values compare only with the same parameters.", record.parameters),
        ]
    )
    texts = {
        "readouts.json": json.dumps(record.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "readouts.csv": metrics_csv(record),
        "report.html": page,
    }
    for name, text in texts.items():
        with atomic_file(folder / name, overwrite=overwrite) as path:
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
    mvct = axial(mvct)
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


def _provenance(made: Provenance) -> str:
    """What the values were made of, by which program and when; nothing where the record does not say."""
    rows = {"scan": ", ".join(made.scan.values())} | provenance_rows(made)
    rows = {name.replace("sha256", "SHA-256"): text for name, text in rows.items() if text}
    return f'<section><h2>Provenance</h2><div class="row">{nested(rows)}</div></section>' if rows else ""


def _model(card: Mapping) -> str:
    """The card, what a reader wants first and the rest, such as the ranges of the verdicts, folded."""
    first = {name: card[name] for name in CARD_FIRST if name in card}
    rest = {name: entry for name, entry in card.items() if name not in first}
    folded = _details("The rest of the model's card", "How it was trained and measured, and the expected ranges.", rest)
    return f'<section><h2>The model</h2><div class="row">{nested(first)}</div></section>{folded}'


def _details(title: str, note: str, content: Mapping) -> str:
    """What only some want to see; nothing where there is none."""
    if not content:
        return ""
    return (
        f"<section><details><summary>{escape(title)}</summary>"
        f'<p class="note">{escape(note)}</p><div class="row">{nested(content)}</div></details></section>'
    )
