"""The sample data: a phantom's MVCT and planning CT, made on this computer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from ...errors import MVCTEnhanceError, OutputError
from ...jobs.requests import PhantomRequest
from ..install import dependencies, pip_settings
from ..scene import display
from ..worker.steps import OnProgress, Step, Steps
from ..worker.work import Job, do_now

CATEGORY = "MVCT Enhance"
SAMPLE_NAME = "MVCT phantom"
MVCT_NAME, PLANNING_CT_NAME = "MVCTPhantom", "PlanningCTPhantom"
THUMBNAIL = dependencies.RESOURCES / "Icons" / "MVCTEnhance.png"
_running: list[Job] = []  # held here, since nobody else does while it runs


class Phantom:
    """Work for a `Job` or `do_now`; gives the nodes of MVCT and planning CT."""

    patience_s = 0.0
    needs_scene = True

    def problem(self) -> str:
        """Always empty: a phantom needs no input."""
        return ""

    def invalidation_reason(self) -> str:
        """Always empty: a phantom depends on no node."""
        return ""

    def steps(self, folder: Path) -> Steps:
        """Run `phantom`, load both of its scans."""
        made = folder / "phantom"
        yield Step(PhantomRequest(made))
        return tuple(
            _load(made / file, name)
            for file, name in (("mvct.nrrd", MVCT_NAME), ("planning-ct.nrrd", PLANNING_CT_NAME))
        )


def make_phantom_and_wait(on_progress: OnProgress | None = None) -> tuple[Any, Any]:
    """Make the phantom and load it; returns the nodes of MVCT and planning CT.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do.
    """
    return do_now(Phantom(), on_progress)


def register() -> None:
    """Offer the phantom in Slicer's Sample Data module; once more, as after a reload, renews what its button does."""
    import SampleData

    for source in SampleData.SampleDataLogic.sampleDataSourcesByCategory(CATEGORY):
        if source.sampleName == SAMPLE_NAME:  # of before a reload; its button asks it for the function at each click
            source.customDownloader = download
            return
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        uris="",  # nothing is fetched
        fileNames="",
        nodeNames=MVCT_NAME,
        thumbnailFileName=str(THUMBNAIL),
        customDownloader=download,
    )


def download(source: Any = None) -> None:
    """What Sample Data calls: install what is needed, make the phantom while Slicer goes on, load it."""
    try:
        dependencies.ensure(wheel_folder=pip_settings.remembered_wheels())
    except MVCTEnhanceError as error:
        _tell(str(error))
        return
    job = Job(
        Phantom(),
        on_progress=_tell_progress,
        on_done=lambda nodes: _ended(job, _("MVCT and planning CT of the phantom are loaded.")),
        on_error=lambda message: _ended(job, message),
    )
    _running.append(job)
    _tell(_("Making the phantom…"))  # the worker takes seconds until it tells of anything
    job.start()


def cancel_all() -> None:
    """End what is being made, as when the module is unloaded."""
    while _running:
        _running.pop().cancel()


def _ended(job: Job, message: str) -> None:
    if job in _running:
        _running.remove(job)
    _tell(message)


def _tell_progress(text: str, done: int, total: int, seconds_left: float | None) -> None:
    _tell(f"{text} {done}/{total}" if total else text)


def _tell(message: str) -> None:
    slicer.util.showStatusMessage(message, 10000)


def _load(path: Path, name: str) -> Any:
    try:
        node = slicer.util.loadVolume(str(path), {"name": name, "show": name == MVCT_NAME})
    except RuntimeError as error:
        raise OutputError(_("The phantom could not be loaded: try again.")) from error
    # The file is a temporary one, of which nothing may be kept.
    storage = node.GetStorageNode()
    if storage is not None:
        slicer.mrmlScene.RemoveNode(storage)
    display.show_soft_tissue(node)
    return node
