"""A registration is right, or refused with a sentence."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.registration import rigid
from MVCTEnhanceLib.registration.motion import RigidMotion, difference
from MVCTEnhanceLib.registration.rigid import Body, pyramid
from MVCTEnhanceLib.registration.search import RUNS, Finder


def misplaced(body, degrees, shift_mm):
    """A motion of the patient about the centre of the body."""
    transform = sitk.Euler3DTransform()
    transform.SetCenter(body.centre.tolist())
    transform.SetParameters([*np.radians(degrees), *shift_mm])
    return RigidMotion.of_itk(transform)


@pytest.fixture
def two_levels(monkeypatch):
    """Registrations that take a fifth of the time, and are less accurate."""
    monkeypatch.setattr(rigid, "LEVELS", rigid.LEVELS[:2])


@pytest.fixture(scope="module")
def mvct(patient):
    return patient(noise_hu=30.0, seed=1)


@pytest.fixture(scope="module")
def body(mvct):
    return Body(mvct)


@pytest.mark.parametrize(("degrees", "shift_mm"), [((5, -4, 5), (15, -12, 14)), ((-4, 5, 3), (-14, 15, -15))])
def test_known_motion_is_found_within_0_3_mm_and_0_3_degrees(patient, moved, mvct, body, degrees, shift_mm):
    truth, told = misplaced(body, degrees, shift_mm), []
    found = Finder(body, moved(patient(8.0), truth)).find(mvct, "MVCT", on_run=lambda: told.append(1))
    mm, deg = difference(found, truth, body.points)
    assert mm < 0.3 and deg < 0.3
    assert len(told) == RUNS


def test_same_scans_give_the_same_motion_to_the_last_bit(two_levels, patient, moved, mvct, body):
    planning_ct = moved(patient(8.0), misplaced(body, (2, 1, -3), (6, -5, 4)))
    first, second = (Finder(body, planning_ct).find(mvct, "MVCT", threads=threads) for threads in (1, 3))
    assert (first.matrix == second.matrix).all()


def test_order_of_the_voxels_does_not_matter(two_levels, patient, mvct, body):
    planning_ct = patient(8.0)
    flipped = replace(
        planning_ct,
        array=planning_ct.array[::-1],
        origin=(-142.0, -142.0, 33.0),
        direction=np.diag([1.0, 1.0, -1.0]),
    )
    found = [Finder(body, scan).find(mvct, "MVCT").matrix for scan in (planning_ct, flipped)]
    assert found[0] == pytest.approx(found[1])


def test_planning_ct_of_fine_slices_is_averaged_along_the_patient_too(patient):
    thin = replace(patient(), spacing=(3.0, 3.0, 1.5))
    assert [image.GetSize()[2] for image in pyramid(thin)] == [3, 6, 12]
    assert [image.GetSize()[2] for image in pyramid(patient())] == [12, 12, 12]


def test_scan_of_something_else_is_refused(two_levels, patient, mvct, body):
    nothing = mvct.with_array(np.random.default_rng(2).normal(0, 50, mvct.array.shape).astype(np.int16))
    with pytest.raises(InputError, match=r"The enhanced scan was not registered: from 3 starts .* differ by more than"):
        Finder(body, patient()).find(nothing, "enhanced scan")


@pytest.mark.parametrize("mm", [-60.0, 70.0, 300.0])
def test_scans_that_hardly_overlap_are_refused(patient, body, mm):
    planning_ct = replace(patient(), origin=(-142.0, -142.0, -33.0 + mm))
    with pytest.raises(InputError, match=r"Only \d+ % of the body in the MVCT lies within the planning CT"):
        Finder(body, planning_ct)


def test_scan_without_a_body_is_refused(patient):
    air = patient().with_array(np.full((12, 96, 96), -1000, np.int16))
    with pytest.raises(InputError, match="shows no body"):
        Finder(Body(air), patient())


@pytest.mark.parametrize("count", [1, 2])
def test_scan_of_hardly_a_slice_is_refused(patient, mvct, count):
    part = replace(mvct, array=mvct.array[6 : 6 + count], origin=(*mvct.origin[:2], mvct.origin[2] + 36.0))
    with pytest.raises(InputError, match=f"in {count} slices, which do not tell how it is turned: at least 3"):
        Finder(Body(part), patient())


@pytest.mark.parametrize("slices", [slice(7, 12), slice(5, 8)])
def test_part_of_a_scan_is_registered_right_or_refused(two_levels, patient, moved, mvct, slices):
    place = mvct.origin[2] + slices.start * 6.0
    part = replace(mvct, array=mvct.array[slices], origin=(*mvct.origin[:2], place))
    body = Body(part)
    truth = misplaced(body, (2, -2, 3), (6, -8, 7))
    try:
        found = Finder(body, moved(patient(8.0), truth)).find(part, "MVCT")
    except InputError as refused:
        assert "register by hand" in str(refused)
    else:
        mm, deg = difference(found, truth, body.points)
        assert mm < 1 and deg < 1
