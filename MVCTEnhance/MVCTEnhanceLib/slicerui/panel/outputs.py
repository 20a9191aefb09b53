"""The volumes that the panel shows as outputs, and which of them Apply may fill."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import slicer.util

from ..scene.outputs import MAP_ROLES, ROLE_MVCT, ROLE_READOUTS

SELECTORS = {"enhanced": "enhancedSelector", "difference": "differenceSelector", "cycleError": "cycleErrorSelector"}


class ChosenOutputs:
    """Keeps scans and the results of other scans from being overwritten.

    Args:
        ui: the panel's widgets.
        on_chosen: called when the user has chosen an output.
    """

    def __init__(self, ui, on_chosen: Callable[[], None]):
        self._on_chosen = on_chosen
        self._by_hand: dict[str, slicer.vtkMRMLNode] = {}
        self.mvct: slicer.vtkMRMLNode | None = None
        """The scan whose results may be shown as outputs."""
        for name, selector in SELECTORS.items():
            widget = getattr(ui, selector)
            widget.connect("nodeActivated(vtkMRMLNode*)", lambda node, name=name: self._on_activated(name, node))

    def refresh(self, parameters) -> None:
        """Where the user has chosen another MVCT, drop the results of other scans."""
        mvct = parameters.mvct
        if mvct is not None and mvct is not self.mvct:
            self.mvct = mvct
            _own, others = _results_by_scan(mvct)
            with slicer.util.NodeModify(parameters):
                for name in SELECTORS:
                    if getattr(parameters, name) in others:
                        setattr(parameters, name, None)
        self._by_hand = {name: node for name, node in self._by_hand.items() if getattr(parameters, name) is node}

    def ids(self, parameters) -> dict[str, str]:
        """Parameter -> ID of the volume that Apply fills; empty where it makes a new one.

        Filled are results of this MVCT, volumes without voxels and those that the user has chosen in their selector;
        never a result of another scan, which is only looked at, nor a map of another enhanced volume.
        """
        own, others = _results_by_scan(parameters.mvct)
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        kept = {
            node
            for volume in volumes
            if volume is not parameters.enhanced
            for node in results_known_by(volume)
            if node is not volume
        }

        def may_be_filled(name: str, node: slicer.vtkMRMLNode | None) -> bool:
            if node is None or node in others or node in kept:
                return False
            return node in own or node.GetImageData() is None or self._by_hand.get(name) is node

        nodes = {name: getattr(parameters, name) for name in SELECTORS}
        return {name: node.GetID() if may_be_filled(name, node) else "" for name, node in nodes.items()}

    def forget(self) -> None:
        """Release the scene."""
        self._by_hand = {}
        self.mvct = None

    def _on_activated(self, name: str, node) -> None:
        self._by_hand[name] = node
        self._on_chosen()


def results_known_by(volume: slicer.vtkMRMLVolumeNode) -> list[slicer.vtkMRMLNode]:
    """The nodes that are known as results by this volume, itself among them if it is one."""
    if volume.GetNodeReferenceID(ROLE_READOUTS):
        return [volume, *filter(None, map(volume.GetNodeReference, MAP_ROLES))]
    return [volume] if volume.GetNodeReferenceID(ROLE_MVCT) else []


def _results_by_scan(mvct: slicer.vtkMRMLNode | None) -> tuple[set, set]:
    """The nodes that are results of this scan, and those of other scans, also of scans that were deleted."""
    own, others = set(), set()
    for volume in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        scan = volume.GetNodeReference(ROLE_MVCT)
        (own if scan is not None and scan is mvct else others).update(results_known_by(volume))
    return own, others
