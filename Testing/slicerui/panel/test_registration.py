"""The registration to the planning CT, driven from the panel."""

import numpy as np
import pytest
from slicerui.panels import StartedJob, open_with_scan, parameters, without_worker
from slicerui.scans import RAS, noisy_head


@pytest.fixture
def planning_ct(app, result):
    """The same head 4 mm further up."""
    ras = RAS.copy()
    ras[2, 3] = 4.0
    node = app.add_volume(noisy_head(seed=8), "CT", ijk_to_ras=ras)
    app.choose(app.ui.planningCTSelector, node)
    return node


@pytest.fixture
def worker(monkeypatch, result):
    """What the worker gives, without a worker: the run ends when `finish` is called."""
    from MVCTEnhanceLib.slicerui.scene.registration import put_into_scene

    class Job(StartedJob):
        def finish(self, planning_ct, verdict="as expected", couch=None):
            matrix = np.eye(4)
            matrix[2, 3] = 4.0
            motion = {
                "translation_lps_mm": [0.0, 0.0, 4.0],
                "rotation_deg": [0.0, 0.5, 0.0],
                "matrix_lps": matrix.tolist(),
                "couch_shift": couch,
            }
            found = {"mvct": motion, "warnings": [], "assessment": {"verdict": verdict, "reason": "They agree."}}
            board = np.zeros((4, 96, 96), np.int16)
            self.done(put_into_scene(result.enhanced, planning_ct, found, board, same_patient=True))

    return without_worker(monkeypatch, Job)


def labels(app):
    manager = app.slicer.app.layoutManager()
    views = (manager.sliceWidget(f"MVCTEnhance{name}") for name in ("MVCT", "Enhanced", "Difference"))
    return [view.mrmlSliceNode().GetLayoutLabel() for view in views]


def view(app, name: str):
    return app.slicer.app.layoutManager().sliceWidget(f"MVCTEnhance{name}").mrmlSliceCompositeNode()


def test_button_says_what_is_missing(app):
    open_with_scan(app)
    assert not app.ui.registerButton.enabled and "nothing to register" in app.ui.registerButton.toolTip


def test_button_asks_for_the_planning_ct(app, result):
    assert not app.ui.registerButton.enabled
    assert app.ui.registerButton.toolTip == "Choose the planning CT first."


def test_result_is_shown_blended_and_as_a_checkerboard(app, result, planning_ct, worker):
    app.click(app.ui.registerButton)
    worker[0].progress("Registering", 2, 8, None)
    assert app.ui.registrationLabel.text == "Registering… 2 of 8"
    couch = dict.fromkeys(("lateral_mm", "longitudinal_mm", "vertical_mm", "pitch_deg", "roll_deg", "yaw_deg"), 1.0)
    worker[0].finish(planning_ct, couch=couch)
    text = app.ui.registrationLabel.text
    assert text.startswith(
        "MVCT to planning CT: left +0.0, posterior +0.0, superior +4.0 mm; rotation +0.0, +0.5, +0.0°."
    )
    assert "Couch: lateral +1.0, longitudinal +1.0, vertical +1.0 mm" in text and text.endswith("Not for positioning.")
    assert "✓ as expected: They agree." in text
    assert app.ui.registerButton.text == "Register to planning CT" and app.ui.registerButton.enabled
    left = view(app, "MVCT")
    assert labels(app) == ["MVCT and planning CT", "Enhanced", "Checkerboard"]
    assert left.GetBackgroundVolumeID() == parameters(app).mvct.GetID()
    assert (left.GetForegroundVolumeID(), left.GetForegroundOpacity()) == (planning_ct.GetID(), 0.5)
    board = result.enhanced.GetNodeReferenceID("MVCTEnhance.checkerboard")
    assert view(app, "Difference").GetBackgroundVolumeID() == board
    app.click(app.ui.restoreButton)
    assert labels(app) == ["MVCT", "Enhanced", "Difference"]
    assert left.GetForegroundVolumeID() is None
    assert view(app, "Difference").GetBackgroundVolumeID() == result.difference.GetID()


def test_registration_is_cancelled_by_the_button(app, result, planning_ct, worker):
    app.click(app.ui.registerButton)
    assert app.ui.registerButton.text == "Cancel registration"
    app.click(app.ui.registerButton)
    assert worker[0].cancelled and app.ui.registrationLabel.text == "Cancelled. The scene is as it was before."
    assert app.ui.registerButton.text == "Register to planning CT"
    assert result.enhanced.GetNodeReferenceID("MVCTEnhance.registration") is None


def test_error_is_shown_and_another_try_possible(app, result, planning_ct, worker):
    app.click(app.ui.registerButton)
    worker[0].failed("The MVCT was not registered.")
    assert app.ui.registrationLabel.text == "The MVCT was not registered." and app.ui.registerButton.enabled


def test_disagreement_is_shown_as_a_caution(app, result, planning_ct, worker):
    app.click(app.ui.registerButton)
    worker[0].finish(planning_ct, "look closer")
    assert "⚠ look closer" in app.ui.registrationLabel.text
    assert "#ffedc0" in app.ui.registrationLabel.styleSheet


@pytest.mark.thorough
def test_worker_registers_or_says_why_not(app, result, planning_ct):
    app.click(app.ui.registerButton)
    app.wait(lambda: app.ui.registerButton.text == "Register to planning CT" and not app.child_processes(), 300)
    text = app.ui.registrationLabel.text
    assert "Not for positioning" in text or "was not registered" in text
