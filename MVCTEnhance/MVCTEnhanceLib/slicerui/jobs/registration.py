"""Registration of an enhanced volume and its MVCT to the planning CT, between the scene and the worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ...errors import InputError
from ...jobs.requests import PATIENT_POSITIONS, RegisterRequest
from ..scene.origin import patient_id_of, patient_position_of
from ..scene.outputs import ROLE_MVCT
from ..scene.registration import put_into_scene
from ..scene.request import node_of
from ..scene.volumes import problem_of, volume_of
from ..worker import files
from ..worker.steps import Step, Steps
from .enhancement import Contents


@dataclass(frozen=True)
class RegistrationOptions:
    """What is registered to what.

    Args:
        enhanced: ID of the enhanced volume, which knows its MVCT.
        planning_ct: ID of the planning CT.
        isocentre: about which is rotated, LPS in mm; None for the centre of the planning CT.
    """

    enhanced: str
    planning_ct: str
    isocentre: tuple[float, float, float] | None = None


class Registration:
    """Work for a `Job` or `do_now`; gives a `RegistrationResult`. Parent transforms are not applied."""

    patience_s = 0.0
    needs_scene = True

    def __init__(self, options: RegistrationOptions):
        self._options = options
        self._nodes: list[tuple[str, slicer.vtkMRMLNode]] = []

    def problem(self) -> str:
        """Reason why they cannot be registered; empty where they can."""
        enhanced, planning_ct = node_of(self._options.enhanced), node_of(self._options.planning_ct)
        mvct = enhanced.GetNodeReference(ROLE_MVCT) if enhanced else None
        roles = ((enhanced, _("enhanced volume")), (mvct, _("MVCT")), (planning_ct, _("planning CT")))
        for node, role in roles:
            if problem := problem_of(node, role):
                return problem
        if planning_ct in (mvct, enhanced):
            return _("The planning CT is the MVCT itself: choose another volume.")
        ids = [patient_id_of(node) for node in (mvct, planning_ct)]
        if all(ids) and len(set(ids)) > 1:
            return _("The MVCT and the planning CT have different Patient IDs: choose two scans of one patient.")
        return ""

    def invalidation_reason(self) -> str:
        """Reason why the result has no place any more: one of the scans was deleted."""
        # Another node may have got the ID of a deleted one.
        if any(node_of(node_id) is not node for node_id, node in self._nodes):
            return _("A scan was deleted, which ended the registration.")
        return ""

    def steps(self, folder: Path) -> Steps:
        """Write the scans, run `register`, put the transform into the scene."""
        enhanced, planning_ct = node_of(self._options.enhanced), node_of(self._options.planning_ct)
        mvct = enhanced.GetNodeReference(ROLE_MVCT)
        self._nodes = [(node.GetID(), node) for node in (mvct, enhanced, planning_ct)]
        before = [(node, Contents(node)) for _id, node in self._nodes]
        position = patient_position_of(mvct)
        request = RegisterRequest(
            folder / "mvct.nrrd",
            folder / "planning-ct.nrrd",
            enhanced=folder / "enhanced.nrrd",
            checkerboard=folder / "checkerboard.nrrd",
            isocentre=tuple(round(float(mm), 3) for mm in self._options.isocentre or ()),
            patient_position=position if position in PATIENT_POSITIONS else None,
        )
        names = {}
        for node, path, name in (
            (mvct, request.mvct, _("MVCT")),
            (enhanced, request.enhanced, _("enhanced volume")),
            (planning_ct, request.kvct, _("planning CT")),
        ):
            files.write_nrrd(volume_of(node, name), path)
            names[path] = name
        done = yield Step(request, names=names)
        if not all(contents.are_in(node) for node, contents in before):
            raise InputError(_("A scan has changed while it was registered, so that nothing was made: try again."))
        known = bool(patient_id_of(mvct) and patient_id_of(planning_ct))
        return put_into_scene(enhanced, planning_ct, done, files.read_voxels(request.checkerboard), same_patient=known)
