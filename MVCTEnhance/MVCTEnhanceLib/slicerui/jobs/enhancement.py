"""One enhancement between the scene and the worker: nodes to files, files to nodes."""

from __future__ import annotations

import zlib
from pathlib import Path

import slicer
import slicer.util
from slicer.i18n import tr as _

from ...errors import InputError
from ...jobs.requests import EnhanceRequest
from ..scene.origin import known_volume_of
from ..scene.outputs import Voxels, put_into_scene
from ..scene.regions import region_mask, write_structures
from ..scene.request import SceneRequest, node_of
from ..worker import files
from ..worker.steps import Step, Steps


class Enhancement:
    """Work for a `Job` or `do_now`: one MVCT volume enhanced, its results put into the scene."""

    patience_s = 0.0
    needs_scene = True

    def __init__(self, wanted: SceneRequest):
        self._wanted = wanted
        self._mvct: slicer.vtkMRMLScalarVolumeNode | None = None

    def problem(self) -> str:
        """Reason why it cannot be run; empty where it can."""
        return self._wanted.problem()

    def invalidation_reason(self) -> str:
        """Reason why the results have no place any more: the MVCT was deleted."""
        # Another node may have got the ID of a deleted one.
        if self._mvct is not None and node_of(self._wanted.mvct) is not self._mvct:
            return _("The MVCT was deleted, which ended the work: choose a scan and press Apply.")
        return ""

    def steps(self, folder: Path) -> Steps:
        """Write the inputs, run `enhance`, put the results into the scene."""
        self._mvct = node_of(self._wanted.mvct)
        before = Contents(self._mvct)
        step = write_inputs(self._wanted, self._mvct, folder)
        readouts = yield step
        voxels = read_results(step.request, readouts)
        if not before.are_in(self._mvct):
            raise InputError(
                _("The MVCT has changed while it was enhanced, so that nothing was made: press Apply again.")
            )
        return put_into_scene(self._wanted, self._mvct, voxels)


class Contents:
    """The voxels of a volume node at one moment, to tell whether they have changed since."""

    def __init__(self, node: slicer.vtkMRMLScalarVolumeNode):
        self._time = _time(node)
        self._checksum = _checksum(node)

    def are_in(self, node: slicer.vtkMRMLScalarVolumeNode) -> bool:
        """Whether the node still holds the same voxels; browsing a sequence, for one, puts others into its proxy."""
        return _time(node) == self._time or _checksum(node) == self._checksum


def write_inputs(
    wanted: SceneRequest,
    mvct: slicer.vtkMRMLScalarVolumeNode,
    folder: Path,
    *,
    frame_of: slicer.vtkMRMLScalarVolumeNode | None = None,
    title: str = "",
) -> Step:
    """Write all inputs of one enhancement into a folder.

    Args:
        wanted: the other inputs, and the options.
        mvct: the volume to enhance, which may be an item of a sequence.
        folder: where to write to.
        frame_of: node whose parent transform moves the MVCT, where it is not its own.
        title: of the step.

    Raises:
        InputError: an input cannot be used.
    """
    mvct_volume = known_volume_of(mvct, _("MVCT"))
    request = EnhanceRequest(
        input=folder / "mvct.nrrd",
        output=folder / "enhanced.nrrd",
        difference=folder / "difference.nrrd",
        correction=folder / "correction.nrrd",
        cycle_error=folder / "cycle-error.nrrd" if wanted.wants_cycle_error else None,
        kvct=folder / "planning-ct.nrrd" if wanted.planningCT else None,
        region=folder / "region.nrrd" if wanted.region else None,
        structures=folder / "structures.seg.nrrd" if wanted.structures else None,
        compress=False,  # files that are read once and removed
        **wanted.options,
    )
    planning_ct = known_volume_of(node_of(wanted.planningCT), _("planning CT")) if request.kvct else None
    files.write_nrrd(mvct_volume, request.input)
    if request.kvct:
        files.write_nrrd(planning_ct, request.kvct)
    if request.region:
        mask = region_mask(node_of(wanted.region), wanted.segmentID, mvct, frame_of=frame_of)
        files.write_nrrd(mvct_volume.with_array(mask), request.region)
    if request.structures:
        write_structures(node_of(wanted.structures), mvct, mvct_volume, request.structures, frame_of=frame_of)
    names = {
        request.input: _("The MVCT"),
        **dict.fromkeys(filter(None, _outputs(request)), _("The result")),
        request.kvct: _("The planning CT"),
        request.region: _("The region"),
        request.structures: _("The structures"),
    }
    return Step(request, title, {path: name for path, name in names.items() if path})


def read_results(request: EnhanceRequest, readouts: dict) -> Voxels:
    """What the worker has written.

    Raises:
        OutputError: something is missing.
    """
    enhanced, difference, correction, cycle_error = (path and files.read_voxels(path) for path in _outputs(request))
    return Voxels(enhanced, difference, cycle_error, readouts, correction)


def _outputs(request: EnhanceRequest) -> tuple[Path | None, ...]:
    return request.output, request.difference, request.correction, request.cycle_error


def _time(node: slicer.vtkMRMLScalarVolumeNode) -> int:
    image = node.GetImageData()
    scalars = image.GetPointData().GetScalars() if image else None
    return scalars.GetMTime() if scalars else -1


def _checksum(node: slicer.vtkMRMLScalarVolumeNode) -> int:
    return zlib.crc32(slicer.util.arrayFromVolume(node)) if _time(node) >= 0 else -1
