"""A scan gets the resolution of the standard scanner by its own scanner's, and keeps its HU."""

from dataclasses import replace

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.physics.resolution import MAX_GAIN, Resolution
from MVCTEnhanceLib.physics.settings import MVCTSettings
from MVCTEnhanceLib.volume.grid import reorient_like, turned

STANDARD = MVCTSettings(matrix=144, views=120, photons=0)
SCANNERS = {
    "soft kernel": {"kernel": 0.7},
    "sharp kernel": {"kernel": 1.6},
    "blurred": {"blur_fwhm_mm": 1.9},
    "iterative": {"kernel": 1.1, "denoising_mm": 0.8},
}


@pytest.fixture(scope="module")
def water():
    return density_inserts(
        inserts_hu=(60, -80, 200), diameter_mm=100, insert_mm=12, slices=1, shape=(240, 240), spacing_mm=(0.5, 0.5, 3.0)
    )[0]


@pytest.mark.parametrize("name", SCANNERS)
def test_scan_becomes_that_of_the_standard_scanner(water, name):
    settings = replace(STANDARD, **SCANNERS[name])
    standard, own = (simulate_mvct(water, one) for one in (STANDARD, settings))
    matched = Resolution.of(settings).matched(own)
    before, after = (np.abs(scan.array - standard.array.astype(float)).mean() for scan in (own, matched))
    assert before > 1.5 and after < before / (1.4 if settings.denoising_mm else 3)
    assert abs(matched.array.mean() - own.array.mean()) < 0.5  # HU of what is large stay


def test_scan_of_the_standard_scanner_stays_as_it_is(water):
    scan = simulate_mvct(water, replace(STANDARD, photons=2.66e4))
    assert np.array_equal(Resolution().matched(scan).array, scan.array)


def test_pixels_that_were_not_measured_stay_and_do_not_reach_others(water):
    settings = replace(STANDARD, kernel=0.7)
    scan = simulate_mvct(water, settings)
    scan.array[:, :8] = -1024
    air = replace(scan, array=np.where(scan.array == -1024, np.int16(-1000), scan.array))
    found, of_air = (Resolution.of(settings).matched(one).array for one in (scan, air))
    assert (found[:, :8] == -1024).all() and np.array_equal(found[:, 8:], of_air[:, 8:])


def test_order_of_the_axes_and_type_do_not_matter(water):
    scan, resolution = simulate_mvct(water, STANDARD), Resolution(kernel=0.8)
    stored = turned(scan, np.array([[0.0, 0, 1], [-1, 0, 0], [0, 1, 0]]))
    matched = resolution.matched(scan)
    assert np.array_equal(reorient_like(resolution.matched(stored), matched).array, matched.array)
    floats = resolution.matched(replace(scan, array=scan.array.astype(np.float32)))
    assert floats.array.dtype == np.float32 and np.abs(floats.array - matched.array).max() <= 0.51


def test_noise_is_never_raised_without_limit():
    frequency = np.linspace(0, 0.65, 200)
    assert Resolution(kernel=0.5, blur_fwhm_mm=4, denoising_mm=3).gain(frequency).max() <= MAX_GAIN


def test_softer_scanner_shows_half_of_the_contrast_at_fewer_line_pairs():
    frequency = Resolution().half_per_cm / 10
    assert Resolution().modulation(np.array(frequency)) == pytest.approx(0.5, abs=1e-3)
    assert Resolution(kernel=0.7).half_per_cm < Resolution().half_per_cm < Resolution(kernel=1.5).half_per_cm


def test_resolution_that_no_scanner_has_is_refused():
    with pytest.raises(InputError, match="kernel"):
        Resolution(kernel=0)
