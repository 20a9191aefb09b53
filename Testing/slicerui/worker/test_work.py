"""Events during a run: cancelled, scan deleted, scene closed, worker killed."""

import os
import signal

import numpy as np
import pytest
from slicerui.scans import (
    add_mvct,
    add_transform,
    assert_nothing_is_left,
    contents,
    noisy_head,
    options,
    run_job,
    start_job,
    temporary_files,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def started(app):
    """Starts a job and waits until the worker is at its slices: started(options) -> job, Calls."""

    def start(wanted):
        job, calls = start_job(app, wanted)
        app.wait(lambda: calls.progress)
        assert job.running and app.child_processes() and temporary_files(app)
        return job, calls

    return start


def test_cancel_leaves_neither_processes_nor_files_nor_a_trace_in_the_scene(app, started):
    mvct = add_mvct(app)
    output = app.add_volume(np.full((2, 2, 2), 3, np.int16), "output")
    before = contents(app)
    job, calls = started(options(mvct, enhanced=output.GetID()))
    job.cancel()
    assert app.child_processes() == [] and temporary_files(app) == []
    assert not job.running
    assert_nothing_is_left(app)
    assert contents(app) == before
    assert not calls.ended
    job.cancel()  # once more does nothing


@pytest.mark.thorough
def test_a_cancelled_job_can_be_started_again(app, started):
    job, calls = started(options(add_mvct(app)))
    job.cancel()
    job.start()
    app.wait(lambda: calls.ended)
    assert len(calls.done) == 1


def test_a_scan_deleted_meanwhile_ends_the_work_with_a_sentence(app, started):
    mvct = add_mvct(app)
    job, calls = started(options(mvct))
    before = app.scene.GetNumberOfNodes()
    app.scene.RemoveNode(mvct)
    assert_nothing_is_left(app)
    assert (len(calls.errors), calls.done) == (1, []) and "deleted" in calls.errors[0]
    assert not job.running and app.scene.GetNumberOfNodes() < before


def test_another_node_being_deleted_does_not_matter(app, started):
    mvct, other = add_mvct(app), add_mvct(app, "other")
    _, calls = started(options(mvct))
    app.scene.RemoveNode(other)
    app.wait(lambda: calls.ended)
    assert calls.errors == []


def test_a_scene_closed_meanwhile_ends_the_work_with_a_sentence(app, started):
    job, calls = started(options(add_mvct(app)))
    app.close_scene()
    assert_nothing_is_left(app)
    assert (len(calls.errors), calls.done) == (1, []) and "closed" in calls.errors[0]
    assert not job.running and app.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []


def test_a_scan_that_changes_meanwhile_gets_no_wrong_partner(app, started):
    mvct = add_mvct(app)
    _, calls = started(options(mvct))
    before = app.scene.GetNumberOfNodes()
    app.slicer.util.updateVolumeFromArray(mvct, noisy_head(9))
    app.wait(lambda: calls.ended)
    assert calls.done == [] and "has changed" in calls.errors[0]
    assert app.scene.GetNumberOfNodes() == before


def test_the_same_voxels_written_again_are_no_change(app, started):
    mvct = add_mvct(app)
    _, calls = started(options(mvct))
    app.slicer.util.updateVolumeFromArray(mvct, noisy_head())
    app.wait(lambda: calls.ended)
    assert calls.errors == []


def test_a_transform_given_meanwhile_moves_the_results_along(app, started):
    mvct = add_mvct(app)
    _, calls = started(options(mvct))
    transform = add_transform(app, np.eye(4))
    mvct.SetAndObserveTransformNodeID(transform.GetID())
    app.wait(lambda: calls.ended)
    assert calls.done[0].enhanced.GetParentTransformNode() is transform


def test_a_chosen_output_deleted_meanwhile_is_made_anew(app, started):
    mvct, output = add_mvct(app), add_mvct(app, "output")
    _, calls = started(options(mvct, enhanced=output.GetID()))
    app.scene.RemoveNode(output)
    app.wait(lambda: calls.ended)
    assert calls.errors == []
    assert calls.done[0].enhanced.GetScene() is app.scene
    assert calls.done[0].enhanced.GetName() == "MVCT enhanced"


def test_results_wait_while_a_scene_is_being_loaded(app, started):
    mvct = add_mvct(app)
    _, calls = started(options(mvct))
    app.scene.StartState(app.scene.BatchProcessState)
    app.wait(lambda: list(app.folder.glob("MVCTEnhance-*/correction.nrrd")))  # the last that the worker writes
    app.run_events(0.5)
    app.run_events()
    assert not calls.ended
    app.scene.EndState(app.scene.BatchProcessState)
    app.wait(lambda: calls.ended)
    assert calls.errors == []


def test_an_error_of_the_worker_names_the_scan_and_not_a_temporary_file(app):
    scan = noisy_head().astype(np.float32)
    scan[0, 0, 0] = np.nan
    before = app.scene.GetNumberOfNodes()
    node = app.add_volume(scan)
    calls = run_job(app, options(node))
    assert calls.errors[0].startswith("The MVCT has 1 voxels") and str(app.folder) not in calls.errors[0]
    assert app.scene.GetNumberOfNodes() == before + 2  # the scan and its display
    assert_nothing_is_left(app)


def test_a_worker_that_is_killed_ends_the_job_with_advice(app, started):
    _, calls = started(options(add_mvct(app)))
    for pid in app.child_processes():
        os.kill(pid, signal.SIGKILL)
    app.wait(lambda: calls.ended)
    assert "memory" in calls.errors[0]
    assert_nothing_is_left(app)


def test_a_disk_without_room_is_told(app, monkeypatch):
    from MVCTEnhanceLib.slicerui.worker import files

    monkeypatch.setattr(files.tempfile, "mkdtemp", _refuse)
    job, calls = start_job(app, options(add_mvct(app)))
    assert "free some space" in calls.errors[0] and not job.running


def _refuse(**_):
    raise OSError(28, "No space left on device")
