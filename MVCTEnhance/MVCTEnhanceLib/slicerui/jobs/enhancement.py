"""One enhancement between the scene and the worker: nodes to files, files to nodes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
import slicer.util
from slicer.i18n import tr as _

from ...errors import InputError
from ..scene.options import EnhanceOptions, node_of
from ..scene.origin import product_of
from ..scene.outputs import EnhanceResult, Voxels, put_into_scene
from ..scene.regions import region_mask
from ..scene.volumes import volume_of
from ..worker import files
from ..worker.steps import OnProgress, Step, Steps
from ..worker.work import Job, do_now

if TYPE_CHECKING:
    from ...volume import Volume


class Enhancement:
    """Work for a `Job` or `do_now`: one MVCT volume enhanced, its results put into the scene."""

    patience_s = 0.0
    needs_scene = True

    def __init__(self, options: EnhanceOptions):
        self._options = options
        self._mvct: slicer.vtkMRMLScalarVolumeNode | None = None

    def problem(self) -> str:
        """Reason why the options cannot be run; empty where they can."""
        return self._options.problem()

    def invalidation_reason(self) -> str:
        """Reason why the results have no place any more: the MVCT was deleted."""
        # Another node may have got the ID of a deleted one.
        if self._mvct is not None and node_of(self._options.mvct) is not self._mvct:
            return _("The MVCT was deleted, which ended the work: choose a scan and press Apply.")
        return ""

    def steps(self, folder: Path) -> Steps:
        """Write the inputs, run `enhance`, put the results into the scene."""
        self._mvct = node_of(self._options.mvct)
        before = Contents(self._mvct)
        readouts = yield write_inputs(self._options, self._mvct, folder)
        voxels = read_results(self._options, folder, readouts)
        if not before.are_in(self._mvct):
            raise InputError(
                _("The MVCT has changed while it was enhanced, so that nothing was made: press Apply again.")
            )
        return put_into_scene(self._options, self._mvct, voxels)


class Contents:
    """The voxels of a volume node at one moment, to tell whether they have changed since."""

    def __init__(self, node: slicer.vtkMRMLScalarVolumeNode):
        self._time = _time(node)
        self._checksum = _checksum(node)

    def are_in(self, node: slicer.vtkMRMLScalarVolumeNode) -> bool:
        """Whether the node still holds the same voxels; browsing a sequence, for one, puts others into its proxy."""
        return _time(node) == self._time or _checksum(node) == self._checksum


def write_inputs(
    options: EnhanceOptions,
    mvct: slicer.vtkMRMLScalarVolumeNode,
    folder: Path,
    *,
    frame_of: slicer.vtkMRMLScalarVolumeNode | None = None,
    title: str = "",
) -> Step:
    """Write all inputs of one enhancement into a folder.

    Args:
        options: the other inputs.
        mvct: the volume to enhance, which may be an item of a sequence.
        folder: where to write to.
        frame_of: node whose parent transform moves the MVCT, where it is not its own.
        title: of the step.

    Raises:
        InputError: an input cannot be used.
    """
    volume = _known(mvct, _("MVCT"))
    planning_ct = _known(node_of(options.planning_ct), _("planning CT")) if options.planning_ct else None
    names = {folder / "mvct.nrrd": _("The MVCT")}
    files.write_nrrd(volume, folder / "mvct.nrrd")
    arguments = ["enhance", folder / "mvct.nrrd"]
    for option, name in _outputs(options).items():
        arguments += [option, folder / name]
        names[folder / name] = _("The result")
    if planning_ct is not None:
        files.write_nrrd(planning_ct, folder / "planning-ct.nrrd")
        arguments += ["--kvct", folder / "planning-ct.nrrd"]
        names[folder / "planning-ct.nrrd"] = _("The planning CT")
    if options.region:
        mask = region_mask(node_of(options.region), options.segment_id, mvct, frame_of=frame_of)
        files.write_nrrd(volume.with_array(mask), folder / "region.nrrd")
        arguments += ["--region", folder / "region.nrrd"]
        names[folder / "region.nrrd"] = _("The region")
    if options.model:
        arguments += ["--model", options.model]
    arguments += ["--device", options.device, "--uncompressed"]  # files that are read once and removed
    return Step(tuple(map(str, arguments)), title, names)


def _known(node: slicer.vtkMRMLScalarVolumeNode, role: str) -> Volume:
    """A scan that tells the worker if it is an output of this program."""
    return replace(volume_of(node, role), product=product_of(node))


def read_results(options: EnhanceOptions, folder: Path, readouts: dict) -> Voxels:
    """What the worker has written into the folder.

    Raises:
        OutputError: something is missing.
    """
    voxels = {option: files.read_voxels(folder / name) for option, name in _outputs(options).items()}
    return Voxels(
        voxels["--output"],
        voxels["--difference"],
        voxels.get("--cycle-error"),
        readouts,
        voxels["--correction"],
    )


def _outputs(options: EnhanceOptions) -> dict[str, str]:
    """Option of the command line -> file in the folder."""
    outputs = {"--output": "enhanced.nrrd", "--difference": "difference.nrrd", "--correction": "correction.nrrd"}
    return outputs | ({"--cycle-error": "cycle-error.nrrd"} if options.wants_cycle_error else {})


def _time(node: slicer.vtkMRMLScalarVolumeNode) -> int:
    image = node.GetImageData()
    scalars = image.GetPointData().GetScalars() if image else None
    return scalars.GetMTime() if scalars else -1


def _checksum(node: slicer.vtkMRMLScalarVolumeNode) -> int:
    return zlib.crc32(slicer.util.arrayFromVolume(node)) if _time(node) >= 0 else -1


class EnhanceJob(Job):
    """Enhance one volume; see `Job` for the callbacks.

    Args:
        options: what to do with which nodes.
        on_done: called with the `EnhanceResult`, whose nodes are in the scene.
    """

    work: type[Enhancement] = Enhancement

    def __init__(
        self,
        options: EnhanceOptions,
        *,
        on_progress: OnProgress | None = None,
        on_done: Callable[[EnhanceResult], None] | None = None,
        on_error: Callable[[str], None] | None = None,
    ):
        super().__init__(self.work(options), on_progress=on_progress, on_done=on_done, on_error=on_error)


def enhance_and_wait(options: EnhanceOptions, on_progress: OnProgress | None = None) -> EnhanceResult:
    """Enhance one volume; needs no event loop, and the application does nothing else meanwhile.

    Raises:
        MVCTEnhanceError: with one sentence on what is wrong; the scene is as it was.
    """
    return do_now(Enhancement(options), on_progress)
