"""Daily scans: all items of a sequence enhanced into sequences that are browsed together."""

import json
from dataclasses import replace

import numpy as np
import pytest
from slicerui.scans import (
    RAS,
    add_mvct,
    add_transform,
    contents,
    ijk_to_ras,
    noisy_head,
    options,
    start_job,
    temporary_files,
)

pytestmark = pytest.mark.integration

DAYS = ("2024-05-02", "2024-05-03", "2024-05-06")


def add_days(app, arrays, geometries=None):
    """Proxy, browser and sequence of scans, one a day."""
    sequence = app.scene.AddNewNodeByClass("vtkMRMLSequenceNode", "days")
    sequence.SetIndexName("date")
    sequence.SetIndexUnit("")
    sequence.SetIndexType(sequence.TextIndex)
    for day, array, geometry in zip(DAYS, arrays, geometries or [RAS] * len(arrays), strict=False):
        node = app.slicer.vtkMRMLScalarVolumeNode()
        node.SetName("MVCT")
        node.SetIJKToRASMatrix(app.slicer.util.vtkMatrixFromArray(geometry))
        app.slicer.util.updateVolumeFromArray(node, array)
        sequence.SetDataNodeAtValue(node, day)
    browser = app.scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    app.run_events()
    logic = app.slicer.modules.sequences.logic()
    logic.UpdateProxyNodesFromSequences(browser)
    proxy = browser.GetProxyNode(sequence)
    proxy.CreateDefaultDisplayNodes()
    return proxy, browser, sequence


def show(app, browser, number):
    browser.SetSelectedItemNumber(number)
    app.slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)


def start(app, wanted):
    """An enhancement of all items that has been started: job, Calls."""
    return start_job(app, replace(wanted, allItems=True))


@pytest.fixture
def run(app):
    def run(wanted):
        _, calls = start(app, wanted)
        app.wait(lambda: calls.ended, 120)
        return calls

    return run


def test_a_proxy_knows_its_sequence(app):
    from MVCTEnhanceLib.slicerui.jobs.sequences import sequence_of

    proxy, browser, sequence = add_days(app, [noisy_head(1), noisy_head(2)])
    assert sequence_of(proxy) == (browser, sequence)
    assert sequence_of(add_mvct(app)) is None and sequence_of(None) is None


def test_every_day_gets_its_own_results_that_are_browsed_with_it(app, run):
    from MVCTEnhanceLib.quality.dig import dig

    geometries = [RAS, RAS + np.eye(4, k=3) * 5, RAS]  # each day lies a little differently
    proxy, browser, _ = add_days(app, [noisy_head(seed) for seed in (1, 2, 3)], geometries)
    shift = np.eye(4)
    shift[:3, 3] = 1, 2, 3
    transform = add_transform(app, shift)
    proxy.SetAndObserveTransformNodeID(transform.GetID())
    show(app, browser, 1)
    calls = run(options(proxy))
    assert calls.errors == []
    result = calls.done[0]
    assert {text.split(":")[0] for text, *_ in calls.progress} == {f"Scan {day} of 3" for day in (1, 2, 3)}
    for number, seed in ((0, 1), (2, 3), (1, 2)):
        show(app, browser, number)
        voxels = app.slicer.util.arrayFromVolume
        np.testing.assert_array_equal(voxels(proxy), noisy_head(seed))
        np.testing.assert_array_equal(voxels(result.enhanced).astype(int) - voxels(result.difference), noisy_head(seed))
        np.testing.assert_allclose(ijk_to_ras(app, result.enhanced), geometries[number])
        change = dig(noisy_head(seed)[0], voxels(result.enhanced)[0])
        assert json.loads(result.readoutsNode.GetText())["comparison"]["dig"]["per_slice"][0] == pytest.approx(change)
        assert result.enhanced.GetParentTransformNode() is transform
    assert result.enhanced.GetNodeReference("MVCTEnhance.readouts") is result.readoutsNode
    assert temporary_files(app) == [] and app.child_processes() == []


def test_every_day_s_result_tells_the_model_and_what_it_is_for_while_browsing(app, run):
    from MVCTEnhanceLib.volume.product import product_in

    proxy, browser, _ = add_days(app, [noisy_head(1), noisy_head(2)])
    result = run(options(proxy, model="simulated-anchor")).done[0]
    inputs = set()
    for number in (1, 0):
        show(app, browser, number)
        assert result.enhanced.GetAttribute("MVCTEnhance.model") == "simulated-anchor"
        assert "model simulated-anchor; for research only" in result.enhanced.GetDescription()
        enhanced, difference = (
            product_in(node.GetAttribute("MVCTEnhance.product")) for node in (result.enhanced, result.difference)
        )
        assert (enhanced.kind, difference.kind) == ("enhanced", "difference")
        assert enhanced.input_digest == difference.input_digest
        inputs.add(enhanced.input_digest)
    assert len(inputs) == 2 and "" not in inputs


def test_the_day_that_is_shown_is_in_the_results_at_once(app, run):
    proxy, browser, _ = add_days(app, [noisy_head(1), noisy_head(2)])
    show(app, browser, 1)
    result = run(options(proxy)).done[0]
    voxels = app.slicer.util.arrayFromVolume
    np.testing.assert_array_equal(voxels(result.enhanced).astype(int) - voxels(result.difference), noisy_head(2))


@pytest.mark.thorough
def test_a_day_that_fails_is_left_out_with_a_warning(app, run):
    broken = noisy_head(2).astype(np.float32)
    broken[0, 0, 0] = np.nan
    proxy, browser, _ = add_days(app, [noisy_head(1), broken, noisy_head(3)])
    show(app, browser, 1)
    calls = run(options(proxy))
    result = calls.done[0]
    assert any("Scan 2 of 3 (2024-05-03): The MVCT has 1 voxels" in warning for warning in result.warnings)
    enhanced = browser.GetSequenceNode(result.enhanced)
    assert [enhanced.GetNthIndexValue(number) for number in range(enhanced.GetNumberOfDataNodes())] == [
        "2024-05-02", "2024-05-06"
    ]  # fmt: skip
    show(app, browser, 1)  # no other day's result is shown in its place
    assert result.enhanced.GetImageData() is None or not app.slicer.util.arrayFromVolume(result.enhanced).any()


@pytest.mark.thorough
def test_one_process_enhances_all_days_and_is_ended_with_the_last(app):
    proxy, _, _ = add_days(app, [noisy_head(1), noisy_head(2), noisy_head(3)])
    _, calls = start(app, options(proxy))
    children = set()
    app.wait(lambda: children.update(app.child_processes()) or calls.ended, 120)
    assert len(calls.done) == 1 and len(children) == 2  # the launcher and its worker
    assert app.child_processes() == []


def test_cancel_in_the_middle_leaves_the_scene_as_it_was(app):
    proxy, _, _ = add_days(app, [noisy_head(1), noisy_head(2)])
    before = contents(app)
    job, calls = start(app, options(proxy))
    app.wait(lambda: any("Scan 2" in text for text, *_ in calls.progress))
    job.cancel()
    assert app.child_processes() == [] and temporary_files(app) == []
    app.run_events(0.3)
    app.run_events()
    assert contents(app) == before and not calls.ended


@pytest.mark.thorough
def test_a_second_run_replaces_the_results_of_the_first(app, run):
    proxy, browser, sequence = add_days(app, [noisy_head(1), noisy_head(2)])
    first = run(options(proxy)).done[0]
    nodes = app.scene.GetNumberOfNodes()
    outputs = {"enhanced": first.enhanced.GetID(), "difference": first.difference.GetID()}
    again = run(options(proxy, **outputs)).done[0]
    assert (again.enhanced, again.difference, again.readoutsNode) == (
        first.enhanced, first.difference, first.readoutsNode
    )  # fmt: skip
    assert app.scene.GetNumberOfNodes() == nodes
    assert browser.GetSequenceNode(again.enhanced).GetNumberOfDataNodes() == 2
    assert sequence.GetNumberOfDataNodes() == 2


@pytest.mark.thorough
def test_a_day_that_is_there_no_more_goes_from_the_results(app, run):
    proxy, browser, sequence = add_days(app, [noisy_head(1), noisy_head(2), noisy_head(3)])
    first = run(options(proxy)).done[0]
    sequence.RemoveDataNodeAtValue(DAYS[1])
    show(app, browser, 0)
    again = run(options(proxy, enhanced=first.enhanced.GetID())).done[0]
    results = browser.GetSequenceNode(again.enhanced)
    assert [results.GetNthIndexValue(number) for number in range(results.GetNumberOfDataNodes())] == [DAYS[0], DAYS[2]]


def test_another_sequence_of_the_browser_is_never_overwritten(app, run):
    proxy, browser, _ = add_days(app, [noisy_head(1)])
    other = app.scene.AddNewNodeByClass("vtkMRMLSequenceNode", "daily CT")
    other.SetIndexName("date")
    ct = app.slicer.vtkMRMLScalarVolumeNode()
    app.slicer.util.updateVolumeFromArray(ct, noisy_head(7))
    other.SetDataNodeAtValue(ct, DAYS[0])
    browser.AddSynchronizedSequenceNode(other)
    other_proxy = add_mvct(app, "CT", seed=7)
    browser.AddProxyNode(other_proxy, other, False)
    result = run(options(proxy, enhanced=other_proxy.GetID())).done[0]
    assert result.enhanced is not other_proxy
    np.testing.assert_array_equal(app.slicer.util.arrayFromVolume(other.GetNthDataNode(0)), noisy_head(7))


@pytest.mark.thorough
def test_one_scan_of_a_sequence_alone_gets_nodes_that_browsing_does_not_change(app):
    from MVCTEnhanceLib.slicerui.jobs.sequences import enhancement_of
    from MVCTEnhanceLib.slicerui.worker.work import do_now

    proxy, browser, _ = add_days(app, [noisy_head(1), noisy_head(2)])
    all_days = do_now(enhancement_of(options(proxy, allItems=True)))
    alone = do_now(enhancement_of(options(proxy, enhanced=all_days.enhanced.GetID())))
    assert alone.enhanced is not all_days.enhanced
    voxels = app.slicer.util.arrayFromVolume(alone.enhanced).copy()
    show(app, browser, 1)
    np.testing.assert_array_equal(app.slicer.util.arrayFromVolume(alone.enhanced), voxels)


def test_browsing_while_one_scan_is_enhanced_makes_no_wrong_pair(app):
    proxy, browser, _ = add_days(app, [noisy_head(1), noisy_head(2)])
    _, calls = start_job(app, options(proxy))
    app.wait(lambda: calls.progress)
    show(app, browser, 1)
    app.wait(lambda: calls.ended)
    assert calls.done == [] and "has changed" in calls.errors[0]


def test_a_region_is_moved_by_the_transform_of_the_proxy(app, run):
    proxy, _, _ = add_days(app, [noisy_head(1)])
    shift = np.eye(4)
    shift[2, 3] = 600
    proxy.SetAndObserveTransformNodeID(add_transform(app, shift).GetID())
    box = app.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    box.SetCenter(-96, -96, 603)
    box.SetSize(120, 120, 10)
    readouts = run(options(proxy, region=box.GetID())).done[0].readouts
    assert [value is not None for value in readouts["mvct"]["nselfssim"]["per_slice"]] == [True, True, False, False]


def test_a_scan_that_is_no_proxy_is_refused(app, run):
    assert "no item of a sequence" in run(options(add_mvct(app))).errors[0]


def test_results_are_found_again_in_a_saved_scene(app, run, tmp_path):
    from MVCTEnhanceLib.slicerui.jobs.sequences import sequence_of
    from MVCTEnhanceLib.slicerui.scene.outputs import result_of

    proxy, browser, _ = add_days(app, [noisy_head(1), noisy_head(2)])
    show(app, browser, 0)
    name = run(options(proxy)).done[0].enhanced.GetName()
    path = app.save_scene(tmp_path / "saved")
    cache, manager = app.slicer.vtkCacheManager(), app.slicer.vtkDataIOManager()
    cache.SetRemoteCacheDirectory(str(tmp_path))  # where Slicer unpacks sequences of texts
    manager.SetCacheManager(cache)
    app.scene.SetDataIOManager(manager)
    app.load_scene(path)
    result = result_of(app.slicer.util.getNode(name))
    assert sequence_of(result.enhanced)[1].GetNumberOfDataNodes() == 2
    assert sequence_of(result.readoutsNode)[1].GetNumberOfDataNodes() == 2
