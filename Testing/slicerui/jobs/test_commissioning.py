"""The commissioning of a scanner as Slicer asks for it."""

from pathlib import Path

import pytest


@pytest.fixture
def logic(app):
    app.load_module()
    import MVCTEnhance

    return MVCTEnhance.MVCTEnhanceLogic()


def test_outcome_is_what_the_worker_tells(app, tmp_path):
    from MVCTEnhanceLib.jobs.requests import CommissionRequest
    from MVCTEnhanceLib.slicerui.jobs.commissioning import Commissioning

    request = CommissionRequest(tmp_path / "mvct", tmp_path / "site", kvct=tmp_path / "kvct")
    steps = Commissioning(request).steps(tmp_path)
    assert next(steps).request is request
    criterion = {"name": "Calibration", "outcome": "passed", "text": "Water at 0 HU."}
    told = {"passed": True, "criteria": [criterion], "warnings": ["odd"], "report": "/a.html", "profile": "/s.toml"}
    with pytest.raises(StopIteration) as end:
        steps.send(told)
    outcome = end.value.value
    assert (outcome.passed, outcome.report, outcome.profile) == (True, Path("/a.html"), Path("/s.toml"))
    assert outcome.criteria == [("Calibration", "passed", "Water at 0 HU.")] and outcome.warnings == ("odd",)


@pytest.mark.integration
def test_what_is_refused_is_the_sentence_of_the_command_line(app, logic, mvct, tmp_path):
    from MVCTEnhanceLib.errors import MVCTEnhanceError
    from MVCTEnhanceLib.io import write_volume

    write_volume(mvct, tmp_path / "mvct" / "p1.nrrd")
    with pytest.raises(MVCTEnhanceError, match="Patients found: 1, but"):
        logic.commission(tmp_path / "mvct", tmp_path / "site", kvct=str(tmp_path / "mvct"), workers=2)
    with pytest.raises(TypeError, match="brightness: there is no such parameter"):
        logic.commission(tmp_path / "mvct", tmp_path / "site", brightness=2)
    assert not (tmp_path / "site").exists()
