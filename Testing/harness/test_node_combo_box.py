"""The node combo box behaves as Slicer's."""

import pytest


@pytest.fixture
def combo(app):
    combo = app.slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.show()
    return combo


def volume(app, name, **attributes):
    node = app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    for key, value in attributes.items():
        node.SetAttribute(key, value)
    return node


def test_it_is_disabled_until_it_has_a_scene_and_then_takes_the_node_asked_for_before(app, combo):
    node = volume(app, "MVCT")
    assert not combo.enabled
    combo.setCurrentNodeID(node.GetID())
    assert combo.currentNode() is None
    combo.setMRMLScene(app.scene)
    assert combo.enabled and combo.currentNode() is node


def test_nodes_that_are_added_are_offered_but_not_selected(app, combo):
    combo.setMRMLScene(app.scene)
    app.scene.AddNewNodeByClass("vtkMRMLTextNode", "readouts")
    node = volume(app, "MVCT")
    assert combo.currentNode() is None and combo.nodeCount() == 1
    app.choose(combo, node)
    assert combo.currentNodeID == node.GetID()


def test_a_choice_is_told_by_each_of_the_signals(app, combo):
    node, heard = volume(app, "MVCT"), []
    combo.setMRMLScene(app.scene)
    combo.connect("currentNodeChanged(vtkMRMLNode*)", lambda chosen: heard.append(chosen))
    combo.connect("currentNodeChanged(bool)", lambda valid: heard.append(valid))
    combo.connect("currentNodeIDChanged(QString)", lambda node_id: heard.append(node_id))
    app.choose(combo, "MVCT")
    assert heard == [node, True, node.GetID()]
    combo.setCurrentNode(None)
    assert heard[3:] == [None, False, ""]


def test_none_can_be_set_although_it_is_not_offered(app, combo):
    combo.setMRMLScene(app.scene)
    combo.setCurrentNode(volume(app, "MVCT"))
    combo.setCurrentNode(None)
    assert combo.currentNode() is None
    with pytest.raises(AssertionError, match="offers"):
        app.choose(combo, None)


@pytest.mark.parametrize("none_enabled", [True, False])
def test_if_the_current_node_goes_the_one_before_it_is_taken(app, combo, none_enabled):
    combo.noneEnabled = none_enabled
    combo.setMRMLScene(app.scene)
    first, second = volume(app, "first"), volume(app, "second")
    combo.setCurrentNode(second)
    app.scene.RemoveNode(second)
    assert combo.currentNode() is first
    app.scene.RemoveNode(first)
    assert combo.currentNode() is None


def test_hidden_nodes_other_types_and_other_attributes_are_not_offered(app, combo):
    combo.setMRMLScene(app.scene)
    combo.addAttribute("vtkMRMLScalarVolumeNode", "Modality", "CT")
    for name, modality in (("a", "CT"), ("b", "MR"), ("c", None)):
        volume(app, name, **({"Modality": modality} if modality else {}))
    volume(app, "hidden", Modality="CT").SetHideFromEditors(True)
    app.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels").SetAttribute("Modality", "CT")
    combo.hideChildNodeTypes = ["vtkMRMLLabelMapVolumeNode"]
    assert [combo.nodeFromIndex(index).GetName() for index in range(combo.nodeCount())] == ["a"]


def test_the_user_can_create_a_node_only_where_that_is_enabled(app, combo):
    combo.setMRMLScene(app.scene)
    combo.baseName = "Enhanced"
    app.choose(combo, "Create new Volume")
    assert combo.currentNode().GetName() == "Enhanced"
    combo.addEnabled = False
    with pytest.raises(AssertionError, match="offers"):
        app.choose(combo, "Create new Volume")


def test_a_closed_scene_leaves_none(app, combo):
    combo.setMRMLScene(app.scene)
    combo.setCurrentNode(volume(app, "MVCT"))
    app.close_scene()
    assert combo.currentNode() is None and combo.nodeCount() == 0


@pytest.mark.parametrize(
    ("name", "value"), [("nodeTypes", "vtkMRMLNode"), ("noneEnabled", "no"), ("noneDisplay", None)]
)
def test_properties_check_their_types(combo, name, value):
    with pytest.raises(ValueError, match="does not accept"):
        setattr(combo, name, value)
