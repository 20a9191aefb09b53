"""Shared parts of the study: its folders, its cases, its store of results and its tables."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.runtime.machine import processor
from MVCTEnhanceLib.storage.atomic import atomic_file
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import axial

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One patient's simulated MVCT and, on the same grid, the true kVCT that it was simulated from."""

    patient: str
    mvct: Volume
    truth: Volume


@dataclass(frozen=True)
class Method:
    """A conversion of MVCT to kVCT under the name that it has in the tables; HU (k, j, i) of the MVCT's shape."""

    name: str
    convert: Callable[[Volume], np.ndarray]


@dataclass(frozen=True)
class Study:
    """The folders of a study.

    Args:
        data: the real kVCT scans, see docs/models.md.
        work: gets everything that is made on the way, so that a second call goes on where the first one stopped.
        results: gets the tables and figures.
        every: take every n-th slice of the test patients only, for a quick look; 1 for the real thing.
    """

    data: Path
    work: Path
    results: Path
    every: int = 1

    def cases(self, use: str) -> list[Case]:
        """The patients of "test" or "train" whose MVCT was simulated."""
        folder = self.work / "data" / use
        return [
            Case(
                path.stem,
                _every(axial(read_volume(path)), self.every),
                _every(axial(read_volume(folder / "truth" / path.name)), self.every),
            )
            for path in sorted((folder / "mvct").glob("*.nrrd"))
        ]

    def once(self, key: str, compute: Callable[[], Any]) -> Any:
        """A JSON-serialisable value that is computed unless WORK/done/`key`.json holds it; `key` may have slashes."""
        path = self.work / "done" / f"{key}{self._mark()}.json"
        if not path.exists():
            with atomic_file(path) as temporary:
                temporary.write_text(json.dumps(compute(), default=float), encoding="utf-8")
        return json.loads(path.read_text(encoding="utf-8"))

    def converted(self, method: Method, name: str, mvct: Volume) -> np.ndarray:
        """What a method makes of an MVCT, as int16 HU, kept under the name of the method and of the scan."""
        path = self.work / "converted" / f"{method.name}{self._mark()}" / f"{name}.npy"
        if not path.exists():
            hu = np.clip(np.round(method.convert(mvct)), -32768, 32767).astype(np.int16)
            with atomic_file(path) as temporary, temporary.open("wb") as file:
                np.save(file, hu)
        return np.load(path)

    def write_table(
        self, name: str, rows: Sequence[Row], columns: Mapping[str, str], *, title: str, notes: str
    ) -> None:
        """results/`name`.csv with all that the rows hold, and results/`name`.md with the columns under their headings.

        Args:
            columns: key of the rows -> heading with its unit.
            title: of the Markdown page.
            notes: what the table shows and how it was made: data, seeds, training steps.
        """
        self.results.mkdir(parents=True, exist_ok=True)
        with (
            atomic_file(self.results / f"{name}.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            names = dict.fromkeys(key for row in rows for key in row)
            writer = csv.DictWriter(file, list(names))
            writer.writeheader()
            writer.writerows(rows)
        lines = [f"# {title}", "", notes.strip(), "", f"Made on {machine()}.", "", *_markdown(rows, columns)]
        with atomic_file(self.results / f"{name}.md") as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _mark(self) -> str:
        return f"-every{self.every}" if self.every > 1 else ""


def weights_digest(model: Path) -> str:
    """Of the weights in a model's file, whatever its card says: what is kept of a model is kept under it."""
    content = model.read_bytes()
    header = int.from_bytes(content[:8], "little")
    return hashlib.sha256(content[8 + header :]).hexdigest()[:8]


def machine() -> str:
    """The processor, the number of its cores and the versions that figures depend on."""
    return f"{processor()}, {os.cpu_count()} cores, torch {torch.__version__}, numpy {np.__version__}"


def mean_and_sd(values: Iterable[float]) -> tuple[float, float]:
    """Of the finite values; the SD is that of a sample, NaN for fewer than two."""
    finite = np.array([value for value in values if value is not None and math.isfinite(value)])
    mean = float(finite.mean()) if len(finite) else math.nan
    return mean, float(finite.std(ddof=1)) if len(finite) > 1 else math.nan


def _markdown(rows: Sequence[Row], columns: Mapping[str, str]) -> list[str]:
    numeric = {key: all(not isinstance(row.get(key), str) for row in rows) for key in columns}
    head = "| " + " | ".join(columns.values()) + " |"
    rule = "|" + "|".join("--:" if numeric[key] else "---" for key in columns) + "|"
    return [head, rule, *("| " + " | ".join(_cell(row.get(key)) for key in columns) + " |" for row in rows)]


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _every(volume: Volume, step: int) -> Volume:
    spacing = (*volume.spacing[:2], volume.spacing[2] * step)
    return Volume(volume.array[::step], spacing, volume.origin, volume.direction)
