"""A scan gets the resolution of the standard scanner by its own scanner's, and keeps its HU."""

from dataclasses import replace

import numpy as np
import pytest
from MVCTEnhanceLib.errors import InputError
from MVCTEnhanceLib.physics.mvct import simulate_mvct
from MVCTEnhanceLib.physics.phantom import density_inserts
from MVCTEnhanceLib.physics.resolution import MAX_GAIN, MAX_NOISE, MAX_NOISE_OF_ONE_SCANNER, Resolution
from MVCTEnhanceLib.physics.settings import MVCTSettings
from MVCTEnhanceLib.volume.grid import reorient_like, turned

STANDARD = MVCTSettings(matrix=144, views=120, photons=0)
SOFT = Resolution(kernel=0.7, blur_fwhm_mm=1.6, denoising_mm=0.6)
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


@pytest.fixture(scope="module")
def standard(water):
    return simulate_mvct(water, STANDARD)


@pytest.mark.parametrize("name", SCANNERS)
def test_scan_becomes_that_of_the_standard_scanner(water, standard, name):
    settings = replace(STANDARD, **SCANNERS[name])
    own = simulate_mvct(water, settings)
    matched = Resolution.of(settings).matched(own)
    before, after = (np.abs(scan.array - standard.array.astype(float)).mean() for scan in (own, matched))
    assert before > 1.5 and after < before / (1.4 if settings.denoising_mm else 3)
    assert abs(matched.array.mean() - own.array.mean()) < 0.5  # HU of what is large stay


def test_scan_of_the_standard_scanner_stays_as_it_is(standard):
    assert np.array_equal(Resolution().matched(standard).array, standard.array)


def test_pixels_that_were_not_measured_stay_and_do_not_reach_others(standard):
    scan, air = standard.array.copy(), standard.array.copy()
    scan[:, :8], air[:, :8] = -1024, -1000
    found, of_air = (SOFT.matched(replace(standard, array=array)).array for array in (scan, air))
    assert (found[:, :8] == -1024).all() and np.array_equal(found[:, 8:], of_air[:, 8:])


def test_order_of_the_axes_and_type_do_not_matter(standard):
    stored = turned(standard, np.array([[0.0, 0, 1], [-1, 0, 0], [0, 1, 0]]))
    matched = SOFT.matched(standard)
    assert np.array_equal(reorient_like(SOFT.matched(stored), matched).array, matched.array)
    floats = SOFT.matched(replace(standard, array=standard.array.astype(np.float32)))
    assert floats.array.dtype == np.float32 and np.abs(floats.array - matched.array).max() <= 0.51


@pytest.mark.parametrize(("photons", "limited"), [(6e4, False), (1.2e4, True), (3e3, True)])
def test_sharpening_stops_where_the_noise_would_be_more_than_the_models_know(photons, limited):
    scanner = Resolution(kernel=0.85, blur_fwhm_mm=1.9, photons=photons)
    frequency = np.linspace(0, 0.65, 200)
    assert (scanner.largest_gain < MAX_GAIN) == limited
    assert scanner.gain(frequency).max() <= scanner.largest_gain
    assert scanner.noise(scanner.largest_gain) <= max(MAX_NOISE, scanner.noise(1.0))
    careful = replace(scanner, max_noise=MAX_NOISE_OF_ONE_SCANNER)
    assert careful.largest_gain < scanner.largest_gain or scanner.largest_gain == 1
    assert careful.noise(careful.largest_gain) <= max(MAX_NOISE_OF_ONE_SCANNER, scanner.noise(1.0))


@pytest.mark.thorough
def test_noise_is_that_of_a_simulated_scan(water):
    settings = MVCTSettings(matrix=144, views=120, kernel=0.85, blur_fwhm_mm=1.9, photons=1.2e4)
    standard = MVCTSettings(matrix=144, views=120)

    def noise(made_by, resolution=None):
        scans = [simulate_mvct(water, replace(made_by, seed=seed)) for seed in (1, 2)]
        first, second = (scan if resolution is None else resolution.matched(scan) for scan in scans)
        return (first.array - second.array.astype(float))[0, 64:80, 64:80].std()

    scanner = Resolution.of(settings)
    assert noise(settings) / noise(standard) == pytest.approx(scanner.noise(1.0), rel=0.2)
    assert noise(settings, scanner) / noise(standard) == pytest.approx(scanner.noise(scanner.largest_gain), rel=0.2)


def test_softer_scanner_shows_half_of_the_contrast_at_fewer_line_pairs():
    frequency = Resolution().half_per_cm / 10
    assert Resolution().modulation(np.array(frequency)) == pytest.approx(0.5, abs=1e-3)
    assert Resolution(kernel=0.7).half_per_cm < Resolution().half_per_cm < Resolution(kernel=1.5).half_per_cm


@pytest.mark.parametrize(("values", "words"), [({"kernel": 0}, "kernel"), ({"max_noise": 0}, "must be above zero")])
def test_resolution_that_no_scanner_has_is_refused(values, words):
    with pytest.raises(InputError, match=words):
        Resolution(**values)
