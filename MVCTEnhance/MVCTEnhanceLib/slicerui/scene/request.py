"""The request for one enhancement of nodes of the scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ...errors import MVCTEnhanceError
from ...jobs.requests import EnhanceRequest
from ...site.profile import read_site
from ..parameters import OPTIONS, require_known
from . import regions, volumes


@dataclass(frozen=True)
class SceneRequest:
    """What is enhanced with what; the fields but `options` are named like parameters of the panel and the console.

    Nodes are given by their IDs, since a node may be deleted at any moment; an empty ID means none.

    Args:
        mvct: the MVCT volume.
        allItems: whether all items of the sequence are enhanced that the MVCT shows one of.
        planningCT: volume whose metrics are the reference.
        region: segmentation or box (ROI) that the metrics are limited to.
        segmentID: which segment of a segmentation.
        structures: segmentation whose segments are measured, each by itself.
        enhanced, difference, cycleError: volumes to put results into; new ones are made where none is given.
        makeCycleError: whether a cycle-error map is wanted (it is, too, where a volume for it is given).
        options: fields of the `EnhanceRequest` by their names there, such as model and device.
    """

    mvct: str
    allItems: bool = False
    planningCT: str = ""
    region: str = ""
    segmentID: str = ""
    structures: str = ""
    enhanced: str = ""
    difference: str = ""
    cycleError: str = ""
    makeCycleError: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, mvct: slicer.vtkMRMLNode | None, **named: Any) -> SceneRequest:
        """A request from the values of parameters by their names: nodes, flags and texts; None for none.

        Raises:
            TypeError: there is no parameter of such a name.
        """
        require_known(named, [*PARAMETERS, *OPTIONS])
        given = {name: _id_or_value(value) for name, value in named.items() if value is not None}
        options = {OPTIONS[name]: value for name, value in given.items() if name in OPTIONS and value != ""}
        values = {name: value for name, value in given.items() if name not in OPTIONS}
        return cls(_id_or_value(mvct) if mvct else "", **values, options=options)

    @property
    def wants_cycle_error(self) -> bool:
        """Whether a map of the cycle-consistency error is made."""
        return self.makeCycleError or bool(self.cycleError)

    def problem(self) -> str:
        """Why this cannot be done, in one sentence; empty where it can."""
        return (
            volumes.problem_of(node_of(self.mvct), _("MVCT"))
            or self._problem_of_planning_ct()
            or self._problem_of_region()
            or self._problem_of_structures()
            or self._problem_of_outputs()
            or self._problem_of_options()
        )

    def _problem_of_planning_ct(self) -> str:
        if not self.planningCT:
            return ""
        if self.planningCT == self.mvct:
            return _("The planning CT is the MVCT itself: choose another volume, or none.")
        return volumes.problem_of(node_of(self.planningCT), _("planning CT"))

    def _problem_of_region(self) -> str:
        return regions.problem_of(node_of(self.region), self.segmentID) if self.region else ""

    def _problem_of_structures(self) -> str:
        return regions.problem_of_structures(node_of(self.structures)) if self.structures else ""

    def _problem_of_outputs(self) -> str:
        chosen = [node for node in (self.enhanced, self.difference, self.cycleError) if node]
        if {self.mvct, self.planningCT} & set(chosen):
            return _("An output is an input itself, which is never overwritten: choose another output.")
        if len(set(chosen)) < len(chosen):
            return _("Two outputs are the same volume: choose another one for each.")
        for node in map(node_of, chosen):
            if node is not None and node.GetClassName() != "vtkMRMLScalarVolumeNode":
                return _("The output '{name}' is no scalar volume: choose another one.").format(name=node.GetName())
        return ""

    def _problem_of_options(self) -> str:
        try:
            request = EnhanceRequest(Path(), Path(), kvct=Path() if self.planningCT else None, **self.options)
            read_site(request.site).model_file(request.model)
        except MVCTEnhanceError as error:
            return str(error)
        return ""


def node_of(node_id: str) -> slicer.vtkMRMLNode | None:
    """The node of this ID in the scene, None where it is not there any more."""
    return slicer.mrmlScene.GetNodeByID(node_id) if node_id else None


def _id_or_value(value: Any) -> Any:
    if isinstance(value, slicer.vtkMRMLNode):
        return value.GetID()
    return str(value) if isinstance(value, Path) else value


PARAMETERS = tuple(item.name for item in fields(SceneRequest) if item.name not in ("mvct", "options"))
"""The other parameters than the MVCT that are no options of an enhancement."""
