"""The user's choices are kept in the scene, and come back with it."""

import json

import pytest
from slicerui.panels import apply_and_wait, choose_result, headings, open_with_scan, parameters, reload, table
from slicerui.results import add_result
from slicerui.scans import add_mvct


def choose_everything(app, tmp_path):
    """Sets every parameter through the panel, as a user does."""
    mvct = open_with_scan(app, "Day 1")
    add_mvct(app, "Day 2")
    planning_ct = add_mvct(app, "Planning CT", seed=8)
    result = add_result(app, mvct)
    cycle_error = add_mvct(app, "Cycle error of day 1")
    segmentation = app.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Contours")
    for name in ("Prostate", "Bladder"):
        segmentation.GetSegmentation().AddEmptySegment(name, name)
    for group in ("advancedGroupBox", "installGroupBox"):
        getattr(app.ui, group).collapsed = False
    app.choose(app.ui.planningCTSelector, planning_ct)
    app.choose(app.ui.regionSelector, segmentation)
    app.choose(app.ui.segmentComboBox, "Bladder")
    app.choose(app.ui.modelComboBox, "Your own model file…")
    app.type_text(app.ui.modelPathLineEdit, str(tmp_path / "own.safetensors"))
    app.type_text(app.ui.sitePathLineEdit, str(tmp_path / "site-profile.toml"))
    app.choose(app.ui.deviceComboBox, app.ui.deviceComboBox.findData("cpu"))
    choose_result(app, result)
    app.ui.strengthSlider.value = 70
    app.click(app.ui.makeCycleErrorCheckBox)
    app.choose(app.ui.cycleErrorSelector, cycle_error)
    app.choose(app.ui.structuresSelector, segmentation)
    app.choose(app.ui.compareWithSelector, cycle_error)
    app.choose(app.ui.chartComboBox, "Noise (HU)")
    app.click(app.ui.reviewButton)
    app.ui.fadeSlider.value = 0.4
    app.ui.differenceWindowSpinBox.value = 150
    parameters(app).allItems = True
    app.type_text(app.ui.wheelPathLineEdit, str(tmp_path / "wheels"))
    app.type_text(app.ui.exportPathLineEdit, str(tmp_path / "exports"))


def chosen(app) -> dict:
    """All parameters by their names; nodes by theirs."""
    values = {name: getattr(parameters(app), name) for name in type(parameters(app)).allParameters}
    return {name: value.GetName() if hasattr(value, "GetName") else value for name, value in values.items()}


def shown(app) -> dict:
    """What the panel shows of them."""
    ui = app.ui
    nodes = ("mvct", "planningCT", "region", "structures", "enhanced", "difference", "cycleError", "compareWith")
    found = {name: getattr(ui, f"{name}Selector").currentNode().GetName() for name in nodes}
    found |= {name: getattr(ui, name).currentText for name in ("segmentComboBox", "chartComboBox")}
    found |= {
        name: getattr(ui, name).currentPath
        for name in ("modelPathLineEdit", "sitePathLineEdit", "wheelPathLineEdit", "exportPathLineEdit")
    }
    found |= {name: getattr(ui, name).value for name in ("fadeSlider", "differenceWindowSpinBox", "strengthSlider")}
    found["device"] = device_shown(ui)
    return found | {"cycle": ui.makeCycleErrorCheckBox.checked, "all": ui.allItemsCheckBox.checked, "table": table(app)}


def device_shown(ui) -> str:
    """Which it is: its text tells more once the computer's devices are known."""
    return ui.deviceComboBox.itemData(ui.deviceComboBox.currentIndex)


@pytest.mark.integration
def test_everything_is_saved_with_the_scene_and_comes_back(app, tmp_path):
    choose_everything(app, tmp_path)
    values, seen = chosen(app), shown(app)
    assert values["fade"] == 0.4 and values["segmentID"] == "Bladder" and values["chartReadout"] == "noise_hu"
    assert values["readouts"] == "Day 1 metrics" and seen["table"]
    assert all(value not in (None, "") for value in values.values())
    file = app.save_scene(tmp_path / "scene")
    app.close_scene()
    assert chosen(app) != values
    app.load_scene(file)
    assert chosen(app) == values
    assert shown(app) == seen


@pytest.mark.integration
def test_a_scene_loaded_while_another_module_is_shown_is_there_when_the_user_comes_back(app, tmp_path):
    choose_everything(app, tmp_path)
    values, seen = chosen(app), shown(app)
    file = app.save_scene(tmp_path / "scene")
    app.exit()
    app.load_scene(file)
    app.enter()
    assert chosen(app) == values
    assert shown(app) == seen


@pytest.mark.integration
def test_closing_the_scene_empties_the_panel(app, tmp_path):
    choose_everything(app, tmp_path)
    app.close_scene()
    assert table(app) == {} and app.ui.mvctSelector.currentNode() is None
    assert app.ui.exportPathLineEdit.currentPath == "" and app.ui.fadeSlider.value == 1.0
    assert app.ui.modelComboBox.currentText == "simulated-anchor" and not app.ui.modelPathLineEdit.isVisible()
    assert not app.ui.applyButton.enabled and not app.ui.exportCsvButton.enabled


def test_what_a_script_writes_to_the_parameters_is_shown(app):
    open_with_scan(app)
    other = add_mvct(app, "Other")
    parameters(app).mvct = other
    parameters(app).fade = 0.25
    parameters(app).device = "cpu"
    parameters(app).makeCycleError = True
    assert app.ui.mvctSelector.currentNode() is other
    assert app.ui.fadeSlider.value == 0.25
    assert device_shown(app.ui) == "cpu"
    assert app.ui.makeCycleErrorCheckBox.checked


@pytest.mark.integration
def test_a_reload_keeps_the_choices(app, tmp_path):
    choose_everything(app, tmp_path)
    values, seen = chosen(app), shown(app)
    reload(app)
    for group in ("advancedGroupBox", "installGroupBox"):
        getattr(app.ui, group).collapsed = False
    assert chosen(app) == values
    assert shown(app) == seen


def test_the_library_is_loaded_anew_by_a_reload(app):
    import sys

    open_with_scan(app)
    before = {name: module for name, module in sys.modules.items() if name.startswith("MVCTEnhanceLib.slicerui.")}
    reload(app)
    after = {
        name: sys.modules.get(name)
        for name in ("MVCTEnhanceLib.slicerui.panel.panel", "MVCTEnhanceLib.slicerui.review.comparison")
    }
    assert all(after[name] is not None and after[name] is not before[name] for name in after)


def test_after_a_reload_the_old_panel_follows_nothing(app):
    open_with_scan(app)
    old = app.widget
    reload(app)
    assert old.Observations == []
    parameters(app).mvct = None
    assert not app.ui.applyButton.enabled


def test_a_panel_that_could_not_be_made_can_be_left(app):
    app.load_module()
    app.widget.panel.close()
    app.widget.panel = None  # as where its setup was broken off
    app.exit()
    app.widget.cleanup()


def test_headings_name_the_scans(app, tmp_path):
    choose_everything(app, tmp_path)
    assert headings(app) == ["Metric", "MVCT", "Enhanced", "Planning CT"]


@pytest.mark.thorough
def test_strength_is_applied_as_chosen_or_as_it_matches_the_planning_ct(app):
    mvct = open_with_scan(app)
    app.ui.advancedGroupBox.collapsed = False
    app.ui.strengthSlider.value = 90
    assert parameters(app).strength == 90
    apply_and_wait(app)
    assert recorded_strength(app) == 90
    app.click(app.ui.matchStrengthCheckBox)
    assert not app.ui.strengthSlider.enabled and not app.ui.applyButton.enabled
    assert "needs the planning CT" in app.ui.applyButton.toolTip
    app.choose(app.ui.planningCTSelector, app.add_volume(app.slicer.util.arrayFromVolume(mvct), "CT"))
    apply_and_wait(app)
    assert recorded_strength(app) < 90 and parameters(app).strength == 90


def recorded_strength(app) -> int:
    """Of the shown result, from what is kept in the scene."""
    return json.loads(parameters(app).readouts.GetText())["parameters"]["strength"]
