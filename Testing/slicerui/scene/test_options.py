"""Options that are refused before anything is begun."""

import pytest
from slicerui.scans import add_mvct, contents, options, run_job, temporary_files


@pytest.mark.parametrize("role", ["enhanced", "difference", "cycle_error"])
def test_an_input_is_never_an_output(app, role):
    mvct, planning_ct = add_mvct(app), add_mvct(app, "CT")
    for node in (mvct, planning_ct):
        wanted = options(mvct, planning_ct=planning_ct.GetID(), **{role: node.GetID()})
        assert "never overwritten" in wanted.problem()


def test_what_cannot_be_done_is_told_before_it_is_tried(app):
    mvct, other = add_mvct(app), add_mvct(app, "other")
    labels = app.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    same = other.GetID()
    assert options(mvct).problem() == ""
    assert "same volume" in options(mvct, enhanced=same, difference=same).problem()
    assert "no scalar volume" in options(mvct, enhanced=labels.GetID()).problem()
    assert "is the MVCT itself" in options(mvct, planning_ct=mvct.GetID()).problem()
    assert "no scalar volume" in options(labels).problem()
    assert "region" in options(mvct, region=other.GetID()).problem()
    assert "nobody" in options(mvct, model="nobody").problem()
    before = contents(app)
    calls = run_job(app, options(mvct, enhanced=mvct.GetID()))
    assert "never overwritten" in calls.errors[0]
    assert contents(app) == before and temporary_files(app) == []
