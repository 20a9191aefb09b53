"""The table of a batch: one row a case."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..assessment.provenance import provenance_rows
from ..assessment.verdicts import VERDICTS, verdict_counts
from ..quality.catalogue import METRICS
from ..quality.record import DISTANCES, EnhancementRecord
from ..storage.atomic import atomic_file

_GROUPS = ("mvct", "enhanced", "comparison")
MEANS = tuple(
    ".".join(filter(None, (group, metric.part_of, name)))
    for group in _GROUPS
    for name, metric in METRICS.items()
    if group in metric.groups and name not in DISTANCES
)
_BY_VERDICT = {verdict: verdict.replace(" ", "_") for verdict in VERDICTS}
_COUNTS = ("slices", "warnings", *_BY_VERDICT.values())
_PROVENANCE = tuple(provenance_rows(EnhancementRecord({})))
COLUMNS = ("case", "status", "reason", "seconds", "output", *_COUNTS, *MEANS, *_PROVENANCE)

Status = Literal["waiting", "done", "withheld", "failed"]


@dataclass(frozen=True)
class CaseRow:
    """What became of a case.

    Args:
        case: its name.
        status: "waiting" until it was run; "withheld" where all but DICOM was written, since a metric is assessed as
            'do not trust'.
        reason: why it failed, or its DICOM was withheld, one sentence.
        seconds: that it took.
        output: folder of its outputs, relative to that of the table.
        values: means over the slices and counts by column, see `values_of`.
    """

    case: str
    status: Status = "waiting"
    reason: str = ""
    seconds: float | None = None
    output: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


def values_of(record: EnhancementRecord) -> dict[str, str]:
    """Means, counts of slices, warnings and verdicts, and provenance; what was not measured is not there."""
    metrics = {f"{group}.{metric.path}": metric for group in _GROUPS for metric in record.group(group).values()}
    values = {name: f"{metrics[name].mean:.6g}" for name in MEANS if name in metrics and metrics[name].has_value}
    values["warnings"] = str(len(record.warnings or ()))
    values["slices"] = str(len(record.slice_names()))
    if record.assessments:
        values |= {_BY_VERDICT[verdict]: str(count) for verdict, count in verdict_counts(record.assessments).items()}
    return values | provenance_rows(record)


def worst_verdict(values: Mapping[str, str]) -> str:
    """The gravest assessment that one of the metrics has; empty where none was assessed."""
    return next((verdict for verdict in reversed(VERDICTS) if int(values.get(_BY_VERDICT[verdict], 0))), "")


def write_summary(path: Path, rows: Iterable[CaseRow]) -> None:
    """Write the table in one step.

    Raises:
        OutputError: it cannot be written, for instance while another program has it open.
    """
    file = io.StringIO(newline="")
    table = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for row in rows:
        seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
        known = {"case": row.case, "status": row.status, "reason": row.reason, "seconds": seconds, "output": row.output}
        table.writerow(known | dict(row.values))
    with atomic_file(path) as partial:  # file names need not be valid text everywhere
        partial.write_text(file.getvalue(), encoding="utf-8", errors="backslashreplace", newline="")
