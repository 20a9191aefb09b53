"""The report of one enhancement: an HTML page that needs nothing else, and the metrics as JSON and CSV."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..assessment.provenance import provenance_rows
from ..assessment.verdicts import AS_EXPECTED, AS_EXPECTED_HERE, DO_NOT_TRUST, LOOK_CLOSER, NOT_APPLICABLE
from ..model.card_words import key_in_words, value_in_words
from ..quality.catalogue import INTENDED_USE
from ..quality.record import EnhancementRecord
from ..quality.slices import require_same_shape
from ..storage.atomic import atomic_file
from ..volume import Volume
from ..volume.grid import axial
from .table import metrics_csv
from .values import main_metrics, plots, structure_table, tables, verdicts
from .views import pictures

CARD_FIRST = ("name", "version", "intended_use", "training_data", "trained_on", "credits")
_CLASSES = {
    NOT_APPLICABLE: "none",
    AS_EXPECTED: "good",
    AS_EXPECTED_HERE: "good",
    LOOK_CLOSER: "doubt",
    DO_NOT_TRUST: "bad",
}


def write_report(
    folder: str | Path,
    *,
    mvct: Volume,
    enhanced: Volume,
    record: EnhancementRecord,
    model_card: Mapping,
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
    folder = Path(folder)
    first = {name: model_card[name] for name in CARD_FIRST if name in model_card}
    content = {
        "version": __version__,
        "intended_use": INTENDED_USE,
        "mvct": axial(mvct),
        "record": record,
        "main_metrics": main_metrics(record),
        "verdicts": verdicts(record),
        "pictures": pictures(mvct, enhanced, record),
        "tables": tables(record),
        "structures": structure_table(record),
        "plots": plots(record),
        "provenance": _provenance(record),
        "card": first,
        "rest_of_card": {name: entry for name, entry in model_card.items() if name not in first},
    }
    texts = {
        "readouts.json": json.dumps(record.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "readouts.csv": metrics_csv(record),
        "report.html": page("report.html.j2", content),
    }
    for name, text in texts.items():
        with atomic_file(folder / name, overwrite=overwrite) as path:
            path.write_text(text, encoding="utf-8", newline="")
    return folder / "report.html"


def page(template: str, content: Mapping[str, Any]) -> str:
    """A template of this folder filled in; the page needs nothing else, runs no script and asks no network."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "base64": lambda png: base64.b64encode(png).decode("ascii"),
        "key_in_words": key_in_words,
        "value_in_words": value_in_words,
        "colour": lambda verdict: _CLASSES.get(verdict, "doubt"),
    }
    return environment.get_template(template).render(content)


def _provenance(record: EnhancementRecord) -> dict[str, str]:
    """What the values were made of, by which program and when; empty where the record does not say."""
    rows = {"scan": ", ".join(record.provenance.scan.values())} | provenance_rows(record)
    return {name.replace("sha256", "SHA-256"): text for name, text in rows.items() if text}
