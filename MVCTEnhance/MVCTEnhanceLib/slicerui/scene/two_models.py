"""Two enhanced scans of one MVCT, as two models have made them: what they are called, and their difference."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _

from . import display
from .outputs import ROLE_MVCT, EnhanceResult, mark, result_of
from .volumes import fill

ROLE_MODEL_DIFFERENCE = "MVCTEnhance.modelDifference"


def problem_of(enhanced: slicer.vtkMRMLNode | None, other: slicer.vtkMRMLNode | None) -> str:
    """Why two volumes cannot be compared as results of two models, in one sentence; empty where they can."""
    for node in (enhanced, other):
        if node is None or result_of(node) is None:
            name = node.GetName() if node else _("none")
            return _("'{name}' has no metrics: choose a volume that was enhanced here.").format(name=name)
    if other is enhanced:
        return _("'{name}' is the enhanced scan itself: choose one that another model has made.").format(
            name=other.GetName()
        )
    mvct = enhanced.GetNodeReference(ROLE_MVCT)
    sizes = {node.GetImageData().GetDimensions() if node.GetImageData() else None for node in (enhanced, other)}
    if mvct is None or other.GetNodeReference(ROLE_MVCT) is not mvct or len(sizes) > 1:
        return _(
            "'{name}' was not enhanced from the same MVCT: choose a volume that was, or enhance the MVCT with another "
            "model into a new volume."
        ).format(name=other.GetName())
    return ""


def titles_of(*results: EnhanceResult) -> list[str]:
    """What results are called beside each other: by their models, or by their volumes where it is the same one."""
    titles = [result.readouts.get("model", {}).get("name", "") for result in results]
    return titles if len(set(titles)) == len(titles) else [result.enhanced.GetName() for result in results]


def difference_of(result: EnhanceResult, other: EnhanceResult) -> slicer.vtkMRMLScalarVolumeNode:
    """Enhanced scan - the other model's in HU, in the node that the enhanced one refers to, or in a new one."""
    from ...volume import Volume

    enhanced = result.enhanced
    mvct = enhanced.GetNodeReference(ROLE_MVCT)
    ours, theirs = (slicer.util.arrayFromVolume(node).astype(np.int32) for node in (result.enhanced, other.enhanced))
    name = f"{mvct.GetName()} {' - '.join(titles_of(result, other))}"
    node = enhanced.GetNodeReference(ROLE_MODEL_DIFFERENCE)
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        display.show_difference(node)
        node.SetNodeReferenceID(ROLE_MVCT, mvct.GetID())
        enhanced.SetNodeReferenceID(ROLE_MODEL_DIFFERENCE, node.GetID())
    node.SetName(name)
    fill(node, Volume(ours - theirs), like=enhanced)
    mark(node, "difference", result.readouts)
    return node
