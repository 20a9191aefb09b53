"""What becomes of a choice whose node is deleted: none, never another scan; and what Apply may write to."""

import numpy as np
import pytest
from slicerui.panels import apply_and_wait, choose_result, open_with_scan, parameters
from slicerui.results import add_result
from slicerui.scans import add_mvct

SELECTORS = {
    "mvct": "mvctSelector",
    "planningCT": "planningCTSelector",
    "region": "regionSelector",
    "enhanced": "enhancedSelector",
    "difference": "differenceSelector",
    "cycleError": "cycleErrorSelector",
}


def add_box(app, name: str):
    return app.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)


def open_advanced(app) -> None:
    app.ui.advancedGroupBox.collapsed = False
    app.click(app.ui.makeCycleErrorCheckBox)


def test_a_deleted_node_leaves_none_in_its_selector(app):
    open_with_scan(app)
    open_advanced(app)
    for parameter, name in reversed(SELECTORS.items()):  # the MVCT last, without which nothing else can be chosen
        add = add_box if parameter == "region" else add_mvct
        nodes = [add(app, f"{parameter} {number}") for number in range(3)]
        selector = getattr(app.ui, name)
        app.choose(selector, nodes[1])
        assert getattr(parameters(app), parameter) is nodes[1]
        app.scene.RemoveNode(nodes[1])
        assert getattr(parameters(app), parameter) is selector.currentNode() is None, parameter


@pytest.mark.parametrize(
    "parameter", ["enhanced", pytest.param("difference", marks=pytest.mark.thorough), "cycleError"]
)
def test_delete_current_leaves_none_in_every_selector_that_shows_the_node(app, parameter):
    open_with_scan(app)
    open_advanced(app)
    add_mvct(app, "Patient's scan")
    node = add_mvct(app, "mine")
    for name in ("mvct", parameter):
        app.choose(getattr(app.ui, SELECTORS[name]), node)
    app.choose(getattr(app.ui, SELECTORS[parameter]), "Delete current Volume")
    assert app.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[-1].GetName() == "Patient's scan"
    for name in ("mvct", parameter):
        assert getattr(parameters(app), name) is getattr(app.ui, SELECTORS[name]).currentNode() is None


@pytest.mark.thorough
def test_apply_after_delete_current_overwrites_no_scan(app):
    open_with_scan(app)
    scan = add_mvct(app, "Patient's scan", seed=8)
    before = voxels(app, scan).copy()
    app.choose(app.ui.differenceSelector, "Create new Volume")
    app.choose(app.ui.differenceSelector, "Delete current Volume")
    apply_and_wait(app)
    assert np.array_equal(voxels(app, scan), before)
    assert parameters(app).difference.GetNodeReference("MVCTEnhance.mvct") is parameters(app).mvct


@pytest.mark.integration
@pytest.mark.thorough
def test_apply_fills_what_was_chosen_by_hand_and_no_scan_that_came_to_be_shown_otherwise(app):
    mvct = open_with_scan(app)
    scan, mine = add_mvct(app, "Patient's scan", seed=8), add_mvct(app, "mine")
    before = voxels(app, scan).copy()
    parameters(app).enhanced = scan
    app.choose(app.ui.differenceSelector, mine)
    apply_and_wait(app)
    assert np.array_equal(voxels(app, scan), before)
    assert parameters(app).enhanced is not scan and parameters(app).difference is mine
    assert np.array_equal(voxels(app, mine), voxels(app, parameters(app).enhanced) - voxels(app, mvct))


@pytest.fixture
def outputs(app):
    """Opens the panel with a scan; gives what Apply would fill, by parameter."""
    from MVCTEnhanceLib.slicerui.panel.outputs import ChosenOutputs

    open_with_scan(app)
    chosen = ChosenOutputs(app.ui, lambda: None)

    def filled() -> list[str]:
        chosen.refresh(parameters(app))
        nodes = map(app.scene.GetNodeByID, chosen.ids(parameters(app)).values())
        return [node.GetName() if node else "" for node in nodes]

    return filled


@pytest.mark.integration
def test_results_of_the_mvct_are_filled_again_also_in_a_scene_that_was_loaded(app, outputs, tmp_path):
    choose_result(app, add_result(app, parameters(app).mvct))
    assert outputs() == ["MVCT enhanced", "MVCT difference", ""]
    app.load_scene(app.save_scene(tmp_path / "scene"))
    assert outputs() == ["MVCT enhanced", "MVCT difference", ""]


def test_a_new_volume_is_filled(app, outputs):
    app.choose(app.ui.enhancedSelector, "Create new Volume")
    assert outputs() == ["Enhanced MVCT", "", ""]


def test_a_choice_by_hand_ends_with_the_next_choice(app, outputs):
    mine = add_mvct(app, "mine")
    app.choose(app.ui.enhancedSelector, mine)
    assert outputs() == ["mine", "", ""]
    parameters(app).enhanced = None
    assert outputs() == ["", "", ""]
    parameters(app).enhanced = mine
    assert outputs() == ["", "", ""]


@pytest.mark.integration
def test_a_choice_by_hand_is_not_kept_in_the_scene(app, outputs, tmp_path):
    app.choose(app.ui.enhancedSelector, add_mvct(app, "mine"))
    app.load_scene(app.save_scene(tmp_path / "scene"))
    assert parameters(app).enhanced.GetName() == "mine" and outputs() == ["", "", ""]


@pytest.mark.integration
def test_a_result_of_another_scan_is_not_filled_even_if_it_was_chosen_by_hand(app, outputs):
    result = add_result(app, add_mvct(app, "Day 2"), correction=True)
    for node in (result.enhanced, result.difference, result.correction):
        app.choose(app.ui.differenceSelector, node)
        assert outputs()[1] == ""


def voxels(app, node) -> np.ndarray:
    return app.slicer.util.arrayFromVolume(node)
