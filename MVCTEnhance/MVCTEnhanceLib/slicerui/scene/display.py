"""Display of results: the MVCT's own window, and colours that mean HU."""

from __future__ import annotations

import slicer
import slicer.util
import vtk

SOFT_TISSUE_WINDOW = (400.0, 40.0)  # width and level in HU where the MVCT has none of its own
DIFFERENCE_HALF_WIDTH_HU = 300.0
CYCLE_ERROR_MAX_HU = 200.0
DIFFERENCE_COLOURS = ("#12419b", "#ffffff", "#a8141e")  # as in the report
_DIFFERENCE_NODE = "MVCTEnhance difference (HU)"
_CYCLE_ERROR_NODE = "MVCTEnhance cycle error (HU)"
_CYCLE_ERROR_COLOURS = ("#000000", "#a8141e", "#ffd166")
_MADE_HERE = "MVCTEnhance.colours"
_COLOUR_CLASS = "vtkMRMLProceduralColorNode"


def show_like(node: slicer.vtkMRMLScalarVolumeNode, like: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Window, level, colours and interpolation of another volume, so that both can be compared."""
    display, theirs = _display(node), like.GetDisplayNode()
    if theirs is None or not theirs.IsA("vtkMRMLScalarVolumeDisplayNode"):
        show_soft_tissue(node)
        return
    with slicer.util.NodeModify(display):
        display.SetAutoWindowLevel(False)
        display.SetWindowLevel(theirs.GetWindow(), theirs.GetLevel())
        display.SetInterpolate(theirs.GetInterpolate())
        if theirs.GetColorNodeID():
            display.SetAndObserveColorNodeID(theirs.GetColorNodeID())


def show_soft_tissue(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """The usual CT window."""
    display = _display(node)
    with slicer.util.NodeModify(display):
        display.SetAutoWindowLevel(False)
        display.SetWindowLevel(*SOFT_TISSUE_WINDOW)


def show_difference(node: slicer.vtkMRMLScalarVolumeNode, half_width: float = DIFFERENCE_HALF_WIDTH_HU) -> None:
    """Blue below 0 HU, white at 0, red above, full colour at the half width in HU."""
    limit = DIFFERENCE_HALF_WIDTH_HU
    colours = dict(zip((-limit, 0.0, limit), DIFFERENCE_COLOURS, strict=True))
    _show(node, _colour_node(_DIFFERENCE_NODE, colours), -half_width, half_width)


def show_cycle_error(node: slicer.vtkMRMLScalarVolumeNode, maximum: float = CYCLE_ERROR_MAX_HU) -> None:
    """From black at 0 HU over red to yellow at the maximum in HU."""
    limit = CYCLE_ERROR_MAX_HU
    colours = dict(zip((0.0, limit / 2, limit), _CYCLE_ERROR_COLOURS, strict=True))
    _show(node, _colour_node(_CYCLE_ERROR_NODE, colours), 0.0, maximum)


def _show(node: slicer.vtkMRMLScalarVolumeNode, colours: slicer.vtkMRMLColorNode, low: float, high: float) -> None:
    display = _display(node)
    with slicer.util.NodeModify(display):
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(low, high)
        display.SetAndObserveColorNodeID(colours.GetID())


def _display(node: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeDisplayNode:
    node.CreateDefaultDisplayNodes()
    return node.GetDisplayNode()


def _colour_node(name: str, colours: dict[float, str]) -> slicer.vtkMRMLProceduralColorNode:
    """The colour node of this name, from HU to colours: one for all results, also those of a loaded scene."""
    node = next(
        (node for node in slicer.util.getNodesByClass(_COLOUR_CLASS) if node.GetAttribute(_MADE_HERE) == name), None
    )
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass(_COLOUR_CLASS, slicer.mrmlScene.GenerateUniqueName(name))
        node.SetAttribute(_MADE_HERE, name)
        node.SetType(slicer.vtkMRMLColorNode.User)
        node.SetHideFromEditors(False)  # a hidden node is not saved with the scene
    if node.GetColorTransferFunction().GetSize() == 0:  # new, or its file was lost
        function = vtk.vtkColorTransferFunction()
        for hu, colour in colours.items():
            function.AddRGBPoint(hu, *(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)))
        node.SetAndObserveColorTransferFunction(function)
    return node
