"""Course review of all scans of a sequence or below a folder, between the scene and the worker."""

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

from ...batch.folder import COURSE
from ...errors import InputError
from ...jobs.requests import PATIENT_POSITIONS, CourseRequest
from ..scene.dicom_source import files_of, stage_files
from ..scene.origin import identity_of, known_volume_of, patient_id_of, patient_position_of
from ..scene.regions import problem_of_structures, write_structures
from ..scene.request import node_of
from ..scene.sequence_nodes import sequence_of
from ..scene.volumes import problem_of, volume_of
from ..worker import files
from ..worker.steps import Step, Steps

PAGE = COURSE[0]  # as the worker writes it into the folder
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
        scans: ID of a volume that shows an item of the sequence, or the folder that the scans lie below.
        planning_ct: ID of the planning CT; empty for none.
        folder: for the page, and a folder for each scan.
        options: other fields of the `CourseRequest`.
        structures: ID of the segmentation whose segments are measured, where they lie in the scene on the planning CT
            or, without one, on the volume that shows an item; empty for none.
    """

    patience_s = _PATIENCE_S
    needs_scene = False  # once its inputs are written

    def __init__(
        self, scans: str | Path, planning_ct: str, folder: Path, options: Mapping[str, Any], structures: str = ""
    ):
        self._scans, self._planning_ct, self._structures = scans, planning_ct, structures
        self._folder, self._options = folder, options

    def problem(self) -> str:
        """Reason why the scans cannot be reviewed; empty where they can."""
        if self._planning_ct and (problem := problem_of(node_of(self._planning_ct), _("planning CT"))):
            return problem
        if self._structures and (problem := problem_of_structures(node_of(self._structures))):
            return problem
        if not isinstance(self._scans, Path):
            return self._problem_of_sequence()
        if self._structures and not self._planning_ct:
            return _(
                "Structures in the scans of a folder need the planning CT that they were drawn on: choose it, or no "
                "structures."
            )
        return ""

    def invalidation_reason(self) -> str:
        """Always empty: its inputs are written before the scene can change."""
        return ""

    def steps(self, folder: Path) -> Steps:
        """Write what is in the scene, run `course`."""
        if isinstance(self._scans, Path):
            days, position, names = self._scans, "", {}
        else:
            days = folder / "days"
            position, names = self._write_days(days), {days: _("The sequence")}
        planning_ct = self._write_planning_ct(folder) if self._planning_ct else None
        if planning_ct:
            names[planning_ct] = _("The planning CT")
        known: dict[str, Any] = {"patient_position": position if position in PATIENT_POSITIONS else None}
        if self._structures:
            known["structures"] = folder / "structures.seg.nrrd"
            drawn_on = node_of(self._planning_ct or self._scans)
            write_structures(node_of(self._structures), drawn_on, volume_of(drawn_on), known["structures"])
            names[known["structures"]] = _("The structures")
        request = CourseRequest(days, self._folder, kvct=planning_ct, **(known | dict(self._options)))
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

    def _problem_of_sequence(self) -> str:
        mvct = node_of(self._scans)
        if problem := problem_of(mvct, _("MVCT")):
            return problem
        if sequence_of(mvct) is None:
            return _("The MVCT is no item of a sequence: a course review needs the sequence of the daily scans.")
        scans = [item for _index, item in self._items() if item is not None]
        planning_ct = [node_of(self._planning_ct)] if self._planning_ct else []
        if len(set(filter(None, map(patient_id_of, [*scans, *planning_ct])))) > 1:
            return _("The scans have different Patient IDs: choose a sequence and a planning CT of one patient.")
        return ""

    def _items(self) -> list[tuple[str, slicer.vtkMRMLNode | None]]:
        """Index value, such as a date, and volume of each item."""
        _browser, sequence = sequence_of(node_of(self._scans))
        indices = [sequence.GetNthIndexValue(number) for number in range(sequence.GetNumberOfDataNodes())]
        return [(index, sequence.GetDataNodeAtValue(index)) for index in indices]

    def _write_days(self, folder: Path) -> str:
        """Write the items of the sequence; returns their Patient Position where all have the same."""
        folder.mkdir()
        items = self._items()
        for number, (index, item) in enumerate(items, start=1):
            if problem := problem_of(item, _("MVCT")):
                raise InputError(
                    _("Scan {number} ({index}): {problem}").format(number=number, index=index, problem=problem)
                )
            date = identity_of(item).get("date") or (index if re.fullmatch(_DATE, index) else "")
            _write(item, folder / f"{number:03} {date}.nrrd")
        positions = {patient_position_of(item) for _index, item in items}
        return positions.pop() if len(positions) == 1 else ""

    def _write_planning_ct(self, folder: Path) -> Path:
        """Write it; beside a folder of scans, as the DICOM files that it came from, whose Patient ID is compared."""
        node, path = node_of(self._planning_ct), folder / "planning-ct"
        if isinstance(self._scans, Path) and patient_id_of(node):
            return stage_files(files_of(node), path)
        path = path.with_suffix(".nrrd")
        files.write_nrrd(known_volume_of(node, _("planning CT")), path)
        return path


def _write(item: slicer.vtkMRMLScalarVolumeNode, path: Path) -> None:
    """A scan as a file whose time follows from its voxels, so that a review that goes on knows it again."""
    files.write_nrrd(known_volume_of(item, _("MVCT")), path)
    time = zlib.crc32(slicer.util.arrayFromVolume(item))
    os.utime(path, ns=(time, time))
