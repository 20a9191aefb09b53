"""Options of one enhancement of nodes of the scene."""

from __future__ import annotations

from dataclasses import dataclass

import slicer
from slicer.i18n import tr as _

from ...errors import ModelError
from . import regions, volumes


@dataclass(frozen=True)
class EnhanceOptions:
    """Nodes by their IDs, since a node may be deleted at any moment; an empty ID means none.

    Args:
        mvct: the MVCT volume.
        planning_ct: volume whose readouts are what to aim at.
        region: segmentation or box (ROI) that the readouts are taken from.
        segment_id: which segment of a segmentation.
        model: name of an installed model or path of a model file; empty for the default one.
        device: "auto", "cpu", "cuda", "cuda:n" or "mps".
        enhanced, difference, cycle_error: volumes to put results into; new ones are made where none is given.
        make_cycle_error: whether a cycle-error map is wanted (it is, too, where a volume for it is given).
    """

    mvct: str
    planning_ct: str = ""
    region: str = ""
    segment_id: str = ""
    model: str = ""
    device: str = "auto"
    enhanced: str = ""
    difference: str = ""
    cycle_error: str = ""
    make_cycle_error: bool = False

    @property
    def wants_cycle_error(self) -> bool:
        """Whether a map of the cycle-consistency error is made."""
        return self.make_cycle_error or bool(self.cycle_error)

    def problem(self) -> str:
        """Why this cannot be done, in one sentence; empty where it can."""
        return (
            volumes.problem_of(node_of(self.mvct), _("MVCT"))
            or self._problem_of_planning_ct()
            or self._problem_of_region()
            or self._problem_of_outputs()
            or self._problem_of_model()
        )

    def _problem_of_planning_ct(self) -> str:
        if not self.planning_ct:
            return ""
        if self.planning_ct == self.mvct:
            return _("The planning CT is the MVCT itself: choose another volume, or none.")
        return volumes.problem_of(node_of(self.planning_ct), _("planning CT"))

    def _problem_of_region(self) -> str:
        return regions.problem_of(node_of(self.region), self.segment_id) if self.region else ""

    def _problem_of_outputs(self) -> str:
        chosen = [node for node in (self.enhanced, self.difference, self.cycle_error) if node]
        if {self.mvct, self.planning_ct} & set(chosen):
            return _("An output is an input itself, which is never overwritten: choose another output.")
        if len(set(chosen)) < len(chosen):
            return _("Two outputs are the same volume: choose another one for each.")
        for node in map(node_of, chosen):
            if node is not None and node.GetClassName() != "vtkMRMLScalarVolumeNode":
                return _("The output '{name}' is no scalar volume: choose another one.").format(name=node.GetName())
        return ""

    def _problem_of_model(self) -> str:
        from ...model.card import DEFAULT_MODEL, find_model

        try:
            find_model(self.model or DEFAULT_MODEL)
        except ModelError as error:
            return str(error)
        return ""


def node_of(node_id: str) -> slicer.vtkMRMLNode | None:
    """The node of this ID in the scene, None where it is not there any more."""
    return slicer.mrmlScene.GetNodeByID(node_id) if node_id else None
