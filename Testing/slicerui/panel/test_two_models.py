"""Two models side by side: in the review, in the table of metrics, and in the console."""

import copy

import numpy as np
import pytest
from MVCTEnhanceLib.model.card import DEFAULT_MODEL
from slicerui.panels import headings, parameters, table, tip
from slicerui.results import add_result, readouts
from slicerui.scans import add_mvct

REVIEW, MODELS = 7421, 7422


@pytest.fixture
def other(app, result):
    """What the model 'unpaired' has made of the same MVCT: 7 HU more, and as noisy as told."""
    found = copy.deepcopy(readouts()["enhanced"])
    found["noise_hu"] |= {"mean": 5.5, "sd": None}
    other = add_result(app, parameters(app).mvct, model={"name": "unpaired"}, enhanced=found)
    app.slicer.util.arrayFromVolume(other.enhanced)[:] += 7
    app.slicer.util.arrayFromVolumeModified(other.enhanced)
    return other


def layout(app) -> int:
    return app.slicer.app.layoutManager().layout


def shown(app, name: str) -> tuple:
    composite = app.slicer.app.layoutManager().sliceWidget(f"MVCTEnhance{name}").mrmlSliceCompositeNode()
    return composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID()


def compare_with(app, node) -> None:
    app.choose(app.ui.compareWithSelector, node)


def voxels(app, node) -> np.ndarray:
    return app.slicer.util.arrayFromVolume(node)


def test_both_enhanced_scans_and_their_difference_are_reviewed(app, result, other):
    app.click(app.ui.reviewButton)
    compare_with(app, other.enhanced)
    assert layout(app) == MODELS and app.ui.reviewButton.checked
    ours, theirs = result.enhanced.GetID(), other.enhanced.GetID()
    difference = app.scene.GetNodeByID(shown(app, "Difference")[0])
    assert (shown(app, "OtherModel"), shown(app, "Enhanced")) == ((theirs, None), (theirs, ours))
    assert difference.GetName() == f"Day 1 {DEFAULT_MODEL} - unpaired"
    assert (voxels(app, difference) == -7).all()
    assert list(app.slice_images()) == ["Other model", "Enhanced", "Difference"]
    assert app.ui.fadeFromLabel.text == "Other model" and not app.ui.correctionCheckBox.enabled
    app.ui.differenceWindowSpinBox.value = 50
    assert difference.GetDisplayNode().GetWindow() == 100
    compare_with(app, None)
    assert layout(app) == REVIEW and app.ui.fadeFromLabel.text == "MVCT"
    assert shown(app, "Difference")[0] == result.difference.GetID()
    app.click(app.ui.reviewButton)
    assert layout(app) not in (REVIEW, MODELS)


def test_metrics_of_both_stand_in_two_columns_of_the_panel_and_of_a_table_that_is_saved(app, result, other):
    assert headings(app) == ["Metric", "MVCT", "Enhanced", "Planning CT"]
    compare_with(app, other.enhanced)
    assert headings(app) == ["Metric", "unpaired", DEFAULT_MODEL, "Planning CT"]
    noise = readouts()["enhanced"]["noise_hu"]["mean"]
    assert table(app)["Noise (HU)"][0].startswith("5.5") and table(app)["Noise (HU)"][1].startswith(f"{noise:.1f}")
    assert readouts()["verdicts"]["enhanced"]["noise_hu"]["reason"] in tip(app, "Noise (HU)", 1)
    node = result.enhanced.GetNodeReference("MVCTEnhance.models").GetTable()
    columns = {node.GetColumnName(number): node.GetColumn(number) for number in range(node.GetNumberOfColumns())}
    expected = ["Metric", "unpaired", "unpaired: assessment", DEFAULT_MODEL, f"{DEFAULT_MODEL}: assessment"]
    assert list(columns) == expected
    names = [columns["Metric"].GetValue(row) for row in range(node.GetNumberOfRows())]
    assert columns["unpaired"].GetValue(names.index("Noise (HU)")) == "5.5"
    other.readoutsNode.SetText(other.readoutsNode.GetText().replace('"mean": 5.5', '"mean": 6.5'))
    assert table(app)["Noise (HU)"][0].startswith("6.5")


def test_what_cannot_be_compared_is_told_and_the_mvct_is_shown(app, result):
    app.click(app.ui.reviewButton)
    mvct = parameters(app).mvct
    compare_with(app, mvct)
    assert app.ui.compareLabel.text == "'Day 1' has no metrics: choose a volume that was enhanced here."
    compare_with(app, result.enhanced)
    assert "is the enhanced scan itself" in app.ui.compareLabel.text
    compare_with(app, add_result(app, add_mvct(app, "Day 2")).enhanced)
    assert "was not enhanced from the same MVCT" in app.ui.compareLabel.text
    assert layout(app) == REVIEW and shown(app, "MVCT")[0] == mvct.GetID()
    compare_with(app, None)
    assert not app.ui.compareLabel.isVisible()


@pytest.mark.parametrize("deleted", ["difference", "other"])
def test_comparison_ends_when_what_it_needs_is_deleted(app, result, other, deleted):
    app.click(app.ui.reviewButton)
    compare_with(app, other.enhanced)
    node = app.scene.GetNodeByID(shown(app, "Difference")[0]) if deleted == "difference" else other.enhanced
    app.scene.RemoveNode(node)
    app.run_events()
    assert parameters(app).compareWith is None and layout(app) == REVIEW
    assert headings(app)[1:3] == ["MVCT", "Enhanced"]


def test_run_into_a_new_volume_leaves_the_maps_of_the_result_before(app, result):
    from MVCTEnhanceLib.slicerui.panel.outputs import ChosenOutputs

    outputs = ChosenOutputs(app.ui, lambda: None)
    ours = {"enhanced": result.enhanced.GetID(), "difference": result.difference.GetID(), "cycleError": ""}
    assert outputs.ids(parameters(app)) == ours
    app.choose(app.ui.enhancedSelector, None)
    assert parameters(app).difference is result.difference
    assert outputs.ids(parameters(app)) == dict.fromkeys(ours, "")


def test_console_compares_two_results_and_refuses_others(app, result, other):
    from MVCTEnhanceLib.errors import MVCTEnhanceError

    found = app.logic.compareModels(result.enhanced, other.enhanced)
    assert found.titles == ("unpaired", DEFAULT_MODEL)
    assert (voxels(app, found.difference) == -7).all()
    again = app.logic.compareModels(result.enhanced, other.enhanced)
    assert (again.difference, again.table) == (found.difference, found.table)
    same = add_result(app, parameters(app).mvct)
    titles = app.logic.compareModels(result.enhanced, same.enhanced).titles
    assert titles == (same.enhanced.GetName(), result.enhanced.GetName())
    with pytest.raises(MVCTEnhanceError, match="has no metrics"):
        app.logic.compareModels(result.enhanced, parameters(app).mvct)
