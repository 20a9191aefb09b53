"""qa.csv, which grows by a line with each scan of a phantom, and the control limits of its values."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, OutputError
from ..storage.atomic import atomic_file
from .phantoms import SCANS
from .result import QAResult

ABOUT = ("date", "phantom", "model", "scan_sha256", "passed")
MIN_LINES = 5  # for control limits
_SD_OF_RANGE = 1.128  # mean range of two values of a normal distribution, in its SDs


@dataclass(frozen=True)
class History:
    """The lines of a folder's qa.csv, the oldest first.

    Args:
        columns: its header.
        rows: texts by column.
    """

    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]

    @property
    def dates(self) -> list[str]:
        """Of the scans."""
        return [row["date"] for row in self.rows]

    def values(self, scan: str, name: str) -> list[float]:
        """A value of all scans, NaN where a line has none."""
        return [_number(row.get(f"{scan}.{name}", "")) for row in self.rows]


def read_history(folder: Path) -> History | None:
    """The lines that a folder has; None where there are none.

    Raises:
        InputError: there is a qa.csv that is not one of this program, or damaged.
    """
    path = folder / "qa.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"'{path}' cannot be read: check it, or choose another folder.") from error
    if not rows or tuple(rows[0][: len(ABOUT)]) != ABOUT or any(len(row) != len(rows[0]) for row in rows):
        raise InputError(f"'{path}' is no file of 'mvct-enhance qa', or is damaged: choose another folder.")
    return History(tuple(rows[0]), tuple(dict(zip(rows[0], row, strict=True)) for row in rows[1:]))


def with_result(history: History | None, result: QAResult, folder: Path) -> History:
    """The lines with that of a result: in the place of one of the same scan and model, else by its date.

    Raises:
        OutputError: the lines are of another phantom, or have other values.
    """
    line = dict(zip(ABOUT, _about(result), strict=True))
    for scan in SCANS:
        line |= {f"{scan}.{value.name}": _text(value.value) for value in getattr(result, scan)}
    if history and (history.columns != tuple(line) or any(row["phantom"] != line["phantom"] for row in history.rows)):
        raise OutputError(
            f"'{folder / 'qa.csv'}' has the values of another phantom or of other plugs: choose another folder for "
            "this one."
        )
    same = ("scan_sha256", "model")
    others = [row for row in (history.rows if history else ()) if any(row[name] != line[name] for name in same)]
    return History(tuple(line), tuple(sorted([*others, line], key=lambda row: row["date"])))


def write_history(folder: Path, history: History) -> None:
    """Replace qa.csv by one with these lines."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, history.columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history.rows)
    with atomic_file(folder / "qa.csv") as path:
        path.write_text(file.getvalue(), encoding="utf-8", newline="")


def control_limits(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Mean, lower and upper control limit of successive values: 3 SD by their moving range; None for too few.

    The SD is the mean difference of neighbours divided by 1.128, so that a slow drift does not widen it (Shewhart's
    chart of individuals; Pawlicki, Whitaker and Boyer, Med Phys 32, 2005).
    """
    known = [value for value in values if math.isfinite(value)]
    if len(known) < MIN_LINES:
        return None
    mean = float(np.mean(known))
    reach = 3 * float(np.mean(np.abs(np.diff(known)))) / _SD_OF_RANGE
    return mean, mean - reach, mean + reach


def _about(result: QAResult) -> tuple[str, ...]:
    made = result.made
    return result.date, result.phantom.name, made["model"], made["scan_sha256"], "yes" if result.passed else "no"


def _text(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
