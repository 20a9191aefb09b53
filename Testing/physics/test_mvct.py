"""The simulated MVCT has the HU, the noise and the geometry that the scanner's physics demands."""

import numpy as np
import pytest
import torch
from MVCTEnhanceLib.physics.density import density_hu_from_kv
from MVCTEnhanceLib.physics.mvct import MVCTSettings, simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.volume import Volume
from MVCTEnhanceLib.volume.grid import reorient_like, turned
from scipy import ndimage

TINY = MVCTSettings(matrix=64, pixel_mm=3.0, views=60)
TINY_GRID = {"shape": (64, 64), "spacing_mm": (3.0, 3.0, 6.0)}


def water_cylinder(**grid):
    """Water in air: a calibration phantom without rods."""
    return density_inserts(inserts_hu=(), **grid)[0]


def radius_mm(volume):
    _, rows, columns = volume.array.shape
    y = (np.arange(rows) - (rows - 1) / 2) * volume.spacing[1]
    x = (np.arange(columns) - (columns - 1) / 2) * volume.spacing[0]
    return np.hypot(x[None, :], y[:, None])


def central_noise(volume):
    return volume.array[:, radius_mm(volume) < 25].std()


def centre(volume):
    """LPS position of the middle of the volume's grid."""
    index = (np.array(volume.array.shape[::-1]) - 1) / 2
    return np.asarray(volume.origin) + volume.direction @ (index * volume.spacing)


@pytest.fixture(scope="module")
def water_scan():
    """Three slices of 20 cm of water by the default scanner."""
    return simulate_mvct(water_cylinder(diameter_mm=200, slices=3))


@pytest.mark.integration
def test_water_is_0_and_air_is_minus_1000(water_scan):
    radius = radius_mm(water_scan)
    assert water_scan.array[:, radius < 90].mean() == pytest.approx(0, abs=1)
    assert water_scan.array[:, (radius > 110) & (radius < 190)].mean() == pytest.approx(-1000, abs=5)


@pytest.mark.integration
def test_water_is_uniform_from_centre_to_rim_without_noise():
    scan = simulate_mvct(water_cylinder(shape=(288, 288)), MVCTSettings(matrix=288, photons=0))
    radius = radius_mm(scan)
    for inner in (0, 20, 40, 60, 80):
        ring = (radius >= inner) & (radius < inner + 15)
        assert scan.array[0, ring].mean() == pytest.approx(0, abs=1)
    outside = scan.array[0, (radius > 104) & (radius < 108)]
    assert outside.mean() == pytest.approx(-1000, abs=5)


@pytest.mark.integration
def test_noise_in_20_cm_of_water_is_24_hu(water_scan):
    assert 23 <= central_noise(water_scan) <= 25


@pytest.mark.thorough
def test_noise_grows_with_the_body(water_scan):
    """By counts alone the ratio is exp(0.0068 / 2 * (350 - 200)) = 1.67."""
    large = simulate_mvct(water_cylinder(diameter_mm=350), MVCTSettings(matrix=128))
    assert 1.55 < central_noise(large) / central_noise(water_scan) < 1.8


@pytest.mark.integration
def test_inserts_lie_on_the_density_line():
    inserts = (-700, -500, -100, 50, 200, 400, 800, 1200)
    phantom, labels = density_inserts(inserts_hu=inserts, shape=(288, 288))
    scan = simulate_mvct(phantom, MVCTSettings(matrix=288, photons=0))
    expected = density_hu_from_kv(torch.tensor(inserts, dtype=torch.float32))
    for number, density_hu in enumerate(expected.tolist()):
        rod = ndimage.binary_erosion(labels[0] == 2 + number, iterations=7)
        assert scan.array[0, rod].mean() == pytest.approx(density_hu, abs=3), f"insert of {inserts[number]} HU"


def test_noise_is_that_of_the_seed_and_the_slice_whatever_the_batch():
    water = water_cylinder(diameter_mm=120, slices=5, **TINY_GRID)
    scan = simulate_mvct(water, TINY, batch=8).array
    for batch in (1, 2, 5):
        assert np.array_equal(simulate_mvct(water, TINY, batch=batch).array, scan)
    first_two = simulate_mvct(water_cylinder(diameter_mm=120, slices=2, **TINY_GRID), TINY).array
    assert np.array_equal(first_two, scan[:2])
    assert not np.array_equal(scan[0], scan[1])


def test_another_seed_gives_other_noise():
    water = water_cylinder(diameter_mm=120, slices=2, **TINY_GRID)
    scans = [simulate_mvct(water, MVCTSettings(matrix=64, pixel_mm=3.0, views=60, seed=seed)) for seed in (0, 1)]
    assert np.mean(scans[0].array == scans[1].array) < 0.1


def test_progress_is_reported_after_each_batch():
    seen = []
    water = water_cylinder(diameter_mm=120, slices=5, **TINY_GRID)
    simulate_mvct(water, TINY, batch=2, on_slices=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_scan_is_int16_on_the_scanners_grid_about_the_same_centre():
    c, s = np.cos(0.3), np.sin(0.3)
    direction = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    kvct = Volume(
        np.full((2, 50, 61), -1000, np.int16), (1.1, 0.9, 4.0), (-30.0, 12.0, 7.0), direction, warnings=("A.",)
    )
    scan = simulate_mvct(kvct, MVCTSettings(matrix=40, pixel_mm=2.0, views=10))
    assert scan.array.dtype == np.int16 and scan.array.shape == (2, 40, 40)
    assert scan.spacing == (2.0, 2.0, 4.0)
    assert np.array_equal(scan.direction, direction)
    assert centre(scan) == pytest.approx(centre(kvct), abs=1e-9)
    assert scan.warnings == ("A.",)


@pytest.mark.integration
@pytest.mark.parametrize("pixel_mm", [(0.488, 0.488), (0.95, 0.95), (0.488, 0.95)])
def test_input_pixel_size_changes_neither_hu_nor_place(pixel_mm):
    """Three rods stand at 0°, 120° and 240°; only the one at 120° differs from water."""
    columns, rows = (round(150 / mm) for mm in pixel_mm)
    phantom, _ = density_inserts(
        inserts_hu=(0, 600, 0), diameter_mm=120, insert_mm=10, shape=(rows, columns), spacing_mm=(*pixel_mm, 6.0)
    )
    scan = simulate_mvct(phantom, MVCTSettings(matrix=200, photons=0))
    radius = radius_mm(scan)
    assert scan.array[0, radius < 25].mean() == pytest.approx(0, abs=1)
    assert scan.array[0, (radius > 65) & (radius < 70)].mean() == pytest.approx(-1000, abs=5)

    weight = np.where(radius < 52, scan.array[0].astype(float).clip(100) - 100, 0)
    j, i = ndimage.center_of_mass(weight)
    place = np.asarray(scan.origin) + scan.direction @ (np.array([i, j, 0]) * scan.spacing)
    ring, angle = 0.65 * 60, np.radians(120)
    assert place[:2] == pytest.approx((ring * np.sin(angle), -ring * np.cos(angle)), abs=0.763 / 2)
    peak = scan.array[0][np.hypot(*(np.indices((200, 200)) - np.array([j, i])[:, None, None])) < 3]
    assert peak.mean() == pytest.approx(52 + 0.48 * 600, abs=5)


def test_detector_blur_softens_edges():
    water = water_cylinder(diameter_mm=120, **TINY_GRID)
    sharp, soft = (
        simulate_mvct(water, MVCTSettings(matrix=64, pixel_mm=3.0, views=60, photons=0, blur_fwhm_mm=fwhm)).array[0]
        for fwhm in (0.0, 9.0)
    )
    steepest = [np.abs(np.diff(image[32].astype(float))).max() for image in (sharp, soft)]
    assert steepest[1] < 0.75 * steepest[0]


@pytest.mark.parametrize("order", [np.diag([-1.0, 1, -1]), np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])])
def test_a_scan_stored_in_another_order_gives_the_same_mvct_in_that_order(order):
    rng = np.random.default_rng(6)
    kvct = Volume(rng.integers(-1000, 500, (3, 20, 24)).astype(np.int16), (6.0, 7.0, 5.0), (3.0, -8.0, 40.0))
    expected, stored = simulate_mvct(kvct, TINY), turned(kvct, order)
    found = simulate_mvct(stored, TINY)
    np.testing.assert_array_equal(found.direction, stored.direction)
    np.testing.assert_array_equal(reorient_like(found, expected).array, expected.array)
