"""The tables that a run writes as it goes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from ..storage.atomic import atomic_file


class Log:
    """A CSV file with a row for each entry; its columns may grow."""

    def __init__(self, path: Path):
        self.path = path
        self.rows: list[dict[str, Any]] = []

    def cut_after(self, step: int) -> None:
        """Take up the rows of an earlier call, up to the checkpoint that it is resumed from."""
        if self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["step"]) <= step]

    def add(self, row: dict[str, Any]) -> None:
        """Append a row, floats with six digits, and write the file."""
        self.rows.append({name: f"{v:.6g}" if isinstance(v, float) else v for name, v in row.items()})
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        with atomic_file(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self.rows)
