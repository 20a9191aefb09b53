"""The parameter node wrapper stores what Slicer's stores and binds widgets by the same rules."""

import pathlib
from typing import Annotated, Union

import numpy as np
import pytest


@pytest.fixture
def make(app):
    """Function: a class with annotations wrapped and given a node: make(name=type or (type, default))."""
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    def make(**parameters):
        kinds = {name: kind[0] if isinstance(kind, tuple) else kind for name, kind in parameters.items()}
        defaults = {name: kind[1] for name, kind in parameters.items() if isinstance(kind, tuple)}
        cls = parameterNodeWrapper(type("Parameters", (), {"__annotations__": kinds, **defaults}))
        return cls(app.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))

    return make


def bound(app, make, widget, kind):
    """A wrapped node with one parameter `value`, connected to a widget inside a panel."""
    panel = app.qt.QWidget()
    widget.setParent(panel)
    widget.setProperty("SlicerParameterName", "value")
    parameters = make(value=kind)
    return parameters, panel, parameters.connectGui(panel)


def test_values_are_stored_as_slicer_stores_them(app, make):
    volume = app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    node_or_roi = Union[app.slicer.vtkMRMLSegmentationNode, app.slicer.vtkMRMLMarkupsROINode, None]  # noqa: UP007
    parameters = make(
        volume=app.slicer.vtkMRMLScalarVolumeNode, region=node_or_roi, on=bool, fade=(float, 0.5), folder=pathlib.Path
    )
    parameters.volume, parameters.on = volume, True
    roi = app.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    parameters.region = roi
    node = parameters.parameterNode
    assert node.GetNodeReferenceID("volume") == volume.GetID() and node.GetNodeReferenceID("region.1") == roi.GetID()
    stored = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    assert stored == {"volume": "", "region.1": "", "on": "True", "fade": "0.5", "folder": "."}
    parameters.region = None
    assert parameters.region is None and node.HasParameter("region.2") and not node.HasParameter("region.1")


def test_values_of_a_wrong_type_or_out_of_range_are_refused(app, make):
    from slicer.parameterNodeWrapper import WithinRange

    parameters = make(name=str, fade=(Annotated[float, WithinRange(0, 1)], 1.0), mvct=app.slicer.vtkMRMLVolumeNode)
    for name, value in (("name", None), ("name", 3), ("fade", "1"), ("mvct", "vtkMRMLScalarVolumeNode1")):
        with pytest.raises(TypeError):
            setattr(parameters, name, value)
    with pytest.raises(ValueError, match="within range"):
        parameters.fade = 1.5


def test_a_union_of_nodes_needs_none_and_the_old_spelling(app, make):
    pair = app.slicer.vtkMRMLSegmentationNode, app.slicer.vtkMRMLMarkupsROINode
    with pytest.raises(TypeError):
        make(region=Union[pair])  # noqa: UP007 (its default is None)
    with pytest.raises(TypeError, match="Union"):
        make(region=app.slicer.vtkMRMLSegmentationNode | None)


def test_a_combo_box_of_nodes_follows_the_parameter_and_the_other_way_round(app, make):
    combo = app.slicer.qMRMLNodeComboBox()
    combo.setMRMLScene(app.scene)
    first, second = (app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in "ab")
    parameters, panel, tag = bound(app, make, combo, app.slicer.vtkMRMLScalarVolumeNode)
    panel.show()
    assert combo.nodeTypes == ("vtkMRMLScalarVolumeNode",)
    parameters.value = first
    assert combo.currentNode() is first
    app.choose(combo, second)
    assert parameters.value is second
    parameters.disconnectGui(tag)
    parameters.value = first
    assert combo.currentNode() is second


def test_only_the_widgets_that_slicer_binds_can_be_bound(app, make):
    import ctk

    bound(app, make, app.qt.QCheckBox(), bool)
    bound(app, make, ctk.ctkPathLineEdit(), pathlib.Path)
    for widget, kind in ((app.qt.QLineEdit(), float), (app.qt.QComboBox(), str), (app.qt.QLineEdit(), pathlib.Path)):
        with pytest.raises(RuntimeError):
            bound(app, make, widget, kind)
    with pytest.raises(RuntimeError, match="without a range"):
        bound(app, make, ctk.ctkSliderWidget(), float)


def test_a_widget_with_a_name_that_is_no_parameter_is_refused(app, make):
    box = app.qt.QCheckBox()
    box.setProperty("SlicerParameterName", "valeu")
    panel = app.qt.QWidget()
    box.setParent(panel)
    with pytest.raises(ValueError, match="valeu"):
        make(value=bool).connectGui(panel)


def test_everything_comes_back_with_the_scene(app, make, tmp_path):
    volume = app.add_volume(np.zeros((2, 3, 4), np.int16))
    parameters = make(mvct=app.slicer.vtkMRMLScalarVolumeNode, fade=float, folder=pathlib.Path)
    parameters.mvct, parameters.fade, parameters.folder = volume, 0.25, tmp_path
    path = app.save_scene(tmp_path / "scene")
    app.load_scene(path)
    [node] = app.slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
    again = type(parameters)(node)
    assert again.mvct.GetName() == "MVCT" and (again.fade, again.folder) == (0.25, tmp_path)
