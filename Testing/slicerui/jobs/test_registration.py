"""A registration to the planning CT: the worker's result as a transform of the scans in the scene."""

import numpy as np
import pytest
from slicerui.results import add_result
from slicerui.scans import RAS, add_mvct, add_transform, ijk_to_ras, noisy_head

SHIFT_LPS = np.array([4.0, -3.0, 6.0])


@pytest.fixture
def mvct(app):
    return add_mvct(app, "Day 1")


@pytest.fixture
def result(app, mvct):
    return add_result(app, mvct, correction=True)


@pytest.fixture
def planning_ct(app):
    return app.add_volume(noisy_head(seed=8), "Planning CT", ijk_to_ras=RAS)


def found(shift_lps=SHIFT_LPS, warnings=()):
    """What the worker gives for a shift of the patient."""
    matrix = np.eye(4)
    matrix[:3, 3] = shift_lps
    motion = {"translation_lps_mm": list(shift_lps), "matrix_lps": matrix.tolist(), "couch_shift": None}
    return {"mvct": motion, "enhanced": motion, "warnings": list(warnings)}


def put(result, planning_ct, registration, *, same_patient=False):
    from MVCTEnhanceLib.slicerui.scene.registration import put_into_scene

    board = np.zeros((4, 96, 96), np.int16)
    return put_into_scene(result.enhanced, planning_ct, registration, board, same_patient=same_patient)


def work(enhanced, planning_ct):
    from MVCTEnhanceLib.slicerui.jobs.registration import Registration, RegistrationOptions

    return Registration(RegistrationOptions(enhanced.GetID(), planning_ct.GetID()))


def world(node) -> np.ndarray:
    """RAS in mm of the first voxel under all transforms."""
    from MVCTEnhanceLib.slicerui.scene.volumes import world_position

    return np.array(world_position(node, (0, 0, 0)))


def test_mvct_all_its_results_and_the_checkerboard_are_moved_onto_the_planning_ct(app, mvct, result, planning_ct):
    other = add_result(app, mvct).enhanced
    before = world(mvct)
    done = put(result, planning_ct, found())
    for node in (mvct, other, result.enhanced, result.difference, result.correction, done.checkerboard):
        assert world(node) - before == pytest.approx(SHIFT_LPS * (-1, -1, 1)), node.GetName()
    assert done.transform.GetName() == "Day 1 to planning CT"
    assert planning_ct.GetTransformNodeID() is None
    assert ijk_to_ras(app, done.checkerboard) == pytest.approx(ijk_to_ras(app, mvct))


def test_transform_lies_under_that_of_the_planning_ct(app, mvct, result, planning_ct):
    moved = np.eye(4)
    moved[:3, 3] = 10.0, 20.0, 30.0
    planning_ct.SetAndObserveTransformNodeID(add_transform(app, moved).GetID())
    mvct.SetAndObserveTransformNodeID(add_transform(app, np.diag([-1.0, -1, 1, 1])).GetID())
    before = ijk_to_ras(app, mvct)[:3, 3]
    put(result, planning_ct, found())
    assert world(mvct) - before == pytest.approx(SHIFT_LPS * (-1, -1, 1) + (10, 20, 30))


def test_second_registration_fills_the_nodes_of_the_first(app, mvct, result, planning_ct):
    first = put(result, planning_ct, found())
    planning_ct.SetAndObserveTransformNodeID(first.transform.GetID())  # which must not become its own parent
    before = len(app.slicer.util.getNodesByClass("vtkMRMLNode"))
    second = put(result, planning_ct, found((1.0, 2.0, 3.0)))
    assert second.transform is first.transform and second.checkerboard is first.checkerboard
    assert len(app.slicer.util.getNodesByClass("vtkMRMLNode")) == before
    assert first.transform.GetTransformNodeID() is None
    assert world(mvct) - ijk_to_ras(app, mvct)[:3, 3] == pytest.approx((-1, -2, 3))


def test_patients_that_slicer_has_compared_are_not_warned_of(app, result, planning_ct):
    from MVCTEnhanceLib.jobs.scans import UNKNOWN_PATIENT

    warnings = [UNKNOWN_PATIENT, "another"]
    assert put(result, planning_ct, found(warnings=warnings)).warnings == (UNKNOWN_PATIENT, "another")
    assert put(result, planning_ct, found(warnings=warnings), same_patient=True).warnings == ("another",)


def test_scans_of_two_patients_are_refused(app, result, planning_ct, monkeypatch):
    ids = {"Day 1": "A", "Planning CT": "B"}
    monkeypatch.setattr(
        "MVCTEnhanceLib.slicerui.jobs.registration.patient_id_of", lambda node: ids.get(node.GetName(), "")
    )
    assert "different Patient IDs" in work(result.enhanced, planning_ct).problem()
    ids["Planning CT"] = ""
    assert work(result.enhanced, planning_ct).problem() == ""


def test_planning_ct_that_is_the_mvct_is_refused(app, mvct, result):
    assert "is the MVCT itself" in work(result.enhanced, mvct).problem()


@pytest.mark.integration
def test_console_registers_a_moved_planning_ct(app, patient):
    """With the real worker, which makes a rotation of the header good, too."""
    app.load_module()
    scans = [patient(30.0, seed=1), patient(8.0)]
    ras = np.diag([-3.0, -3.0, 6.0, 1.0])
    ras[:3, 3] = 142, 142, -33
    away = ras.copy()
    away[:3, 3] += (-6.0, 4.0, 5.0)
    mvct = app.add_volume(scans[0].array, "Day 2", ijk_to_ras=ras)
    planning_ct = app.add_volume(scans[1].array, "CT", ijk_to_ras=away)
    enhanced = app.add_volume(patient(10.0, seed=1).array, "Day 2 enhanced", ijk_to_ras=ras)
    enhanced.SetNodeReferenceID("MVCTEnhance.mvct", mvct.GetID())
    stages = []
    result = app.logic.register(enhanced, planning_ct, onProgress=lambda *told: stages.append(told[0]))
    assert world(mvct) == pytest.approx(away[:3, 3], abs=0.5)
    assert result.registration["assessment"]["verdict"] == "as expected"
    assert result.registration["mvct"]["translation_lps_mm"] == pytest.approx([6, -4, 5], abs=0.3)
    assert "Registering" in stages
    assert app.slicer.util.arrayFromVolume(result.checkerboard).std() > 100
