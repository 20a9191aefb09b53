"""Apply, progress, Cancel, and everything that may happen during a run; with the real worker and the shipped model."""

import re

import numpy as np
import pytest
from slicerui.panels import (
    apply_and_wait,
    apply_until_slices,
    is_idle,
    is_running,
    open_with_long_scan,
    open_with_scan,
    parameters,
    reload,
    table,
)
from slicerui.scans import add_mvct, contents, temporary_files

pytestmark = pytest.mark.integration


def voxels(app, node) -> np.ndarray:
    return app.slicer.util.arrayFromVolume(node)


def test_apply_enhances_shows_how_far_it_is_and_chooses_the_results(app):
    mvct = open_with_long_scan(app, "Day 1")
    before = voxels(app, mvct).copy()
    planning_ct = add_mvct(app, "Planning CT", seed=8)
    app.choose(app.ui.planningCTSelector, planning_ct)
    app.ui.advancedGroupBox.collapsed = False
    app.click(app.ui.makeCycleErrorCheckBox)
    seen = []
    app.click(app.ui.applyButton)
    assert is_running(app) and app.ui.progressBar.isVisible()

    def ended():
        state = (app.ui.stageLabel.text, app.ui.progressBar.value, app.ui.progressBar.maximum)
        if state not in seen:
            seen.append(state)
        return not is_running(app)

    app.wait(ended, 300)
    assert is_idle(app)
    stages = [text for text, _value, _maximum in seen]
    for stage in ("Enhancing", "Computing the cycle error", "Measuring"):
        assert any(text.startswith(stage) for text in stages), stages
    # Of slices that follow each other quickly only the last is seen.
    assert any(re.search(r": slice \d+ of 24", text) for text in stages), stages
    assert any(0 < value <= maximum for _text, value, maximum in seen)
    assert "Enhanced in" in app.ui.statusLabel.text and "CPU" in app.ui.statusLabel.text

    chosen = parameters(app)
    assert app.ui.enhancedSelector.currentNode() is chosen.enhanced
    assert [chosen.enhanced.GetName(), chosen.difference.GetName(), chosen.cycleError.GetName()] == [
        "Day 1 enhanced", "Day 1 difference", "Day 1 cycle error",
    ]  # fmt: skip
    assert np.array_equal(voxels(app, mvct), before)
    assert np.array_equal(voxels(app, chosen.difference).astype(int), voxels(app, chosen.enhanced).astype(int) - before)
    assert voxels(app, chosen.cycleError).min() >= 0
    assert len(table(app)["Noise (HU)"]) == 3
    assert app.ui.inputWarningsLabel.isVisible() and not app.ui.warningsLabel.isVisible()
    assert chosen.readouts.GetText()
    assert app.child_processes() == [] and temporary_files(app) == []


@pytest.mark.thorough
def test_apply_again_fills_the_same_nodes(app):
    open_with_scan(app)
    apply_and_wait(app)
    first = parameters(app).enhanced
    count = app.scene.GetNumberOfNodes()
    apply_and_wait(app)
    assert parameters(app).enhanced is first
    assert app.scene.GetNumberOfNodes() == count


@pytest.mark.thorough
def test_apply_never_overwrites_the_results_of_another_scan(app):
    open_with_scan(app, "Day 1")
    apply_and_wait(app)
    first = [parameters(app).enhanced, parameters(app).difference]
    before = [voxels(app, node).copy() for node in first]
    app.choose(app.ui.mvctSelector, add_mvct(app, "Day 2", seed=3))
    app.choose(app.ui.enhancedSelector, first[0])  # only to look at it
    assert table(app)
    apply_and_wait(app)
    assert [parameters(app).enhanced.GetName(), parameters(app).difference.GetName()] == [
        "Day 2 enhanced", "Day 2 difference",
    ]  # fmt: skip
    assert first[0].GetNodeReference("MVCTEnhance.mvct").GetName() == "Day 1"
    for node, array in zip(first, before, strict=True):
        assert np.array_equal(voxels(app, node), array)


@pytest.mark.thorough
def test_a_run_goes_on_while_a_scene_is_added_and_its_result_stays_with_its_scan(app, tmp_path):
    mvct = open_with_long_scan(app, "Day 1")
    file = app.save_scene(tmp_path / "scene")
    apply_until_slices(app)
    app.slicer.util.loadScene(str(file))
    app.wait(lambda: not is_running(app), 300)
    result = parameters(app).enhanced
    assert result.GetNodeReference("MVCTEnhance.mvct") is mvct
    assert parameters(app).mvct is not mvct  # the one that came with the scene
    assert is_idle(app) and app.ui.statusLabel.text.startswith("Enhanced in") and table(app)
    before = voxels(app, result).copy()
    apply_and_wait(app)
    assert parameters(app).enhanced is not result
    assert np.array_equal(voxels(app, result), before)


@pytest.mark.thorough
def test_a_new_difference_map_is_coloured_as_chosen_and_shown_in_a_review_that_is_open(app):
    open_with_scan(app)
    apply_and_wait(app)
    app.click(app.ui.reviewButton)
    app.ui.differenceWindowSpinBox.value = 120
    app.choose(app.ui.enhancedSelector, None)
    app.choose(app.ui.differenceSelector, None)
    apply_and_wait(app)
    difference = parameters(app).difference
    assert difference.GetName() != "MVCT difference"
    assert difference.GetDisplayNode().GetWindow() == 240
    view = app.slicer.app.layoutManager().sliceWidget("MVCTEnhanceDifference")
    assert view.mrmlSliceCompositeNode().GetBackgroundVolumeID() == difference.GetID()


def test_cancel_ends_the_worker_and_leaves_the_scene_as_it_was(app):
    open_with_long_scan(app)
    before = contents(app)
    apply_until_slices(app)
    app.click(app.ui.applyButton)
    assert app.child_processes() == [] and temporary_files(app) == []
    assert is_idle(app) and app.ui.applyButton.enabled
    assert app.ui.statusLabel.text.startswith("Cancelled")
    app.run_events(0.3)
    app.run_events()
    assert contents(app) == before


@pytest.mark.thorough
def test_after_cancel_apply_works_again(app):
    open_with_long_scan(app)
    apply_until_slices(app)
    app.click(app.ui.applyButton)
    apply_and_wait(app)
    assert parameters(app).enhanced is not None


def test_closing_the_scene_ends_the_run_and_says_so(app):
    open_with_long_scan(app)
    apply_until_slices(app)
    app.close_scene()
    assert app.child_processes() == [] and temporary_files(app) == []
    assert is_idle(app) and not app.ui.applyButton.enabled
    assert "scene was closed" in app.ui.statusLabel.text
    assert app.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    mvct = add_mvct(app, "Next patient")
    app.choose(app.ui.mvctSelector, mvct)
    assert app.ui.applyButton.enabled


@pytest.mark.thorough
def test_the_next_scene_is_told_nothing_of_the_last_one(app):
    open_with_scan(app)
    apply_and_wait(app)
    app.exit()
    app.enter()
    assert app.ui.statusLabel.text.startswith("Enhanced in")
    app.close_scene()
    assert app.ui.statusLabel.text == "" and not app.ui.statusLabel.isVisible()


def test_deleting_the_mvct_ends_the_run_and_says_so(app):
    mvct = open_with_long_scan(app)
    other = add_mvct(app, "Other")
    apply_until_slices(app)
    app.scene.RemoveNode(mvct)
    app.wait(lambda: not is_running(app))
    assert app.child_processes() == []
    assert is_idle(app) and "deleted" in app.ui.statusLabel.text
    assert app.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == [other]
    assert app.ui.mvctSelector.currentNode() is None and not app.ui.applyButton.enabled


@pytest.mark.thorough
def test_deleting_the_chosen_outputs_during_a_run_makes_new_ones(app):
    open_with_long_scan(app)
    apply_and_wait(app)
    apply_until_slices(app)
    app.scene.RemoveNode(parameters(app).enhanced)
    app.scene.RemoveNode(parameters(app).difference)
    app.wait(lambda: not is_running(app), 300)
    assert parameters(app).enhanced is app.ui.enhancedSelector.currentNode() is not None
    assert parameters(app).difference is not None


@pytest.mark.thorough
def test_another_choice_during_a_run_does_not_change_what_is_enhanced(app):
    mvct = open_with_long_scan(app)
    apply_until_slices(app)
    other = add_mvct(app, "Other", seed=3)
    app.choose(app.ui.mvctSelector, other)
    app.wait(lambda: not is_running(app), 300)
    assert parameters(app).enhanced.GetNodeReference("MVCTEnhance.mvct") is mvct
    assert parameters(app).mvct is other


@pytest.mark.thorough
def test_a_run_goes_on_while_the_user_is_in_another_module(app):
    open_with_long_scan(app)
    apply_until_slices(app)
    app.exit()
    app.run_events()
    app.enter()
    assert is_running(app)
    app.wait(lambda: not is_running(app), 300)
    assert parameters(app).enhanced is app.ui.enhancedSelector.currentNode() is not None
    assert table(app)


@pytest.mark.thorough
def test_reloading_the_module_ends_the_run_and_gives_a_panel_that_works(app):
    open_with_long_scan(app)
    apply_until_slices(app)
    reload(app)
    assert app.child_processes() == [] and temporary_files(app) == []
    assert is_idle(app) and app.ui.applyButton.enabled
    apply_and_wait(app)
    assert table(app)


def test_closing_slicer_ends_the_run(app):
    open_with_long_scan(app)
    apply_until_slices(app)
    app.close_application()
    assert app.child_processes() == [] and temporary_files(app) == []


def test_an_error_of_the_worker_is_said_in_its_words_and_changes_nothing(app):
    open_with_scan(app)
    parameters(app).device = "cuda:7"
    before = contents(app)
    apply_and_wait(app)
    assert "There is no device 'cuda:7' on this computer" in app.ui.statusLabel.text
    assert is_idle(app) and app.ui.applyButton.enabled
    assert contents(app) == before
    assert app.popups.shown == []


def test_what_is_missing_is_installed_first_and_a_refusal_is_said(app, monkeypatch):
    from MVCTEnhanceLib.slicerui.install import dependencies

    open_with_scan(app)
    monkeypatch.setattr(dependencies, "missing", lambda *folder: ["torch>=2.4"])
    asked = []

    def refuse(*folder, wheel_folder=None, ask=None):
        asked.append(wheel_folder)
        raise dependencies.MVCTEnhanceError("Nothing was installed.")

    monkeypatch.setattr(dependencies, "ensure", refuse)
    app.click(app.ui.applyButton)
    assert asked == [None]
    assert is_idle(app) and app.ui.statusLabel.text == "Nothing was installed."
    assert app.child_processes() == []


def test_the_wheel_folder_is_handed_to_the_installation(app, monkeypatch, tmp_path):
    from MVCTEnhanceLib.slicerui.install import dependencies

    open_with_scan(app)
    app.ui.installGroupBox.collapsed = False
    app.type_text(app.ui.wheelPathLineEdit, str(tmp_path))
    monkeypatch.setattr(dependencies, "missing", lambda *folder: ["torch>=2.4"])
    asked = []

    def ensure(*folder, wheel_folder=None, ask=None):
        asked.append(wheel_folder)
        raise dependencies.MVCTEnhanceError("No.")

    monkeypatch.setattr(dependencies, "ensure", ensure)
    app.click(app.ui.applyButton)
    assert asked == [tmp_path]


def test_the_time_that_is_left_is_said_in_words(app):
    from MVCTEnhanceLib.slicerui.wording import time_left

    texts = [time_left(seconds) for seconds in (None, 0.2, 41, 150)]
    assert texts == ["", "about 1 s left", "about 41 s left", "about 2 min left"]


def test_all_scans_of_a_sequence_are_enhanced_and_browsing_it_changes_the_readouts(app):
    open_with_scan(app, "Scan")
    days = [add_mvct(app, f"Day {number}", seed=number) for number in (1, 2)]
    browser = app.scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Fractions")
    sequence = app.scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Days")
    for number, day in enumerate(days):
        sequence.SetDataNodeAtValue(day, str(number))
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    app.choose(app.ui.mvctSelector, browser.GetProxyNode(sequence))
    app.click(app.ui.allItemsCheckBox)
    seen = set()
    app.click(app.ui.applyButton)
    app.wait(lambda: seen.add(app.ui.stageLabel.text) or not is_running(app), 300)
    assert any(text.startswith("Scan 2 of 2: Enhancing") for text in seen), seen
    browser.SetSelectedItemNumber(0)
    first = table(app)["NSelfSSIM"]
    browser.SetSelectedItemNumber(1)
    second = table(app)["NSelfSSIM"]
    assert first and second and table(app)["Noise (HU)"]
    browser.SetSelectedItemNumber(0)
    assert table(app)["NSelfSSIM"] == first
    by_slice = parameters(app).enhanced.GetNodeReference("MVCTEnhance.bySlice")
    noise = app.slicer.util.arrayFromTableColumn(by_slice, "mvct.noise_hu").copy()
    browser.SetSelectedItemNumber(1)
    assert not np.array_equal(noise, app.slicer.util.arrayFromTableColumn(by_slice, "mvct.noise_hu"))
