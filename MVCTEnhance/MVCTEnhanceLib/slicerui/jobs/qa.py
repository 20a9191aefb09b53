"""Quality assurance of a phantom whose MVCT is in the scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ...jobs.requests import InstallPylinacRequest, QARequest
from ..scene.origin import identity_of, known_volume_of
from ..scene.request import node_of
from ..scene.volumes import problem_of
from ..worker import files
from ..worker.steps import Step, Steps

REPORT = "report.html"  # as the worker writes it into the folder
QA_OPTIONS = ("tolerances", "model", "site", "baseline", "date", "device")
_PATIENCE_S = 3.0


@dataclass(frozen=True)
class QAOutcome:
    """What came of it.

    Args:
        passed: whether all values are within tolerance.
        report: path of the HTML report.
        values: by their names, each with those of both scans, as qa.json has them.
        warnings: for the user.
    """

    passed: bool
    report: Path
    values: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


class PhantomQA:
    """Work for a `Job` or `do_now`; gives a `QAOutcome`.

    Args:
        mvct, enhanced: IDs of the phantom's volumes; no enhanced one to have it made.
        phantom: which one it is.
        folder: that grows by a line of qa.csv.
        options: other fields of the `QARequest`.
        first: the installation of pylinac, where it is to come first.
    """

    patience_s = _PATIENCE_S
    needs_scene = False  # once its inputs are written

    def __init__(
        self,
        mvct: str,
        enhanced: str,
        phantom: str,
        folder: Path,
        options: Mapping[str, Any],
        *,
        first: InstallPylinacRequest | None = None,
    ):
        self._mvct, self._enhanced = mvct, enhanced
        self._phantom, self._folder, self._options = phantom, folder, options
        self._first = first

    def problem(self) -> str:
        """Reason why the volumes cannot be measured; empty where they can."""
        problem = problem_of(node_of(self._mvct), _("MVCT of the phantom"))
        if problem or not self._enhanced:
            return problem
        return problem_of(node_of(self._enhanced), _("enhanced volume"))

    def invalidation_reason(self) -> str:
        """Always empty: its inputs are written before the scene can change."""
        return ""

    def steps(self, folder: Path) -> Steps:
        """Write the volumes, run `install-pylinac` where it is wanted, then `qa`."""
        mvct = node_of(self._mvct)
        request = QARequest(
            folder / "mvct.nrrd",
            self._phantom,
            self._folder,
            enhanced=folder / "enhanced.nrrd" if self._enhanced else None,
            **{"date": identity_of(mvct).get("date"), **self._options},
        )
        files.write_nrrd(known_volume_of(mvct, _("MVCT of the phantom")), request.scan)
        names = {request.scan: _("The MVCT of the phantom")}
        if request.enhanced:
            files.write_nrrd(known_volume_of(node_of(self._enhanced), _("enhanced volume")), request.enhanced)
            names[request.enhanced] = _("The enhanced volume")
        if self._first:
            yield Step(self._first)
        done = yield Step(request, names=names)
        return QAOutcome(done["passed"], Path(done["report"]), done["values"], tuple(done["warnings"]))
