"""An enhancement from nodes to nodes, with the real worker and the shipped model."""

import json

import numpy as np
import pytest
from slicerui.scans import (
    OBLIQUE,
    add_mvct,
    add_segments,
    add_transform,
    assert_nothing_is_left,
    contents,
    head,
    ijk_to_ras,
    noisy_head,
    options,
    run_job,
    start_job,
)

pytestmark = pytest.mark.integration


def voxels(app, node) -> np.ndarray:
    return app.slicer.util.arrayFromVolume(node)


def test_the_whole_way_from_a_scan_to_results_that_belong_together(app):
    from MVCTEnhanceLib.physics.density import density_hu_from_kv

    mvct = add_mvct(app, ijk_to_ras=OBLIQUE)
    planning_ct = app.add_volume(head(), "planning CT")
    mvct.GetDisplayNode().SetAutoWindowLevel(False)
    mvct.GetDisplayNode().SetWindowLevel(812, 33)
    shift = np.eye(4)
    shift[:3, 3] = 5, -6, 7
    transform = add_transform(app, shift)
    mvct.SetAndObserveTransformNodeID(transform.GetID())
    calls = run_job(app, options(mvct, planningCT=planning_ct.GetID(), makeCycleError=True))
    assert calls.errors == []
    result = calls.done[0]

    for node in (result.enhanced, result.difference, result.correction, result.cycleError):
        np.testing.assert_array_equal(ijk_to_ras(app, node), ijk_to_ras(app, mvct))
        np.testing.assert_allclose(ijk_to_ras(app, node), OBLIQUE, atol=1e-12)
        assert node.GetParentTransformNode() is transform
        assert voxels(app, node).dtype == np.int16 and voxels(app, node).shape == (4, 96, 96)
    np.testing.assert_array_equal(voxels(app, mvct), noisy_head())
    difference = voxels(app, result.enhanced).astype(int) - noisy_head()
    np.testing.assert_array_equal(voxels(app, result.difference), difference)
    assert difference.any()
    beyond = density_hu_from_kv(voxels(app, result.enhanced).astype(float)) - noisy_head()
    np.testing.assert_allclose(voxels(app, result.correction), beyond, atol=0.5)
    assert voxels(app, result.cycleError).min() >= 0 and voxels(app, result.cycleError).any()

    assert [node.GetName() for node in (result.enhanced, result.difference, result.cycleError)] == [
        "MVCT enhanced", "MVCT difference", "MVCT cycle error"
    ]  # fmt: skip
    assert {"mvct", "enhanced", "planning_ct", "comparison", "verdicts", "warnings"} <= result.readouts.keys()
    assert json.loads(result.readoutsNode.GetText()) == result.readouts
    assert result.warnings == tuple(result.readouts["warnings"])
    assert_nothing_is_left(app)


def test_results_are_shown_so_that_they_can_be_compared(app):
    mvct = add_mvct(app)
    mvct.GetDisplayNode().SetAutoWindowLevel(False)
    mvct.GetDisplayNode().SetWindowLevel(812, 33)
    result = run_job(app, options(mvct, makeCycleError=True)).done[0]
    display = result.enhanced.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (812, 33, 0)

    display = result.difference.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (-300, 300)
    colours = display.GetColorNode()
    assert colours.IsA("vtkMRMLProceduralColorNode") and not colours.GetHideFromEditors()
    function = colours.GetColorTransferFunction()
    assert tuple(function.GetRange()) == (-300, 300)
    low, zero, high = (function.GetColor(hu) for hu in (-300, 0, 300))
    assert low[2] > 2 * low[0] and high[0] > 2 * high[2] and zero == (1, 1, 1)

    display = result.cycleError.GetDisplayNode()
    assert display.GetWindowLevelMin() == 0 and display.GetColorNode().IsA("vtkMRMLProceduralColorNode")


@pytest.mark.thorough
def test_a_second_run_uses_the_same_colours_and_the_chosen_outputs(app):
    mvct, second = add_mvct(app), add_mvct(app, "other", seed=8)
    first = run_job(app, options(mvct)).done[0]
    nodes = app.scene.GetNumberOfNodes()
    outputs = {"enhanced": first.enhanced.GetID(), "difference": first.difference.GetID()}
    again = run_job(app, options(second, **outputs)).done[0]
    assert (again.enhanced, again.difference, again.correction, again.readoutsNode) == (
        first.enhanced, first.difference, first.correction, first.readoutsNode
    )  # fmt: skip
    assert app.scene.GetNumberOfNodes() == nodes
    np.testing.assert_array_equal(
        voxels(app, again.enhanced).astype(int) - voxels(app, again.difference), noisy_head(8)
    )
    assert again.enhanced.GetNodeReference("MVCTEnhance.mvct") is second


@pytest.mark.thorough
def test_new_outputs_get_names_of_their_own(app):
    mvct = add_mvct(app)
    first, second = (run_job(app, options(mvct)).done[0] for _ in range(2))
    assert (first.enhanced.GetName(), second.enhanced.GetName()) == ("MVCT enhanced", "MVCT enhanced_1")
    assert first.readoutsNode is not second.readoutsNode
    colours = [result.difference.GetDisplayNode().GetColorNode() for result in (first, second)]
    assert colours[0] is colours[1]


def test_results_are_found_again_in_a_saved_scene(app, tmp_path):
    from MVCTEnhanceLib.slicerui.scene.outputs import result_of

    result = run_job(app, options(add_mvct(app), makeCycleError=True)).done[0]
    readouts, enhanced = result.readouts, voxels(app, result.enhanced).copy()
    path = app.save_scene(tmp_path / "saved")
    app.load_scene(path)
    mvct = app.slicer.util.getNode("MVCT")
    found = result_of(app.slicer.util.getNode("MVCT enhanced"))
    assert found.readouts == readouts
    assert (found.difference.GetName(), found.cycleError.GetName()) == ("MVCT difference", "MVCT cycle error")
    assert found.correction.GetName() == "MVCT beyond the HU conversion"
    assert found.enhanced.GetNodeReference("MVCTEnhance.mvct") is mvct
    np.testing.assert_array_equal(voxels(app, found.enhanced), enhanced)
    colours = found.difference.GetDisplayNode().GetColorNode()
    assert tuple(colours.GetColorTransferFunction().GetRange()) == (-300, 300)
    assert result_of(mvct) is None and result_of(None) is None


def test_float_values_reach_the_worker_unrounded_and_come_back_as_whole_hu(app, tmp_path):
    from MVCTEnhanceLib.io import read_volume
    from MVCTEnhanceLib.slicerui.jobs.enhancement import write_inputs

    scan = noisy_head().astype(np.float64) + 0.25
    node = app.add_volume(scan, "float", ijk_to_ras=OBLIQUE)
    write_inputs(options(node), node, tmp_path)
    sent = read_volume(tmp_path / "mvct.nrrd")
    assert sent.array.dtype == np.float32
    np.testing.assert_array_equal(sent.array, scan)
    np.testing.assert_allclose(sent.direction * sent.spacing, (np.diag([-1.0, -1, 1, 1]) @ OBLIQUE)[:3, :3])

    result = run_job(app, options(node)).done[0]
    assert voxels(app, result.difference).dtype == voxels(app, result.enhanced).dtype == np.int16
    np.testing.assert_allclose(voxels(app, result.difference), voxels(app, result.enhanced) - scan, atol=1)


def test_a_region_confines_the_readouts(app):
    mvct = add_mvct(app)
    box = app.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    box.SetCenter(-96, -96, 3)
    box.SetSize(120, 120, 10)  # slices 0 and 1
    readouts = run_job(app, options(mvct, region=box.GetID())).done[0].readouts
    inside = [value is not None for value in readouts["mvct"]["nselfssim"]["per_slice"]]
    assert inside == [True, True, False, False]


def test_every_segment_is_measured_by_itself_where_it_lies_in_the_mvct(app):
    mvct = add_mvct(app, ijk_to_ras=OBLIQUE)
    masks = [np.zeros((4, 96, 96), np.uint8) for _ in range(3)]
    masks[0][1, 40:60, 40:60], masks[1][1:3, 50:70, 50:70] = 1, 1  # the third is empty
    done = run_job(app, options(mvct, structures=add_segments(app, mvct, *masks).GetID())).done[0]
    measured = done.readouts["structures"]
    assert {name: values["voxels"] for name, values in measured.items()} == {"segment 1": 400, "segment 2": 800}
    for values, mask in zip(measured.values(), masks, strict=False):
        assert values["mvct"]["mean"] == pytest.approx(voxels(app, mvct)[mask > 0].mean())
        assert values["enhanced"]["mean"] == pytest.approx(voxels(app, done.enhanced)[mask > 0].mean())
    assert any("'segment 3'" in warning for warning in done.readouts["warnings"])


def test_progress_is_told_in_words_with_slices_and_time(app):
    calls = run_job(app, options(add_mvct(app)))
    stages = [text for text, *_ in calls.progress]
    assert list(dict.fromkeys(stages))[:2] == ["Reading the scans", "Enhancing"]
    enhancing = [(done, total) for text, done, total, _ in calls.progress if text == "Enhancing" and total]
    assert enhancing[-1] == (4, 4) and [done for done, _ in enhancing] == sorted(done for done, _ in enhancing)
    assert all(left is None or left >= 0 for *_, left in calls.progress)


def test_the_device_is_told(app):
    job, calls = start_job(app, options(add_mvct(app)))
    app.wait(lambda: calls.ended)
    assert "cpu" in job.device.lower()


@pytest.mark.thorough
def test_waiting_gives_the_same_result_without_an_event_loop(app):
    from MVCTEnhanceLib.slicerui.jobs.enhancement import Enhancement
    from MVCTEnhanceLib.slicerui.worker.work import do_now

    mvct, progress = add_mvct(app), []
    waited = do_now(Enhancement(options(mvct)), lambda *step: progress.append(step))
    assert ("Enhancing", 4, 4) in [step[:3] for step in progress]
    job = run_job(app, options(mvct)).done[0]
    np.testing.assert_array_equal(voxels(app, waited.enhanced), voxels(app, job.enhanced))
    assert_nothing_is_left(app)


def test_an_interrupt_while_waiting_leaves_nothing(app):
    from MVCTEnhanceLib.slicerui.jobs.enhancement import Enhancement
    from MVCTEnhanceLib.slicerui.worker.work import do_now

    def interrupt(*_):
        raise KeyboardInterrupt

    mvct = add_mvct(app)
    before = contents(app)
    with pytest.raises(KeyboardInterrupt):
        do_now(Enhancement(options(mvct)), interrupt)
    assert_nothing_is_left(app)
    assert contents(app) == before
