"""Requests that are refused before anything is begun."""

import pytest
from slicerui.scans import add_mvct, contents, options, run_job, temporary_files


@pytest.mark.parametrize("role", ["enhanced", "difference", "cycleError"])
def test_an_input_is_never_an_output(app, role):
    mvct, planning_ct = add_mvct(app), add_mvct(app, "CT")
    for node in (mvct, planning_ct):
        wanted = options(mvct, planningCT=planning_ct.GetID(), **{role: node.GetID()})
        assert "never overwritten" in wanted.problem()


def test_what_cannot_be_done_is_told_before_it_is_tried(app):
    mvct, other = add_mvct(app), add_mvct(app, "other")
    labels = app.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    same = other.GetID()
    assert options(mvct).problem() == ""
    assert "same volume" in options(mvct, enhanced=same, difference=same).problem()
    assert "no scalar volume" in options(mvct, enhanced=labels.GetID()).problem()
    assert "is the MVCT itself" in options(mvct, planningCT=mvct.GetID()).problem()
    assert "no scalar volume" in options(labels).problem()
    assert "region" in options(mvct, region=other.GetID()).problem()
    assert "structures" in options(mvct, structures=other.GetID()).problem()
    assert "nobody" in options(mvct, model="nobody").problem()
    assert "none.toml' cannot be read" in options(mvct, site="none.toml").problem()
    assert "needs the planning CT" in options(mvct, strength="match").problem()
    assert options(mvct, strength="match", planningCT=same).problem() == ""
    assert "0 to 100" in options(mvct, strength=101).problem()
    before = contents(app)
    calls = run_job(app, options(mvct, enhanced=mvct.GetID()))
    assert "never overwritten" in calls.errors[0]
    assert contents(app) == before and temporary_files(app) == []


def test_parameters_keep_the_names_and_defaults_that_scripts_and_saved_scenes_have(app):
    from MVCTEnhanceLib.slicerui.parameters import OPTIONS
    from MVCTEnhanceLib.slicerui.scene.request import PARAMETERS

    app.load_module()
    nodes = {"planningCT", "region", "structures", "enhanced", "difference", "cycleError"}
    parameters = app.logic.getParameterNode()
    others = {"segmentID": "", "model": "", "site": "", "device": "auto", "strength": 100}
    others |= {"makeCycleError": False, "allItems": False}
    assert {*PARAMETERS, *OPTIONS} == {*nodes, *others}
    assert {name: getattr(parameters, name) for name in others} == others


def test_option_reaches_the_worker_and_an_empty_one_is_its_default(app, tmp_path):
    from MVCTEnhanceLib.slicerui.jobs.enhancement import write_inputs
    from MVCTEnhanceLib.slicerui.scene.request import SceneRequest

    mvct = add_mvct(app)
    plain = SceneRequest.of(mvct, model="", device=None, planningCT=None)
    other = SceneRequest.of(mvct, model=tmp_path / "own.safetensors", device="cuda:1")
    plain, other = (write_inputs(wanted, mvct, tmp_path).request.to_argv() for wanted in (plain, other))
    assert not any(argument.startswith(("--model", "--device", "--kvct")) for argument in plain)
    assert {f"--model={tmp_path / 'own.safetensors'}", "--device=cuda:1"} <= set(other)
