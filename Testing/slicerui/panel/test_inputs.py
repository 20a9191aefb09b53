"""Choices of inputs in the panel, and the warnings before the run."""

import json
import shutil

import numpy as np
import pytest
from slicerui.panels import apply_and_wait, choose_result, open_with_scan, parameters, table
from slicerui.results import add_result
from slicerui.scans import add_mvct, noisy_head


def input_warnings(app) -> str:
    return app.ui.inputWarningsLabel.text


def wait_for_input_warnings(app) -> str:
    app.wait(lambda: input_warnings(app))
    return input_warnings(app)


def items(combo) -> list[str]:
    return [combo.itemText(index) for index in range(combo.count)]


def add_segmentation(app, *names: str):
    node = app.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Contours")
    for name in names:
        node.GetSegmentation().AddEmptySegment(name, name)
    return node


def outputs(app) -> list:
    return [parameters(app).enhanced, parameters(app).difference, parameters(app).cycleError]


def test_another_mvct_lets_go_of_the_results_of_the_one_before(app):
    result = add_result(app, open_with_scan(app, "Day 1"))
    choose_result(app, result)
    parameters(app).cycleError = add_result(app, parameters(app).mvct).difference
    app.choose(app.ui.mvctSelector, add_mvct(app, "Day 2"))
    assert outputs(app) == [None] * 3
    assert app.ui.enhancedSelector.currentNode() is app.ui.differenceSelector.currentNode() is None


def test_another_mvct_keeps_outputs_that_are_no_results(app):
    open_with_scan(app, "Day 1")
    mine = [add_mvct(app, name) for name in ("mine", "my difference", "my cycle error")]
    parameters(app).enhanced, parameters(app).difference, parameters(app).cycleError = mine
    app.choose(app.ui.mvctSelector, add_mvct(app, "Day 2"))
    assert outputs(app) == mine


def test_the_mvct_of_a_result_keeps_it(app):
    result = add_result(app, open_with_scan(app, "Day 1"))
    parameters(app).mvct = None
    choose_result(app, result)
    app.choose(app.ui.mvctSelector, app.slicer.util.getNode("Day 1"))
    assert outputs(app) == [result.enhanced, result.difference, None]


def test_a_scan_in_the_place_of_one_that_was_deleted_does_not_get_its_outputs(app):
    mvct = open_with_scan(app, "Day 1")
    choose_result(app, add_result(app, mvct))
    app.scene.RemoveNode(mvct)
    app.choose(app.ui.mvctSelector, add_mvct(app, "Day 2"))
    assert outputs(app) == [None] * 3


@pytest.mark.integration
def test_a_result_of_another_scan_can_be_looked_at_also_after_the_scene_was_loaded(app, tmp_path):
    result = add_result(app, open_with_scan(app, "Day 1"))
    app.choose(app.ui.mvctSelector, add_mvct(app, "Day 2"))
    choose_result(app, result)
    assert outputs(app) == [result.enhanced, result.difference, None] and table(app)
    app.load_scene(app.save_scene(tmp_path / "scene"))
    assert [parameters(app).mvct.GetName(), parameters(app).enhanced.GetName()] == ["Day 2", "Day 1 enhanced"]
    assert table(app)


def test_of_several_volumes_none_is_taken_for_the_mvct(app):
    app.load_module()
    app.exit()
    add_mvct(app, "Planning CT")
    add_mvct(app, "MVCT")
    app.enter()
    assert app.ui.mvctSelector.currentNode() is None
    assert app.ui.applyButton.toolTip == "Choose the MVCT."


def test_without_a_scan_apply_says_what_to_choose(app):
    app.load_module()
    assert not app.ui.applyButton.enabled
    assert app.ui.applyButton.toolTip == "Choose the MVCT."


def test_a_scan_that_is_there_is_chosen_and_apply_can_be_pressed(app):
    mvct = open_with_scan(app)
    assert app.ui.mvctSelector.currentNode() is mvct
    assert app.ui.applyButton.enabled


def test_results_of_the_module_and_label_maps_are_not_chosen_by_themselves(app):
    result = add_result(app, add_mvct(app))
    app.scene.RemoveNode(app.slicer.util.getNode("MVCT"))
    app.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    app.load_module()
    assert result.enhanced.GetScene() is app.scene
    assert app.ui.mvctSelector.currentNode() is None


def test_an_output_is_never_an_input(app):
    mvct = open_with_scan(app)
    app.ui.advancedGroupBox.collapsed = False
    for selector in (app.ui.enhancedSelector, app.ui.differenceSelector, app.ui.cycleErrorSelector):
        if selector is app.ui.cycleErrorSelector:
            app.click(app.ui.makeCycleErrorCheckBox)
        app.choose(selector, mvct)
        assert not app.ui.applyButton.enabled
        assert "never overwritten" in app.ui.applyButton.toolTip
        app.choose(selector, None)
        assert app.ui.applyButton.enabled


def test_the_planning_ct_is_another_volume(app):
    mvct = open_with_scan(app)
    app.choose(app.ui.planningCTSelector, mvct)
    assert not app.ui.applyButton.enabled and "planning CT" in app.ui.applyButton.toolTip


def test_a_cycle_error_volume_is_of_no_account_unless_the_map_is_asked_for(app):
    mvct = open_with_scan(app)
    parameters(app).cycleError = mvct
    assert app.ui.applyButton.enabled


def test_what_the_model_was_not_trained_for_is_said_before_the_run(app):
    open_with_scan(app)
    assert "resampled" in wait_for_input_warnings(app)
    assert app.ui.inputWarningsLabel.isVisible() and app.ui.applyButton.enabled


def test_doubts_of_one_scan_are_not_shown_for_another(app):
    open_with_scan(app)
    assert "2 x 2 mm" in wait_for_input_warnings(app)
    like = app.add_volume(noisy_head(), "Other", spacing=(3.0, 3.0, 6.0))
    app.choose(app.ui.mvctSelector, like)
    assert input_warnings(app) == "" and not app.ui.inputWarningsLabel.isVisible()
    assert "3 x 3 mm" in wait_for_input_warnings(app)
    app.choose(app.ui.mvctSelector, None)
    assert input_warnings(app) == ""


def test_an_output_of_this_program_is_said_before_the_run(app):
    result = add_result(app, open_with_scan(app))
    app.choose(app.ui.mvctSelector, result.difference)
    assert "is a difference map that this program made" in wait_for_input_warnings(app)
    app.choose(app.ui.mvctSelector, app.slicer.util.getNode("MVCT"))
    app.choose(app.ui.planningCTSelector, result.enhanced)
    app.wait(lambda: "planning CT" in input_warnings(app))
    assert "The planning CT is an enhanced scan that this program made" in input_warnings(app)


@pytest.mark.parametrize("suffix", ["nrrd", "nii.gz", pytest.param("mha", marks=pytest.mark.thorough)])
def test_an_output_that_was_loaded_from_a_file_is_known(app, tmp_path, suffix):
    from MVCTEnhanceLib.io import write_volume
    from MVCTEnhanceLib.volume import Volume
    from MVCTEnhanceLib.volume.product import Product

    path = tmp_path / f"e.{suffix}"
    write_volume(Volume(noisy_head(), (2.0, 2.0, 6.0), product=Product("enhanced", "ab12")), path)
    app.load_module()
    node = app.add_volume(noisy_head(), "loaded", spacing=(2.0, 2.0, 6.0))
    kind = "vtkMRMLNRRDStorageNode" if suffix == "nrrd" else "vtkMRMLVolumeArchetypeStorageNode"
    storage = app.scene.AddNewNodeByClass(kind)
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    node.SetAndObserveStorageNodeID(storage.GetID())
    app.choose(app.ui.mvctSelector, node)
    assert "is an enhanced scan that this program made" in wait_for_input_warnings(app)


def test_what_an_output_is_stays_with_it_when_slicer_saves_it(app, tmp_path):
    from MVCTEnhanceLib.io import read_volume

    result = add_result(app, open_with_scan(app))
    storage = app.scene.AddNewNodeByClass("vtkMRMLNRRDStorageNode")
    storage.SetFileName(str(tmp_path / "saved.nrrd"))
    assert storage.WriteData(result.difference)
    assert read_volume(tmp_path / "saved.nrrd").product.kind == "difference"


def test_a_kilovoltage_ct_from_the_database_is_said_before_the_run_and_in_its_result(app, tmp_path):
    import pydicom
    from MVCTEnhanceLib.io import write_dicom_series
    from MVCTEnhanceLib.volume import Volume

    database = app.slicer.dicomDatabase
    database.openDatabase(str(tmp_path / "database" / "ctkDICOM.sql"))
    write_dicom_series(Volume(noisy_head(), (2.0, 2.0, 6.0)), tmp_path / "ct", description="Head 3.0")
    first = min((tmp_path / "ct").iterdir())
    header = pydicom.dcmread(first)
    header.KVP, header.Manufacturer, header.ManufacturerModelName = "120", "SIEMENS", "SOMATOM"
    header.save_as(first)
    database.insert(str(first))
    node = open_with_scan(app)
    app.choose(app.ui.mvctSelector, None)
    node.SetAttribute("DICOM.instanceUIDs", str(header.SOPInstanceUID))
    app.choose(app.ui.mvctSelector, node)
    said = wait_for_input_warnings(app)
    assert "at 120 kV (SIEMENS SOMATOM), so it is a kilovoltage CT" in said
    apply_and_wait(app)
    kept = json.loads(parameters(app).readouts.GetText())["warnings"]
    assert said == "\n".join(f"⚠ {text}" for text in kept)


def test_a_scan_in_wrong_units_is_doubted(app):
    app.load_module()
    shifted = app.add_volume((noisy_head() + 3000).astype(np.int16), "Shifted", spacing=(2.0, 2.0, 6.0))
    app.choose(app.ui.mvctSelector, shifted)
    assert "air" in wait_for_input_warnings(app)


def test_segments_can_be_chosen_only_where_there_are_some(app):
    open_with_scan(app)
    assert not app.ui.segmentComboBox.isVisible() and not app.ui.segmentLabel.isVisible()
    segmentation = add_segmentation(app, "Prostate", "Bladder")
    app.choose(app.ui.regionSelector, segmentation)
    assert app.ui.segmentComboBox.isVisible()
    assert items(app.ui.segmentComboBox) == ["Prostate", "Bladder"]
    assert parameters(app).segmentID == "Prostate"
    app.choose(app.ui.segmentComboBox, "Bladder")
    assert parameters(app).segmentID == "Bladder"
    app.choose(app.ui.regionSelector, None)
    assert not app.ui.segmentComboBox.isVisible()


def test_the_list_of_segments_follows_the_segmentation(app):
    open_with_scan(app)
    segmentation = add_segmentation(app, "Prostate", "Bladder")
    app.choose(app.ui.regionSelector, segmentation)
    app.choose(app.ui.segmentComboBox, "Bladder")
    segmentation.GetSegmentation().AddEmptySegment("Rectum", "Rectum")
    segmentation.GetSegmentation().GetSegment("Prostate").SetName("Prostate and seminal vesicles")
    assert items(app.ui.segmentComboBox) == ["Prostate and seminal vesicles", "Bladder", "Rectum"]
    assert parameters(app).segmentID == "Bladder"
    segmentation.GetSegmentation().RemoveSegment("Bladder")
    assert parameters(app).segmentID == "Prostate"


def test_an_empty_segmentation_cannot_be_a_region(app):
    open_with_scan(app)
    app.choose(app.ui.regionSelector, add_segmentation(app))
    assert not app.ui.applyButton.enabled and "segment" in app.ui.applyButton.toolTip


def test_a_box_can_be_the_region(app):
    open_with_scan(app)
    box = app.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
    box.SetSize(50, 50, 12)
    app.choose(app.ui.regionSelector, box)
    assert parameters(app).region is box
    assert app.ui.applyButton.enabled and not app.ui.segmentComboBox.isVisible()


def test_deleting_the_region_leaves_the_whole_scan(app):
    open_with_scan(app)
    segmentation = add_segmentation(app, "Prostate")
    app.choose(app.ui.regionSelector, segmentation)
    app.scene.RemoveNode(segmentation)
    app.run_events()
    assert app.ui.regionSelector.currentNode() is None
    assert app.ui.applyButton.enabled and not app.ui.segmentComboBox.isVisible()


def test_all_items_are_offered_only_for_a_scan_of_a_sequence(app):
    mvct = open_with_scan(app)
    assert not app.ui.allItemsCheckBox.isVisible()
    browser = app.scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Fractions")
    sequence = app.scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Days")
    for day in range(3):
        sequence.SetDataNodeAtValue(mvct, str(day))
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    proxy = browser.GetProxyNode(sequence)
    app.choose(app.ui.mvctSelector, proxy)
    assert app.ui.allItemsCheckBox.isVisible()
    assert app.ui.allItemsCheckBox.text == "Enhance all 3 scans of the sequence"
    app.choose(app.ui.mvctSelector, mvct)
    assert not app.ui.allItemsCheckBox.isVisible()


@pytest.mark.integration
def test_the_devices_of_this_computer_are_listed_by_name(app, looks_for_devices):
    app.load_module()
    combo = app.ui.deviceComboBox
    assert items(combo) == ["Automatic (GPU if there is one)", "CPU"]
    app.wait(lambda: any(text.startswith("CPU,") for text in items(combo)), 120)
    assert app.child_processes() == []
    app.choose(combo, combo.count - 1)
    assert parameters(app).device == "cpu"


def test_a_device_that_is_not_there_is_kept_and_said_to_be_missing(app):
    app.load_module()
    parameters(app).device = "cuda:1"
    assert app.ui.deviceComboBox.currentText == "cuda:1 (not found on this computer)"
    app.choose(app.ui.deviceComboBox, "CPU")
    assert items(app.ui.deviceComboBox) == ["Automatic (GPU if there is one)", "CPU"]


@pytest.mark.integration
def test_leaving_slicer_while_devices_are_looked_for_leaves_no_process(app, looks_for_devices):
    app.load_module()
    app.wait(app.child_processes)
    app.close_application()
    assert app.child_processes() == []


def test_the_card_of_an_installed_model_can_be_read(app):
    app.load_module()
    assert items(app.ui.modelComboBox)[0] == "simulated-anchor"
    assert "Not a medical device" in app.ui.modelSummaryLabel.text
    app.ui.cardGroupBox.collapsed = False
    card = app.ui.cardTextBrowser.plainText
    assert "simulated-anchor" in card and "density-residual" in card and "LIDC-IDRI" in card
    assert "{" not in card and "_" not in card


def test_a_model_file_of_one_s_own_can_be_chosen(app, tmp_path):
    from MVCTEnhanceLib.model.card import find_model

    own = tmp_path / "own model.safetensors"
    shutil.copyfile(find_model("simulated-anchor"), own)
    open_with_scan(app)
    app.choose(app.ui.modelComboBox, "Your own model file…")
    assert app.ui.modelPathLineEdit.isVisible()
    assert not app.ui.applyButton.enabled and app.ui.applyButton.toolTip == "Choose a model file."
    app.type_text(app.ui.modelPathLineEdit, str(own))
    assert parameters(app).model == str(own)
    assert app.ui.applyButton.enabled
    assert "Not a medical device" in app.ui.modelSummaryLabel.text
    app.choose(app.ui.modelComboBox, "simulated-anchor")
    assert not app.ui.modelPathLineEdit.isVisible()
    assert parameters(app).model == "simulated-anchor"


def test_a_damaged_model_file_is_refused_before_the_run(app, tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(b"not a model")
    open_with_scan(app)
    app.choose(app.ui.modelComboBox, "Your own model file…")
    app.type_text(app.ui.modelPathLineEdit, str(tmp_path / "cut.safetensors"))
    assert "damaged" in app.ui.modelSummaryLabel.text
    assert not app.ui.applyButton.enabled and "damaged" in app.ui.applyButton.toolTip
    assert app.ui.cardTextBrowser.plainText == ""


def test_a_card_without_the_usual_entries_can_be_read(app):
    from types import SimpleNamespace

    from MVCTEnhanceLib.slicerui.panel.model_choice import card_html

    html = card_html(SimpleNamespace(preset="own", spacing_mm=1.0), {"notes": "<b>5 < 6</b>", "range": [1, 2.5, None]})
    assert "unnamed model" in html and "&lt;b&gt;5 &lt; 6&lt;/b&gt;" in html and "1, 2.5, -" in html
