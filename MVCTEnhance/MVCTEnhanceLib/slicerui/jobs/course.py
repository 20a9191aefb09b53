"""Course review of all scans of a sequence, between the scene and the worker."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from ...errors import InputError
from ...jobs.requests import PATIENT_POSITIONS, CourseRequest
from ..scene.origin import identity_of, known_volume_of, patient_id_of, patient_position_of
from ..scene.request import node_of
from ..scene.sequence_nodes import sequence_of
from ..scene.volumes import problem_of
from ..worker import files
from ..worker.steps import Step, Steps

_PATIENCE_S = 3.0
_DATE = r"\d{4}-[01]\d-[0-3]\d"
_GIVEN = ("input", "output", "kvct")  # of a request, by nodes and a folder
COURSE_OPTIONS = tuple(name for name in CourseRequest.__dataclass_fields__ if name not in _GIVEN)


@dataclass(frozen=True)
class CourseOutcome:
    """What came of it.

    Args:
        page: path of the HTML page.
        days: what days.json holds.
        done, failed: numbers of scans.
        beyond_limit: what the page calls the scans whose body has changed by more than the limit.
        warnings: for the user.
    """

    page: Path
    days: Mapping[str, Any]
    done: int
    failed: int
    beyond_limit: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class CourseReview:
    """Work for a `Job` or `do_now`; gives a `CourseOutcome`.

    Args:
        mvct: ID of a volume that shows an item of the sequence.
        planning_ct: ID of the planning CT; empty for none.
        folder: for the page, and a folder for each scan.
        options: other fields of the `CourseRequest`.
    """

    patience_s = _PATIENCE_S
    needs_scene = False  # once its inputs are written

    def __init__(self, mvct: str, planning_ct: str, folder: Path, options: Mapping[str, Any]):
        self._mvct, self._planning_ct = mvct, planning_ct
        self._folder, self._options = folder, options

    def problem(self) -> str:
        """Reason why the scans cannot be reviewed; empty where they can."""
        if problem := problem_of(node_of(self._mvct), _("MVCT")):
            return problem
        if sequence_of(node_of(self._mvct)) is None:
            return _("The MVCT is no item of a sequence: a course review needs the sequence of the daily scans.")
        if self._planning_ct and (problem := problem_of(node_of(self._planning_ct), _("planning CT"))):
            return problem
        scans = [item for _index, item in self._items() if item is not None]
        planning_ct = [node_of(self._planning_ct)] if self._planning_ct else []
        if len(set(filter(None, map(patient_id_of, [*scans, *planning_ct])))) > 1:
            return _("The scans have different Patient IDs: choose a sequence and a planning CT of one patient.")
        return ""

    def invalidation_reason(self) -> str:
        """Always empty: its inputs are written before the scene can change."""
        return ""

    def steps(self, folder: Path) -> Steps:
        """Write the scans, run `course`."""
        days = folder / "days"
        days.mkdir()
        items = self._items()
        for number, (index, item) in enumerate(items, start=1):
            if problem := problem_of(item, _("MVCT")):
                raise InputError(
                    _("Scan {number} ({index}): {problem}").format(number=number, index=index, problem=problem)
                )
            date = identity_of(item).get("date") or (index if re.fullmatch(_DATE, index) else "")
            _write(item, days / f"{number:03} {date}.nrrd")
        positions = {patient_position_of(item) for _index, item in items}
        known = positions.pop() if len(positions) == 1 else ""
        request = CourseRequest(
            days,
            self._folder,
            kvct=folder / "planning-ct.nrrd" if self._planning_ct else None,
            **{"patient_position": known if known in PATIENT_POSITIONS else None, **self._options},
        )
        names = {days: _("The sequence")}
        if request.kvct:
            files.write_nrrd(known_volume_of(node_of(self._planning_ct), _("planning CT")), request.kvct)
            names[request.kvct] = _("The planning CT")
        done = yield Step(request, names=names)
        content = json.loads((self._folder / "days.json").read_text(encoding="utf-8"))
        return CourseOutcome(
            self._folder / done["page"],
            content,
            done["done"],
            done["failed"],
            tuple(done["beyond_limit"]),
            tuple(done["warnings"]),
        )

    def _items(self) -> list[tuple[str, slicer.vtkMRMLNode | None]]:
        """Index value, such as a date, and volume of each item."""
        _browser, sequence = sequence_of(node_of(self._mvct))
        indices = [sequence.GetNthIndexValue(number) for number in range(sequence.GetNumberOfDataNodes())]
        return [(index, sequence.GetDataNodeAtValue(index)) for index in indices]


def _write(item: slicer.vtkMRMLScalarVolumeNode, path: Path) -> None:
    """A scan as a file whose time follows from its voxels, so that a review that goes on knows it again."""
    files.write_nrrd(known_volume_of(item, _("MVCT")), path)
    time = zlib.crc32(slicer.util.arrayFromVolume(item))
    os.utime(path, ns=(time, time))
