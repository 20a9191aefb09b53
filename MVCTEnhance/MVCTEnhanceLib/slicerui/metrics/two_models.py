"""Two enhanced scans of one MVCT beside each other: their difference, and the metrics of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import slicer
import vtk
from slicer.util import VTKObservationMixin

from ...errors import InputError
from ..scene.outputs import ROLE_READOUTS, EnhanceResult, result_of
from ..scene.two_models import difference_of, problem_of, titles_of
from .nodes import update_model_table


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """The results of two models, side by side.

    Args:
        enhanced: the volume of the one.
        other: the volume of the other, which stands in the place of the MVCT.
        titles: what other and enhanced are called, in this order.
        difference: volume, enhanced - other in HU.
        table: table node with the metrics and assessments of both.
        otherResult: of other.
    """

    enhanced: slicer.vtkMRMLScalarVolumeNode
    other: slicer.vtkMRMLScalarVolumeNode
    titles: tuple[str, str]
    difference: slicer.vtkMRMLScalarVolumeNode
    table: slicer.vtkMRMLTableNode
    otherResult: EnhanceResult


def compare_models(enhanced: slicer.vtkMRMLNode | None, other: slicer.vtkMRMLNode | None) -> ModelComparison:
    """Put the difference of two enhanced scans and the table of their metrics into the scene, or bring them up to date.

    Raises:
        InputError: they are not both enhanced scans of one MVCT.
    """
    problem = problem_of(enhanced, other)
    if problem:
        raise InputError(problem)
    result, theirs = result_of(enhanced), result_of(other)
    titles = tuple(titles_of(theirs, result))
    table = update_model_table(enhanced, result.record, theirs.record, titles)
    return ModelComparison(enhanced, other, titles, difference_of(result, theirs), table, theirs)


class ModelFollower(VTKObservationMixin):
    """Compares the chosen enhanced volume with the one that is chosen beside it, whenever one of both changes.

    Args:
        on_changed: called when the metrics of the other one have changed.
    """

    def __init__(self, on_changed: Callable[[], None]):
        super().__init__()
        self.comparison: ModelComparison | None = None
        """None where nothing is chosen, or what cannot be compared."""
        self.problem = ""
        """Why it cannot be compared, in one sentence."""
        self._on_changed = on_changed
        self._key: tuple | None = None

    def refresh(self, parameters, result: EnhanceResult | None) -> bool:
        """Follow the parameters and the chosen result (or None); whether the comparison is another one than before."""
        other = parameters.compareWith if result else None
        text = other.GetNodeReference(ROLE_READOUTS) if other else None
        nodes = (result.enhanced, result.readoutsNode, other, text) if other else ()
        key = (*nodes, *map(_time, nodes))
        if key == self._key:
            return False
        self._key = key
        self.removeObservers()
        if text:
            self.addObserver(text, vtk.vtkCommand.ModifiedEvent, self._on_modified)
        self.problem = problem_of(result.enhanced, other) if other else ""
        self.comparison = compare_models(result.enhanced, other) if other and not self.problem else None
        return True

    def leave(self) -> None:
        """Release the scene."""
        self.removeObservers()
        self.comparison = self._key = None
        self.problem = ""

    def _on_modified(self, caller, event) -> None:
        self._on_changed()


def _time(node: slicer.vtkMRMLNode | None) -> int:
    if node is None:
        return -1
    image = node.GetImageData() if node.IsA("vtkMRMLVolumeNode") else None
    return (image or node).GetMTime()
