"""Functions of MVCTEnhanceLogic for scripts; parameters are named in Slicer's style, as users type them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..errors import InputError, MVCTEnhanceError
from ..jobs.requests import BatchRequest, CommissionRequest
from .install import dependencies, pip_settings
from .jobs.commissioning import Commissioning, CommissioningOutcome
from .jobs.course import COURSE_OPTIONS, CourseOutcome, CourseReview
from .jobs.dicom_export import DicomExport, DicomOptions, DicomResult
from .jobs.export import ReportExport, ReportExportOptions, export_metrics
from .jobs.folder import FolderResult, enhance_folder
from .jobs.qa import QA_OPTIONS, PhantomQA, QAOutcome
from .jobs.registration import Registration, RegistrationOptions
from .jobs.sequences import enhancement_of
from .metrics.two_models import ModelComparison, compare_models
from .parameters import require_known
from .scene.outputs import ROLE_PLANNING_CT, EnhanceResult
from .scene.registration import RegistrationResult
from .scene.request import SceneRequest
from .worker.steps import OnProgress
from .worker.work import Job, do_now

Node = slicer.vtkMRMLNode


def enhance(volume_node: Node, named: dict[str, Any], on_progress: OnProgress | None = None) -> EnhanceResult:
    """Enhance and wait for it; needs no event loop.

    Args:
        volume_node: the MVCT.
        named: parameters of the panel by their names, see `SceneRequest`; None for none.
        on_progress: gets stage, slices done, slices in all, seconds left.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do; the scene is as it was.
    """
    request = _scene_request(volume_node, named)
    _require_packages()
    return do_now(enhancement_of(request), on_progress)


def start_enhance(volume_node: Node, named: dict[str, Any], callbacks: tuple[Callable | None, ...]) -> Job:
    """Enhance while the application goes on; the job can be cancelled.

    Args:
        volume_node, named: as for `enhance`.
        callbacks: for progress, result and error, see `Job`.

    Raises:
        MVCTEnhanceError: packages or nodes are missing; other errors go to the last callback.
    """
    request = _scene_request(volume_node, named)
    _require_packages()
    on_progress, on_done, on_error = callbacks
    job = Job(enhancement_of(request), on_progress=on_progress, on_done=on_done, on_error=on_error)
    job.start()
    return job


def register(
    enhanced: Node,
    planning_ct: Node | None,
    isocentre: tuple[float, float, float] | None,
    on_progress: OnProgress | None = None,
) -> RegistrationResult:
    """Register an enhanced volume and its MVCT to the planning CT and wait for it; see `RegistrationOptions`.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do; the scene is as it was.
    """
    if planning_ct is None and enhanced is not None:
        planning_ct = enhanced.GetNodeReference(ROLE_PLANNING_CT)
    options = RegistrationOptions(_id(enhanced), _id(planning_ct), isocentre)
    _require_packages()
    return do_now(Registration(options), on_progress)


def compare(enhanced: Node, other: Node) -> ModelComparison:
    """Two enhanced scans of one MVCT beside each other, see `ModelComparison`.

    Raises:
        InputError: they are not both enhanced scans of one MVCT.
    """
    for node in filter(None, (enhanced, other)):
        _id(node)
    return compare_models(enhanced, other)


def enhance_files(
    input_folder: str | Path, output_folder: str | Path, named: dict[str, Any], on_progress: OnProgress | None = None
) -> FolderResult:
    """Enhance every scan below a folder and wait for it.

    Args:
        input_folder, output_folder: where the scans are and the results go.
        named: other fields of a `BatchRequest` by their names; None for the default.
        on_progress: gets stage, cases done, cases in all, seconds left.

    Raises:
        MVCTEnhanceError: nothing could be started.
    """
    folders = {"input": Path(input_folder).absolute(), "output": Path(output_folder).absolute()}
    require_known(named, [item.name for item in fields(BatchRequest) if item.name not in folders])
    request = BatchRequest(**folders, **{name: value for name, value in named.items() if value is not None})
    _require_packages()
    return enhance_folder(request, on_progress)


def qa(
    volume_node: Node,
    phantom: str,
    folder: str | Path,
    enhanced: Node | None,
    named: dict[str, Any],
    on_progress: OnProgress | None = None,
) -> QAOutcome:
    """Quality assurance of a phantom, waited for.

    Args:
        volume_node: its MVCT.
        phantom: which one it is, a name of `QARequest`.
        folder: that grows by a line of qa.csv.
        enhanced: its enhanced scan; None to have it made.
        named: other fields of a `QARequest` by their names; None for the default.
        on_progress: gets stage, slices done, slices in all, seconds left.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do; the folder is as it was.
    """
    if volume_node is None:
        raise InputError(_("No volume was given: give the phantom's MVCT volume node."))
    require_known(named, QA_OPTIONS)
    options = {name: value for name, value in named.items() if value is not None}
    work = PhantomQA(_id(volume_node), _id(enhanced), phantom, Path(folder).absolute(), options)
    _require_packages()
    return do_now(work, on_progress)


def commission(
    mvct_folder: str | Path, output_folder: str | Path, named: dict[str, Any], on_progress: OnProgress | None = None
) -> CommissioningOutcome:
    """Commission a scanner and wait for it.

    Args:
        mvct_folder, output_folder: where the patients' MVCTs are and the results go.
        named: other fields of a `CommissionRequest` by their names; None for the default.
        on_progress: gets stage, what is done, the total, seconds left.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do.
    """
    folders = {"mvct": Path(mvct_folder).absolute(), "output": Path(output_folder).absolute()}
    require_known(named, [item.name for item in fields(CommissionRequest) if item.name not in folders])
    request = CommissionRequest(**folders, **{name: value for name, value in named.items() if value is not None})
    _require_packages()
    return do_now(Commissioning(request), on_progress)


def course(
    scans: Node | str | Path,
    folder: str | Path,
    planning_ct: Node | None,
    named: dict[str, Any],
    on_progress: OnProgress | None = None,
) -> CourseOutcome:
    """Review all scans of a sequence or below a folder and wait for it.

    Args:
        scans: the folder, or a volume that shows an item of the sequence.
        folder: for the page, and a folder for each scan.
        planning_ct: None for none.
        named: other fields of a `CourseRequest` by their names; None for the default. The structures are a
            segmentation of the scene or a file.
        on_progress: gets stage, scans done, scans in all, seconds left.

    Raises:
        MVCTEnhanceError: with one sentence on the fault and what to do.
    """
    if scans is None:
        raise InputError(_("No volume was given: give the MVCT volume node."))
    require_known(named, COURSE_OPTIONS)
    options = {name: value for name, value in named.items() if value is not None}
    place = Path(scans).absolute() if isinstance(scans, (str, Path)) else _id(scans)
    segmentation = options.pop("structures") if isinstance(options.get("structures"), Node) else None
    work = CourseReview(place, _id(planning_ct), Path(folder).absolute(), options, _id(segmentation))
    _require_packages()
    return do_now(work, on_progress)


def install_dependencies(wheel_folder: str | Path | None = None) -> None:
    """Install what is missing after one question.

    Args:
        wheel_folder: folder of wheels; None for the one chosen in the panel, or the network where none was.

    Raises:
        MVCTEnhanceError: something is still missing.
    """
    # A dialog that tells of a failure would hold up the script, which gets the error.
    wheels = Path(wheel_folder) if wheel_folder else pip_settings.remembered_wheels()
    dependencies.ensure(wheel_folder=wheels, progress_dialog=False)


def export_dicom(
    enhanced: Node, folder: str | Path | None = None, description: str = "", *, force: bool = False
) -> DicomResult:
    """A derived series in a new folder, or in the DICOM database where none is given; see `DicomOptions`."""
    _require_packages()
    options = DicomOptions(_id(enhanced), Path(folder) if folder else None, description, force)
    return do_now(DicomExport(options))


def export_report(enhanced: Node, folder: str | Path, *, overwrite: bool = False, identify: bool = False) -> Path:
    """The HTML report; returns its path, and logs the warnings; see `ReportExportOptions`."""
    _require_packages()
    result = do_now(ReportExport(ReportExportOptions(_id(enhanced), Path(folder), overwrite, identify)))
    for warning in result.warnings:
        logging.warning("%s", warning)
    return result.path


def export_csv(enhanced: Node, path: str | Path, *, overwrite: bool = False) -> Path:
    """The metrics, a line a slice; returns the path."""
    return export_metrics(_id(enhanced), Path(path), overwrite=overwrite)


def _scene_request(volume_node: Node, named: dict[str, Any]) -> SceneRequest:
    """Raises InputError where the MVCT or another node is not in the scene."""
    if volume_node is None:
        raise InputError(_("No volume was given: give the MVCT volume node."))
    for value in (volume_node, *named.values()):
        if isinstance(value, Node):
            _id(value)
    return SceneRequest.of(volume_node, **named)


def _require_packages() -> None:
    missing = dependencies.missing()
    if missing:
        raise MVCTEnhanceError(
            _("Python packages are missing ({names}): call installDependencies(), or press Apply in the panel.").format(
                names=", ".join(missing)
            )
        )


def _id(node: Node | None) -> str:
    if node is None:
        return ""
    if not node.GetID() or slicer.mrmlScene.GetNodeByID(node.GetID()) is not node:
        raise InputError(_("The node '{name}' is not in the scene: add it first.").format(name=node.GetName()))
    return node.GetID()
