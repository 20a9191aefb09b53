"""The nodes of a registration to the planning CT: a transform of both scans, and a checkerboard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _

from . import display
from .outputs import ROLE_MVCT
from .volumes import place_beside, put

ROLE_TRANSFORM = "MVCTEnhance.registration"
ROLE_CHECKERBOARD = "MVCTEnhance.checkerboard"
RESULT = "MVCTEnhance.registration"  # attribute of the transform: what the command gave, as JSON
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class RegistrationResult:
    """What a registration left in the scene.

    Args:
        transform: linear transform node that brings the MVCT, its enhanced scans and their maps onto the planning CT.
        checkerboard: volume with squares of the enhanced scan and of the planning CT, under the same transform.
        registration: as `mvct-enhance register --json` gives it.
        warnings: for the user, one sentence each.
    """

    transform: slicer.vtkMRMLLinearTransformNode
    checkerboard: slicer.vtkMRMLScalarVolumeNode
    registration: dict[str, Any]
    warnings: tuple[str, ...] = ()


def put_into_scene(
    enhanced: slicer.vtkMRMLScalarVolumeNode,
    planning_ct: slicer.vtkMRMLScalarVolumeNode,
    registration: Mapping[str, Any],
    checkerboard: np.ndarray,
    *,
    same_patient: bool,
) -> RegistrationResult:
    """Put the MVCT and all its results under its motion, in the place of any other transform.

    Args:
        enhanced: the enhanced volume, which knows its MVCT and the nodes of an earlier registration.
        planning_ct: the volume that they are brought onto, under whose parent transform the new one lies.
        registration: of the worker.
        checkerboard: HU (k, j, i) on the MVCT's grid.
        same_patient: whether the Patient IDs were compared already, as the worker could not.
    """
    from ...jobs.scans import UNKNOWN_PATIENT

    mvct = enhanced.GetNodeReference(ROLE_MVCT)
    transform = enhanced.GetNodeReference(ROLE_TRANSFORM) or _new(
        "vtkMRMLLinearTransformNode", _("{name} to planning CT").format(name=mvct.GetName())
    )
    matrix = _RAS_TO_LPS @ np.array(registration["mvct"]["matrix_lps"]) @ _RAS_TO_LPS
    slicer.util.updateTransformMatrixFromArray(transform, matrix)
    parent = planning_ct.GetTransformNodeID()
    transform.SetAndObserveTransformNodeID(None if parent == transform.GetID() else parent)
    transform.SetAttribute(RESULT, json.dumps(registration))
    board = enhanced.GetNodeReference(ROLE_CHECKERBOARD) or _new(
        "vtkMRMLScalarVolumeNode", _("{name} checkerboard").format(name=mvct.GetName())
    )
    put(board, checkerboard, grid=mvct)
    place_beside(board, mvct)
    display.show_like(board, mvct)
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    results = [node for node in volumes if node.GetNodeReference(ROLE_MVCT) is mvct]
    for node in (mvct, board, *results):
        node.SetAndObserveTransformNodeID(transform.GetID())
    for role, node in ((ROLE_TRANSFORM, transform), (ROLE_CHECKERBOARD, board)):
        enhanced.SetNodeReferenceID(role, node.GetID())
    warnings = [text for text in registration["warnings"] if not (same_patient and text == UNKNOWN_PATIENT)]
    return RegistrationResult(transform, board, dict(registration), tuple(warnings))


def _new(class_name: str, name: str) -> slicer.vtkMRMLNode:
    return slicer.mrmlScene.AddNewNodeByClass(class_name, slicer.mrmlScene.GenerateUniqueName(name))
