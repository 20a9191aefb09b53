"""A scanner's line from tissues of patients, in scans that are not registered."""

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.physics.calibration import Calibration
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.site.patients import calibration_of, patient_of


@pytest.fixture(scope="module")
def planning_cts():
    """Three patients, or three parts of one, who take no time."""
    return [
        head_neck_phantom(slices=4, shape=(128, 128), spacing_mm=(2.0, 2.0, 5.0), centre_z_mm=z, supersample=1)
        for z in (-20.0, -60.0, -100.0)
    ]


def mvct_of(kvct, line, seed=0):
    """Every other slice, shifted by three pixels, as a scanner with this line shows it."""
    hu = line.shown_hu(density_hu_from_kv(kvct.array[1::2].astype(float)))
    noise = np.random.default_rng(seed).normal(0, 25, hu.shape)
    return type(kvct)(np.roll(np.rint(hu + noise), 3, axis=2).astype(np.int16), (2.0, 2.0, 10.0))


@pytest.mark.parametrize("line", [Calibration(12.0, 0.985, 0.4728), Calibration(-30.0, 1.02, 0.49), Calibration(45.0)])
def test_line_of_the_scanner_comes_of_three_patients(planning_cts, line):
    patients = [patient_of([mvct_of(kvct, line)], [kvct]) for kvct in planning_cts]
    fitted = calibration_of(patients)
    soft = np.array([-100.0, 0.0, 50.0])
    np.testing.assert_allclose(fitted.line.shown_hu(soft), line.shown_hu(soft), atol=4)
    assert (fitted.source, fitted.count) == ("patients", 3)
    assert {point.name.partition(" of ")[0] for point in fitted.points} >= {"fat", "soft tissue", "bone"}


def test_fewer_patients_are_refused(planning_cts):
    patients = [patient_of([mvct_of(kvct, Calibration())], [kvct]) for kvct in planning_cts[:2]]
    with pytest.raises(InputError, match=r"There are 2 patients .* at least 3 are needed"):
        calibration_of(patients)


def test_scans_of_different_parts_of_the_body_are_refused(planning_cts):
    air = planning_cts[0].with_array(np.full_like(planning_cts[0].array, -1000))
    with pytest.raises(InputError, match="No slice of the MVCT is like one of the planning CT"):
        patient_of([mvct_of(planning_cts[0], Calibration())], [air])


def test_patient_whose_scans_do_not_belong_together_is_named(planning_cts):
    patients = [patient_of([mvct_of(kvct, Calibration())], [kvct]) for kvct in planning_cts]
    other = patient_of([mvct_of(planning_cts[0], Calibration(55.0))], [planning_cts[0]])
    with pytest.raises(InputError, match=r"of patient 4 lie .* HU from the line of all"):
        calibration_of([*patients, other])
