"""The metrics of a record as CSV: one line a slice."""

from __future__ import annotations

import csv
import io

from ..quality.record import TRUTH, EnhancementRecord


def metrics_csv(record: EnhancementRecord) -> str:
    """One line an axial slice of the MVCT, numbered from 1, with its patient z in mm.

    The planning CT, which has slices of its own, is in the JSON.
    """
    columns = {"z_mm": record.z_mm} if record.z_mm else {}
    columns |= {
        f"{group}.{values.path}": values.per_slice
        for group in ("mvct", "enhanced", "comparison", *TRUTH)
        for values in record.group(group).values()
    }
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["slice", *columns])
    for number, row in enumerate(zip(*columns.values(), strict=True), start=1):
        writer.writerow([number, *("" if value != value else value for value in row)])
    return file.getvalue()
