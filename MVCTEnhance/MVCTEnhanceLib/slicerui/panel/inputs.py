"""The panel's section of inputs: region, sequence, and what the model was not trained for."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..scene.sequence_nodes import sequence_of
from ..wording import CAUTION, set_label, tell_name
from .input_warnings import InputWarnings


class InputsSection(VTKObservationMixin):
    """Keeps what the volume selectors alone cannot: the segments, the sequence check box and the warnings.

    Args:
        ui: the panel's widgets.
        on_warnings: called when other warnings are shown.
    """

    def __init__(self, ui, on_warnings: Callable[[], None]):
        super().__init__()
        self.warnings: list[str] = []
        """The input warnings that are shown."""
        self._on_warnings = on_warnings
        self._ui = ui
        self._parameters = None
        self._updating = False
        self._input_warnings = InputWarnings(self._show_warnings)
        ui.segmentComboBox.connect("currentIndexChanged(int)", self._on_segment)
        set_label(ui.inputWarningsLabel, "")

    def refresh(self, parameters) -> None:
        """Show what the parameters say."""
        self._parameters = parameters
        region = parameters.region
        tell_name(self._ui.mvctSelector, parameters.mvct)
        tell_name(self._ui.planningCTSelector, parameters.planningCT)
        tell_name(self._ui.regionSelector, region)
        tell_name(self._ui.structuresSelector, parameters.structures)
        self._observe(region)
        self._fill_segments(region)
        found = sequence_of(parameters.mvct)
        self._ui.allItemsCheckBox.visible = found is not None
        if found is not None:
            count = found[1].GetNumberOfDataNodes()
            self._ui.allItemsCheckBox.text = _("Enhance all {count} scans of the sequence").format(count=count)

    def check(self, volume, planning_ct, model) -> None:
        """Look for input warnings of volume nodes (or None) with a model (a ChosenModel or None)."""
        self._input_warnings.check(volume, planning_ct, model)

    def leave(self) -> None:
        """Release the scene."""
        self._parameters = None
        self._input_warnings.close()
        self.removeObservers()

    def _show_warnings(self, texts: list[str]) -> None:
        self.warnings = texts
        set_label(self._ui.inputWarningsLabel, "\n".join(f"⚠ {text}" for text in texts), CAUTION)
        self._on_warnings()

    def _observe(self, region) -> None:
        """Follow the segments of the chosen segmentation."""
        wanted = {region} if _is_segmentation(region) else set()
        if {node for node, *_rest in self.Observations} == wanted:
            return
        self.removeObservers()
        events = (slicer.vtkSegmentation.SegmentAdded, slicer.vtkSegmentation.SegmentRemoved)
        for node in wanted:
            for event in (*events, slicer.vtkSegmentation.SegmentModified):
                self.addObserver(node, event, self._on_segments)

    def _on_segments(self, caller, event) -> None:
        if self._parameters is not None:
            self._fill_segments(self._parameters.region)

    def _fill_segments(self, region) -> None:
        combo = self._ui.segmentComboBox
        combo.visible = _is_segmentation(region)
        self._ui.segmentLabel.visible = _is_segmentation(region)
        segments = region.GetSegmentation() if _is_segmentation(region) else None
        ids = [segments.GetNthSegmentID(index) for index in range(segments.GetNumberOfSegments())] if segments else []
        shown = [(segments.GetSegment(name).GetName(), name) for name in ids]
        self._updating = True
        if shown != [(combo.itemText(index), combo.itemData(index)) for index in range(combo.count)]:
            combo.clear()
            for text, name in shown:
                combo.addItem(text, name)
        chosen = self._parameters.segmentID
        combo.currentIndex = ids.index(chosen) if chosen in ids else (0 if ids else -1)
        self._updating = False
        if ids and chosen not in ids:
            self._parameters.segmentID = ids[0]

    def _on_segment(self, index: int) -> None:
        if not self._updating and self._parameters is not None and index >= 0:
            self._parameters.segmentID = self._ui.segmentComboBox.itemData(index)


def _is_segmentation(node) -> bool:
    return node is not None and node.IsA("vtkMRMLSegmentationNode")
