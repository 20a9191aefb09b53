"""The result that belongs to the chosen enhanced volume, kept up to date."""

from __future__ import annotations

from collections.abc import Callable

import vtk
from slicer.util import VTKObservationMixin

from .outputs import ROLE_READOUTS, EnhanceResult, result_of
from .readout_chart import ReadoutChart
from .readout_nodes import update_tables


class ResultFollower(VTKObservationMixin):
    """Reads the readouts of the chosen enhanced volume whenever they change, also while a sequence is browsed.

    Args:
        on_changed: called when they have changed.
    """

    def __init__(self, on_changed: Callable[[], None]):
        super().__init__()
        self.result: EnhanceResult | None = None
        """None where the chosen volume is no result."""
        self.chart = ReadoutChart()
        self._on_changed = on_changed
        self._key: tuple | None = None
        self._readout = ""

    def refresh(self, parameters) -> bool:
        """Follow the parameters; whether the result is another one than before."""
        enhanced = parameters.enhanced
        text = enhanced.GetNodeReference(ROLE_READOUTS) if enhanced else None
        key = (enhanced, text, text.GetMTime()) if text else None
        changed = key != self._key
        if changed:
            another = key is None or self._key is None or key[0] is not self._key[0]
            self._key = key
            self._follow(text)
            self._read(parameters, another)
        if self.result and (changed or parameters.chartReadout != self._readout):
            self._readout = parameters.chartReadout
            self.chart.update(self.result, self._readout)
        return changed

    def leave(self) -> None:
        """Let go of the scene."""
        self.removeObservers()
        self.chart.leave()
        self.result = self._key = None

    def _follow(self, text) -> None:
        self.removeObservers()
        if text is not None:
            self.addObserver(text, vtk.vtkCommand.ModifiedEvent, self._on_modified)

    def _read(self, parameters, another: bool) -> None:
        self.result = result_of(parameters.enhanced)
        parameters.readouts = self.result.readoutsNode if self.result else None
        if self.result is None:
            self.chart.leave()
            return
        update_tables(self.result.enhanced, self.result.readouts)
        if another and self.result.difference:
            parameters.difference = self.result.difference

    def _on_modified(self, caller, event) -> None:
        self._on_changed()
