"""Scans that cannot be analysed are refused by a sentence that says why, and nothing is left."""

import numpy as np
import pytest
from MVCTEnhanceLib.io import read_volume
from MVCTEnhanceLib.physics.phantom import head_neck_phantom
from MVCTEnhanceLib.physics.qa_phantoms import CHEESE_PLUGS
from MVCTEnhanceLib.qa.phantoms import PHANTOMS, TOMO_CHEESE, WATER
from MVCTEnhanceLib.qa.position import find_cylinder, roll_of
from MVCTEnhanceLib.qa.tolerances import PositionLimits


@pytest.fixture
def refused(main, tmp_path, unused_pylinac):
    """Function: the sentence by which a scan is refused."""

    def refused(scan, phantom=TOMO_CHEESE):
        before = {path: path.read_bytes() for path in scan.iterdir()}
        result = main("qa", scan, "--phantom", phantom, "--output", tmp_path / "qa", "--progress", "none")
        assert result.code == 1 and result.stdout == ""
        assert not (tmp_path / "qa").exists()
        assert {path: path.read_bytes() for path in scan.iterdir()} == before
        return result.stderr

    return refused


def test_water_cylinder_is_no_cheese_phantom_by_its_diameter(refused, series, water):
    sentence = refused(series(water(slices=10)))
    assert "shows a cylinder of 200 mm, but a TomoTherapy cheese phantom has 300 mm" in sentence


def test_water_cylinder_is_no_cheese_phantom_by_its_plugs(refused, series, water):
    assert "plugs of the cheese phantom are not where they should be" in refused(series(water(300.0, slices=10)))


def test_cheese_phantom_turned_over_is_refused(refused, series, cheese):
    scan = cheese()
    turned_over = scan.with_array(np.ascontiguousarray(scan.array[:, :, ::-1]))
    assert "not turned over" in refused(series(turned_over))


def test_patient_is_no_phantom(refused, series, simulated):
    head = head_neck_phantom(slices=10, shape=(128, 128), spacing_mm=(2.5, 2.5, 6.0))
    assert "No round phantom was found in the MVCT" in refused(series(simulated(head)))


def test_phantom_off_centre_by_20_mm_is_refused(refused, series, cheese):
    assert "in the MVCT lies 20 mm off the centre of the image, but at most 10 mm are allowed" in refused(
        series(cheese(offset_mm=(12.0, 16.0)))
    )


def test_tilted_phantom_is_refused(refused, series, cheese):
    assert "in the MVCT is tilted by 5.0 degrees, but at most 2 are allowed" in refused(series(cheese(tilt=5.0)))


def test_rolled_phantom_is_refused(refused, series, cheese):
    assert "rolled by 8.0 degrees, but at most 3 are allowed" in refused(series(cheese(roll=8.0)))


@pytest.mark.parametrize(("phantom", "needed"), [(TOMO_CHEESE, 10), ("catphan604", 39)])
def test_too_few_slices_are_refused(refused, series, cheese, water, phantom, needed):
    scan = cheese(slices=4) if phantom == TOMO_CHEESE else water(slices=4)
    sentence = refused(series(scan), phantom)
    assert "4 slices of the MVCT show the" in sentence and f"needs at least {needed}: scan more of it" in sentence


def test_couch_below_the_phantom_is_not_taken_for_it(cheese):
    scan = cheese(slices=10)
    y = (np.arange(200) - 99.5) * 1.95
    scan.array[:, (y > 150) & (y < 154), 20:180] = 100
    cylinder = find_cylinder(scan, PHANTOMS[TOMO_CHEESE], PositionLimits())
    assert cylinder.offset_mm < 0.5 and cylinder.diameter_mm == pytest.approx(300, abs=1)


def test_place_of_a_phantom_is_found_to_a_fraction_of_a_pixel(cheese):
    scan = cheese(offset_mm=(3.0, -4.0), roll=1.5, tilt=1.0)
    cylinder = find_cylinder(scan, PHANTOMS[TOMO_CHEESE], PositionLimits())
    assert cylinder.centres_mm.mean(axis=0) == pytest.approx((3, -4), abs=0.2)
    assert cylinder.tilt == pytest.approx(1.0, abs=0.1)
    assert roll_of(scan, cylinder, CHEESE_PLUGS, PositionLimits()) == pytest.approx(1.5, abs=0.2)


def test_missing_pylinac_is_told_with_the_command_that_installs_it(main, tmp_path, no_pylinac, series, water):
    result = main("qa", series(water()), "--phantom", TOMO_CHEESE, "--output", tmp_path / "qa")
    assert result.code == 1
    assert "run 'mvct-enhance install-pylinac'" in result.stderr and not (tmp_path / "qa").exists()


def test_output_among_the_scan_is_refused(main, series, water):
    scan = series(water())
    for output in (scan, scan / "qa"):
        result = main("qa", scan, "--phantom", WATER, "--output", output)
        assert result.code == 1 and "lies in the folder of the phantom's scan" in result.stderr
    assert len(read_volume(scan).array) == 6
